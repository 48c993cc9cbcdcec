"""The people of a split, and what their photographs can show.

In: `Still` objects and a function that decodes a photograph. Out: `Subjects`, which holds a `Person` for every scene
with enough photographs, and photographs of visitors.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gifcue.reactions.label_settings import LabelSettings
from gifcue_lab.synthesis.cutouts import Fill, find_fillers
from gifcue_lab.synthesis.subjects import NEUTRAL, Still, sort_scenes
from gifcue_lab.training.samples import NONE, UNKNOWN, Image, Photo

# A scene with fewer photographs shows too little for a minute of video.
MIN_STILLS = 5
# Only the best backgrounds of a scene are used.
MAX_BACKGROUNDS = 8
# Least height of a visitor's face, as a share of the photograph's height.
MIN_VISITOR_FACE = 0.15
# Kept below the policy's limit for the share of a hand in front of a face, because both sway.
FACE_COVER_SLACK = 0.15


@dataclass(frozen=True, slots=True)
class Person:
    """One person in one place.

    Attributes:
        name: the group and the number of the scene.
        stills: the photographs of the scene.
        fills: by name, the photographs whose hands can be removed.
        labels: the settings of all reactions.
    """

    name: str
    stills: tuple[Still, ...]
    fills: Mapping[str, Fill]
    labels: Mapping[str, LabelSettings]

    @property
    def backgrounds(self) -> list[Still]:
        """Photographs whose hands can be removed, best first, with known expressions if there are any of these."""
        found = [still for still in self.stills if still.name in self.fills]
        known = [still for still in found if not still.ambiguous_faces]
        return sorted(known or found, key=lambda still: self.fills[still.name].seam)[:MAX_BACKGROUNDS]

    @property
    def movable(self) -> list[Still]:
        """Photographs with a hand that can be cut out and moved."""
        return [still for still in self.stills if still.name in self.fills and still.is_one_hand]

    @property
    def idle_hands(self) -> list[Still]:
        """Photographs with a hand without a gesture that can be moved anywhere: no edge of the picture cuts its arm."""
        found = [still for still in self.movable if still.gesture == NONE]
        return [still for still in found if _is_inside(still)] or found

    def showing(self, label: str) -> list[Still]:
        """Photographs that can be used to expect a reaction of this label.

        For a label that needs motion the hand must be movable. Hands in front of a face are left out, because the
        policy does not react to them.
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
    def available_labels(self) -> list[str]:
        """The labels that can be shown. An expression also needs a neutral photograph, to begin with."""
        has_neutral = any(still.expression == NEUTRAL for still in self.backgrounds)
        return [
            label
            for label, settings in self.labels.items()
            if self.showing(label) and (settings.kind == "hand" or has_neutral)
        ]


@dataclass(frozen=True, slots=True)
class Subjects:
    """The people of a split.

    Attributes:
        people: those with enough photographs in one place.
        visitors: photographs of other people by their expression.
        stills: all photographs by name.
        strangers: photographs of other people whose faces are known to show none of the labels, nor do their hands as
            far as they are known.
    """

    people: tuple[Person, ...]
    visitors: Mapping[str, tuple[Still, ...]]
    stills: Mapping[str, Still] = field(repr=False)
    strangers: tuple[Still, ...] = ()


def find_subjects(
    stills: Sequence[Still],
    labels: Mapping[str, LabelSettings],
    read: Callable[[Photo], Image],
    track: Callable[[Iterable[list[Still]]], Iterable[list[Still]]],
) -> Subjects:
    """Sorts photographs by people and scenes. `read` decodes a photograph, `track` shows progress over groups."""
    groups: dict[str, list[Still]] = defaultdict(list)
    of_hands = {label for label, each in labels.items() if each.kind == "hand"}
    known = [still for still in stills if still.gesture != UNKNOWN]
    for still in known:
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
        label: tuple(
            s
            for s in known
            if s.expression == label and s.name not in in_scenes and s.gesture == NONE and _is_close(s)
        )
        for label in (NEUTRAL, *(label for label, each in labels.items() if each.kind == "face"))
    }
    strangers = tuple(
        s for s in stills if s.name not in in_scenes and _is_quiet(s, of_hands) and _is_close(s)
    )
    return Subjects(tuple(people), visitors, {still.name: still for still in stills}, strangers)


def _is_inside(still: Still) -> bool:
    """Whether no hand touches the left or the right edge of the photograph."""
    margin = 0.02 * still.photo.width
    return all(margin < hand.box[0] and hand.box[2] < still.photo.width - margin for hand in still.hands)


def _is_quiet(still: Still, of_hands: Collection[str]) -> bool:
    """Whether it shows nothing that is mistaken easily, and no expression. Hands may be unknown.

    A neutral face without a hand is left out: it is seldom mistaken.
    """
    if still.gesture not in (NONE, UNKNOWN) or still.ambiguous - set(of_hands):
        return False
    return bool(still.hands) or any(face.attribute == NONE for face in still.photo.of_kind("face"))


def _is_close(still: Still) -> bool:
    if still.face is None:
        return False
    return float(still.face.box[3] - still.face.box[1]) >= MIN_VISITOR_FACE * still.photo.height
