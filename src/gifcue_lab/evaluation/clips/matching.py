"""Matches the reactions that started to those that were expected."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from gifcue.protocol.phases import Phase
from gifcue.reactions.events import PolicyEvent
from gifcue_lab.evaluation.clips.run import ClipRun
from gifcue_lab.evaluation.clips.truth import Clip, Expected

# A reaction may start this long after its span, for people who stop at the end of the dwell.
LATE_S = 1.0
# Times are multiples of clock ticks and spans are decimal, so equal times may differ by a rounding error.
ROUNDING_S = 1e-6


class Miss(enum.StrEnum):
    """Why an expected reaction was missed."""

    NOTHING = "nothing"  # no progress at all
    HELD = "held"  # progress, but not long enough or with too low a score
    EARLY = "early"  # an earlier reaction had started before the span and had not ended
    TAKEN = "taken"  # the only reaction answers another span


class FalseReason(enum.StrEnum):
    """Why a reaction is false."""

    UNASKED = "unasked"  # not expected
    AGAIN = "again"  # expected, but already found


@dataclass(frozen=True, slots=True)
class ExpectationResult:
    """What became of one expected reaction.

    Attributes:
        expected: the label and its span.
        started: the event that answers it; None if it was missed.
        held: the largest progress within the span, 0..1.
        miss: why it was missed; None if it was found.
    """

    expected: Expected
    started: PolicyEvent | None
    held: float
    miss: Miss | None

    @property
    def onset_to_started_s(self) -> float | None:
        """Seconds from the onset to STARTED; None if it was missed."""
        return None if self.started is None else self.started.at_s - self.expected.start_s


@dataclass(frozen=True, slots=True)
class FalseReaction:
    """A reaction that was neither expected nor allowed."""

    event: PolicyEvent
    why: FalseReason


@dataclass(frozen=True, slots=True)
class ClipResult:
    """The result of one clip. Every reaction that started is found, false or allowed."""

    clip: Clip
    run: ClipRun
    expectations: tuple[ExpectationResult, ...]
    false: tuple[FalseReaction, ...]
    allowed: tuple[PolicyEvent, ...]

    @property
    def found(self) -> frozenset[Expected]:
        """The expected reactions that were found."""
        return frozenset(each.expected for each in self.expectations if each.started is not None)


def match_clip(clip: Clip, run: ClipRun) -> ClipResult:
    """Matches the reactions of a run to the expected ones.

    A reaction answers at most one expectation: of its label, if it started between the start of the span and `LATE_S`
    after its end. If spans overlap, as many as possible are answered. A reaction that answers none is allowed by the
    clip, or false.
    """
    answers = _answers(clip.expect, run.started)
    answering = {id(event) for event in answers.values()}
    false: list[FalseReaction] = []
    allowed: list[PolicyEvent] = []
    for event in run.started:
        if id(event) in answering:
            continue
        if _is_allowed(clip, event):
            allowed.append(event)
        else:
            again = any(_answered_by(expected, event) for expected in clip.expect)
            false.append(FalseReaction(event, FalseReason.AGAIN if again else FalseReason.UNASKED))
    expectations = tuple(
        _result(expected, answers.get(index), run) for index, expected in enumerate(clip.expect)
    )
    return ClipResult(clip, run, expectations, tuple(false), tuple(allowed))


def _answers(expect: Sequence[Expected], started: Sequence[PolicyEvent]) -> dict[int, PolicyEvent]:
    """The answering event by the expectation's index. Each event takes the expectation that ends first."""
    answers: dict[int, PolicyEvent] = {}
    for event in sorted(started, key=lambda each: each.at_s):
        open_ones = [
            index
            for index, expected in enumerate(expect)
            if index not in answers and _answered_by(expected, event)
        ]
        if open_ones:
            answers[min(open_ones, key=lambda index: expect[index].end_s)] = event
    return answers


def _answered_by(expected: Expected, event: PolicyEvent) -> bool:
    from_s, to_s = expected.start_s - ROUNDING_S, expected.end_s + LATE_S + ROUNDING_S
    return event.label == expected.label and from_s <= event.at_s <= to_s


def _is_allowed(clip: Clip, event: PolicyEvent) -> bool:
    """Whether the clip allows a reaction at this time. Unlike for expectations, `LATE_S` is not added."""
    return event.label in clip.allow or any(
        span.label == event.label and span.start_s - ROUNDING_S <= event.at_s <= span.end_s + ROUNDING_S
        for span in clip.allow_spans
    )


def _result(expected: Expected, answer: PolicyEvent | None, run: ClipRun) -> ExpectationResult:
    within = [event for event in run.events if _answered_by(expected, event)]
    held = max((event.progress for event in within if event.phase is Phase.HOLDING), default=0.0)
    if answer is not None:
        return ExpectationResult(expected, answer, 1.0, None)
    if any(event.phase is Phase.STARTED for event in within):
        miss = Miss.TAKEN
    elif _was_under_way(expected, run):
        miss = Miss.EARLY
    else:
        miss = Miss.HELD if held > 0.0 else Miss.NOTHING
    return ExpectationResult(expected, None, held, miss)


def _was_under_way(expected: Expected, run: ClipRun) -> bool:
    return any(
        event.label == expected.label and event.at_s < expected.start_s <= run.end_of(event.reaction_id)
        for event in run.started
    )
