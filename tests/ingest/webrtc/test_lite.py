"""An ICE-lite port answers those who know a password, and nobody else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from aioice import stun

from gifcue.ingest.webrtc import lite
from gifcue.ingest.webrtc.ice import IceCredentials, IceFailed
from gifcue.ingest.webrtc.lite import LiteIce, LitePort
from gifcue.ingest.webrtc.stun import MAX_CHECK_BYTES, plain_address

REMOTE = IceCredentials("them", "p" * 22)
PEER = ("192.0.2.7", 4000)


class Port(LitePort):
    """A port that keeps what it would send."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1", 0)
        self.sent: list[tuple[bytes, tuple[str, int]]] = []

    def send(self, datagram, to):
        self.sent.append((datagram, to))


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    async with Port() as opened:
        yield opened


async def connecting(port: Port) -> tuple[LiteIce, asyncio.Task[None]]:
    ice = port.open()
    task = asyncio.create_task(ice.connect(REMOTE, remote_is_lite=False))
    await asyncio.sleep(0)
    return ice, task


def check(ice: LiteIce, *, password: str = "", by: str = "them", nominates: bool = False) -> bytes:
    message = stun.Message(
        stun.Method.BINDING, stun.Class.REQUEST, attributes={"USERNAME": f"{ice.local.username}:{by}"}
    )
    message.attributes["PRIORITY"] = 1
    message.attributes["ICE-CONTROLLING"] = 1
    if nominates:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity((password or ice.local.password).encode())
    return bytes(message)


async def test_a_signed_check_opens_the_path(port: Port) -> None:
    ice, connected = await connecting(port)
    port._on_datagram(check(ice), PEER)
    await connected
    ((answer, to),) = port.sent
    assert to == PEER
    read = stun.parse_message(answer)
    assert read.message_class == stun.Class.RESPONSE
    assert read.attributes["XOR-MAPPED-ADDRESS"] == PEER
    assert read.check_message_integrity(ice.local.password.encode())
    # No answer is larger than what it answers.
    assert len(answer) <= len(check(ice))
    port._on_datagram(b"\x16dtls", PEER)
    assert await ice.path._recv() == b"\x16dtls"
    await ice.path._send(b"back")
    assert port.sent[-1] == (b"back", PEER)


async def test_nothing_is_sent_before_a_check_is_signed(port: Port) -> None:
    ice, connected = await connecting(port)
    stranger = port.open()
    for datagram in (
        check(ice, password="x" * 32),
        check(ice, by="others"),
        check(stranger),  # not connecting
        b"\x16dtls",
        b"\x80media",
        b"",
        b"\x00\x01\x00\x00" + stun.COOKIE.to_bytes(4, "big"),
    ):
        port._on_datagram(datagram, PEER)
    assert port.sent == []
    assert not connected.done()
    assert port.dropped == {"refused_check": 2, "refused_address": 1, "unknown_address": 3, "no_check": 1}
    connected.cancel()


async def test_mutated_checks_raise_nothing_and_are_not_answered(port: Port) -> None:
    ice, connected = await connecting(port)
    random_ = random.Random(3)
    original = check(ice)
    assert len(original) == 92 + 8
    for number in range(3000):
        changed = bytearray(original + random_.randbytes(random_.choice((0, 0, 4, 700))))
        for _ in range(random_.randint(1, 4)):
            at = random_.randrange(len(changed))
            if random_.random() < 0.7:
                changed[at] = random_.randrange(256)
            else:
                del changed[at : at + random_.randint(1, 8)]
        if random_.random() < 0.5:
            changed[2:4] = (len(changed) - 20 & 0xFFFF).to_bytes(2, "big")
        port._on_datagram(bytes(changed), (f"192.0.2.{number % 200}", 1000 + number))
        if port.sent:
            # The checksum at the end is not signed, and may be missing.
            assert changed[:2] + changed[4:92] == original[:2] + original[4:92]
            port.sent.clear()
    assert port.dropped["no_check"] > 1000
    assert len(original) < MAX_CHECK_BYTES
    connected.cancel()


async def test_the_path_that_the_peer_nominates_is_taken(port: Port) -> None:
    ice, connected = await connecting(port)
    port._on_datagram(check(ice), PEER)
    port._on_datagram(check(ice, nominates=True), ("192.0.2.8", 1))
    port._on_datagram(check(ice), PEER)
    await connected
    await ice.path._send(b"x")
    assert port.sent[-1] == (b"x", ("192.0.2.8", 1))
    # A peer that moves to another network nominates again.
    port._on_datagram(check(ice, nominates=True), ("192.0.2.9", 2))
    await ice.path._send(b"y")
    assert port.sent[-1] == (b"y", ("192.0.2.9", 2))


async def test_a_peer_has_few_addresses_and_not_those_of_another(port: Port) -> None:
    ice, connected = await connecting(port)
    other, others = await connecting(port)
    for number in range(lite.MAX_ADDRESSES):
        port._on_datagram(check(ice), ("192.0.2.7", number))
    port._on_datagram(check(ice), ("192.0.2.7", 1))
    # A sender whose address changes often: the address that was checked longest ago gives way, but not the one in use.
    port._on_datagram(check(ice), ("192.0.2.8", 0))
    assert port.sent[-1][1] == ("192.0.2.8", 0)
    assert len(port._paths) == lite.MAX_ADDRESSES
    for number in (0, 1, 2, 3):
        port._on_datagram(b"\x80media", ("192.0.2.7", number))
    assert port.dropped == {"unknown_address": 1}
    port._on_datagram(check(other), ("192.0.2.7", 0))
    assert port.dropped == {"unknown_address": 1, "refused_address": 1}
    await connected
    assert not others.done()
    # The address that gave way is free.
    port._on_datagram(check(other), ("192.0.2.7", 2))
    await others


async def test_what_comes_too_fast_is_counted(port: Port) -> None:
    ice, connected = await connecting(port)
    port._on_datagram(check(ice), PEER)
    await connected
    for _ in range(lite.MAX_DATAGRAMS_WAITING + 5):
        port._on_datagram(b"\x80media", PEER)
    assert port.dropped == {"too_fast": 5}


async def test_a_silent_peer_is_gone(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite, "SILENCE_S", 0.0)
    ice, connected = await connecting(port)
    port._on_datagram(check(ice), PEER)
    await connected
    with pytest.raises(ConnectionError):
        await ice.path._recv()
    port._on_datagram(check(ice), PEER)
    assert port.dropped == {"refused_check": 1}


async def test_two_lite_ends_never_meet(port: Port) -> None:
    with pytest.raises(IceFailed, match="full ICE"):
        await port.open().connect(REMOTE, remote_is_lite=True)


async def test_candidates_are_the_addresses_that_are_told() -> None:
    async with LitePort("127.0.0.1", 0) as own:
        assert own.candidates()[0].endswith(f" 127.0.0.1 {own.port} typ host")
    async with LitePort("0.0.0.0", 0, ["198.51.100.1", "2001:db8::1"]) as told:
        assert [each.split()[4] for each in told.candidates()] == ["198.51.100.1", "2001:db8::1"]
        priorities = [int(each.split()[3]) for each in told.candidates()]
        assert priorities == sorted(priorities, reverse=True)


def test_addresses_are_written_as_they_are_known_outside() -> None:
    assert plain_address("::ffff:192.0.2.1") == "192.0.2.1"
    assert plain_address("fe80::1%eth0") == "fe80::1"
    assert plain_address("192.0.2.1") == "192.0.2.1"
