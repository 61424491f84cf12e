"""Rates of the operations page."""

from __future__ import annotations

from dashboards.rates import METRICS_MAX, Rates, parse_metrics


def test_a_rate_needs_two_looks_and_never_is_negative():
    """A counter that begins anew is a service that was restarted, not minus a million readings."""
    rates = Rates()
    assert rates.per_second("readings", 100, 10.0) is None
    assert rates.per_second("readings", 150, 15.0) == 10
    assert rates.per_second("readings", 0, 20.0) is None
    assert rates.per_second("readings", 0, 25.0) == 0


def test_what_comes_in_bursts_has_a_steady_rate():
    """Windows come each ten seconds: looked at every five, they would flicker between nothing and much."""
    rates = Rates()
    told = [rates.per_second("windows", 100 * (now // 10), float(now)) for now in range(0, 120, 5)]
    assert {each for each in told[-10:] if each is not None} <= {10.0, 8.57, 11.43}
    assert min(each for each in told[-10:] if each is not None) > 8


def test_what_does_not_grow_says_since_when():
    """A rate of zero does not tell a pause of six seconds from one of six hours."""
    rates = Rates()
    assert rates.quiet_ms("feed", 0.0) is None
    for count, now in ((1, 0.0), (2, 5.0), (2, 10.0)):
        rates.per_second("feed", count, now)
    assert rates.quiet_ms("feed", 10.0) == 5000


def test_vigils_own_numbers_are_read_from_prometheus_text():
    """Buckets and foreign metrics would bury the few numbers that somebody looks for."""
    text = """# HELP vigil_sink_rows_total rows
vigil_sink_rows_total{outcome="stored"} 12.0
vigil_lag_seconds_bucket{le="1"} 4.0
vigil_sink_rows_created{outcome="stored"} 1.7e9
python_info 1.0
vigil_feed_clients NaN
vigil_clients 3
"""
    assert parse_metrics(text) == {'vigil_sink_rows_total{outcome="stored"}': 12, "vigil_clients": 3}
    assert len(parse_metrics("\n".join(f"vigil_x_{n} 1" for n in range(2000)))) == METRICS_MAX
