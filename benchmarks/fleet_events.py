"""What happens to a fleet beside its rooms: autoscaling, failures and a rolling update, as Kubernetes does them."""

from __future__ import annotations

import math
from collections import deque

from benchmarks.fleet_inputs import MINUTE_S, Inputs
from benchmarks.fleet_load import DAY_BEGINS_S
from benchmarks.fleet_servers import Server, State, Steps, needed, pods
from benchmarks.fleet_simulation import Figures, Fleet


class Autoscaler:
    """A HorizontalPodAutoscaler on the chart's expression, with its behavior; KEDA makes the same object.

    It is asked with the participants of the last scrape, so it sees who is in, not who was refused.
    """

    def __init__(self, inputs: Inputs, replicas: int) -> None:
        self._inputs = inputs
        self.replicas = replicas
        self._changes: deque[tuple[float, int]] = deque()
        self._wanted: deque[tuple[float, int]] = deque()

    def decide(self, now_s: float, participants: int) -> int:
        """The replicas from now on."""
        inputs = self._inputs
        ratio = pods(inputs, participants) / self.replicas
        wanted = self.replicas if abs(ratio - 1) <= inputs.tolerance else needed(inputs, participants)
        self._wanted.append((now_s, wanted))
        while self._wanted[0][0] < now_s - inputs.stabilisation_s:
            self._wanted.popleft()
        while self._changes and self._changes[0][0] <= now_s - max(inputs.up_period_s, inputs.down_period_s):
            self._changes.popleft()
        before = self.replicas
        if wanted > before:
            base = before - self._changed(now_s - inputs.up_period_s, 1)
            limit = max(math.ceil(base * (1 + inputs.up_share)), base + inputs.up_pods)
            self.replicas = min(wanted, max(before, limit), inputs.max_replicas)
        else:
            held = max(each for _, each in self._wanted)
            base = before - self._changed(now_s - inputs.down_period_s, -1)
            limit = min(math.floor(base * (1 - inputs.down_share)), base - 1)
            self.replicas = min(before, max(held, limit))
        if self.replicas != before:
            self._changes.append((now_s, self.replicas - before))
        return self.replicas

    def _changed(self, since_s: float, sign: int) -> int:
        """The sum of the changes in one direction since a time."""
        return sum(change for at_s, change in self._changes if at_s > since_s and change * sign > 0)


class Day:
    """A fleet with all that happens to it."""

    def __init__(self, inputs: Inputs, seed: int) -> None:
        self.inputs = inputs
        self.fleet = Fleet(inputs, seed)
        self.env, self.servers = self.fleet.env, self.fleet.servers
        replicas = needed(inputs, 0) if inputs.is_autoscaled else inputs.replicas
        self.autoscaler = Autoscaler(inputs, replicas)
        self._pending = 0
        self._is_updating = False
        for _ in range(replicas):
            self.servers.add_ready()

    def run(self) -> Figures:
        """The figures of the day."""
        self.env.process(self._observe())
        if math.isfinite(self.inputs.pod_mtbf_s):
            self.env.process(self._fail_pods())
        if math.isfinite(self.inputs.node_mtbf_s):
            self.env.process(self._fail_nodes())
        if self.inputs.update_at_s is not None:
            self.env.process(self._update(self.inputs.update_at_s - DAY_BEGINS_S))
        return self.fleet.run()

    def _observe(self) -> Steps:
        """Scrapes, takes the figures, and lets the autoscaler decide on what it scraped an interval before."""
        inputs, servers, figures = self.inputs, self.servers, self.fleet.figures
        scraped = 0
        while True:
            if inputs.is_autoscaled:
                self._scale(self.autoscaler.decide(self.env.now, scraped))
                servers.release_idle_nodes()
            # Scrape and sync are not in step, and a metric is up to one scrape old when it is read.
            scraped = servers.participants
            figures.peak_participants = max(figures.peak_participants, servers.participants)
            figures.peak_wanted = max(figures.peak_wanted, self.autoscaler.replicas)
            figures.peak_replicas = max(figures.peak_replicas, len(servers.all))
            figures.peak_nodes = max(figures.peak_nodes, len(servers.nodes))
            figures.replica_s += len(servers.all) * inputs.sync_s
            figures.served_s += servers.participants * inputs.sync_s
            yield self.env.timeout(inputs.sync_s)

    def _scale(self, replicas: int) -> None:
        """Starts pods, or ends those that are not ready, are old, or came last."""
        present = self.servers.active_count + self._pending
        surge = self._surge() if self._is_updating else 0
        for _ in range(replicas - present):
            self.servers.add()
        over = present - replicas - surge
        if over > 0:
            active = self.servers.active()
            active.reverse()
            active.sort(key=lambda server: (server.state is State.SERVING, server.version))
            for server in active[:over]:
                self.fleet.drain(server, "scale-down")

    def _surge(self) -> int:
        return math.ceil(self.autoscaler.replicas * self.inputs.surge)

    def _update(self, at_s: float) -> Steps:
        """A rolling update: pods beyond the replicas start, and as many old ones end as new ones are ready."""
        yield self.env.timeout(at_s)
        self.servers.version += 1
        self._is_updating = True
        self.fleet.figures.update_streams = sum(len(server.rooms) for server in self.servers.all)
        while True:
            active = self.servers.active()
            old = [server for server in active if server.version < self.servers.version]
            if not old:
                break
            replicas = self.autoscaler.replicas
            new = len(active) - len(old)
            for _ in range(min(replicas + self._surge() - len(active), replicas - new)):
                self.servers.add()
            ready = sum(server.state is State.SERVING for server in active)
            is_last = new >= replicas and ready >= len(active)
            may_end = len(old) if is_last else max(0, ready - replicas)
            for server in old[:may_end]:
                self.fleet.drain(server, "update")
            yield self.env.timeout(1.0)
        self._is_updating = False
        self.fleet.figures.update_s = self.env.now - at_s

    def _fail_pods(self) -> Steps:
        while True:
            yield self.env.timeout(MINUTE_S)
            is_due = self.fleet.rng.random() < self.servers.active_count * MINUTE_S / self.inputs.pod_mtbf_s
            serving = self.servers.serving() if is_due else []
            if serving:
                failed = self.fleet.rng.choice(serving)
                self._fail([failed])
                self.servers.add(self.inputs.restart_s, failed.node)

    def _fail_nodes(self) -> Steps:
        while True:
            yield self.env.timeout(MINUTE_S)
            nodes = self.servers.nodes
            if self.fleet.rng.random() >= len(nodes) * MINUTE_S / self.inputs.node_mtbf_s:
                continue
            node = self.fleet.rng.choice(nodes)
            nodes.remove(node)
            lost = [server for server in self.servers.serving() if server.node is node]
            self._fail(lost)
            self.env.process(self._replace(len(lost)))

    def _replace(self, count: int) -> Steps:
        """Kubernetes takes some minutes to give up a node; until then its pods count as there."""
        self._pending += count
        yield self.env.timeout(self.inputs.node_lost_s)
        self._pending -= count
        for _ in range(self.autoscaler.replicas - self.servers.active_count - self._pending):
            self.servers.add()

    def _fail(self, failed: list[Server]) -> None:
        self.fleet.figures.failures += len(failed)
        for server in failed:
            self.fleet.fail(server)
