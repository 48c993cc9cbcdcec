"""Each attack by itself, beside a bystander."""

from __future__ import annotations

import random

from tests.chaos.attacks import ATTACKS
from tests.chaos.attacks.attack import Attack
from tests.chaos.cases.case import (
    BYSTANDER_P95_MS,
    GAP_STUCK_S,
    Bounds,
    Case,
    Settings,
    beside_bystander,
)
from tests.chaos.findings import Findings
from tests.chaos.server import Checkout, Server

SHARE = Bounds(p95_ms=BYSTANDER_P95_MS)
STUCK = Bounds(gap_s=GAP_STUCK_S)
# The number of the defect in docs/track-record.md, and the bounds where they are not the usual ones.
NUMBERS_AND_BOUNDS: dict[str, tuple[int, Bounds]] = {
    "progressive-stills": (1, STUCK),
    "progressive-participant": (1, STUCK),
    "png-text-bomb": (1, Bounds()),
    "expensive-units": (2, SHARE),
    "expensive-rejoins": (2, SHARE),
    "vp9-superframes": (2, SHARE),
    "flood-4k": (2, SHARE),
    "flood-tiny": (2, SHARE),
    "fast-clock": (2, SHARE),
    "rejoining": (4, Bounds(fault_timeout_s=15.0)),
    "long-names": (4, Bounds()),
    "reference-frames": (4, Bounds()),
    "deep-reference-frames": (4, Bounds()),
    "hidden-references": (4, Bounds()),
    "crowded-references": (4, Bounds()),
    "many-stills": (4, Bounds()),
    "million-empty-frames": (5, SHARE),
    "small-nal-units": (5, SHARE),
    "long-sei": (5, SHARE),
    "empty-obus": (5, SHARE),
    "statistics-flood": (5, SHARE),
    "join-flood": (5, SHARE),
    "label-flood": (5, SHARE),
    "unknown-names": (5, SHARE),
    "half-open-requests": (10, Bounds()),
}
# A participant that is moved between workers needs two of them.
SETTINGS: dict[str, Settings] = {"progressive-participant": {"media": {"workers": 2}}}


def _case(attack: Attack) -> Case:
    number, bounds = NUMBERS_AND_BOUNDS.get(attack.name, (0, Bounds()))

    async def fault(server: Server, chance: random.Random, findings: Findings) -> None:
        await attack.run(server, chance)

    async def run(checkout: Checkout, chance: random.Random) -> Findings:
        return await beside_bystander(checkout, chance, fault, bounds, settings=SETTINGS.get(attack.name))

    return Case(attack.name, attack.summary, run, number)


CASES = tuple(_case(attack) for attack in ATTACKS)
