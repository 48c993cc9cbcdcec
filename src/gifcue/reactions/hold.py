"""One pose of one face or hand: how many frames have shown it."""

from __future__ import annotations

from dataclasses import dataclass

from gifcue.reactions.conditions import Condition, Unmet
from gifcue.reactions.label_settings import LabelSettings
from gifcue.reactions.settings import ReactionSettings

# A hold can be stale only after this many times the frames that a reaction needs: at few frames a second, the time
# limits alone would pass before those frames have come.
STALE_VOTES = 2
# Analysed frames in a row without the pose that end a hold, if `release_s` has passed as well. One missed detection
# alone must not end it.
MIN_MISSES = 2


@dataclass(slots=True)
class Hold:
    """Begins at `begun_s` with a frame that shows the pose; `shown_s` is when the pose was last shown.

    `frames` counts all frames since then. `votes` counts those with a probability of `start` or more, and
    `analysed_votes` those of them that were analysed and not skipped. `shown` counts frames with a probability of
    `stay` or more. `misses` counts the analysed frames in a row, up to now, that did not show the pose.
    """

    begun_s: float
    shown_s: float
    frames: int = 0
    votes: int = 0
    analysed_votes: int = 0
    misses: int = 0
    is_vote: bool = False
    shown: int = 0
    score_sum: float = 0.0

    @property
    def score(self) -> float:
        """The mean probability over the frames that showed the pose, 0..1."""
        return self.score_sum / self.shown if self.shown else 0.0

    def count(
        self, probability: float, *, counts: bool, analysed: bool, at_s: float, label: LabelSettings
    ) -> None:
        """Counts a frame.

        With `counts` False the frame does not show the pose, whatever the probability: the hand only moves past,
        for example.
        """
        self.frames += 1
        self.is_vote = counts and probability >= label.start
        if counts and probability >= label.stay:
            self.shown_s = at_s
            self.misses = 0
            self.shown += 1
            self.score_sum += probability
            self.votes += self.is_vote
            self.analysed_votes += self.is_vote and analysed
        elif analysed:
            self.misses += 1

    def is_over(self, at_s: float, label: LabelSettings, policy: ReactionSettings) -> bool:
        """True once the pose is gone: missed often and long enough, or not shown for `max_gap_s`."""
        gone_s = at_s - self.shown_s
        return (self.misses >= MIN_MISSES and gone_s >= label.release_s) or gone_s >= policy.max_gap_s

    def is_stale(self, at_s: float, label: LabelSettings, policy: ReactionSettings) -> bool:
        """True where the reaction should have started long ago, by time and by the number of frames."""
        frames = STALE_VOTES * policy.min_votes
        return (
            label.motion != "side_to_side"
            and self.frames > frames
            and at_s - self.begun_s > self.stale_after_s(label, policy)
        )

    @staticmethod
    def stale_after_s(label: LabelSettings, policy: ReactionSettings) -> float:
        """Seconds after which a hold is stale, if it has enough frames."""
        return max(policy.stale_dwells * label.dwell_s, label.dwell_s + policy.stale_after_dwell_s)

    def unmet(self, label: LabelSettings, policy: ReactionSettings) -> Unmet | None:
        """Which of the frames that a reaction needs are missing; None where enough of them show the pose."""
        if self.votes < policy.min_votes:
            return Condition.FRAMES, float(self.votes), float(policy.min_votes)
        if self.analysed_votes < policy.min_analysed_votes:
            return Condition.ANALYSED_FRAMES, float(self.analysed_votes), float(policy.min_analysed_votes)
        share = policy.min_vote_share if label.min_vote_share is None else label.min_vote_share
        if self.votes < share * self.frames:
            return Condition.FRAME_SHARE, self.votes / self.frames, share
        return None
