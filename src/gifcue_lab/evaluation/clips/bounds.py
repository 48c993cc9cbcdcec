"""What a count says about the rate behind it: exact 95 % bounds for false reactions, and intervals for recall.

False reactions are taken as a Poisson process, found reactions as independent trials. Reactions of one person resemble
each other, so the true uncertainty is larger where few people were filmed.
"""

from __future__ import annotations

from scipy.stats import binomtest, chi2

LEVEL = 0.95
SECONDS_PER_HOUR = 3600.0


def rate_upper_bound(events: int, hours: float) -> float | None:
    """The one-sided exact 95 % upper bound of a Poisson rate, in events per hour; None without any time.

    With a greater rate, so few events would be seen in less than 5 % of all recordings of this length. Without an event
    it is 3.0 events divided by the time.
    """
    if hours <= 0:
        return None
    return float(chi2.ppf(LEVEL, 2 * (events + 1)) / 2 / hours)


def share_interval(found: int, of: int) -> tuple[float, float] | None:
    """The two-sided exact 95 % interval of a share (Clopper and Pearson), 0..1; None if there is nothing to find."""
    if of <= 0:
        return None
    interval = binomtest(found, of).proportion_ci(LEVEL, method="exact")
    return float(interval.low), float(interval.high)
