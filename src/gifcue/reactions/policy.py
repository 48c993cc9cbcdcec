"""Decides which detections are a reaction that a person meant.

Time is the participant's media time in seconds, so the result does not depend on how fast frames are delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gifcue.detect.regions import Region
from gifcue.protocol.geometry import Box
from gifcue.reactions.events import EndReason, PolicyEvent
from gifcue.reactions.hold import Hold
from gifcue.reactions.motion import HandMotion
from gifcue.reactions.reaction import Candidate, LabelReaction, State
from gifcue.reactions.settings import LabelSettings, ReactionSettings
from gifcue.reactions.subjects import HiddenFaces, SubjectChooser, face_cover, has_hand, nearest_face
from gifcue.reactions.tracks import Track, Tracker

# Seconds that may be missing from a dwell time: frames' times are fractions that do not add up exactly.
ROUNDING_S = 1e-6
# A result that is older than the last one by up to this many seconds is ignored. A larger step back means that the
# sender's clock was reset; B-frames and jitter go back by less.
MAX_BACKSTEP_S = 0.5
# Without a result, a reaction ends so many seconds after its release time, or after so many of the usual intervals
# between two results if that is later. Latency and the time between two looks make that a second, and 2.5 intervals.
QUIET_S = 0.75
QUIET_INTERVALS = 2.4


class ReactionPolicy:
    """The policy of one participant. Not thread-safe. No detection makes it raise.

    Args:
        settings: Thresholds and times.
        allowed: Labels that the participant agreed to. Nothing is followed while there are none.
        ids: Returns the id of the next reaction.
    """

    def __init__(self, settings: ReactionSettings, allowed: frozenset[str], ids: Callable[[], str]) -> None:
        self._settings = settings
        self._labels = {label: each for label, each in settings.labels.items() if each.enabled}
        self._reactions = {
            label: LabelReaction(label, each.cooldown_s, ids) for label, each in self._labels.items()
        }
        self._allowed = [label for label in self._labels if label in allowed]
        self._tracker = Tracker(settings.tracks)
        self._subjects = SubjectChooser(settings.subject, settings.subject_takeover)
        self._hidden = HiddenFaces(settings.placement)
        self._motions: dict[int, HandMotion] = {}
        # Time and box of each recent hand, including those of a score too low to be followed.
        self._hands: list[tuple[float, Box]] = []
        self._holds: dict[tuple[int, str], Hold] = {}
        # Since when a pose has been shown from `stay` up, by track and label, without a hold.
        self._nearly: dict[tuple[int, str], float] = {}
        self._is_speaking = False
        self._at_s: float | None = None

    @property
    def holding(self) -> bool:
        """True while the next frame must be analysed, even if it is similar to the last one.

        That is the case while a hold has not started its reaction, for `nearly_s` after a pose was almost shown, and
        while an active reaction was not seen in the last frame. An active reaction that is seen needs no analysis:
        `inherit` keeps it going.
        """
        return any(self._needs_next_frame(label) for label in self._allowed)

    @property
    def is_under_way(self) -> bool:
        """True from the first event of a reaction until the one that ends it."""
        return any(self._reactions[label].state is not State.IDLE for label in self._allowed)

    def observe(self, regions: Iterable[Region], at_s: float) -> list[PolicyEvent]:
        """Takes the faces and hands of an analysed frame. A result older than the last one changes nothing."""
        events: list[PolicyEvent] = []
        if not self._advance(at_s, events) or not self._allowed:
            return events
        regions = list(regions)
        self._tracker.update(regions, at_s)
        self._follow_hands(at_s)
        self._note_hands(regions, at_s)
        return events + self._decide(at_s, analysed=True)

    def inherit(self, at_s: float) -> list[PolicyEvent]:
        """Takes a frame that was skipped as similar: what was shown is still shown, and nothing moved."""
        events: list[PolicyEvent] = []
        last_s = self._at_s
        if not self._advance(at_s, events) or not self._allowed:
            return events
        self._tracker.repeat(at_s)
        self._hands = [(at_s if seen_s == last_s else seen_s, box) for seen_s, box in self._hands]
        for track in self._tracker.tracks:
            if track.is_seen and track.number in self._motions:
                self._motions[track.number].rest(at_s)
        return events + self._decide(at_s, analysed=False)

    def set_allowed(self, labels: frozenset[str], at_s: float) -> list[PolicyEvent]:
        """Changes the allowed labels. Reactions that are no longer allowed end. Cooldowns continue."""
        at_s = self._now(at_s)
        events: list[PolicyEvent] = []
        for label in self._allowed:
            if label not in labels:
                events += self._stop(label, at_s, EndReason.NOT_ALLOWED)
        self._allowed = [label for label in self._labels if label in labels]
        if not self._allowed:
            self._forget()
        return events

    def set_speaking(self, speaking: bool, at_s: float) -> list[PolicyEvent]:
        """Notes whether the participant speaks.

        With `speaking_suppresses_hands`, holds of hand gestures are cancelled when speaking begins.
        """
        self._is_speaking = speaking
        at_s = self._now(at_s)
        events: list[PolicyEvent] = []
        for label in self._allowed:
            if self._is_suppressed(label) and self._reactions[label].state is not State.ACTIVE:
                events += self._stop(label, at_s, EndReason.SPEAKING)
        return events

    def end_quiet(self, quiet_s: float, interval_s: float) -> list[PolicyEvent]:
        """Ends what has waited too long for the next result. By the server's clock, none has come for `quiet_s`; one
        usually comes every `interval_s`.
        """
        events: list[PolicyEvent] = []
        for label in self._allowed:
            wait_s = max(self._labels[label].release_s + QUIET_S, QUIET_INTERVALS * interval_s)
            if quiet_s >= wait_s and self._reactions[label].state is not State.IDLE:
                events += self._stop(label, self._at_s or 0.0, EndReason.NO_FRAMES)
        return events

    def finish(self, at_s: float, reason: str) -> list[PolicyEvent]:
        """Ends everything, with `reason` in the events. The policy can be used on, as if it were new."""
        events = self._stop_all(self._now(at_s), reason)
        self._forget()
        return events

    # Time

    def _now(self, at_s: float) -> float:
        return at_s if self._at_s is None else max(at_s, self._at_s)

    def _advance(self, at_s: float, events: list[PolicyEvent]) -> bool:
        """Moves the clock; False where the frame is older than the last. A gap or a jump back ends everything."""
        last_s, settings = self._at_s, self._settings
        if last_s is not None and at_s < last_s:
            if last_s - at_s <= MAX_BACKSTEP_S:
                return False
            for reaction in self._reactions.values():
                reaction.shift_clock(last_s, at_s)
            events += self._stop_all(at_s, EndReason.CLOCK_JUMP)
            self._forget()
        elif last_s is not None and at_s - last_s > settings.max_gap_s:
            events += self._stop_all(at_s, EndReason.GAP)
            self._forget()
        self._at_s = at_s
        return True

    # Deciding

    def _follow_hands(self, at_s: float) -> None:
        tracks = self._tracker.tracks
        faces = [track for track in tracks if track.kind == "face"]
        for track in tracks:
            if track.kind == "hand" and track.is_seen:
                motion = self._motions.setdefault(track.number, HandMotion(self._settings.swings))
                motion.follow(track, nearest_face(track, faces), at_s)
        alive = {track.number for track in tracks}
        self._motions = {number: motion for number, motion in self._motions.items() if number in alive}

    def _note_hands(self, regions: Iterable[Region], at_s: float) -> None:
        tracks = self._settings.tracks
        self._hands = [each for each in self._hands if at_s - each[0] <= tracks.lost_after_s]
        self._hands += [
            (at_s, region.box)
            for region in regions
            if region.kind == "hand" and region.score >= tracks.min_score_at_face
        ]

    def _decide(self, at_s: float, *, analysed: bool) -> list[PolicyEvent]:
        tracks = {track.number: track for track in self._tracker.tracks}
        subjects = self._subjects.choose(self._tracker.tracks)
        self._hidden.update(self._tracker.tracks, at_s)
        self._holds = {key: hold for key, hold in self._holds.items() if key[0] in tracks}
        self._nearly = {key: since_s for key, since_s in self._nearly.items() if key[0] in tracks}
        events: list[PolicyEvent] = []
        for label in self._allowed:
            events += self._decide_label(label, tracks, subjects, at_s, analysed=analysed)
        return events

    def _decide_label(
        self, label: str, tracks: dict[int, Track], subjects: set[int], at_s: float, *, analysed: bool
    ) -> list[PolicyEvent]:
        settings, reaction = self._labels[label], self._reactions[label]
        is_active = reaction.state is State.ACTIVE
        if not is_active and (reaction.is_cooling(at_s) or self._is_suppressed(label)):
            return []
        candidates: list[Candidate] = []
        for track in tracks.values():
            if track.kind != settings.kind:
                continue
            hold = self._count(label, track, at_s, is_subject=track.number in subjects, analysed=analysed)
            candidate = self._candidate(settings, track, hold, at_s) if hold is not None else None
            if candidate is not None:
                candidates.append(candidate)
        events = reaction.step(candidates, at_s)
        if is_active and reaction.state is not State.ACTIVE:
            self._drop_holds(label)
        return events

    def _count(
        self, label: str, track: Track, at_s: float, *, is_subject: bool, analysed: bool
    ) -> Hold | None:
        """Counts this frame for the track's hold, which may begin or end with it; None without a hold."""
        settings, key = self._labels[label], (track.number, label)
        is_active = self._reactions[label].state is State.ACTIVE
        probability = track.region.attributes.get(label, 0.0) if track.is_seen and is_subject else 0.0
        # Once a reaction has started, a hand may move and cover the face: its pose alone keeps the reaction going.
        counts = is_active or (probability >= settings.stay and self._is_meant(label, track))
        hold = self._holds.get(key)
        if hold is None:
            if not counts or probability < settings.start:
                # Also where `_is_meant` is False: the next analysis may detect the hand at the chin.
                if probability >= settings.stay and not is_active:
                    self._nearly.setdefault(key, at_s)
                else:
                    self._nearly.pop(key, None)
                return None
            self._nearly.pop(key, None)
            hold = self._holds[key] = Hold(at_s, at_s)
        hold.count(probability, counts=counts, analysed=analysed, at_s=at_s, label=settings)
        if hold.is_over(at_s, settings, self._settings) or (
            not is_active and hold.is_stale(at_s, settings, self._settings)
        ):
            del self._holds[key]
            return None
        return hold

    def _is_meant(self, label: str, track: Track) -> bool:
        """False where the pose does not count: another is likelier, the hand moves too fast or covers a face."""
        settings, shown = self._labels[label], track.region.attributes
        rivals = (
            shown.get(name, 0.0)
            for name, each in self._labels.items()
            if each.kind == track.kind and name != label
        )
        if any(rival > shown.get(label, 0.0) for rival in rivals):
            return False
        if settings.max_speed is not None and track.speed() > settings.max_speed:
            return False
        if track.kind == "face":
            return not settings.hand_at_face or has_hand(
                track, (box for _, box in self._hands), self._settings.placement
            )
        return (
            settings.max_face_cover >= 1.0 or face_cover(track, self._hidden.faces) <= settings.max_face_cover
        )

    def _candidate(self, settings: LabelSettings, track: Track, hold: Hold, at_s: float) -> Candidate | None:
        """The hold as a candidate for a reaction; None where the label needs a motion that is missing."""
        begun_s, moved = hold.begun_s, 1.0
        if settings.motion == "side_to_side":
            motion = self._motions.get(track.number)
            waving = motion.waving(hold.begun_s, at_s) if motion is not None else None
            if waving is None:
                return None
            begun_s, moved = waving.begun_s, waving.swings / self._settings.swings.min_swings
        held_s = at_s - begun_s + ROUNDING_S
        dwelt = held_s / settings.dwell_s if settings.dwell_s > 0.0 else 1.0
        progress = min(1.0, dwelt, moved, hold.votes / self._settings.min_votes)
        return Candidate(
            track.number,
            track.box,
            hold.score,
            progress,
            is_ripe=progress >= 1.0 and hold.has_votes(settings, self._settings),
            sends_holding=hold.is_vote and hold.votes >= self._settings.holding_votes,
        )

    def _needs_next_frame(self, label: str) -> bool:
        holds = [(key[0], hold) for key, hold in self._holds.items() if key[1] == label]
        if self._is_nearly_held(label):
            return True
        if self._reactions[label].state is State.ACTIVE:
            return all(hold.misses > 0 for _, hold in holds)
        if self._labels[label].motion == "none" or self._at_s is None:
            return bool(holds)
        # An open palm that keeps still needs no analysis: frames in which it starts to move are not similar.
        return any(
            self._at_s - hold.begun_s < self._settings.swings.expect_s
            or self._is_waving(number, hold, self._at_s)
            for number, hold in holds
        )

    def _is_nearly_held(self, label: str) -> bool:
        # The next analysis may show what the last one did not. A skipped frame would only repeat the last one.
        return self._at_s is not None and any(
            self._at_s - since_s <= self._settings.nearly_s
            for key, since_s in self._nearly.items()
            if key[1] == label
        )

    def _is_waving(self, number: int, hold: Hold, at_s: float) -> bool:
        motion = self._motions.get(number)
        return motion is not None and motion.waving(hold.begun_s, at_s) is not None

    def _is_suppressed(self, label: str) -> bool:
        is_hand = self._labels[label].kind == "hand"
        return self._is_speaking and self._settings.speaking_suppresses_hands and is_hand

    # End of reactions

    def _stop(self, label: str, at_s: float, reason: str) -> list[PolicyEvent]:
        self._drop_holds(label)
        return self._reactions[label].stop(at_s, reason)

    def _stop_all(self, at_s: float, reason: str) -> list[PolicyEvent]:
        return [event for label in self._allowed for event in self._stop(label, at_s, reason)]

    def _drop_holds(self, label: str) -> None:
        self._holds = {key: hold for key, hold in self._holds.items() if key[1] != label}
        self._nearly = {key: since_s for key, since_s in self._nearly.items() if key[1] != label}

    def _forget(self) -> None:
        self._tracker.reset()
        self._subjects.reset()
        self._hidden.reset()
        self._motions.clear()
        self._hands.clear()
        self._holds.clear()
        self._nearly.clear()
