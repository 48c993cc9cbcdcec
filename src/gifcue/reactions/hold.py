"""One pose, held by one face or hand: the votes for it, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

from gifcue.reactions.settings import LabelSettings, ReactionSettings

# Frames, in votes that it takes to fire, before a hold can be stale: few frames a second take long to have them.
STALE_VOTES = 2


@dataclass(slots=True)
class Hold:
    """Begins with a frame that speaks for the pose, at `begun_s`; `shown_s` is when the pose was last seen.

    `votes` are the frames that spoke for it, `analysed_votes` those of them that a detector judged,
    `frames` all of them. `misses` are analysed frames in a row that spoke against it.
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
        """The probability averaged over the frames that showed the pose."""
        return self.score_sum / self.shown if self.shown else 0.0

    def count(
        self, probability: float, *, counts: bool, analysed: bool, at_s: float, label: LabelSettings
    ) -> None:
        """Takes a frame.

        `counts` False: it speaks against, whatever the probability (the hand flies past, say).
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
        """True once the pose is gone: missed often and long enough, or not seen for the longest gap."""
        gone_s = at_s - self.shown_s
        return (self.misses >= policy.min_misses and gone_s >= label.release_s) or gone_s >= policy.max_gap_s

    def is_stale(self, at_s: float, label: LabelSettings, policy: ReactionSettings) -> bool:
        """True where it should have fired long ago: in time, and in the frames that it would have taken."""
        limit_s = max(policy.stale_dwells * label.dwell_s, label.dwell_s + policy.stale_after_dwell_s)
        frames = STALE_VOTES * policy.min_votes
        return label.motion == "none" and at_s - self.begun_s > limit_s and self.frames > frames

    def has_votes(self, label: LabelSettings, policy: ReactionSettings) -> bool:
        """True when this frame and enough of those before it speak for the pose."""
        share = policy.min_vote_share if label.min_vote_share is None else label.min_vote_share
        return (
            self.is_vote
            and self.votes >= policy.min_votes
            and self.analysed_votes >= policy.min_analysed_votes
            and self.votes >= share * self.frames
        )
