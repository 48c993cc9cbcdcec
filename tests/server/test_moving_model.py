"""A model of streams that move: whatever fails when, the caller of the client library gets alternating reactions.

Two servers and a client run in one process and in virtual time (`tests/support/moving`). After every step, the events
that the caller got are compared with the model.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable
from typing import Any, TypeVar

import grpc
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gifcue.client import Backoff, Codec
from gifcue.client.continuity import MAX_CARRIED_S
from gifcue.client.reconnecting import ReconnectingStream
from gifcue.client.reconnecting_participant import ReconnectingParticipant
from gifcue.protocol.events import Disconnected, Reaction, Ready
from gifcue.protocol.phases import Phase
from gifcue.protocol.reasons import LeaveReason
from tests.support.moving.fleet import LABELS, Fleet, payload
from tests.support.moving.virtual_time import VirtualTimeLoop

NAMES = ("ada", "bob")
FPS = 5
CLOCK_HZ = 90_000
# Seconds by which the caller may get an event later than it was decided: the way, and the client's next turn.
SLACK_S = 0.2
# How a connection ends for the client where a proxy or a network is to blame.
LOSSES = (
    (grpc.StatusCode.UNAVAILABLE, "Socket closed"),
    (grpc.StatusCode.CANCELLED, "Received RST_STREAM with error code 8"),
    (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2"),
    (grpc.StatusCode.UNKNOWN, "Received http2 header with status: 502"),
)
_T = TypeVar("_T")
names = st.sampled_from(NAMES)
labels = st.frozensets(st.sampled_from(LABELS))
# Seconds of video after a failure.
then = st.sampled_from([0.0, 0.4, 2.0, 5.0])


class Caller:
    """What the caller gets, compared with the model."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self.violations: list[str] = []
        self.started: list[Reaction] = []
        self.running: dict[tuple[str, str], Reaction] = {}
        self.holds: set[str] = set()
        self._ids: set[str] = set()
        self._free_at_s: dict[tuple[str, str], float] = {}
        # By rule, for the room; by rule and participant.
        self._gif_at_s: dict[tuple[str, ...], float] = {}
        # Labels that a participant shows without a break and that have started meanwhile.
        self.in_pose: set[tuple[str, str]] = set()
        self.joined: set[str] = set()
        self.lost_at_s: float | None = None
        self.is_over = False

    def take(self, event: Reaction) -> None:
        name, now_s = (event.participant_id, event.label), self._loop.time()
        match event.phase:
            case Phase.HOLDING:
                self.holds.add(event.reaction_id)
            case Phase.CANCELLED:
                self._expect(event.reaction_id in self.holds, "CANCELLED of a hold", event)
                self.holds.discard(event.reaction_id)
            case Phase.STARTED:
                self.holds.discard(event.reaction_id)
                self._expect(name not in self.running, "ENDED before the next STARTED", event)
                self._expect(event.reaction_id not in self._ids, "one STARTED of each reaction", event)
                self._expect(now_s >= self._free_at_s.get(name, 0.0) - SLACK_S, "the label's cooldown", event)
                self._expect(name not in self.in_pose, "one STARTED of a pose that is held", event)
                self._gif(event, now_s)
                self.in_pose.add(name)
                self._ids.add(event.reaction_id)
                self.running[name] = event
                self.started.append(event)
            case Phase.ENDED:
                running = self.running.pop(name, None)
                is_same = running is not None and running.reaction_id == event.reaction_id
                self._expect(is_same, "ENDED of the reaction that STARTED", event)
                self._free_at_s[name] = now_s + event.cooldown_ms / 1000
                if event.end_reason == LeaveReason.STREAM_LOST and event.participant_id in self.joined:
                    outage_s = 0.0 if self.lost_at_s is None else now_s - self.lost_at_s
                    may_end = self.is_over or outage_s >= MAX_CARRIED_S - SLACK_S
                    self._expect(may_end, "a reaction to go on while servers can be reached", event)
                if event.end_reason in (
                    "stream_lost",
                    "dismissed",
                    "not_allowed",
                    "refused",
                    "rejoined",
                    "no_frames",
                ):
                    # The pose may be held on, and starts again.
                    self.in_pose.discard(name)

    def disturb(self, participant_id: str, label: str | None = None) -> None:
        """The pose ends, or the caller has done something after which it may start again."""
        self.in_pose = {
            each for each in self.in_pose if each[0] != participant_id or label not in (None, each[1])
        }

    def forget(self, participant_id: str) -> None:
        """Whoever leaves has no cooldowns when it joins again."""
        self.disturb(participant_id)
        for name in [each for each in self._free_at_s if each[0] == participant_id]:
            del self._free_at_s[name]
        for key in [each for each in self._gif_at_s if each[1:] == (participant_id,)]:
            del self._gif_at_s[key]

    def _gif(self, event: Reaction, now_s: float) -> None:
        if event.gif is None:
            return
        rule_id = event.gif.rule_id
        for key, cooldown_ms in (
            ((rule_id,), event.room_cooldown_ms),
            ((rule_id, event.participant_id), event.gif_cooldown_ms),
        ):
            since_s = now_s - self._gif_at_s.get(key, -1e9)
            self._expect(since_s >= cooldown_ms / 1000 - SLACK_S, f"the cooldown of the rule {key}", event)
            self._gif_at_s[key] = now_s

    def _expect(self, holds: bool, what: str, event: Reaction) -> None:
        if not holds:
            self.violations.append(f"expected {what}, got {event} at {self._loop.time():.2f} s")


class Moving(RuleBasedStateMachine):
    """The steps are what an operator, a network and a caller do."""

    @initialize()
    def begin(self) -> None:
        self.loop = VirtualTimeLoop()
        self.caller = Caller(self.loop)
        self.participants: dict[str, ReconnectingParticipant] = {}
        self.shown: dict[str, frozenset[str]] = dict.fromkeys(NAMES, frozenset())
        self.allowed: dict[str, frozenset[str]] = dict.fromkeys(NAMES, frozenset(LABELS))
        self.wants_keyframe = dict.fromkeys(NAMES, True)
        self.sent = 0
        self.do(self._begin())

    async def _begin(self) -> None:
        self.fleet = Fleet()
        self.stream = ReconnectingStream(self.fleet, Backoff(), clock=self.loop.time)
        await self.stream.__aenter__()
        self.reader = self.loop.create_task(self._read())
        for name in NAMES:
            await self._join(name, Codec.VP8)

    async def _read(self) -> None:
        async for event in self.stream.events():
            if isinstance(event, Reaction):
                self.caller.take(event)
            elif isinstance(event, Disconnected) and self.caller.lost_at_s is None:
                self.caller.lost_at_s = self.loop.time()
            elif isinstance(event, Ready):
                self.caller.lost_at_s = None

    async def _join(self, name: str, codec: Codec) -> None:
        self.participants[name] = await self.stream.join(
            name, codec, b"", self.allowed[name], lambda request: self._keyframe(request.participant_id)
        )
        self.caller.joined.add(name)
        self.wants_keyframe[name] = True

    def _keyframe(self, name: str) -> None:
        self.wants_keyframe[name] = True

    def do(self, step: Awaitable[_T]) -> _T:
        asyncio.set_event_loop(self.loop)
        return self.loop.run_until_complete(asyncio.wait_for(step, 600.0))

    async def _send(self, seconds: float) -> None:
        for _ in range(round(seconds * FPS)):
            for name, participant in self.participants.items():
                keyframe = self.wants_keyframe[name]
                self.wants_keyframe[name] = False
                pts = round(self.loop.time() * CLOCK_HZ)
                data = payload(self.shown[name], keyframe=keyframe)
                sequence = await participant.send(data, pts, CLOCK_HZ, keyframe=keyframe)
                self.sent += sequence is not None
                if sequence is None and keyframe:
                    self.wants_keyframe[name] = True
            await asyncio.sleep(1.0 / FPS)

    # What participants and callers do

    @rule(name=names, shown=labels)
    def show(self, name: str, shown: frozenset[str]) -> None:
        for label in self.shown[name] - shown:
            self.caller.disturb(name, label)
        self.shown[name] = shown

    @rule(seconds=st.sampled_from([0.2, 0.6, 1.0, 2.0, 4.0]))
    def send(self, seconds: float) -> None:
        self.do(self._send(seconds))

    @rule(name=names, label=st.sampled_from(LABELS), releases=st.booleans())
    def hold(self, name: str, label: str, releases: bool) -> None:
        """A pose long enough for a reaction, and long enough without it for its end. Other poses go on."""
        self.show(name, self.shown[name] | {label})
        self.send(1.4)
        if releases:
            self.show(name, self.shown[name] - {label})
            self.send(1.0)

    @rule(name=names, allowed=labels)
    def consent(self, name: str, allowed: frozenset[str]) -> None:
        self.allowed[name] = allowed
        self.caller.disturb(name)
        if name in self.participants:
            self.do(self.participants[name].set_allowed(allowed))

    @rule(name=names, speaking=st.booleans())
    def speak(self, name: str, speaking: bool) -> None:
        if name in self.participants:
            self.do(self.participants[name].set_speaking(speaking))

    @precondition(lambda self: self.caller.running)
    @rule(data=st.data())
    def dismiss(self, data: st.DataObject) -> None:
        name, label = data.draw(st.sampled_from(sorted(self.caller.running)))
        if name in self.participants:
            self.caller.disturb(name, label)
            self.do(self.participants[name].dismiss(self.caller.running[name, label].reaction_id))

    @rule(name=names, codec=st.sampled_from([Codec.VP8, Codec.VP9]))
    def join_again(self, name: str, codec: Codec) -> None:
        if name not in self.participants:
            self.caller.forget(name)
        self.do(self._join(name, codec))

    @rule(name=names)
    def leave(self, name: str) -> None:
        if name in self.participants:
            self.caller.joined.discard(name)
            self.do(self.participants.pop(name).leave())
            self.caller.forget(name)

    # What operators, networks and proxies do

    @rule(then_s=then)
    def drain(self, then_s: float) -> None:
        self.do(self.fleet.current.drain())
        self.send(then_s)

    @rule(then_s=then)
    def kill(self, then_s: float) -> None:
        self.do(self._kill())
        self.send(then_s)

    async def _kill(self) -> None:
        self.fleet.replace_current()

    @rule(loss=st.sampled_from(LOSSES), then_s=then)
    def lose(self, loss: tuple[grpc.StatusCode, str], then_s: float) -> None:
        self.fleet.current.lose(*loss)
        self.send(then_s)

    @rule(then_s=then)
    def freeze(self, then_s: float) -> None:
        self.fleet.current.freeze(is_frozen=True)
        self.send(then_s)

    @rule()
    def thaw(self) -> None:
        for process in self.fleet.processes:
            process.freeze(is_frozen=False)

    # What must hold

    @invariant()
    def reactions_are_as_the_model_says(self) -> None:
        if hasattr(self, "caller"):
            assert self.caller.violations == []

    @invariant()
    def every_frame_is_accounted_for(self) -> None:
        if not hasattr(self, "fleet"):
            return
        counts = [each.frames for each in (*self.fleet.processes, *self.fleet.gone)]
        assert all(each.is_consistent for each in counts)
        assert sum(each.received for each in counts) <= self.sent

    def teardown(self) -> None:
        if not hasattr(self, "fleet"):
            return
        self.thaw()
        self.do(self._end())
        self.loop.close()
        assert self.caller.violations == []
        assert self.caller.running == {}, "what STARTED has ENDED"
        assert self.caller.holds == set(), "what was held has started or was cancelled"

    async def _end(self) -> None:
        await self._send(0.4)
        self.caller.is_over = True
        await self.stream.half_close()
        await self.reader
        await self.fleet.stop()


TestMoving = Moving.TestCase
TestMoving.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def test_a_held_pose_moves_through_every_kind_of_failure_with_one_start() -> None:
    machine: Any = Moving()
    machine.begin()
    machine.show("ada", frozenset({"smile"}))
    machine.send(4.0)
    losses = [functools.partial(machine.lose, each) for each in LOSSES]
    for fail in (machine.drain, machine.kill, machine.freeze, *losses):
        fail(then_s=4.0)
        machine.thaw()
    assert [each.label for each in machine.caller.started] == ["smile"]
    assert len(machine.caller.running) == 1
    machine.show("ada", frozenset())
    machine.send(2.0)
    assert machine.caller.running == {}
    machine.teardown()


def test_cooldowns_of_labels_and_rules_hold_across_a_move() -> None:
    machine: Any = Moving()
    machine.begin()
    machine.hold("ada", "smile", releases=True)
    machine.kill(then_s=0.0)
    machine.show("ada", frozenset({"smile"}))
    machine.send(1.6)
    assert len(machine.caller.started) == 1, "the label cools down"
    machine.send(3.0)
    first, second = machine.caller.started
    assert first.gif is not None
    assert second.gif is None
    assert "cooldown of the participant" in second.gif_reason
    machine.teardown()
