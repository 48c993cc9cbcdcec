"""Decides which detections are a reaction that a person meant.

Time is the participant's media time in seconds, so the result does not depend on how fast frames are delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from gifcue.detect.regions import Region
from gifcue.protocol.detections import UnmetCondition
from gifcue.reactions.already import AlreadyShown
from gifcue.reactions.conditions import Condition, Unmet
from gifcue.reactions.continued import Continued
from gifcue.reactions.events import EndReason, PolicyEvent
from gifcue.reactions.lacking import Lacking
from gifcue.reactions.poses import Poses
from gifcue.reactions.reaction import Candidate, LabelReaction, State, ended_unseen
from gifcue.reactions.settings import ReactionSettings
from gifcue.reactions.subjects import SubjectChooser
from gifcue.reactions.tracks import Track, Tracker

# A result that is older than the last one by up to this many seconds is ignored. A larger step back means that the
# sender's clock was reset; B-frames and jitter go back by less.
MAX_BACKSTEP_S = 0.5
# Without a result, a reaction ends so many seconds after its release time, or after so many of the usual intervals
# between two results if that is later. Latency and the time between two looks make that a second, and 2.5 intervals.
QUIET_S = 0.75
QUIET_INTERVALS = 2.4

_SPEAKING: Unmet = (Condition.SPEAKING, 1.0, 0.0)


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
        self._poses = Poses(settings, self._labels)
        self._continued = Continued(settings)
        self._already = AlreadyShown(self._labels)
        self._lacking = Lacking(self._labels, settings.tracks.min_score)
        self._is_speaking = False
        # None before the first frame. The clock stands at 0 until then.
        self._at_s: float | None = None

    @property
    def min_score(self) -> float:
        """The score, 0..1, from which a face or hand is followed."""
        return self._settings.tracks.min_score

    @property
    def holding(self) -> bool:
        """True while the next frame must be analysed, even if it is similar to the last one.

        That is the case while a hold has not started its reaction, for `nearly_s` after a pose was almost shown, and
        while an active reaction was not seen in the last frame. An active reaction that is seen needs no analysis:
        `inherit` keeps it going.
        """
        return any(
            self._poses.needs_next_frame(
                label, self._at_s, is_active=self._reactions[label].state is State.ACTIVE
            )
            for label in self._allowed
        )

    @property
    def is_under_way(self) -> bool:
        """True from the first event of a reaction until the one that ends it."""
        return any(self._reactions[label].state is not State.IDLE for label in self._allowed)

    @property
    def running(self) -> dict[str, str]:
        """The id of each reaction that has started and not ended, by label."""
        ids = {label: self._reactions[label].active_id for label in self._allowed}
        return {label: each for label, each in ids.items() if each is not None}

    def cooldowns(self, at_s: float) -> dict[str, float]:
        """Seconds that are left of each cooldown, by label."""
        at_s = self._now(at_s)
        left_s = {label: each.cools_for_s(at_s) for label, each in self._reactions.items()}
        return {label: each for label, each in left_s.items() if each > 0.0}

    def take_over(self, running: Mapping[str, str], cooldowns: Mapping[str, float]) -> list[PolicyEvent]:
        """Takes over from another server, before the first frame: the ids of reactions under way and the seconds left
        of cooldowns, both by label. A cooldown is no longer than the label's own. Reactions that are not allowed end.
        """
        at_s = self._now(0.0)
        for label, left_s in cooldowns.items():
            if label in self._reactions:
                self._reactions[label].cool_down(at_s, left_s)
        events: list[PolicyEvent] = []
        for label, reaction_id in running.items():
            if label not in self._reactions:
                events.append(ended_unseen(label, reaction_id, at_s, EndReason.NOT_ALLOWED))
                continue
            self._reactions[label].resume(reaction_id)
            if label in self._allowed:
                self._continued.begin(label)
            else:
                events += self._stop(label, at_s, EndReason.NOT_ALLOWED)
        return events

    def observe(self, regions: Iterable[Region], at_s: float) -> list[PolicyEvent]:
        """Takes the faces and hands of an analysed frame. A result older than the last one changes nothing."""
        events: list[PolicyEvent] = []
        if not self._advance(at_s, events) or not self._allowed:
            return events
        regions = tuple(regions)
        self._lacking.observe(regions)
        self._tracker.update(regions, at_s)
        self._poses.observe(self._tracker.tracks, regions, at_s)
        return events + self._decide(at_s, analysed=True)

    def inherit(self, at_s: float) -> list[PolicyEvent]:
        """Takes a frame that was skipped as similar: what was shown is still shown, and nothing moved."""
        events: list[PolicyEvent] = []
        last_s = self._at_s
        if not self._advance(at_s, events) or not self._allowed:
            return events
        self._tracker.repeat(at_s)
        self._poses.inherit(self._tracker.tracks, last_s, at_s)
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

    @property
    def is_speaking(self) -> bool:
        """Whether the participant speaks."""
        return self._is_speaking

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

    def dismiss(self, label: str, reaction_id: str, at_s: float) -> list[PolicyEvent]:
        """The reaction `reaction_id` of this label, which started, was not meant.

        If it is under way, it ends. The label's cooldown begins, and a hold of the label is cancelled. A later reaction
        of the label that is under way is left alone.
        """
        # The label may be gone since then: that of a gesture on trial.
        reaction, at_s = self._reactions.get(label), self._now(at_s)
        if reaction is None or reaction.active_id not in (None, reaction_id):
            return []
        events = self._stop(label, at_s, EndReason.DISMISSED)
        reaction.cool_down(at_s)
        return events

    def explain(self) -> list[UnmetCondition]:
        """For each allowed label that has not started, the first condition that the frame decided last does not meet.

        Of several faces or hands, it is that of the one which came nearest to a reaction.
        """
        return self._lacking.explain(
            label for label in self._allowed if self._reactions[label].state is not State.ACTIVE
        )

    def finish(self, at_s: float, reason: str, handed_over: Collection[str] = ()) -> list[PolicyEvent]:
        """Ends everything, with `reason` in the events. The policy can be used on, as if it were new.

        Reactions with an id in `handed_over` go on elsewhere and have no event.
        """
        for label, reaction_id in self.running.items():
            if reaction_id in handed_over:
                self._reactions[label].hand_over()
        return self._begin_anew(self._now(at_s), reason)

    # Time

    def _now(self, at_s: float) -> float:
        return at_s if self._at_s is None else max(at_s, self._at_s)

    def _advance(self, at_s: float, events: list[PolicyEvent]) -> bool:
        """Moves the clock; False where the frame is older than the last. A gap or a jump back ends everything."""
        last_s, settings = self._at_s, self._settings
        if last_s is None:
            for reaction in self._reactions.values():
                reaction.shift_clock(0.0, at_s)
        if last_s is not None and at_s < last_s:
            if last_s - at_s <= MAX_BACKSTEP_S:
                self._lacking.note_late(self._allowed, last_s - at_s)
                return False
            for reaction in self._reactions.values():
                reaction.shift_clock(last_s, at_s)
            events += self._begin_anew(at_s, EndReason.CLOCK_JUMP)
        elif last_s is not None and at_s - last_s > settings.max_gap_s:
            events += self._begin_anew(at_s, EndReason.GAP)
        self._at_s = at_s
        return True

    # Deciding

    def _decide(self, at_s: float, *, analysed: bool) -> list[PolicyEvent]:
        tracks = self._tracker.tracks
        self._already.watch(tracks, at_s, analysed=analysed)
        subjects = self._subjects.choose(tracks)
        events: list[PolicyEvent] = []
        for label in self._allowed:
            events += self._decide_label(label, tracks, subjects, at_s, analysed=analysed)
        return events

    def _decide_label(
        self, label: str, tracks: Sequence[Track], subjects: set[int], at_s: float, *, analysed: bool
    ) -> list[PolicyEvent]:
        reaction = self._reactions[label]
        is_active = reaction.state is State.ACTIVE
        barrier = None if is_active else self._barrier(label, at_s)
        if not is_active and barrier is not None:
            self._lacking.note(label, [barrier])
            return []
        kind = self._labels[label].kind
        candidates: list[Candidate] = []
        lacking: list[Unmet] = []
        self._lacking.note(label, lacking)
        for track in tracks:
            if track.kind != kind:
                continue
            candidate, unmet = self._poses.judge(
                label,
                track,
                at_s,
                is_subject=track.number in subjects,
                analysed=analysed,
                is_active=is_active,
                is_awaited=self._continued.is_awaited(label),
            )
            if candidate is not None:
                candidates.append(candidate)
            if unmet is not None:
                lacking.append(unmet)
        if self._continued.holds_on(label, at_s, is_shown=bool(candidates), analysed=analysed):
            return []
        events = reaction.step(candidates, at_s)
        if is_active and reaction.state is not State.ACTIVE:
            self._poses.drop(label)
            if (barrier := self._barrier(label, at_s)) is not None:
                self._lacking.note(label, [barrier])
        return events

    def _barrier(self, label: str, at_s: float) -> Unmet | None:
        """Why the label cannot become a reaction on this frame, whatever it shows."""
        cools_for_s = self._reactions[label].cools_for_s(at_s)
        if cools_for_s > 0.0:
            return Condition.COOLDOWN, 1000.0 * cools_for_s, 0.0
        return _SPEAKING if self._is_suppressed(label) else self._already.unmet(label)

    def _is_suppressed(self, label: str) -> bool:
        is_hand = self._labels[label].kind == "hand"
        return self._is_speaking and self._settings.speaking_suppresses_hands and is_hand

    # End of reactions

    def _stop(self, label: str, at_s: float, reason: str) -> list[PolicyEvent]:
        self._poses.drop(label)
        self._continued.drop(label)
        return self._reactions[label].stop(at_s, reason)

    def _stop_all(self, at_s: float, reason: str) -> list[PolicyEvent]:
        return [event for label in self._allowed for event in self._stop(label, at_s, reason)]

    def _begin_anew(self, at_s: float, reason: str) -> list[PolicyEvent]:
        """Ends everything. What comes next is another video, though consent and cooldowns stay."""
        events = self._stop_all(at_s, reason)
        self._forget()
        self._already.reset()
        return events

    def _forget(self) -> None:
        self._tracker.reset()
        self._subjects.reset()
        self._poses.forget()
        self._lacking.forget()
