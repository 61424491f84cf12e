"""The kinds of rules that a policy can have: where each stands in it, what its rules are called, what ``on`` gives.

A new kind is a class in `vitals.policies` with a field in `Rules`, and one entry here, in `vitals.bounds.JUDGES`,
`vitals.policy_edits.EDITORS` and `vitals.policy_text.TELLERS`. ``tests/unit/test_policy_kinds.py`` misses none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from vitals import policy_glucose
from vitals.policies import DEFAULT, HEART_RATES, OPTIONAL_HEART_RATES, Rules

Held = TypeVar("Held", bound=Rules)


class Kind(NamedTuple):
    """One kind of rules: its field in `vitals.policies.Rules`, how a rule is called in commands, and by that name what
    a rule is when it is switched on.
    """

    field: str
    name: Callable[[Any], str]
    usual: Mapping[str, Any]

    def rules(self, rules: Rules) -> dict[str, Any]:
        """The rules of this kind, by name in their order; of two with one name the last."""
        return {self.name(rule): rule for rule in getattr(rules, self.field)}

    def ordered(self, rules: Mapping[str, Any]) -> tuple[Any, ...]:
        """These rules: the usual ones in their usual order, then all others."""
        order = [*self.usual, *(name for name in rules if name not in self.usual)]
        return tuple(rules[name] for name in order if name in rules)

    def put(self, policy: Held, rules: Mapping[str, Any]) -> Held:
        """The policy, or its night, with these rules of this kind."""
        return policy.model_copy(update={self.field: self.ordered(rules)})


def _name(rule: Any) -> str:
    return str(rule.name)


def _signal_name(rule: Any) -> str:
    return f"signal.{rule.metric}"


def _kind(field: str, name: Callable[[Any], str] = _name, usual: tuple[Any, ...] | None = None) -> Kind:
    """A kind whose rules are ``usual``, where `DEFAULT` does not have them."""
    rules = getattr(DEFAULT, field) if usual is None else usual
    return Kind(field, name, {name(rule): rule for rule in rules})


KINDS = (
    _kind("thresholds"),
    _kind("windows", usual=(*HEART_RATES, *OPTIONAL_HEART_RATES)),
    _kind("signals", _signal_name),
    _kind("sustained", usual=policy_glucose.SUSTAINED),
    _kind("rates", usual=policy_glucose.RATES),
    _kind("forecasts", usual=policy_glucose.FORECASTS),
)
NAMES = tuple(name for kind in KINDS for name in kind.usual)
"""Every rule that can be ``on`` or ``off``, as far as the bounds allow."""


def owner(change: str) -> tuple[Kind, str] | None:
    """The kind and the rule that ``low.1.limit`` or ``signal.glucose`` speaks of; None where there is none."""
    for kind in KINDS:
        for name in kind.usual:
            if change == name or change.startswith(f"{name}."):
                return kind, name
    return None
