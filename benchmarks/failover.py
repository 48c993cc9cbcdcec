"""What participants notice when one of two servers goes, or their proxy is reloaded.

    python -m benchmarks.failover [--through client,haproxy,envoy,nginx] [--events sigterm,sigkill,sigstop,reload]

Twenty participants in ten rooms smile all the time, through the client library's streams. Then one server gets the
signal, or the proxy is reloaded. Each event is tried with new servers. What is asked:

- No participant on that server goes without an analysed frame for longer than 2 s (95th percentile).
- For each participant STARTED and ENDED alternate, and nothing is left without ENDED.
- The frame accounting of every server that can still be asked is consistent and agrees with what was sent to it: it has
  received every frame of a stream that was not cut off, and no more than was sent on one that was.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.fleet_pair import CLIENT, wait_until_open
from benchmarks.latency import percentile
from benchmarks.load import machine
from benchmarks.meetings import Meeting, Seen, smiling
from benchmarks.processes import exit_on_sigterm
from benchmarks.proxies import PROXIES, Backend, Proxy
from benchmarks.server_process import ServerProcess
from gifcue.client import Phase, ReactionClient, ServerStatus
from gifcue.client.exceptions import ClientError
from gifcue.sample_video.clips import EncodedClip

SIGNALS = {"sigterm": signal.SIGTERM, "sigkill": signal.SIGKILL, "sigstop": signal.SIGSTOP}
RELOAD = "reload"
MAX_PAUSE_S = 2.0
# What docs/proxies.md recommends for servers behind a proxy, so that the proxy learns of a drain before the streams do.
BEHIND_A_PROXY = {"GIFCUE_SERVER__LAME_DUCK_S": "2"}
FPS = 10.0
# Seconds until everybody must smile, for which analysis goes on after the event, and within which all must be back.
_SMILE_S = 20.0
_AFTER_S = 4.0
_BACK_S = 30.0
_POLL_S = 0.05


@dataclass
class Outcome:
    """The result of one event, ready for JSON. `problems` is empty where everything asked for holds."""

    through: str
    event: str
    participants: int = 0
    affected: int = 0
    pause_s: dict[str, float] = field(default_factory=dict)
    started: int = 0
    ended: int = 0
    received: dict[str, int] = field(default_factory=dict)
    sent_to: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Watched:
    """The last answer of a server's status, for a server that may end at any time."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.status: ServerStatus | None = None
        self.sessions: set[str] = set()

    async def ask(self) -> bool:
        """Asks; False where it does not answer."""
        try:
            async with asyncio.timeout(1.0), ReactionClient(self.server.operator_target) as operator:
                self.status = await operator.status()
        except (ClientError, TimeoutError):
            return False
        return True

    async def follow(self) -> None:
        """Asks until it is cancelled."""
        while True:
            await self.ask()
            await asyncio.sleep(_POLL_S)

    async def find_sessions(self) -> None:
        """Adds the streams that are open on it to `sessions`."""
        async with ReactionClient(self.server.operator_target) as operator:
            self.sessions |= {each.session_id for each in (await operator.streams(100)).streams}


@contextlib.asynccontextmanager
async def fleet(
    through: str, folder: Path, servers: Sequence[ServerProcess]
) -> AsyncIterator[tuple[list[ReactionClient], Proxy | None]]:
    """Two clients of the servers, as two media servers have them, and the proxy if there is one."""
    async with contextlib.AsyncExitStack() as stack:
        proxy, target = None, [each.target for each in servers]
        if through != CLIENT:
            backends = [Backend.of(each) for each in servers]
            proxy = await stack.enter_async_context(PROXIES[through](folder, backends))
            await wait_until_open(proxy)
        clients = [
            await stack.enter_async_context(ReactionClient(proxy.target if proxy else target))
            for _ in range(2)
        ]
        yield clients, proxy


async def try_event(through: str, event: str, count: int, clip: EncodedClip) -> Outcome:
    """One event with servers of its own."""
    outcome = Outcome(through, event, participants=count)
    with tempfile.TemporaryDirectory() as folder:
        async with contextlib.AsyncExitStack() as stack:
            environment = {} if through == CLIENT else BEHIND_A_PROXY
            servers = [
                await stack.enter_async_context(ServerProcess([], environment, http=True, operator=True))
                for _ in range(2)
            ]
            clients, proxy = await stack.enter_async_context(fleet(through, Path(folder), servers))
            meetings = [
                Meeting(clients[room % 2], f"meeting-{room}", [f"{room}-{place}" for place in range(2)], clip)
                for room in range(count // 2)
            ]
            watched = [Watched(each) for each in servers]
            stack.callback(servers[0].send_signal, signal.SIGCONT)  # a server that stands still cannot end
            async with contextlib.AsyncExitStack() as inside:
                for meeting in meetings:
                    await inside.enter_async_context(meeting)
                await _until(lambda: all(map(_smiles, _seen(meetings))), _SMILE_S, "a smile of all")
                for each in watched:
                    await each.find_sessions()
                hit = [each for each in meetings if each.sessions[-1] in watched[0].sessions]
                if not 0 < len(hit) < len(meetings):
                    outcome.problems.append(
                        f"expected rooms on both servers, got {len(hit)} of {len(meetings)} on one"
                    )
                event_s = time.monotonic()
                async with _following(watched[0]):
                    if event == RELOAD:
                        assert proxy is not None, "expected a proxy to reload"
                        await proxy.reload()
                        hit = meetings
                    else:
                        servers[0].send_signal(SIGNALS[event])
                        await _until(
                            lambda: all(len(each.sessions) > 1 and each.stream.connected for each in hit),
                            _BACK_S,
                            "all to be connected again",
                        )
                    await asyncio.sleep(_AFTER_S)
                _judge_pauses(outcome, _seen(hit), event_s, time.monotonic())
                if event == "sigstop":
                    servers[0].send_signal(signal.SIGCONT)
                await watched[1].find_sessions()
            await _judge_accounting(outcome, watched, meetings, event)
    _judge_reactions(outcome, meetings, hit, event_s)
    return outcome


def _judge_pauses(outcome: Outcome, seen: Sequence[Seen], event_s: float, until_s: float) -> None:
    pauses = [each.longest_pause_s(event_s, until_s) for each in seen]
    outcome.affected = len(pauses)
    outcome.pause_s = {
        "p50": round(percentile(pauses, 0.5), 2),
        "p95": round(percentile(pauses, 0.95), 2),
        "max": round(max(pauses), 2),
    }
    if outcome.pause_s["p95"] > MAX_PAUSE_S:
        outcome.problems.append(f"p95 of the pause {outcome.pause_s['p95']} s, over {MAX_PAUSE_S:g}")


async def _judge_accounting(
    outcome: Outcome, watched: Sequence[Watched], meetings: Sequence[Meeting], event: str
) -> None:
    """Compares what the servers have received with what was sent, once all streams are over."""
    for letter, each in zip("ab", watched, strict=True):
        is_hit = letter == "a" and event != RELOAD
        answers = await each.ask()
        if not answers and not (is_hit and event in ("sigterm", "sigkill")):
            outcome.problems.append(f"server {letter}: expected an answer about its status, got none")
        if each.status is None or (is_hit and event == "sigkill"):
            continue  # what a killed server has counted is gone with it
        sent = sum(
            frames
            for seen in _seen(meetings)
            for session_id, frames in seen.sent_on.items()
            if session_id in each.sessions
        )
        frames = each.status.frames
        outcome.sent_to[letter], outcome.received[letter] = sent, frames.received
        if not frames.is_consistent:
            outcome.problems.append(f"server {letter}: the frame accounting is inconsistent")
        # The last frames of a stream that was cut off, or that its server ended, may not have arrived.
        if frames.received > sent or (frames.received < sent and not is_hit):
            outcome.problems.append(
                f"server {letter}: {sent} frames were sent to it, it received {frames.received}"
            )


def _judge_reactions(
    outcome: Outcome, meetings: Sequence[Meeting], hit: Sequence[Meeting], event_s: float
) -> None:
    for meeting in meetings:
        if meeting.error is not None:
            outcome.problems.append(f"{meeting.room}: {type(meeting.error).__name__}: {meeting.error}")
        for seen in meeting.seen.values():
            outcome.started += seen.count(Phase.STARTED)
            outcome.ended += seen.count(Phase.ENDED)
            outcome.problems += seen.mistakes()
    # All smile when it happens and go on smiling, so that STARTED after it says that a reaction did not survive.
    again = {each.name: each for each in _seen(hit) if each.count(Phase.STARTED, event_s)}
    if again:
        reasons = Counter(
            reason
            for each in again.values()
            for at_s, _, _, reason in each.steps
            if reason and at_s >= event_s
        )
        outcome.problems.append(f"{len(again)} STARTED again, after ENDED with {dict(reasons)}")


@contextlib.asynccontextmanager
async def _following(watched: Watched) -> AsyncIterator[None]:
    following = asyncio.create_task(watched.follow())
    try:
        yield
    finally:
        following.cancel()
        await asyncio.wait({following})


def _seen(meetings: Sequence[Meeting]) -> list[Seen]:
    return [seen for meeting in meetings for seen in meeting.seen.values()]


def _smiles(seen: Seen) -> bool:
    return seen.count(Phase.STARTED) > seen.count(Phase.ENDED)


async def _until(condition: Callable[[], bool], limit_s: float, what: str) -> None:
    try:
        async with asyncio.timeout(limit_s):
            while not condition():  # noqa: ASYNC110 - several tasks change what it reads
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise RuntimeError(f"expected {what} within {limit_s:g} s, got less") from None


async def run(arguments: argparse.Namespace) -> list[Outcome]:
    """Tries every event through every way."""
    clip = smiling(FPS)
    outcomes: list[Outcome] = []
    for through in arguments.through:
        for event in arguments.events:
            if event == RELOAD and through == CLIENT:
                continue
            try:
                outcome = await try_event(through, event, arguments.participants, clip)
            except (RuntimeError, TimeoutError) as error:
                outcome = Outcome(through, event, problems=[f"{type(error).__name__}: {error}"])
            outcomes.append(outcome)
            _say(outcome)
    return outcomes


def _say(outcome: Outcome) -> None:
    print(
        f"{outcome.through:<8} {outcome.event:<8} {outcome.affected:>3} of {outcome.participants} affected, "
        f"pause {outcome.pause_s}, STARTED {outcome.started}, ENDED {outcome.ended}, "
        f"sent {outcome.sent_to}, received {outcome.received}: " + ("; ".join(outcome.problems) or "good"),
        file=sys.stderr,
        flush=True,
    )


def _listed(known: Sequence[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        for each in (found := text.split(",")):
            if each not in known:
                raise argparse.ArgumentTypeError(f"expected some of {', '.join(known)}, got {each!r}")
        return found

    return parse


def main() -> None:
    """The command line. Exits with 1 where something asked for does not hold."""
    exit_on_sigterm()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.failover",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    ways, events = [CLIENT, *PROXIES], [*SIGNALS, RELOAD]
    parser.add_argument("--through", type=_listed(ways), default=ways)
    parser.add_argument("--events", type=_listed(events), default=events)
    parser.add_argument("--participants", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    outcomes = asyncio.run(run(arguments))
    if arguments.json:
        print(json.dumps({"machine": machine(), "outcomes": [asdict(each) for each in outcomes]}, indent=2))
    bad = sum(bool(each.problems) for each in outcomes)
    if bad:
        raise SystemExit(f"{bad} of {len(outcomes)} events: not everything asked for holds")


if __name__ == "__main__":
    main()
