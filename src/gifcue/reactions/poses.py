"""Which face or hand shows which label, since when, and what it lacks to become a reaction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from gifcue.detect.regions import Region
from gifcue.protocol.geometry import Box
from gifcue.reactions.conditions import Condition, Unmet
from gifcue.reactions.hold import Hold
from gifcue.reactions.label_settings import LabelSettings
from gifcue.reactions.motion import HandMotion
from gifcue.reactions.reaction import Candidate
from gifcue.reactions.settings import ReactionSettings
from gifcue.reactions.subjects import HiddenFaces, chin_cover, face_cover, height_above_chin, nearest_face
from gifcue.reactions.tracks import Track

# Seconds that may be missing from a dwell time: frames' times are fractions that do not add up exactly.
ROUNDING_S = 1e-6

_UNSEEN: Unmet = (Condition.NO_REGION, 0.0, 0.0)
_NO_SUBJECT: Unmet = (Condition.SUBJECT, 0.0, 1.0)


class Poses:
    """The holds of one participant. `labels` are those that can become reactions."""

    def __init__(self, settings: ReactionSettings, labels: Mapping[str, LabelSettings]) -> None:
        self._settings = settings
        self._labels = labels
        self._rivals = {
            label: [name for name, other in labels.items() if name != label and _are_rivals(each, other)]
            for label, each in labels.items()
        }
        self._hidden = HiddenFaces(settings.placement)
        self._motions: dict[int, HandMotion] = {}
        # Time and box of each recent hand, including those of a score too low to be followed.
        self._hands: list[tuple[float, Box]] = []
        self._holds: dict[tuple[int, str], Hold] = {}
        # Since when a pose has been shown from `stay` up, by track and label, without a hold.
        self._nearly: dict[tuple[int, str], float] = {}

    def observe(self, tracks: Sequence[Track], regions: Iterable[Region], at_s: float) -> None:
        """Takes the tracks after an analysed frame, and all regions of that frame."""
        faces = [track for track in tracks if track.kind == "face"]
        for track in tracks:
            if track.kind == "hand" and track.is_seen:
                motion = self._motions.setdefault(track.number, HandMotion(self._settings.swings))
                motion.follow(track, nearest_face(track, faces), at_s)
        limits = self._settings.tracks
        self._hands = [each for each in self._hands if at_s - each[0] <= limits.lost_after_s]
        self._hands += [
            (at_s, region.box)
            for region in regions
            if region.kind == "hand" and region.score >= limits.min_score_at_face
        ]
        self._keep(tracks, at_s)

    def inherit(self, tracks: Sequence[Track], last_s: float | None, at_s: float) -> None:
        """Takes the tracks after a skipped frame: what was shown at `last_s` is still shown."""
        self._hands = [(at_s if seen_s == last_s else seen_s, box) for seen_s, box in self._hands]
        for track in tracks:
            if track.is_seen and track.number in self._motions:
                self._motions[track.number].rest(at_s)
        self._keep(tracks, at_s)

    def judge(
        self,
        label: str,
        track: Track,
        at_s: float,
        *,
        is_subject: bool,
        analysed: bool,
        is_active: bool,
        is_awaited: bool = False,
    ) -> tuple[Candidate | None, Unmet | None]:
        """Counts this frame for the track's hold, which may begin or end with it.

        Returns the hold as a candidate for a reaction, None where there is none, and the first condition that the track
        does not meet. A candidate without an unmet condition is ripe. `is_active`: a reaction of the label runs; what
        it needs to go on is less than what is reported. `is_awaited`: it began on another server, and what keeps a
        reaction going suffices to find it here.
        """
        settings, key = self._labels[label], (track.number, label)
        probability, unmet = 0.0, self._out_of_question(track, is_subject=is_subject)
        if unmet is None:
            probability = track.region.attributes.get(label, 0.0)
            if probability < settings.start:
                unmet = (Condition.SCORE, probability, settings.start)
        # Once a reaction has started, a hand may move and cover the face: its pose alone keeps the reaction going.
        counts = is_active
        if not is_active and probability >= settings.stay:
            unmeant = self._unmeant(label, settings, track, at_s)
            counts = unmeant is None
            unmet = unmet or unmeant
        hold = self._holds.get(key)
        if hold is None:
            if not counts or probability < (settings.stay if is_awaited else settings.start):
                # Also where the pose is not meant: the next analysis may detect the hand at the chin.
                if probability >= settings.stay and not is_active:
                    self._nearly.setdefault(key, at_s)
                else:
                    self._nearly.pop(key, None)
                return None, unmet
            self._nearly.pop(key, None)
            hold = self._holds[key] = Hold(at_s, at_s)
        hold.count(probability, counts=counts, analysed=analysed, at_s=at_s, label=settings)
        if hold.is_over(at_s, settings, self._settings):
            del self._holds[key]
            return None, unmet
        if not is_active and hold.is_stale(at_s, settings, self._settings):
            del self._holds[key]
            limit_s = hold.stale_after_s(settings, self._settings)
            return None, unmet or (Condition.STALE, 1000.0 * (at_s - hold.begun_s), 1000.0 * limit_s)
        return self._candidate(settings, track, hold, at_s, unmet)

    def needs_next_frame(self, label: str, at_s: float | None, *, is_active: bool) -> bool:
        """True while the next frame must be analysed for this label, even if it is similar to the last one."""
        holds = [(key[0], hold) for key, hold in self._holds.items() if key[1] == label]
        if self._is_nearly_held(label, at_s):
            return True
        if is_active:
            return all(hold.misses > 0 for _, hold in holds)
        if self._labels[label].motion != "side_to_side" or at_s is None:
            return bool(holds)
        # An open palm that keeps still needs no analysis: frames in which it starts to move are not similar.
        return any(
            at_s - hold.begun_s < self._settings.swings.expect_s or self._is_waving(number, hold, at_s)
            for number, hold in holds
        )

    def drop(self, label: str) -> None:
        """Forgets the holds of a label."""
        self._holds = {key: hold for key, hold in self._holds.items() if key[1] != label}
        self._nearly = {key: since_s for key, since_s in self._nearly.items() if key[1] != label}

    def forget(self) -> None:
        """Forgets everything."""
        self._hidden.reset()
        self._motions.clear()
        self._hands.clear()
        self._holds.clear()
        self._nearly.clear()

    def _keep(self, tracks: Sequence[Track], at_s: float) -> None:
        """Follows the faces that hands hide, and forgets what belongs to tracks that are gone."""
        self._hidden.update(tracks, at_s)
        alive = {track.number for track in tracks}
        self._motions = {number: motion for number, motion in self._motions.items() if number in alive}
        self._holds = {key: hold for key, hold in self._holds.items() if key[0] in alive}
        self._nearly = {key: since_s for key, since_s in self._nearly.items() if key[0] in alive}

    @staticmethod
    def _out_of_question(track: Track, *, is_subject: bool) -> Unmet | None:
        """Why nothing that the track shows counts on this frame."""
        if not track.is_seen:
            return _UNSEEN
        return None if is_subject else _NO_SUBJECT

    def _unmeant(self, label: str, settings: LabelSettings, track: Track, at_s: float) -> Unmet | None:
        """Why the pose does not count: another is likelier, the hand moves, is too low or covers a face."""
        shown = track.region.attributes
        own = shown.get(label, 0.0)
        rival = max((shown.get(name, 0.0) for name in self._rivals[label]), default=0.0)
        if rival > own:
            return Condition.TOP_LABEL, own, rival
        if settings.max_speed is not None and (speed := track.speed()) > settings.max_speed:
            return Condition.SPEED, speed, settings.max_speed
        if track.kind == "face":
            if not settings.hand_at_face:
                return None
            needed = self._settings.placement.at_chin_share
            share = chin_cover(track, (box for _, box in self._hands), self._settings.placement)
            return None if share >= needed else (Condition.HAND_AT_FACE, share, needed)
        if settings.max_face_cover < 1.0:
            share = face_cover(track, self._hidden.faces)
            if share > settings.max_face_cover:
                return Condition.FACE_COVER, share, settings.max_face_cover
        if settings.min_height is not None:
            height = height_above_chin(track, self._hidden.faces)
            if height < settings.min_height:
                return Condition.HEIGHT, height, settings.min_height
        if settings.motion == "still" and (motion := self._motions.get(track.number)) is not None:
            waving = motion.waving(-math.inf, at_s)
            if waving is not None:
                return Condition.STILL, float(waving.swings), 0.0
        return None

    def _candidate(
        self, settings: LabelSettings, track: Track, hold: Hold, at_s: float, unmet: Unmet | None
    ) -> tuple[Candidate | None, Unmet | None]:
        """The hold as a candidate for a reaction; None where the label needs a motion that is missing."""
        begun_s, moved = hold.begun_s, 1.0
        if settings.motion == "side_to_side":
            needed = self._settings.swings.min_swings
            motion = self._motions.get(track.number)
            waving = motion.waving(hold.begun_s, at_s) if motion is not None else None
            if waving is None:
                return None, unmet or (Condition.MOTION, 0.0, float(needed))
            begun_s, moved = waving.begun_s, waving.swings / needed
            if moved < 1.0:
                unmet = unmet or (Condition.MOTION, float(waving.swings), float(needed))
        held_s = at_s - begun_s + ROUNDING_S
        dwelt = held_s / settings.dwell_s if settings.dwell_s > 0.0 else 1.0
        if unmet is None:
            if dwelt < 1.0:
                unmet = (Condition.HOLD, 1000.0 * (at_s - begun_s), 1000.0 * settings.dwell_s)
            else:
                unmet = hold.unmet(settings, self._settings)
        candidate = Candidate(
            track.number,
            track.box,
            hold.score,
            progress=min(1.0, dwelt, moved, hold.votes / self._settings.min_votes),
            is_ripe=unmet is None,
            sends_holding=hold.is_vote and hold.votes >= self._settings.holding_votes,
        )
        return candidate, unmet

    def _is_nearly_held(self, label: str, at_s: float | None) -> bool:
        # The next analysis may show what the last one did not. A skipped frame would only repeat the last one.
        return at_s is not None and any(
            at_s - since_s <= self._settings.nearly_s
            for key, since_s in self._nearly.items()
            if key[1] == label
        )

    def _is_waving(self, number: int, hold: Hold, at_s: float) -> bool:
        motion = self._motions.get(number)
        return motion is not None and motion.waving(hold.begun_s, at_s) is not None


def _are_rivals(one: LabelSettings, other: LabelSettings) -> bool:
    """Whether the likelier of two labels alone counts. A palm that is raised and one that waves differ by motion."""
    return one.kind == other.kind and {one.motion, other.motion} != {"side_to_side", "still"}
