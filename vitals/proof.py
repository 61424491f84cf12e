"""Proof of life: one synthetic patient per site whose alarm crosses the whole chain, over and over.

The prover sends a low and then a normal reading as the device `device_name`; the alert that follows is shown to nobody
and stored nowhere, but the gateway says in every heartbeat when it last saw one of each site.
"""

from __future__ import annotations

from vitals.messages import NAME_CHARACTERS_MAX
from vitals.metrics import SECOND_US
from vitals.policies import Level, Policy, Response, ThresholdRule

RULE = "proof"
EVERY_US = 10 * SECOND_US
"""How often a site's alarm is proved."""
FAILED_US = 30 * SECOND_US
"""Without a proof for so long it has failed, and somebody must know."""
LOW, NORMAL = 40, 100
"""The two readings, mg/dL."""
_PREFIX = "proof."
SITE_CHARACTERS_MAX = NAME_CHARACTERS_MAX - len(_PREFIX)
"""Of a site's name: that of its synthetic patient is a name too, or the site could never be proved."""
_QUIET = Response(repeat_us=None, hold_us=60 * SECOND_US, lead_us=None, all_us=None)


def _level(number: int, limit: float) -> Level:
    return Level.model_validate(
        {
            "number": number,
            "limit": limit,
            "on_span_us": 0,
            "quick_limit": limit,
            "quick_span_us": 0,
            "slow_span_us": 0,
            "priority": "low",
            "response": _QUIET,
        }
    )


POLICY = Policy(
    version=1,
    thresholds=(ThresholdRule(name=RULE, metric="glucose", side="low", levels=(_level(1, 70), _level(2, 30))),),
    signals=(),
)
"""The only rule of a synthetic patient: on and off at once."""


def patient_name(site: str) -> str:
    """The pseudonym of a site's synthetic patient."""
    return f"{_PREFIX}{site}"


def device_name(site: str) -> str:
    """The name of a site's synthetic device."""
    return f"{_PREFIX}{site}"


def is_proof(label: str) -> bool:
    """Whether a pseudonym, or a device's name, is synthetic."""
    return label.startswith(_PREFIX)
