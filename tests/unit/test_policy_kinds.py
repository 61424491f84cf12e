"""The kinds of rules: what one part of Vigil knows of a policy every other knows as well."""

from __future__ import annotations

from vitals.bounds import JUDGES
from vitals.policies import DEFAULT, Rules
from vitals.policy_edits import EDITORS
from vitals.policy_kinds import KINDS, NAMES, owner
from vitals.policy_text import TELLERS


def test_every_kind_of_rule_is_named_judged_changed_and_told():
    """A kind that the bounds forget could be set to anything, one that the words forget would change unseen."""
    fields = set(Rules.model_fields)
    assert {kind.field for kind in KINDS} == fields
    assert set(JUDGES) == set(EDITORS) == set(TELLERS) == fields


def test_no_name_is_the_beginning_of_another():
    """Else ``low.1.limit`` could be about two rules."""
    assert len(set(NAMES)) == len(NAMES)
    for name in NAMES:
        assert [each for each in NAMES if each.startswith(f"{name}.")] == []
        found = owner(f"{name}.priority")
        assert found is not None
        assert found[1] == name


def test_rules_keep_the_usual_order_whatever_order_they_came_in():
    """Else a rule switched off and on again would make two policies of one, and the page would list them anew."""
    for kind in KINDS:
        backwards = dict(reversed(kind.rules(DEFAULT).items()))
        assert kind.put(DEFAULT, backwards) == DEFAULT
