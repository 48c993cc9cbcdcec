"""Participants: a person in one place, with what can be shown of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gifcue.reactions.settings import LabelSettings
from gifcue_lab.synthesis.cutouts import Fill, find_fillers
from gifcue_lab.synthesis.subjects import NEUTRAL, Still, sort_scenes
from gifcue_lab.training.samples import NONE, Image, Photo

# A scene of fewer photographs shows too little to fill a minute.
MIN_STILLS = 5
# Plates of a scene beyond the best are left alone: the more there are, the worse they fit.
MAX_PLATES = 8
# A visitor's face is at least this share of the photograph's height: small ones are judged elsewhere.
MIN_VISITOR_FACE = 0.15
# A hand that almost covers as much of a face as a policy bears will cover more once both sway.
FACE_COVER_SLACK = 0.15


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in one place. `fills` has the photographs whose hands can be taken out, by name."""

    name: str
    stills: tuple[Still, ...]
    fills: Mapping[str, Fill]
    labels: Mapping[str, LabelSettings]

    @property
    def plates(self) -> list[Still]:
        """Photographs to be shown without hands, best first; only such of known expression where there are any."""
        found = [still for still in self.stills if still.name in self.fills]
        known = [still for still in found if not still.doubtful_faces]
        return sorted(known or found, key=lambda still: self.fills[still.name].seam)[:MAX_PLATES]

    @property
    def movable(self) -> list[Still]:
        """Photographs whose hand can be cut out and moved."""
        return [still for still in self.stills if still.name in self.fills and still.is_one_hand]

    def showing(self, label: str) -> list[Still]:
        """Photographs that show a label, in a way that can be meant.

        What moves must be movable, and a hand before a face is none that a policy answers.
        """
        settings = self.labels[label]
        if settings.kind == "face":
            return [still for still in self.stills if still.expression == label and still.gesture == NONE]
        among = self.stills if settings.motion == "none" else self.movable
        return [
            still
            for still in among
            if still.gesture == label and still.face_cover <= settings.max_face_cover - FACE_COVER_SLACK
        ]

    @property
    def offers(self) -> list[str]:
        """The labels that this person can mean. An expression takes a neutral face to come from."""
        has_neutral = any(still.expression == NEUTRAL for still in self.plates)
        return [
            label
            for label, settings in self.labels.items()
            if self.showing(label) and (settings.kind == "hand" or has_neutral)
        ]


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody of a split. `visitors` are photographs of other people with one known expression, by it."""

    people: tuple[Person, ...]
    visitors: Mapping[str, tuple[Still, ...]]
    stills: Mapping[str, Still] = field(repr=False)


def gather(
    stills: Sequence[Still],
    labels: Mapping[str, LabelSettings],
    read: Callable[[Photo], Image],
    track: Callable[[Iterable[list[Still]]], Iterable[list[Still]]],
) -> Cast:
    """Sorts photographs into people. `read` decodes one; `track` hands the groups on and shows how far it is."""
    groups: dict[str, list[Still]] = defaultdict(list)
    for still in stills:
        groups[still.photo.group].append(still)
    people: list[Person] = []
    in_scenes: set[str] = set()
    for members in track(list(groups.values())):
        if len(members) < MIN_STILLS:
            continue
        images = {still.name: read(still.photo) for still in members}
        for number, scene in enumerate(sort_scenes(members, images)):
            if len(scene) < MIN_STILLS:
                continue
            in_scenes.update(still.name for still in scene)
            fills = find_fillers(scene, images)
            person = Person(f"{scene[0].photo.group}/{number}", tuple(scene), fills, labels)
            if person.movable:
                people.append(person)
    visitors = {
        label: tuple(s for s in stills if s.expression == label and s.name not in in_scenes and _is_close(s))
        for label in (NEUTRAL, *(label for label, each in labels.items() if each.kind == "face"))
    }
    return Cast(tuple(people), visitors, {still.name: still for still in stills})


def _is_close(still: Still) -> bool:
    if still.face is None or still.gesture != NONE:
        return False
    return float(still.face.box[3] - still.face.box[1]) >= MIN_VISITOR_FACE * still.photo.height
