"""Tables of slots: who has which row, what a row holds before anybody wrote it, and which device a patient wears."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from stream.series import (
    ARROW_SCHEMES,
    CAPACITY,
    LONG_AGO,
    TICK_SLOT,
    WIDE,
    Floats,
    Ints,
    Patients,
    Ranks,
    Series,
    Table,
)
from tests.columns import BOOL, BYTE, FLOAT, LONG, columns
from tests.logs import T0, worn
from vitals.codecs.state import State, decode, encode
from vitals.control import WornDevice
from vitals.metrics import GLUCOSE, HEART_RATE, MINUTE_US, SECOND_US
from vitals.policies import DEFAULT
from vitals.topics import TICK_KEY, device_id, patient_id

OTHER = DEFAULT.model_copy(update={"version": 2})


class Two(Table):
    """A table of two columns."""

    FILL: ClassVar[dict[str, float]] = {"since": LONG_AGO}

    def __init__(self) -> None:
        self.since: Ints = self.column("since", np.int64).astype(np.int64)
        self.pair: Floats = self.column("pair", np.float64, 2).astype(np.float64)
        self.names = ["no column"]


def test_a_new_row_holds_what_its_column_says() -> None:
    """A series that has never been heard of was last heard long ago, not in 1970."""
    made = Two()
    assert (made.since.tolist(), made.since.dtype) == ([LONG_AGO] * CAPACITY, np.dtype(np.int64))
    assert (made.pair.tolist(), made.pair.dtype) == ([[0.0, 0.0]] * CAPACITY, np.dtype(np.float64))


def test_a_table_grows_with_what_is_there() -> None:
    """Patients are bound while others are monitored: nobody's row moves, and new ones are as at first."""
    made = Two()
    made.since[3], made.pair[3] = 7, (1.5, 2.5)
    made.grow(CAPACITY + 4)
    assert made.capacity == CAPACITY + 4
    assert made.since.tolist() == [LONG_AGO] * 3 + [7] + [LONG_AGO] * CAPACITY
    assert (made.pair[3].tolist(), made.pair.sum()) == ([1.5, 2.5], 4.0)
    assert made.pair.shape == (CAPACITY + 4, 2)
    assert made.names == ["no column"]


class Wide(Table):
    """A table of rings: one of nothing but zeros, one that is filled with something else."""

    FILL: ClassVar[dict[str, float]] = {"since": LONG_AGO}

    def __init__(self) -> None:
        self.ring: Floats = self.column("ring", np.float64, WIDE).astype(np.float64)
        self.since: Ints = self.column("since", np.int64, 2 * WIDE).astype(np.int64)


def test_rings_grow_and_are_restored_with_what_is_in_them() -> None:
    """Rows of nothing are not copied, since that would take memory for patients without the metric; all others are."""
    made, other = Wide(), Wide()
    made.ring[2, 5], made.since[3, 7] = 1.5, 7
    made.grow(CAPACITY + 4)
    assert made.ring.shape == (CAPACITY + 4, WIDE)
    assert made.ring[2, 5] == made.ring.sum() == 1.5
    assert made.since[3, 7] == 7
    assert np.count_nonzero(made.since != LONG_AGO) == 1
    other.put(made.rows(np.array([3, 2])))
    assert other.ring[1, 5] == other.ring.sum() == 1.5
    assert other.since[0, 7] == 7
    assert np.count_nonzero(other.since != LONG_AGO) == 1
    assert other.ring.shape == (CAPACITY, WIDE)


def test_two_tables_share_no_rings() -> None:
    """Each has pages of its own, also where processes fork."""
    made, other = Wide(), Wide()
    for table in (made, other):
        table.grow(CAPACITY + 1)
    made.ring[0, 0] = 1.0
    assert not other.ring.any()


def test_rows_of_a_snapshot_are_the_first_of_a_table() -> None:
    """In the order they are asked for; what is behind them stays."""
    made, other = Two(), Two()
    made.since[:3], made.pair[:3, 0] = [5, 6, 7], [0.5, 0.25, 0.75]
    rows = made.rows(np.array([2, 0]))
    made.since[:3] = 0
    assert {name: column.tolist() for name, column in rows.items()} == {"since": [7, 5], "pair": [[0.75, 0], [0.5, 0]]}
    other.put(rows)
    assert other.since.tolist() == [7, 5] + [LONG_AGO] * (CAPACITY - 2)
    assert other.pair[:2, 0].tolist() == [0.75, 0.5]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (np.zeros(2, np.float64), r"^column since is float64\(2,\), not int64\(16,\)$"),
        (np.zeros((2, 1), np.int64), r"^column since is int64\(2, 1\), not int64\(16,\)$"),
    ],
)
def test_a_column_of_another_kind_is_refused(column: np.ndarray, words: str) -> None:
    """A snapshot of another version would be taken bit by bit for something that it is not."""
    with pytest.raises(ValueError, match=words):
        Two().put({"since": column, "pair": np.zeros((2, 2))})
    with pytest.raises(KeyError):
        Two().put({"since": np.zeros(2, np.int64)})


def stored(state: State) -> bytes:
    """A state as a snapshot holds it."""
    return b"".join(encode(state))


def known(*names: str) -> Patients:
    """Patients with a control record, slots in this order."""
    patients = Patients()
    for name in names:
        slot = patients.add(patient_id(name).bytes)
        patients.labels[slot] = name
        patients.take(slot, DEFAULT)
    return patients


def test_a_key_has_one_slot_and_slots_are_counted_from_zero() -> None:
    """The slot is the row of every table; a tick's key has one that is nobody's."""
    patients = Patients()
    ann, bob = patient_id("ann").bytes, patient_id("bob").bytes
    assert [patients.add(key) for key in (ann, bob, ann)] == [0, 1, 0]
    assert (patients.keys, patients.slot_of) == ([ann, bob], {TICK_KEY: TICK_SLOT, ann: 0, bob: 1})
    assert (patients.labels, patients.versions, patients.closings) == (["", ""], [0, 0], [0, 0])
    assert (patients.policies, patients.kind, patients.id(1)) == ([None, None], [0, 0], patient_id("bob"))


def test_a_patients_policy_is_known_from_its_control_record_on() -> None:
    """Series exist only from then on; asked for it before, the error is ours."""
    patients = known("ann")
    assert patients.policy(0) is DEFAULT
    patients.add(patient_id("bob").bytes)
    with pytest.raises(AssertionError, match=r"^series exist only from a control record on$"):
        patients.policy(1)


def test_the_part_in_force_goes_before_the_whole() -> None:
    """Whoever has a night has it only at night; the snapshot keeps the whole, and the clock says which part."""
    patients = known("ann", "bob")
    patients.parts[0] = OTHER
    assert [patients.policy(slot) for slot in (0, 1)] == [OTHER, DEFAULT]
    assert [patients.whole(slot) for slot in (0, 1)] == [DEFAULT, DEFAULT]
    assert patients.state(patients.order())["policies"] == [DEFAULT]


def test_equal_policies_are_one() -> None:
    """Ten thousand patients have three: each with its own would fill memory and snapshots."""
    patients = known("ann", "bob", "cyd")
    patients.take(1, DEFAULT.model_copy(deep=True))
    patients.take(2, OTHER)
    assert [patients.policy(slot) is DEFAULT for slot in range(3)] == [True, True, False]
    assert patients.kind == [1, 1, 2]


def test_a_policy_that_nobody_has_any_more_is_forgotten() -> None:
    """A ward whose policies are changed for years would keep every one of them."""
    patients = known("ann", "bob")
    for version in range(2, 1000):
        patients.take(version % 2, DEFAULT.model_copy(update={"version": version}))
        assert max(patients.kind) <= 3
    patients.take(0, OTHER)
    patients.take(1, OTHER)
    patients.take(1, DEFAULT)
    assert (patients.policy(0), patients.policy(1)) == (OTHER, DEFAULT)
    assert patients.state(patients.order())["policies"] in ([OTHER, DEFAULT], [DEFAULT, OTHER])


def test_the_patients_of_a_site_are_those_with_a_slot() -> None:
    """Rows that nobody has yet are of site 0, and so is nobody."""
    patients = known("ann", "bob", "cyd")
    patients.site[:3] = [2, 0, 2]
    assert patients.of_site(2).tolist() == [0, 2]
    assert patients.of_site(0).tolist() == [1]


def test_a_snapshot_knows_patients_by_key_whatever_order_they_came_in() -> None:
    """Two snapshots of one log must be the same bytes; who only sent readings so far is in none."""
    names = sorted(("ann", "bob", "cyd", "dan"), key=lambda name: patient_id(name).bytes)
    states = []
    for order in (names, names[::-1]):
        patients = known(*order)
        patients.add(patient_id("eve").bytes)
        for name, policy, site in zip(names, (DEFAULT, OTHER, DEFAULT, OTHER), (5, 6, 7, 8), strict=True):
            slot = patients.slot_of[patient_id(name).bytes]
            patients.take(slot, policy)
            patients.site[slot] = site
            patients.versions[slot], patients.closings[slot] = site + 10, site + 20
        states.append(stored(patients.state(patients.order())))
    assert states[0] == states[1]
    again = Patients()
    again.restore(decode(states[0]))
    assert (again.labels, again.keys) == (names, [patient_id(name).bytes for name in names])
    assert again.policies == [DEFAULT, OTHER, DEFAULT, OTHER]
    assert again.policies[0] is again.policies[2]
    assert (again.site[:4].tolist(), again.versions, again.closings) == (
        [5, 6, 7, 8],
        [15, 16, 17, 18],
        [25, 26, 27, 28],
    )
    assert [again.slot_of[key] for key in again.keys] == [0, 1, 2, 3]
    assert stored(again.state(again.order())) == states[0]
    again.take(1, DEFAULT)
    assert again.policies[1] is again.policies[0]


def test_restored_tables_have_room_for_all_and_no_less_than_at_first() -> None:
    """The next patient finds a row without all tables growing for him."""
    for count in (1, CAPACITY + 3):
        patients, again = known(*(f"p{number}" for number in range(count))), Patients()
        patients.grow(CAPACITY + 3)
        again.restore(decode(stored(patients.state(patients.order()))))
        assert again.capacity == max(CAPACITY, count)


def test_ranks_are_places_in_the_order_of_ids_and_grow_with_the_patients() -> None:
    """Outputs are ordered by them; a slot that came later must not have the place of another."""
    patients = known("ann", "bob")
    ranks = Ranks(patients)
    for name in ("cyd", "dan", "eve", "fay"):
        expected = [sorted(patients.keys).index(key) for key in patients.keys]
        assert ranks.of(np.arange(len(expected))).tolist() == expected
        assert ranks.of(np.array([1])).tolist() == [expected[1]]
        patients.add(patient_id(name).bytes)


def test_a_binding_says_what_to_expect_of_a_series() -> None:
    """Interval, gap, silence, warm-up, range and arrows are the device type's, not the metric's."""
    series = Series(GLUCOSE)
    assert series.device_name(3) is None
    assert series.wear(3, (worn("ann", "cgm-1", "dexcom", T0),))
    assert (series.exists.nonzero()[0].tolist(), series.bound.nonzero()[0].tolist()) == ([3], [3])
    assert (series.interval[3], series.gap[3], series.silent_after[3]) == tuple(
        minutes * MINUTE_US for minutes in (5, 11, 20)
    )
    assert (series.waits_from[3], series.below[3], series.above[3]) == (T0 + 120 * MINUTE_US, 39, 401)
    assert ARROW_SCHEMES[series.scheme[3]] == "dexcom"
    series.wear(4, (worn("bob", "cgm-2", "libre-history", T0),))
    assert (series.gap[4], series.silent_after[4], series.waits_from[4]) == (33 * MINUTE_US, 33 * MINUTE_US, T0)
    assert (ARROW_SCHEMES[series.scheme[4]], series.interval[0]) == ("libre", 1)
    assert (series.device_name(3), series.device_name(4)) == ("cgm-1", "cgm-2")


@pytest.mark.parametrize("turned", [1, -1])
def test_of_several_devices_the_latest_open_one_is_worn(turned: int) -> None:
    """A sensor that was taken off later than the new one was put on is off all the same."""
    series = Series(GLUCOSE)
    devices = (
        worn("ann", "off-late", "dexcom", T0 + 9, T0 + 20),
        worn("ann", "open-a", "libre", T0 + 5),
        worn("ann", "open-b", "t1d-uom-15min", T0 + 5),
        worn("ann", "open-old", "libre", T0 + 1),
        worn("ann", "wrist", "wrist", T0 + 30),
    )
    series.wear(0, devices[::turned])
    assert (series.device_name(0), series.interval[0], bool(series.bound[0])) == ("open-b", 15 * MINUTE_US, True)
    series.wear(0, (*devices[:1], worn("ann", "off", "libre", T0 + 5, T0 + 30)))
    assert (series.device_name(0), bool(series.bound[0]), bool(series.exists[0])) == ("off-late", False, True)


ON, OFF, MOVED, REPLACED = (
    worn("ann", "cgm-1", "dexcom", T0),
    worn("ann", "cgm-1", "dexcom", T0, T0 + 9),
    worn("ann", "cgm-1", "dexcom", T0 + 5),
    worn("ann", "cgm-2", "dexcom", T0),
)
WRIST = worn("ann", "wrist", "wrist", T0)


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ((), (ON,), True),
        ((ON,), (ON,), False),
        ((ON,), (ON, WRIST), False),
        ((ON,), (OFF,), True),
        ((OFF,), (OFF,), False),
        ((), (OFF,), False),
        ((ON,), (MOVED,), True),
        ((ON,), (REPLACED,), True),
        ((ON,), (), True),
        ((ON,), (WRIST,), True),
        ((OFF,), (WRIST,), False),
        ((), (WRIST,), False),
    ],
)
def test_another_binding_is_told_from_the_same_one(
    before: tuple[WornDevice, ...], after: tuple[WornDevice, ...], changes: bool
) -> None:
    """A control record comes again daily: silence starts anew only where somebody put on something else."""
    series = Series(GLUCOSE)
    series.wear(0, before)
    assert series.wear(0, after) == changes
    assert bool(series.bound[0]) == any(
        each.binding.until is None and each.type.stream("glucose") is not None for each in after
    )


def test_who_wears_nothing_any_more_keeps_the_name_of_the_last_device() -> None:
    """An open alarm still says whose it was."""
    series = Series(GLUCOSE)
    series.wear(0, (ON,))
    series.wear(0, ())
    assert (series.device_name(0), bool(series.exists[0]), bool(series.bound[0])) == ("cgm-1", True, False)


def test_silence_counts_from_the_last_arrival_or_the_end_of_warm_up() -> None:
    """Whichever is later: a fresh sensor has its two hours, whatever the one before it said."""
    series = Series(GLUCOSE)
    series.wear(0, (ON,))
    series.wear(1, (ON,))
    series.dec_rx[1] = T0 + 121 * MINUTE_US
    assert series.base(np.array([1, 0])).tolist() == [T0 + 121 * MINUTE_US, T0 + 120 * MINUTE_US]
    assert series.base(np.array([2])).tolist() == [LONG_AGO]


def test_restored_series_know_their_devices_by_their_new_numbers() -> None:
    """Else the next control record would take the same sensor for a new one, and close what is open."""
    series, again = Series(HEART_RATE), Series(HEART_RATE)
    series.wear(4, (WRIST,))
    series.wear(2, (worn("bob", "wrist-2", "wrist-5min", T0 + 3, T0 + 8),))
    series.last_e[4], series.dec_value[4] = T0 + 7, 61.5
    again.restore(decode(stored(series.state(np.array([4, 9, 2])))))
    assert {slot: tuple(each) for slot, each in again.worn.items()} == {
        0: ("wrist", device_id("wrist").bytes, T0, None),
        2: ("wrist-2", device_id("wrist-2").bytes, T0 + 3, T0 + 8),
    }
    assert (again.last_e[0], again.dec_value[0], again.last_e[1], again.dec_e[0]) == (T0 + 7, 61.5, LONG_AGO, LONG_AGO)
    assert again.interval[:3].tolist() == [SECOND_US, 1, 5 * MINUTE_US]
    assert not again.wear(0, (WRIST,))
    assert again.device_name(1) is None


def test_the_columns_of_series_have_the_types_that_snapshots_hold() -> None:
    """A snapshot is read column by column: with another type, all that are kept could not be read any more."""
    expected = dict.fromkeys(("last_e", "dec_e", "dec_rx", "waits_from"), LONG._replace(new=LONG_AGO))
    expected |= {"interval": LONG._replace(new=1), "gap": LONG, "silent_after": LONG, "exists": BOOL, "bound": BOOL}
    expected |= dict.fromkeys(("below", "above", "dec_value"), FLOAT) | {"dec_censored": BYTE, "scheme": BYTE}
    assert columns(Series(GLUCOSE)) == expected
    assert columns(Patients()) == {"site": LONG}


def test_a_snapshot_of_nobody_has_the_columns_of_any() -> None:
    """A partition without patients has snapshots, too: its columns must not be floats for want of numbers."""
    for patients in (Patients(), known("ann")):
        order = patients.order()
        state = patients.state(order)
        kinds = {name: each.dtype.str[1:] for name, each in state.items() if isinstance(each, np.ndarray)}
        assert order.dtype == np.intp
        assert kinds == {"keys": "V16", "versions": "i8", "closings": "i8", "policy": "i4"}
    again = Patients()
    again.restore(decode(stored(Patients().state(Patients().order()))))
    assert (again.keys, again.capacity) == ([], CAPACITY)
