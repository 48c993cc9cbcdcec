"""Servers of the simulation: pods on nodes, from their start to their end, and the rooms that they hold."""

from __future__ import annotations

import math
import random
from collections.abc import Generator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import simpy

from benchmarks.fleet_inputs import Inputs

Steps = Generator[simpy.Event, Any, None]


class State(Enum):
    """What a server does. Only SERVING ones are scraped and count as ready."""

    STARTING = auto()
    SERVING = auto()
    DRAINING = auto()
    GONE = auto()


@dataclass(eq=False)
class Room:
    """A meeting: who wants reactions, who gets them, and where."""

    size: int
    wanted: int = 1
    admitted: int = 0
    server: Server | None = None
    is_over: bool = False
    is_asking: bool = False
    since_s: float = 0.0


@dataclass(eq=False)
class Node:
    """A machine of the cluster."""

    ready_s: float
    pods: int = 0
    versions: set[int] = field(default_factory=set)
    idle_s: float = 0.0


@dataclass(eq=False)
class Server:
    """A pod. `place` is its position among the servers that clients can choose; -1: not among them."""

    version: int
    node: Node
    state: State = State.STARTING
    participants: int = 0
    rooms: dict[Room, None] = field(default_factory=dict)
    place: int = -1


class Servers:
    """All pods of a fleet, and the nodes that they run on."""

    def __init__(self, env: simpy.Environment, inputs: Inputs, rng: random.Random) -> None:
        self.env = env
        self.inputs = inputs
        self.all: dict[Server, None] = {}
        self.nodes: list[Node] = []
        self.version = 0
        self.participants = 0
        self.active_count = 0
        self._rng = rng
        self._open: list[Server] = []

    def active(self) -> list[Server]:
        """Those that start or serve, the oldest first."""
        return [server for server in self.all if server.state in (State.STARTING, State.SERVING)]

    def serving(self) -> list[Server]:
        """Those that take rooms."""
        return [server for server in self.all if server.state is State.SERVING]

    def choose(self) -> Server | None:
        """The next server of a room's order: for rooms that know nothing of each other, a random one."""
        return self._open[self._rng.randrange(len(self._open))] if self._open else None

    def add_ready(self) -> None:
        """A server that has served since before the simulation began."""
        server = Server(self.version, self._node())
        server.node.versions.add(self.version)
        server.node.ready_s = self.env.now
        self.all[server] = None
        self.active_count += 1
        server.state = State.SERVING
        self._list(server)

    def add(self, after_s: float = 0.0, node: Node | None = None) -> None:
        """Starts a pod, `after_s` from now; on a node of its own choice unless it stays on one."""
        server = Server(self.version, node or self._node())
        if node is not None:
            node.pods += 1
        self.all[server] = None
        self.active_count += 1
        self.env.process(self._start(server, after_s))

    def _start(self, server: Server, after_s: float) -> Steps:
        inputs, node = self.inputs, server.node
        yield self.env.timeout(after_s + max(0.0, node.ready_s - self.env.now) + inputs.schedule_s)
        if server.version not in node.versions:
            node.versions.add(server.version)
            # Pods that come to the node meanwhile wait for the same pull.
            node.ready_s = max(node.ready_s, self.env.now + inputs.pull_s)
        waits_s = max(0.0, node.ready_s - self.env.now) + inputs.start_s
        yield self.env.timeout(waits_s + self._rng.uniform(0, inputs.probe_s))
        if server.state is not State.STARTING:
            return
        server.state = State.SERVING
        yield self.env.timeout(self._rng.uniform(0, inputs.discovery_s))
        if server.state is State.SERVING:
            self._list(server)

    def _node(self) -> Node:
        """A node with a place for one more pod; a new one where there is none."""
        node = next((node for node in self.nodes if node.pods < self.inputs.pods_per_node), None)
        if node is None:
            node = Node(self.env.now + self.inputs.node_s)
            self.nodes.append(node)
        node.pods += 1
        return node

    def release_idle_nodes(self) -> None:
        """Takes away nodes that have had no pod for some time."""
        before_s = self.env.now - self.inputs.node_idle_s
        self.nodes = [node for node in self.nodes if node.pods or node.idle_s > before_s]

    def _list(self, server: Server) -> None:
        server.place = len(self._open)
        self._open.append(server)

    def close(self, server: Server, state: State) -> None:
        """Clients choose it no longer. A server that is GONE leaves its node, too."""
        if server.place >= 0:
            last = self._open.pop()
            if last is not server:
                self._open[server.place] = last
                last.place = server.place
            server.place = -1
        self.active_count -= server.state in (State.STARTING, State.SERVING)
        server.state = state
        if state is State.GONE:
            del self.all[server]
            server.node.pods -= 1
            server.node.idle_s = self.env.now

    def admit(self, server: Server, room: Room, count: int) -> int:
        """Joins so many of a room as find a place; the number."""
        admitted = min(count, self.inputs.capacity - server.participants)
        server.participants += admitted
        self.participants += admitted
        room.admitted += admitted
        return admitted

    def put(self, server: Server, room: Room) -> bool:
        """Opens the room's stream there; False: the server is full and refuses it."""
        if server.participants >= self.inputs.capacity * self.inputs.opens_below:
            return False
        room.server = server
        server.rooms[room] = None
        self.admit(server, room, room.wanted)
        return True

    def take(self, room: Room) -> None:
        """Ends the room's stream."""
        assert room.server is not None
        del room.server.rooms[room]
        room.server.participants -= room.admitted
        self.participants -= room.admitted
        room.server, room.admitted = None, 0


def pods(inputs: Inputs, participants: float) -> float:
    """What the autoscaler is asked for: (participants + spare) / capacity, as docs/operating.md has it."""
    return (participants * (1 + inputs.spare_share) + inputs.spare) / inputs.capacity


def needed(inputs: Inputs, participants: float) -> int:
    """The same in whole pods, and at least `inputs.replicas`."""
    return max(inputs.replicas, math.ceil(pods(inputs, participants)))
