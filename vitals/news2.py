"""The NEWS2 pulse sub-score of a median heart rate (RCP 2017): one part of a score, never a total.

National Early Warning Score 2, Royal College of Physicians, 2017: <= 40: 3; 41-50: 1; 51-90: 0; 91-110: 1;
111-130: 2; >= 131: 3. Its bands are of whole beats; a median between two of them belongs to the worse band above
(130.5 is beyond 130) and to the better one below (40.5 is not at most 40), as in the rules of heart rate.
"""

from __future__ import annotations

from vitals.policies import WindowRule

RULE = "heart_rate_news2"
NAME = "NEWS2 pulse sub-score"
BANDS = ((40.0, 3), (50.0, 1), (90.0, 0), (110.0, 1), (130.0, 2))
"""Up to each of these (/min) the sub-score beside it, from the lowest on; above the last one `WORST`."""
WORST = 3
ABOVE = {2: 110.0, 3: 130.0}
"""From which median on, exclusive, a fast heart has at least this sub-score; a slow one has 3 or less than 2."""
AT_MOST = 40.0


def pulse_score(median: float) -> int:
    """The sub-score of a median heart rate (/min), 0 to 3."""
    return next((score for most, score in BANDS if median <= most), WORST)


def asked(rule: WindowRule) -> int | None:
    """The least sub-score at which a `RULE` turns on; None where its limits are those of none."""
    return next((score for score, above in ABOVE.items() if (rule.on_above, rule.on_at_most) == (above, AT_MOST)), None)


def with_score(rule: WindowRule, score: int) -> WindowRule:
    """The rule that turns on at this sub-score, 2 or 3; what ends it moves along."""
    margin = 0.0 if rule.on_above is None or rule.off_at_most is None else rule.on_above - rule.off_at_most
    return rule.model_copy(update={"on_above": ABOVE[score], "off_at_most": ABOVE[score] - margin})
