"""The rooms of a simulated day, and closed forms to check the simulation against."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from benchmarks.fleet_inputs import HOUR_S, MINUTE_S, Inputs

Floats = NDArray[np.float64]
_STEP_S = MINUTE_S
# The day begins where the fewest are in meetings, so that the simulation can begin without rooms.
DAY_BEGINS_S = 3 * HOUR_S


@dataclass(frozen=True)
class Load:
    """Rooms in the order of their beginning; times in seconds from the day's beginning."""

    begins_s: Floats
    durations_s: Floats
    sizes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.begins_s)


def activity(at_s: Floats) -> Floats:
    """The relative rate at which rooms begin: two humps of a working day over a twentieth of their height."""
    clock_h = ((at_s + DAY_BEGINS_S) / HOUR_S) % 24
    humps = np.exp(-(((clock_h - 10.5) / 1.6) ** 2)) + 0.9 * np.exp(-(((clock_h - 14.75) / 1.9) ** 2))
    shape: Floats = 0.05 + 0.95 * humps
    return shape


def rooms(inputs: Inputs, rng: np.random.Generator) -> Load:
    """A day of rooms: a Poisson process whose expected participants reach `inputs.participants` at the busiest minute.

    A steady load has the same rate all the time, and its participants are the mean.
    """
    rates = _rates(inputs)
    edges = np.arange(len(rates) + 1) * _STEP_S
    cumulated = np.concatenate([[0.0], np.cumsum(rates * _STEP_S)])
    count = int(rng.poisson(cumulated[-1]))
    begins = np.sort(np.interp(rng.uniform(0, cumulated[-1], count), cumulated, edges))
    durations = _durations(inputs, rng.standard_normal(count))
    sizes = rng.choice(np.array(inputs.room_sizes), size=count, p=np.array(inputs.room_shares))
    return Load(begins, durations, sizes)


def _durations(inputs: Inputs, normal: Floats) -> Floats:
    drawn = inputs.duration_median_s * np.exp(inputs.duration_sigma * normal)
    limited: Floats = np.minimum(drawn, inputs.duration_max_s)
    return limited


def mean_duration_s(inputs: Inputs) -> float:
    """The mean duration of a room, from 100,000 quantiles of its distribution."""
    return float(_quantiles(inputs, 100_000).mean())


def _quantiles(inputs: Inputs, count: int) -> Floats:
    shares = (np.arange(count) + 0.5) / count
    inverse = NormalDist().inv_cdf
    return _durations(inputs, np.array([inverse(share) for share in shares]))


def _rates(inputs: Inputs) -> Floats:
    """Rooms a second, in each step of the day."""
    times = np.arange(0, inputs.day_s, _STEP_S)
    if inputs.is_steady:
        return np.full(len(times), inputs.participants / (inputs.mean_size * mean_duration_s(inputs)))
    shape = activity(times)
    # Rooms of a calendar begin from a minute before the half hour to two minutes after it.
    is_sharp = (times + MINUTE_S) % (HOUR_S / 2) < 3 * MINUTE_S
    sharp = shape * is_sharp * (HOUR_S / 2) / (3 * MINUTE_S)
    shape = (1 - inputs.on_the_half_hour) * shape + inputs.on_the_half_hour * sharp
    quantiles = np.sort(_quantiles(inputs, 2000))
    ages = np.arange(0, inputs.duration_max_s, _STEP_S)
    survives = 1 - np.searchsorted(quantiles, ages) / len(quantiles)
    there = np.convolve(shape, survives)[: len(shape)] * _STEP_S * inputs.mean_size
    rates: Floats = shape * inputs.participants / float(there.max())
    return rates


def erlang_b(erlangs: float, places: int) -> float:
    """The share refused by M/G/c/c: `erlangs` offered to `places`, and nobody waits or comes back."""
    blocked = 1.0
    for place in range(1, places + 1):
        blocked = erlangs * blocked / (place + erlangs * blocked)
    return blocked
