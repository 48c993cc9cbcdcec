"""The rules against hostile video, for a stream and for a peer, as a model: no process, no wait."""

from __future__ import annotations

import pytest

from gifcue.engine.quarantine import (
    ALL_REFUSED_POINTS,
    PEER_LONGEST_PAUSE_S,
    PEERS_REMEMBERED,
    POINTS_LAST_S,
    PROVEN_AFTER_S,
    Points,
    Quarantine,
    StreamQuarantine,
)
from gifcue.media.suspects import FIRST_PAUSE_S, LONGEST_PAUSE_S, Incident
from tests.support.manual_time import ManualTime

DEADLY = Incident(1, 1, 0, "decode-0", "killed by SIGSEGV", is_fatal=True)
COSTLY = DEADLY._replace(is_fatal=False)


@pytest.fixture
def time() -> ManualTime:
    time = ManualTime()
    time.advance(1000.0)
    return time


@pytest.fixture
def stream(time: ManualTime) -> StreamQuarantine:
    return Quarantine(time.clock).of_stream("ipv4:192.0.2.1")


class Person:
    """A participant as the engine sees one."""

    def __init__(self, stream: StreamQuarantine, time: ManualTime, name: str) -> None:
        self.stream = stream
        self.time = time
        self.name = name
        self.joined_s = time.clock()
        pause_s = stream.joins(name)
        self.until_s = self.joined_s + pause_s if pause_s else 0.0
        self.is_suspect = False

    def kills(self, incident: Incident = DEADLY) -> float:
        self.is_suspect = True
        pause_s = self.stream.accuse(self.name, incident)
        self.until_s = max(self.until_s, self.time.clock() + pause_s)
        return pause_s

    @property
    def refused_s(self) -> float:
        until_s = self.stream.refused_until_s(self.joined_s, self.until_s, is_suspect=self.is_suspect)
        return max(0.0, until_s - self.time.clock())


def test_who_does_nothing_is_never_refused(stream: StreamQuarantine, time: ManualTime) -> None:
    assert Person(stream, time, "alice").refused_s == 0.0


def test_a_second_event_is_answered_by_a_pause(stream: StreamQuarantine, time: ManualTime) -> None:
    mallory, alice = Person(stream, time, "mallory"), Person(stream, time, "alice")
    assert mallory.kills() == 0.0
    assert mallory.kills() == 5.0
    assert (mallory.refused_s, alice.refused_s) == (5.0, 0.0)
    time.advance(5.0)
    assert mallory.refused_s == 0.0


def test_a_record_survives_leaving_and_joining_again(stream: StreamQuarantine, time: ManualTime) -> None:
    Person(stream, time, "mallory").kills()
    again = Person(stream, time, "mallory")
    assert again.refused_s == 0.0
    assert again.kills() == 5.0
    time.advance(1.0)
    assert Person(stream, time, "mallory").refused_s == 4.0


def test_a_suspect_that_joins_again_stays_with_its_worker(stream: StreamQuarantine, time: ManualTime) -> None:
    assert stream.worker_of("mallory") is None
    Person(stream, time, "mallory").kills(DEADLY._replace(worker=3))
    assert stream.worker_of("mallory") == 3
    assert stream.worker_of("alice") is None


def test_new_names_do_not_help(stream: StreamQuarantine, time: ManualTime) -> None:
    killed = []
    for number in range(100):
        person = Person(stream, time, f"mallory {number}")
        if not person.refused_s:
            person.kills(DEADLY._replace(worker=2))
            killed.append(number)
        time.advance(0.5)
    # The first three are free; whoever joins within the next five seconds and later is refused at first.
    assert killed == [0, 1, 2]
    assert stream.worker_of("anybody new") == 2


def test_a_whole_crowd_of_suspects_kills_less_and_less(stream: StreamQuarantine, time: ManualTime) -> None:
    """64 participants that do nothing but kill, each as soon as it is not refused, for an hour."""
    crowd = [Person(stream, time, f"mallory {number}") for number in range(64)]
    began_s = time.clock()
    deaths: list[float] = []
    while time.clock() - began_s < 3600.0:
        for person in crowd:
            if not person.refused_s:
                person.kills()
                deaths.append(time.clock() - began_s)
                break
        time.advance(0.5)
    assert sum(at < 60.0 for at in deaths) <= 12
    assert len(deaths) <= 40
    # In the end there is one in five minutes.
    assert sum(at > 1800.0 for at in deaths) <= 8


def test_a_proven_crowd_is_bounded_too(stream: StreamQuarantine, time: ManualTime) -> None:
    crowd = [Person(stream, time, f"mallory {number}") for number in range(64)]
    time.advance(PROVEN_AFTER_S)
    deaths = 0
    for person in crowd:
        if not person.refused_s:
            person.kills()
            deaths += 1
    assert deaths == ALL_REFUSED_POINTS // 2


def test_those_who_decoded_well_before_the_trouble_go_on(stream: StreamQuarantine, time: ManualTime) -> None:
    alice = Person(stream, time, "alice")
    time.advance(PROVEN_AFTER_S)
    bob = Person(stream, time, "bob")
    crowd = [Person(stream, time, f"mallory {number}") for number in range(12)]
    for person in crowd[:9]:
        person.kills()
    assert alice.refused_s == 0.0
    assert bob.refused_s > 0.0
    # Waiting proves nothing.
    time.advance(bob.refused_s - 0.1)
    for person in crowd[9:]:
        person.kills()
    assert bob.refused_s > 0.0
    assert alice.refused_s == 0.0


def test_points_are_forgotten(stream: StreamQuarantine, time: ManualTime) -> None:
    for number in range(8):
        Person(stream, time, f"mallory {number}").kills()
    time.advance(POINTS_LAST_S + FIRST_PAUSE_S)
    alice = Person(stream, time, "alice")
    assert alice.refused_s == 0.0
    assert alice.kills() == 0.0


def test_costly_units_count_half(stream: StreamQuarantine, time: ManualTime) -> None:
    for number in range(5):
        Person(stream, time, f"mallory {number}").kills(COSTLY)
    assert Person(stream, time, "alice").refused_s == 0.0
    Person(stream, time, "mallory").kills(COSTLY)
    assert Person(stream, time, "alice").refused_s == 5.0


def test_new_streams_of_a_peer_do_not_help(time: ManualTime) -> None:
    quarantine = Quarantine(time.clock)
    elsewhere = quarantine.of_stream("ipv4:192.0.2.2")
    pauses = []
    for _ in range(60):
        mallory = Person(quarantine.of_stream("ipv4:192.0.2.1"), time, "mallory")
        pauses.append(mallory.refused_s)
        if not mallory.refused_s:
            mallory.kills()
            mallory.kills()
    assert pauses.count(0.0) == 6
    assert 0.0 < max(pauses) <= PEER_LONGEST_PAUSE_S
    assert Person(elsewhere, time, "alice").refused_s == 0.0
    # A stream of no known peer has no peer to answer for.
    assert Person(quarantine.of_stream(""), time, "alice").refused_s == 0.0


def test_one_stream_costs_the_newcomers_of_another_nothing(time: ManualTime) -> None:
    quarantine = Quarantine(time.clock)
    hostile = quarantine.of_stream("ipv4:192.0.2.1")
    for number in range(100):
        Person(hostile, time, f"mallory {number}").kills()
    other = quarantine.of_stream("ipv4:192.0.2.1")
    assert Person(other, time, "alice").refused_s == 0.0


def test_what_is_remembered_is_bounded(time: ManualTime) -> None:
    quarantine = Quarantine(time.clock)
    for number in range(PEERS_REMEMBERED + 10):
        quarantine.of_stream(f"ipv6:[2001:db8::{number:x}]")
    assert len(quarantine._peers) == PEERS_REMEMBERED
    points = Points(time.clock)
    points.add(10_000)
    assert points.count == 2 * ALL_REFUSED_POINTS
    stream = quarantine.of_stream("")
    for number in range(1000):
        Person(stream, time, f"mallory {number}").kills()
    assert len(stream._suspects) <= 256
    assert len(stream._workers) <= 256
    assert Person(stream, time, "alice").refused_s <= LONGEST_PAUSE_S
