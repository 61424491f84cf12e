"""What the sink and the readers of its tables agree on: under which name the database knows a log."""

from __future__ import annotations


def log_name(cluster_id: str, namespace: str) -> str:
    """Kafka's cluster id and our namespace on it: two namespaces, and a cluster made anew, never share positions."""
    return f"{cluster_id}/{namespace}" if namespace else cluster_id
