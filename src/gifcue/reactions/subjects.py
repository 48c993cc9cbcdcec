"""Whose reactions count, and where hands are in relation to faces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gifcue.protocol.geometry import Box
from gifcue.protocol.subjects import SubjectPolicy
from gifcue.reactions.settings import PlacementSettings
from gifcue.reactions.tracks import Track

# Added to the distance from the centre of the frame, in shares of its sides. Two faces within a twentieth of the
# centre count as about equally near.
CENTRE_OFFSET = 0.05
# The height of a hand where no face is in sight, in heights of a face above the chin.
LOWEST = -10.0


class SubjectChooser:
    """Chooses the tracks that count, by the room's subject policy."""

    def __init__(self, policy: SubjectPolicy, takeover: float) -> None:
        self._policy = policy
        self._takeover = takeover
        self._subject: int | None = None

    def choose(self, tracks: Sequence[Track]) -> set[int]:
        """The numbers of the tracks that count: the subject's face, and the hands nearer to it than to other faces.

        Every hand counts while no face is in sight.
        """
        faces = [track for track in tracks if track.kind == "face"]
        if self._policy is SubjectPolicy.ALL or not faces:
            return {track.number for track in tracks}
        best = max(faces, key=lambda face: (self._rank(face), -face.number))
        current = next((face for face in faces if face.number == self._subject), None)
        if current is None or self._rank(best) > self._takeover * self._rank(current):
            current = best
        self._subject = current.number
        chosen = {current.number}
        for hand in tracks:
            if hand.kind == "hand" and nearest_face(hand, faces) is current:
                chosen.add(hand.number)
        return chosen

    def reset(self) -> None:
        """Forgets the subject."""
        self._subject = None

    def _rank(self, face: Track) -> float:
        if self._policy is SubjectPolicy.LARGEST:
            return face.box.area
        y, x = face.box.center
        return 1.0 / (CENTRE_OFFSET + abs(x - 0.5) + abs(y - 0.5))


class HiddenFaces:
    """Remembers faces that a hand has come to cover.

    The detector loses such a face, but the hand is still over a face. The face is remembered where it was last seen
    while a hand covers it and `hidden_s` longer, or until a face is detected there again.
    """

    def __init__(self, settings: PlacementSettings) -> None:
        self._settings = settings
        # Each with when it was last seen or had a hand over it.
        self._known: dict[int, tuple[Track, float]] = {}

    @property
    def faces(self) -> Sequence[Track]:
        """The faces in sight and those that are hidden."""
        return [face for face, _ in self._known.values()]

    def update(self, tracks: Sequence[Track], at_s: float) -> None:
        """Takes the tracks after a frame."""
        faces = {track.number: track for track in tracks if track.kind == "face"}
        hands = [track for track in tracks if track.kind == "hand"]
        known = {number: (face, at_s) for number, face in faces.items()}
        for number, (face, last_s) in self._known.items():
            if number in faces or any(face.box.iou(other.box) > 0.0 for other in faces.values()):
                continue
            if any(_share(hand.box, face.box) >= self._settings.hiding_share for hand in hands):
                last_s = at_s
            if at_s - last_s <= self._settings.hidden_s:
                known[number] = face, last_s
        self._known = known

    def reset(self) -> None:
        """Forgets everything."""
        self._known = {}


def nearest_face(hand: Track, faces: Iterable[Track]) -> Track | None:
    """The face that a hand probably belongs to; None without faces.

    Distances are in sizes of the face, since a larger face is nearer to the camera and so are its hands.
    """

    def away(face: Track) -> tuple[float, int]:
        height, width = face.box.height, face.box.width
        (y, x), (face_y, face_x) = hand.box.center, face.box.center
        return ((y - face_y) / height) ** 2 + ((x - face_x) / width) ** 2, face.number

    return min(faces, key=away, default=None)


def face_cover(hand: Track, faces: Iterable[Track]) -> float:
    """The largest share of the hand's box that lies over any one face, 0..1."""
    return max((_share(hand.box, face.box) for face in faces), default=0.0)


def height_above_chin(hand: Track, faces: Iterable[Track]) -> float:
    """How far the middle of the hand is above the chin of the nearest face, in heights of that face. It is negative for
    a hand below it, and `LOWEST` without faces.
    """
    face = nearest_face(hand, faces)
    if face is None or face.box.height <= 0.0:
        return LOWEST
    return max(LOWEST, (face.box.ymax - hand.box.center[0]) / face.box.height)


def chin_cover(face: Track, hands: Iterable[Box], settings: PlacementSettings) -> float:
    """The largest share of any one hand's box that is at the face's chin or cheek, or in front of the camera there."""
    box = face.box
    chin = Box(
        box.ymin + settings.chin_top * box.height,
        box.xmin - settings.chin_side * box.width,
        box.ymin + settings.chin_bottom * box.height,
        box.xmax + settings.chin_side * box.width,
    )
    return max((_share(hand, chin) for hand in hands), default=0.0)


def _share(box: Box, within: Box) -> float:
    height = min(box.ymax, within.ymax) - max(box.ymin, within.ymin)
    width = min(box.xmax, within.xmax) - max(box.xmin, within.xmin)
    if height <= 0.0 or width <= 0.0 or box.area <= 0.0:
        return 0.0
    return height * width / box.area
