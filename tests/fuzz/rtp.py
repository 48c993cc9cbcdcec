"""`python -m tests.fuzz.rtp`: mutated RTP packets, descriptions, offers and messages of Janus and LiveKit, for their
parsers.

What may happen is fixed: a packet is used or counted, a description is read or refused with a `SdpError`. Anything else
that is raised ends the run with the seed and the number that show it. A call that takes longer than `HANG_S` ends the
run as well, and so does memory that grows.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil
from google.protobuf.message import DecodeError
from livekit.protocol import rtc

from gifcue.ingest.janus.session import _message
from gifcue.ingest.janus.videoroom import _publishers
from gifcue.ingest.livekit.room import participants_of
from gifcue.ingest.rtp.jitter import MAX_WAITING
from gifcue.ingest.rtp.packet import is_rtcp
from gifcue.ingest.rtp.receiver import PayloadFormat, VideoReceiver
from gifcue.ingest.rtp.sdp import SdpError, parse_sdp
from gifcue.ingest.webrtc.offer import OfferLimits, parse_offer
from gifcue.protocol.codecs import RTP_CLOCK_HZ, Codec
from gifcue.sample_video.clips import encode
from gifcue.sample_video.photo import photo_frames
from tests.fuzz.mutate import blind
from tests.ingest.livekit.fake import info, updated
from tests.ingest.rtp.kit import packetised

CODECS = (Codec.H264, Codec.H265, Codec.VP8, Codec.VP9, Codec.AV1)
HANG_S = 10.0
# Growth of the process after the first tenth of a run. Python's allocator keeps some pages that it has used.
MAX_GROWTH_MIB = 16.0
# Packets that one receiver gets. Each begins with packets as they were sent, so that mutations reach its later states.
PER_RECEIVER = 20_000
_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 239.1.2.3/64\r\nt=0 0\r\na=tool:x\r\n"
    "m=audio 5000 RTP/AVP 0\r\nm=video 5004/2 RTP/AVPF 96 97 98\r\nc=IN IP6 ff02::1\r\nb=AS:800\r\n"
    "a=rtpmap:96 H264/90000\r\n"
    "a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LAHtoCgPaEAAADAAQAAAMA8g==,aM4yyA==\r\n"
    "a=rtpmap:97 H265/90000\r\n"
    "a=fmtp:97 sprop-vps=QAEMAf//; sprop-sps=QgEB; sprop-pps=RAHB\r\na=rtpmap:98 AV1/90000\r\n"
    "a=extmap:4/recvonly urn:3gpp:video-orientation\r\na=rtcp:5005 IN IP4 127.0.0.1\r\na=rtcp-mux\r\n"
)
_OFFER = (Path(__file__).parents[1] / "ingest/webrtc/chromium-offer.sdp").read_bytes()
_EVENT = json.dumps(
    {
        "publishers": [
            {
                "id": 17,
                "display": "ada (yes)",
                "metadata": {"gifs": ["smile", 3]},
                "streams": [
                    {"type": "video", "mid": "0", "codec": "vp8", "simulcast": True, "description": "camera"},
                    {"type": "video", "mid": "1", "disabled": True},
                ],
            }
        ]
    }
)
_UPDATE = updated(
    info(
        "ada", {"gifs": "smile,wave"}, "TR_1", "TR_2", name="Ada", metadata='{"gifs": ["smile", {"a": [1]}]}'
    ),
    info("bob", None, "TR_3", state="DISCONNECTED"),
).SerializeToString()

T = TypeVar("T")


class Fuzz:
    """One run. `counts` says what was made and what became of it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.counts: Counter[str] = Counter()
        self.slowest_s = 0.0
        self._chance = random.Random(seed)
        self._datagrams = {codec: _datagrams(codec) for codec in CODECS}
        self._receivers: dict[Codec, VideoReceiver] = {}
        self._number = 0

    def packet(self) -> None:
        """One datagram, mutated in three of four cases, to a receiver that has seen others."""
        codec = CODECS[self._number % len(CODECS)]
        at = self._number // len(CODECS)
        if codec not in self._receivers or at % PER_RECEIVER == 0:
            self._count(self._receivers.pop(codec, None))
            self._receivers[codec] = VideoReceiver({96: PayloadFormat(codec)}, orientation_id=3)
        datagrams = self._datagrams[codec]
        datagram = original = _continued(datagrams, at)
        if self._chance.random() < 0.75:
            datagram = blind(datagram, datagrams, self._chance)
            if self._chance.random() < 0.5 and len(datagram) >= 12:
                # The fixed header stays readable, so that what follows it is read.
                datagram = original[:12] + datagram[12:]
        receiver = self._receivers[codec]
        for unit in self._timed(lambda: receiver.receive(datagram, at * 0.001)):
            assert unit.payload
            assert unit.rotation in (0, 90, 180, 270)
        assert receiver._jitter.waiting <= MAX_WAITING
        self.counts["packets"] += 1
        self._number += 1

    def description(self) -> None:
        """A session description."""
        text = blind(_SDP.encode(), (), self._chance).decode("utf-8", "replace")

        def read() -> list[object]:
            with contextlib.suppress(SdpError):
                return [*parse_sdp(text)]
            self.counts["descriptions refused"] += 1
            return []

        self._timed(read)
        self.counts["descriptions"] += 1

    def offer(self) -> None:
        """An offer of a WebRTC peer."""
        text = blind(_OFFER, (), self._chance).decode("utf-8", "replace")

        def read() -> bool:
            with contextlib.suppress(SdpError):
                return bool(parse_offer(text, OfferLimits(candidates=8)).media)
            return False

        self.counts["offers read" if self._timed(read) else "offers refused"] += 1

    def event(self) -> None:
        """A message of Janus."""
        text = blind(_EVENT.encode(), (), self._chance).decode("utf-8", "replace")
        found = self._timed(lambda: _publishers(_message(text).get("publishers")))
        self.counts["messages of Janus read" if found else "messages of Janus of no use"] += 1

    def signal(self) -> None:
        """A message of LiveKit's signalling."""
        data = blind(_UPDATE, (), self._chance)

        def read() -> list[object]:
            with contextlib.suppress(DecodeError):
                return [*participants_of(rtc.SignalResponse.FromString(data).update.participants)]
            return []

        found = self._timed(read)
        self.counts["messages of LiveKit read" if found else "messages of LiveKit of no use"] += 1

    def end(self) -> None:
        """Adds up what the receivers counted."""
        for receiver in self._receivers.values():
            self._count(receiver)

    def _count(self, receiver: VideoReceiver | None) -> None:
        if receiver is not None:
            self.counts["access units"] += receiver.units
            self.counts["dropped, of all reasons"] += sum(receiver.dropped.values())

    def _timed(self, call: Callable[[], T]) -> T:
        began_s = time.perf_counter()
        result = call()
        self.slowest_s = max(self.slowest_s, time.perf_counter() - began_s)
        return result


def _continued(datagrams: list[bytes], at: int) -> bytes:
    """Packet number `at` of the clip that is sent again and again. Its numbers go on: a receiver would drop what
    comes twice before it reads it.
    """
    datagram = bytearray(datagrams[at % len(datagrams)])
    ticks = int.from_bytes(datagram[4:8], "big") + at // len(datagrams) * 2 * RTP_CLOCK_HZ
    datagram[2:4] = (at & 0xFFFF).to_bytes(2, "big")
    datagram[4:8] = (ticks & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(datagram)


def _datagrams(codec: Codec) -> list[bytes]:
    frames = photo_frames(1.2, 10, width=160, height=96, motion="always")
    return [each for each in packetised(encode(frames, codec, 10, keyframe_interval=4)) if not is_rtcp(each)]


def _resident_mib() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 2**20


def main() -> int:
    """Parses the arguments; the exit status is 1 where a defect was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.rtp", description=__doc__)
    parser.add_argument("--packets", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    fuzz = Fuzz(arguments.seed)
    total, tenth = arguments.packets, max(1, arguments.packets // 10)
    resident: list[float] = []
    began_s = time.monotonic()
    for number in range(total):
        if number % 1000 == 0:
            # Where a call hangs, this prints where, and ends the process.
            faulthandler.dump_traceback_later(HANG_S, exit=True)
        try:
            fuzz.packet()
            if number % 10 == 0:
                fuzz.description()
            if number % 10 == 5:
                fuzz.event()
            if number % 10 == 8:
                fuzz.offer()
            if number % 10 == 7:
                fuzz.signal()
        except Exception:
            print(
                f"seed {arguments.seed}, packet {number}: expected nothing that is raised, got:", flush=True
            )
            raise
        if (number + 1) % tenth == 0:
            resident.append(_resident_mib())
            print(
                f"{number + 1:9,} packets, {resident[-1]:.1f} MiB, {time.monotonic() - began_s:.0f} s",
                flush=True,
            )
    faulthandler.cancel_dump_traceback_later()
    fuzz.end()
    growth = resident[-1] - resident[0]
    print(", ".join(f"{count:,} {what}" for what, count in sorted(fuzz.counts.items())))
    print(f"slowest call {fuzz.slowest_s * 1000:.1f} ms, growth after the first tenth {growth:+.1f} MiB")
    if growth > MAX_GROWTH_MIB:
        print(f"expected at most {MAX_GROWTH_MIB:g} MiB of growth, got {growth:.1f}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
