"""The people of a split, and what their photographs can show.

In: `Still` objects and a function that decodes a photograph. Out: `Subjects`, which holds a `Person` for every scene
with enough photographs, and photographs of visitors.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gifcue.reactions.settings import LabelSettings
from gifcue_lab.synthesis.cutouts import Fill, find_fillers
from gifcue_lab.synthesis.subjects import NEUTRAL, Still, sort_scenes
from gifcue_lab.training.samples import NONE, Image, Photo

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
    """

    people: tuple[Person, ...]
    visitors: Mapping[str, tuple[Still, ...]]
    stills: Mapping[str, Still] = field(repr=False)


def find_subjects(
    stills: Sequence[Still],
    labels: Mapping[str, LabelSettings],
    read: Callable[[Photo], Image],
    track: Callable[[Iterable[list[Still]]], Iterable[list[Still]]],
) -> Subjects:
    """Sorts photographs by people and scenes. `read` decodes a photograph, `track` shows progress over groups."""
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
    return Subjects(tuple(people), visitors, {still.name: still for still in stills})


def _is_close(still: Still) -> bool:
    if still.face is None or still.gesture != NONE:
        return False
    return float(still.face.box[3] - still.face.box[1]) >= MIN_VISITOR_FACE * still.photo.height
