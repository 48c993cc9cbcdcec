"""Publishes reactions: chooses a GIF, counts the reaction, sends it to its stream, and hands it to deliveries."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gifcue.engine.events import Sink
from gifcue.media.frame import FrameInFlight
from gifcue.protocol.events import Gif, Reaction
from gifcue.protocol.phases import Phase
from gifcue.reactions.events import PolicyEvent
from gifcue.rules.chooser import Choice, Chooser, ChosenGif
from gifcue.rules.claims import NO_CLAIMS, Brought, Claims

Deliver = Callable[[str, Reaction, ChosenGif], None]


@dataclass(frozen=True, slots=True)
class Audience:
    """Where the reactions of one stream are sent, and which room they belong to.

    `room_id` is the name that the stream gave, empty for none; `rules_room_id` is the room's name for the rules, where
    a room without a name is a room of its own. `claims` are the cooldowns that the stream brings for its room.
    """

    sink: Sink
    room_id: str
    rules_room_id: str
    send_holding: bool
    claims: Claims = NO_CLAIMS


class Publisher:
    """Publishes the reactions of the whole server, so that each is counted once.

    Args:
        chooser: Gives the chooser of the rule book in force.
        model_version: Gives the version of the model in service.
        clock: Seconds; for the rules' cooldowns.
        deliver: Gets the room's name, empty for none, and each reaction that started with a GIF, with that GIF. Must
            neither wait nor raise.
    """

    def __init__(
        self,
        chooser: Callable[[], Chooser],
        model_version: Callable[[], str],
        clock: Callable[[], float],
        deliver: Deliver | None = None,
    ) -> None:
        self._chooser = chooser
        self._model_version = model_version
        self._clock = clock
        self._deliver = deliver
        self._started: Counter[str] = Counter()
        self._dismissed: Counter[str] = Counter()

    @property
    def started(self) -> dict[str, int]:
        """Reactions that started, by label."""
        return dict(self._started)

    @property
    def dismissals(self) -> dict[str, int]:
        """Reactions that were not meant, by label."""
        return dict(self._dismissed)

    def dismissed(self, label: str) -> None:
        """Counts a reaction that was not meant. Its GIF still counts for the cooldowns of the rules."""
        self._dismissed[label] += 1

    def publish(
        self,
        audience: Audience,
        participant_id: str,
        events: Sequence[PolicyEvent],
        frame: FrameInFlight | None,
        latency_ms: float,
        claims: Claims = NO_CLAIMS,
    ) -> int:
        """Publishes what the policy decided on one frame; returns how many reactions started.

        `latency_ms` is that of the frame, or 0 where a message decided and `frame` is the newest before it, None where
        none was decided upon yet. `claims` are the cooldowns that the participant brings from another server.
        """
        started = 0
        for event in events:
            choice: Choice | None = None
            if event.phase is Phase.STARTED:
                started += 1
                self._started[event.label] += 1
                choice = self._chooser().choose(
                    event.label,
                    event.score,
                    audience.rules_room_id,
                    participant_id,
                    self._clock(),
                    Brought(claims, audience.claims),
                )
            elif event.phase is not Phase.ENDED and not audience.send_holding:
                continue
            has_gif = choice is not None and choice.gif is not None
            reaction = Reaction(
                participant_id=participant_id,
                reaction_id=event.reaction_id,
                phase=event.phase,
                label=event.label,
                progress=event.progress,
                score=event.score,
                box=event.box,
                pts=0 if frame is None else frame.pts,
                clock_hz=0 if frame is None else frame.clock_hz,
                sequence=0 if frame is None else frame.sequence,
                latency_ms=latency_ms,
                model_version=self._model_version(),
                gif=None if choice is None else _shown(choice),
                gif_reason="" if choice is None else choice.reason,
                end_reason=event.reason,
                cooldown_ms=milliseconds(event.cooldown_s),
                room_cooldown_ms=milliseconds(choice.room_cooldown_s) if choice and has_gif else 0,
                gif_cooldown_ms=milliseconds(choice.participant_cooldown_s) if choice and has_gif else 0,
            )
            audience.sink.put(reaction)
            if self._deliver is not None and choice is not None and choice.gif is not None:
                self._deliver(audience.room_id, reaction, choice.gif)
        return started


def _shown(choice: Choice) -> Gif | None:
    """The GIF that the stream is to show; None where the rules chose none."""
    gif = choice.gif
    if gif is None:
        return None
    return Gif(gif.id, gif.url, gif.title, gif.media_type, choice.priority, choice.rule or "")


def milliseconds(seconds: float) -> int:
    """Whole milliseconds, rounded up: a cooldown that is told must not end before the one that is meant."""
    return math.ceil(1000.0 * seconds)
