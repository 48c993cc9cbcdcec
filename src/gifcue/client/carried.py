"""What a reconnecting stream carries from server to server: reactions under way, and cooldowns.

It learns everything from the events of the servers. It also sees to it that STARTED and ENDED alternate for the caller,
whatever becomes of the servers: it ends what no server can end, and keeps back the ENDED of what has ended already.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import TypeVar

from gifcue.protocol.events import Reaction
from gifcue.protocol.phases import Phase
from gifcue.protocol.reasons import LeaveReason
from gifcue.protocol.resume import (
    MAX_ENTRIES,
    MAX_REACTION_ID_BYTES,
    MAX_RULE_ID_BYTES,
    LabelCooldown,
    ParticipantState,
    RoomState,
    RuleCooldown,
    RunningReaction,
)

# Reactions of participants that have left, and holds, of which the end is awaited. A server that never ends them does
# not make this grow: the oldest ones end then.
_MAX_OPEN = 4096
# Reactions of one participant that can still be dismissed, as servers remember.
_MAX_ENDED = 32

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(slots=True)
class _Known:
    """Of one participant. Cooldowns end at times of the clock."""

    running: dict[str, tuple[Reaction, float]] = field(
        default_factory=dict
    )  # by label, with the time of its STARTED
    cooldowns: dict[str, float] = field(default_factory=dict)  # by label
    gif_cooldowns: dict[str, float] = field(default_factory=dict)  # by rule
    # By id, those that ended on the present server: label and milliseconds of cooldown. A dismissal begins it anew.
    ended: dict[str, tuple[str, int]] = field(default_factory=dict)


class Carried:
    """Of one stream. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._participants: dict[str, _Known] = {}
        self._room: dict[str, float] = {}  # by rule
        # Reactions whose participant has left: their server is to end them. By id.
        self._leaving: dict[str, Reaction] = {}
        # Holds that have not STARTED, by id. None goes on elsewhere.
        self._holds: dict[str, Reaction] = {}

    # For the next server

    def room(self) -> RoomState:
        """What the room keeps."""
        return RoomState(self._left(self._room))

    def participant(self, participant_id: str) -> ParticipantState:
        """What the participant keeps."""
        known = self._participants.get(participant_id)
        if known is None:
            return ParticipantState()
        now_s = self._clock()
        running = tuple(
            RunningReaction(started.reaction_id, label, max(0, round(1000 * (now_s - since_s))))
            for label, (started, since_s) in known.running.items()
            if _can_be_carried(started)
        )
        cooldowns = tuple(
            LabelCooldown(each.rule_id, each.remaining_ms) for each in self._left(known.cooldowns)
        )
        return ParticipantState(running, cooldowns, self._left(known.gif_cooldowns))

    # What happens. Each returns the events that the caller gets.

    def heard(self, event: Reaction) -> list[Reaction]:
        """A server sent an event."""
        match event.phase:
            case Phase.HOLDING:
                forgotten = _put(self._holds, event.reaction_id, event, _MAX_OPEN)
                return [*map(_cancel_of, forgotten), event]
            case Phase.CANCELLED:
                return [] if self._holds.pop(event.reaction_id, None) is None else [event]
            case Phase.STARTED:
                return self._started(event)
            case Phase.ENDED:
                return self._ended(event)

    def joined(self, participant_id: str) -> None:
        """The caller has a participant of this name join, for the first time or again."""
        self._participants.setdefault(participant_id, _Known())

    def left(self, participant_id: str, *, is_known: bool) -> list[Reaction]:
        """The caller has it leave. `is_known`: a server knows of it, and ends its reactions."""
        known = self._participants.pop(participant_id, None)
        if known is None:
            return []
        running = [started for started, _ in known.running.values()]
        if not is_known:
            return [_end_of(each, LeaveReason.LEFT) for each in running]
        forgotten: list[Reaction] = []
        for each in running:
            forgotten += _put(self._leaving, each.reaction_id, each, _MAX_OPEN)
        return [_end_of(each, _LOST) for each in forgotten]

    def withdrawn(self, participant_id: str, allowed: Collection[str]) -> list[Reaction]:
        """Only these labels are allowed from now on, and no server is there to end the reactions of others."""
        known = self._participants.get(participant_id)
        if known is None:
            return []
        gone = [label for label in known.running if label not in allowed]
        return [_end_of(known.running.pop(label)[0], NOT_ALLOWED) for label in gone]

    def refused(self, participant_id: str) -> list[Reaction]:
        """Its join was refused: its reactions go on nowhere."""
        known = self._participants.get(participant_id)
        if known is None:
            return []
        ended = [_end_of(started, LeaveReason.REFUSED) for started, _ in known.running.values()]
        known.running.clear()
        return ended

    def dismissed(self, participant_id: str, reaction_id: str) -> None:
        """The caller has told the server that a reaction was not meant. One under way has its ENDED from the server."""
        known = self._participants.get(participant_id)
        ended = None if known is None else known.ended.pop(reaction_id, None)
        if known is None or ended is None:
            return
        label, cooldown_ms = ended
        if label not in known.running:
            _note(known.cooldowns, label, cooldown_ms, self._clock())

    def connection_lost(self) -> list[Reaction]:
        """Holds begin anew on the next server, and nobody else ends the reactions of those that have left."""
        ended = [_cancel_of(hold) for hold in self._holds.values()]
        ended += [_end_of(started, _LOST) for started in self._leaving.values()]
        for known in self._participants.values():
            lost = [label for label, (each, _) in known.running.items() if not _can_be_carried(each)]
            ended += [_end_of(known.running.pop(label)[0], _LOST) for label in lost]
        self._holds.clear()
        self._leaving.clear()
        for known in self._participants.values():
            known.ended.clear()  # the next server takes no dismissal of them
        return ended

    def give_up(self) -> list[Reaction]:
        """No server goes on with what is under way."""
        ended = self.connection_lost()
        for known in self._participants.values():
            ended += [_end_of(started, _LOST) for started, _ in known.running.values()]
            known.running.clear()
        return ended

    # Internal

    def _started(self, event: Reaction) -> list[Reaction]:
        self._holds.pop(event.reaction_id, None)
        now_s = self._clock()
        known = self._participants.get(event.participant_id)
        if event.gif is not None:
            _note(self._room, event.gif.rule_id, event.room_cooldown_ms, now_s)
            if known is not None:
                _note(known.gif_cooldowns, event.gif.rule_id, event.gif_cooldown_ms, now_s)
        if known is None:
            forgotten = _put(self._leaving, event.reaction_id, event, _MAX_OPEN)
            return [*(_end_of(each, _LOST) for each in forgotten), event]
        # A server that starts what it was told is under way does not know of the first one.
        before = known.running.pop(event.label, None)
        over = [] if before is None else [before]
        over += _put(known.running, event.label, (event, now_s), MAX_ENTRIES)
        return [*(_end_of(each, _LOST) for each, _ in over), event]

    def _ended(self, event: Reaction) -> list[Reaction]:
        if self._leaving.pop(event.reaction_id, None) is not None:
            return [event]
        known = self._participants.get(event.participant_id)
        running = None if known is None else known.running.get(event.label)
        if known is None or running is None or running[0].reaction_id != event.reaction_id:
            return []  # it has ended for the caller, who may never have seen it start
        del known.running[event.label]
        _note(known.cooldowns, event.label, event.cooldown_ms, self._clock())
        if event.end_reason != DISMISSED:  # a server takes one dismissal of each
            _put(known.ended, event.reaction_id, (event.label, event.cooldown_ms), _MAX_ENDED)
        return [event]

    def _left(self, until: dict[str, float]) -> tuple[RuleCooldown, ...]:
        """The milliseconds that are left, by name. Forgets what is over."""
        now_s = self._clock()
        for name in [name for name, until_s in until.items() if until_s <= now_s]:
            del until[name]
        return tuple(
            RuleCooldown(name, math.ceil(1000 * (until_s - now_s))) for name, until_s in until.items()
        )


_LOST = str(LeaveReason.STREAM_LOST)
# As `gifcue.reactions.EndReason` has them, which the client library does not import.
NOT_ALLOWED = "not_allowed"
DISMISSED = "dismissed"


def _can_be_carried(started: Reaction) -> bool:
    """Whether a join may name the reaction: one that a server refuses would take the others with it."""
    return bool(started.label) and 0 < len(started.reaction_id.encode()) <= MAX_REACTION_ID_BYTES


def _cancel_of(hold: Reaction) -> Reaction:
    """The CANCELLED of a hold that no server ends."""
    return replace(hold, phase=Phase.CANCELLED, end_reason=_LOST)


def _end_of(started: Reaction, reason: str) -> Reaction:
    """The ENDED of a reaction that no server ends."""
    return replace(
        started,
        phase=Phase.ENDED,
        progress=1.0,
        latency_ms=0.0,
        gif=None,
        gif_reason="",
        end_reason=str(reason),
        room_cooldown_ms=0,
        gif_cooldown_ms=0,
    )


def _note(until: dict[str, float], name: str, cooldown_ms: int, now_s: float) -> None:
    """Notes a cooldown. Of too many, those noted longest ago are forgotten. A name that no server takes is left out."""
    if 0 < len(name.encode()) <= MAX_RULE_ID_BYTES and cooldown_ms > 0:
        _put(until, name, now_s + cooldown_ms / 1000, MAX_ENTRIES)


def _put(entries: dict[_Key, _Value], key: _Key, value: _Value, most: int) -> list[_Value]:
    """Sets an entry, the newest one. Of more than `most`, returns the oldest ones, which are forgotten."""
    entries.pop(key, None)
    entries[key] = value
    return [entries.pop(next(iter(entries))) for _ in range(len(entries) - most)]
