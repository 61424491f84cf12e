"""The benchmarks' arithmetic: what alternated turns come to, and what a table says of it."""

from __future__ import annotations

from benchmarks.compare import Target, Turn, ratio, side, table


def test_a_side_is_told_by_its_medians():
    """One turn in which a neighbour took the core must not be the figure."""
    turns = [Turn(1000, 1.0, 2.0), Turn(1000, 0.5, 1.0), Turn(1000, 10.0, 50.0)]
    found = side(turns)
    assert (found["per_cpu_second"], found["per_second"]) == (1000, 500)
    assert found["us_of_cpu_each"] == 1000.0
    assert [each["wall_s"] for each in found["each_turn"]] == [2.0, 1.0, 50.0]


def test_a_ratio_is_taken_within_each_pair_of_turns():
    """A busy spell bends both of a pair alike; medians of each side apart would mix spells."""
    ours = [Turn(100, 1.0, 1.0), Turn(100, 4.0, 4.0), Turn(100, 2.0, 2.0)]
    theirs = [Turn(100, 0.5, 1.0), Turn(100, 2.0, 4.0), Turn(100, 1.0, 1.0)]
    found = ratio({"a": ours, "b": theirs}, Target("a", "b", "cpu", 0.5))
    assert found is not None
    assert (found["ratio"], found["range"], found["met"]) == (0.5, [0.5, 0.5], True)
    slow = ratio({"a": ours, "b": theirs}, Target("a", "b", "wall", 1.1))
    assert slow is not None
    assert (slow["ratio"], slow["met"]) == (1.0, False)


def test_sides_of_different_work_are_compared_by_their_rates():
    """A yardstick that costs ten times as much gets fewer messages, and the ratio must not care."""
    found = ratio({"a": [Turn(100, 1.0, 1.0)], "b": [Turn(10, 0.5, 1.0)]}, Target("a", "b", "cpu"))
    assert found is not None
    assert found["ratio"] == 5.0
    assert found["met"] is None


def test_an_absent_yardstick_gives_no_ratio():
    """A machine without the yardstick must say so, and must not pass."""
    assert ratio({"a": [Turn(1, 1.0, 1.0)]}, Target("a", "b", "cpu", 0.5)) is None


def test_a_table_lines_up_and_shouts_what_is_missed():
    """It is read in a terminal and in Markdown alike."""
    text = table([["bridge", 32971, 0.942, True], ["sink", 80, None, False]], ("side", "rate", "ratio", "met"))
    lines = text.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "32,971" in lines[2]
    assert lines[2].endswith("met |")
    assert "| - |" in lines[3].replace("     ", " ")
    assert "MISSED" in lines[3]
