"""How a client of the feed comes back."""

from __future__ import annotations

from itertools import accumulate

from alerts.client import back_off


def test_a_client_is_back_soon_after_a_gateway_that_was_killed():
    """A gateway is away for a few seconds; a client that pauses longer than it would add its own blindness to it."""
    tries = [back_off(number) for number in range(1, 40)]
    within = [pause for pause, since in zip(tries, accumulate(tries), strict=True) if since <= 6.0]
    assert max(within) <= 0.5
    assert len(within) == 12


def test_a_client_that_finds_nobody_for_long_pauses_longer():
    """Hundreds of screens must not keep a gateway busy that cannot come up."""
    assert back_off(13) == 1.0
    assert back_off(14) == 2.0
    assert back_off(1000) == 4.0
