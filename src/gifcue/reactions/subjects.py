"""Whose reactions count, and how hands lie to faces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gifcue.detect.regions import Box
from gifcue.reactions.settings import SubjectPolicy
from gifcue.reactions.tracks import Track

# Another face takes over only when it is larger, or nearer to the centre, by this factor: two people of one
# size would otherwise take turns from frame to frame.
TAKEOVER = 1.3
# Chin and cheeks: from here down, in face heights from its upper edge, to here below it, and this far to
# both sides in face widths.
CHIN_TOP, CHIN_BOTTOM, CHIN_SIDE = 0.45, 1.35, 0.25
# Share of a hand's box in that part of the face from which it is at chin or cheek. Of the labelled
# photographs, it holds for 98 % of the faces that think and for 11 % of the neutral ones.
AT_FACE_SHARE = 0.3


class SubjectChooser:
    """Chooses the tracks that count, by the room's policy."""

    def __init__(self, policy: SubjectPolicy) -> None:
        self._policy = policy
        self._subject: int | None = None

    def choose(self, tracks: Sequence[Track]) -> set[int]:
        """The numbers of the tracks that count: the subject's face and the hands nearer to it than to other
        faces.

        With no face in sight, every hand counts.
        """
        faces = [track for track in tracks if track.kind == "face"]
        if self._policy == "all" or not faces:
            return {track.number for track in tracks}
        best = max(faces, key=lambda face: (self._rank(face), -face.number))
        current = next((face for face in faces if face.number == self._subject), None)
        if current is None or self._rank(best) > TAKEOVER * self._rank(current):
            current = best
        self._subject = current.number
        chosen = {current.number}
        for hand in tracks:
            if hand.kind == "hand" and nearest_face(hand, faces) is current:
                chosen.add(hand.number)
        return chosen

    def reset(self) -> None:
        """Forgets who it was."""
        self._subject = None

    def _rank(self, face: Track) -> float:
        if self._policy == "largest":
            return face.box.area
        y, x = face.box.center
        return 1.0 / (0.05 + abs(x - 0.5) + abs(y - 0.5))


def nearest_face(hand: Track, faces: Iterable[Track]) -> Track | None:
    """The face that a hand is likely to belong to.

    In sizes of the face: arms are as long as people are large.
    """

    def away(face: Track) -> tuple[float, int]:
        height, width = face.box.height, face.box.width
        (y, x), (face_y, face_x) = hand.box.center, face.box.center
        return ((y - face_y) / height) ** 2 + ((x - face_x) / width) ** 2, face.number

    return min(faces, key=away, default=None)


def face_cover(hand: Track, faces: Iterable[Track]) -> float:
    """The largest share of the hand's box that lies over one face, 0..1."""
    return max((_share(hand.box, face.box) for face in faces), default=0.0)


def has_hand(face: Track, hands: Iterable[Box]) -> bool:
    """True where a hand's box is at the face's chin or cheek, or seems so: a hand in front of it does too."""
    box = face.box
    chin = Box(
        box.ymin + CHIN_TOP * box.height,
        box.xmin - CHIN_SIDE * box.width,
        box.ymin + CHIN_BOTTOM * box.height,
        box.xmax + CHIN_SIDE * box.width,
    )
    return any(_share(hand, chin) >= AT_FACE_SHARE for hand in hands)


def _share(box: Box, within: Box) -> float:
    height = min(box.ymax, within.ymax) - max(box.ymin, within.ymin)
    width = min(box.xmax, within.xmax) - max(box.xmin, within.xmin)
    if height <= 0.0 or width <= 0.0 or box.area <= 0.0:
        return 0.0
    return height * width / box.area
