"""A day of a fleet, as a discrete-event simulation: rooms come, stay and go; servers start, drain and fail.

A room's order of servers by rendezvous hashing is a random one, and orders of different rooms are independent, so that
the simulation draws a server wherever a client would take the next one of its order.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np
import simpy

from benchmarks import fleet_load
from benchmarks.fleet_inputs import HOUR_S, Inputs
from benchmarks.fleet_servers import Room, Server, Servers, State, Steps


@dataclass
class Figures:
    """What a day came to. Counts are of participants where nothing else is said; times are in seconds."""

    rooms: int = 0
    joins: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    openings: int = 0
    openings_refused: int = 0
    rooms_waited: int = 0
    longest_wait_s: float = 0.0
    moved: Counter[str] = field(default_factory=Counter)
    without_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    wanted_s: float = 0.0
    failures: int = 0
    update_s: float = 0.0
    update_streams: int = 0
    peak_participants: int = 0
    peak_wanted: int = 0
    peak_replicas: int = 0
    peak_nodes: int = 0
    replica_s: float = 0.0
    served_s: float = 0.0

    @property
    def refused_share(self) -> float:
        """Of all joins, those that found no place at once."""
        return sum(self.refused.values()) / self.joins if self.joins else 0.0

    @property
    def without_per_hour(self) -> float:
        """Seconds without reactions of one participant in an hour of meetings."""
        return sum(self.without_s.values()) / self.wanted_s * HOUR_S if self.wanted_s else 0.0


class Fleet:
    """Servers and rooms. `run` plays the day once."""

    def __init__(self, inputs: Inputs, seed: int) -> None:
        self.inputs = inputs
        self.env = simpy.Environment()
        self.rng = random.Random(seed)
        self.servers = Servers(self.env, inputs, self.rng)
        self.figures = Figures()
        self._load = fleet_load.rooms(inputs, np.random.default_rng(seed))

    def run(self) -> Figures:
        """The figures of the day."""
        self.env.process(self._arrivals())
        self.env.run(until=self.inputs.day_s)
        return self.figures

    def _arrivals(self) -> Steps:
        load = self._load
        for begins_s, duration_s, size in zip(
            load.begins_s.tolist(), load.durations_s.tolist(), load.sizes.tolist(), strict=True
        ):
            yield self.env.timeout(max(0.0, begins_s - self.env.now))
            self.env.process(self._meet(Room(size, since_s=self.env.now), duration_s))

    def _meet(self, room: Room, duration_s: float) -> Steps:
        self.figures.rooms += 1
        self.figures.joins += 1
        self.open(room, self.inputs.attempts)
        if room.server is None:
            self.figures.refused["full"] += 1
        others_s = min(duration_s, self.inputs.others_join_s)
        if room.size > 1:
            yield self.env.timeout(others_s)
            self._join_others(room)
            yield self.env.timeout(duration_s - others_s)
        else:
            yield self.env.timeout(duration_s)
        self._account(room)
        room.is_over = True
        if room.server is not None:
            self.servers.take(room)

    def _join_others(self, room: Room) -> None:
        self._account(room)
        others = room.size - room.wanted
        self.figures.joins += others
        room.wanted = room.size
        admitted = self.servers.admit(room.server, room, others) if room.server is not None else 0
        too_large = min(others - admitted, max(0, room.size - self.inputs.capacity))
        self.figures.refused["room too large"] += too_large
        self.figures.refused["full"] += others - admitted - too_large
        self._ask(room)

    def open(self, room: Room, attempts: int) -> None:
        """Tries to open the room's stream; where nobody takes it, it waits as the client library does."""
        if not self._try(room, attempts) and not self.inputs.gives_up:
            self.env.process(self._wait(room))

    def _try(self, room: Room, attempts: int) -> bool:
        for attempt in range(attempts):
            server = self.servers.choose()
            if server is None:
                return False
            self.figures.openings += 1
            if self.servers.put(server, room):
                self.figures.without_s["waiting"] += attempt * self.inputs.next_server_s * room.admitted
                self._ask(room)
                return True
            self.figures.openings_refused += 1
        return False

    def _ask(self, room: Room) -> None:
        """Lets refused participants of a stream ask again, unless all who fit on a server are in."""
        if not room.is_asking and room.admitted < min(room.wanted, self.inputs.capacity):
            room.is_asking = True
            self.env.process(self._join_again(room))

    def _join_again(self, room: Room) -> Steps:
        while not room.is_over and room.admitted < min(room.wanted, self.inputs.capacity):
            yield self.env.timeout(self.inputs.rejoin_s)
            if room.server is not None and not room.is_over:
                self._account(room)
                self.servers.admit(room.server, room, room.wanted - room.admitted)
        room.is_asking = False

    def _wait(self, room: Room) -> Steps:
        self.figures.rooms_waited += 1
        began_s = self.env.now
        pause_s, longest_s = self.inputs.backoff_s
        while not room.is_over:
            yield self.env.timeout(max(pause_s, self.rng.uniform(*self.inputs.retry_s)))
            pause_s = min(longest_s, 2 * pause_s)
            if room.is_over:
                break
            self._account(room)
            if self._try(room, 1):
                break
        self.figures.longest_wait_s = max(self.figures.longest_wait_s, self.env.now - began_s)

    def _account(self, room: Room) -> None:
        """Adds the time since the last change of this room. Whoever changes a room calls it before."""
        passed_s = self.env.now - room.since_s
        room.since_s = self.env.now
        self.figures.wanted_s += passed_s * room.wanted
        if room.server is None:
            self.figures.without_s["waiting"] += passed_s * room.wanted
        else:
            missing = room.wanted - room.admitted
            too_large = min(missing, max(0, room.wanted - self.inputs.capacity))
            self.figures.without_s["room too large"] += passed_s * too_large
            self.figures.without_s["join refused"] += passed_s * (missing - too_large)

    def move(self, server: Server, why: str, pause_s: float) -> None:
        """Moves all rooms of a server elsewhere; each participant misses `pause_s`. The server is closed before."""
        for room in list(server.rooms):
            self._account(room)
            self.figures.moved[why] += 1
            self.figures.without_s["moving"] += pause_s * room.admitted
            self.servers.take(room)
            self.open(room, self.inputs.attempts)

    def drain(self, server: Server, why: str) -> None:
        """Ends a server in order: lame duck, then its streams are asked to move."""
        if server.state is State.STARTING:
            self.servers.close(server, State.GONE)
            return
        self.servers.close(server, State.DRAINING)
        self.env.process(self._drain(server, why))

    def _drain(self, server: Server, why: str) -> Steps:
        yield self.env.timeout(self.inputs.lame_duck_s)
        if server.state is State.DRAINING:
            self.move(server, why, self.inputs.drain_pause_s)
            self.servers.close(server, State.GONE)

    def fail(self, server: Server) -> None:
        """The server dies or hangs without a warning."""
        is_hang = self.rng.random() < self.inputs.hang_share
        self.servers.close(server, State.GONE)
        self.move(server, "failure", self.inputs.hang_pause_s if is_hang else self.inputs.kill_pause_s)
