"""The video of one WHIP sender as a stream: what a client over gRPC would send, and what becomes of the answers.

A sender of WebRTC knows nothing of streams and participants. So this transport writes the messages itself: the stream's
configuration, a participant that joins with the first frame, and its frames. Keyframe requests of the server go to the
sender as RTCP.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from gifcue.ingest.access_unit import AccessUnit
from gifcue.protocol.codecs import Codec
from gifcue.protocol.events import Draining, Fault, KeyframeRequested, Reaction
from gifcue.protocol.reasons import FaultCode
from gifcue.protocol.requests import EncodedFrame, Join, Request, StatisticsRequest, StreamOptions
from gifcue.protocol.wire.requests import encode_request
from gifcue.protocol.wire.responses import decode_response
from gifcue.server.transport import StreamStatus
from gifcue.v1 import reaction_service_pb2 as pb

Published = Reaction | Fault | Draining

# Seconds after which a join that was refused is tried again.
REJOIN_S = 5.0
# Faults that say that the participant is not there: its join was refused, for a reason that passes.
_NOT_JOINED = frozenset(
    {FaultCode.TOO_MANY_PARTICIPANTS, FaultCode.TOO_MANY_JOINS, FaultCode.UNKNOWN_PARTICIPANT}
)


class Video(Protocol):
    """What the transport needs of a track (`gifcue.ingest.webrtc.track.VideoTrack`)."""

    async def next_unit(self) -> AccessUnit | None: ...

    def request_keyframe(self) -> None: ...

    def close(self) -> None: ...


class WhipTransport:
    """See `gifcue.server.transport.Transport`. `publish` gets what listeners of the room are told.

    `keep_alive_s` is the time in seconds after which the server gets a message although no frame came. `peer` is the
    sender's address, for the log.
    """

    def __init__(
        self,
        video: Video,
        options: StreamOptions,
        participant_id: str,
        labels: Sequence[str],
        *,
        peer: str,
        keep_alive_s: float,
        publish: Callable[[Published], None],
    ) -> None:
        self._video = video
        self._id = participant_id
        self._labels = tuple(labels)
        self._peer = peer
        self._keep_alive_s = keep_alive_s
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        self._written: deque[Request] = deque([options])
        self._codec: Codec | None = None  # of the join in force
        self._join_from_s = 0.0
        self._sequence = 0
        self._is_keyframe_wanted = False
        self.not_sent = 0
        self.status: StreamStatus | None = None

    @property
    def peer(self) -> str:
        return self._peer

    async def receive(self) -> bytes | None:
        while not self._written:
            try:
                async with asyncio.timeout(self._keep_alive_s):
                    unit = await self._video.next_unit()
            except TimeoutError:
                # The sender is there, as ICE shows, but its camera is off. The answer is of no use.
                self._written.append(StatisticsRequest())
                break
            if unit is None:
                return None
            self._write(unit)
        return encode_request(self._written.popleft()).SerializeToString()

    async def send(self, message: bytes) -> None:
        match decode_response(pb.StreamReactionsResponse.FromString(message)):
            case KeyframeRequested():
                self._is_keyframe_wanted = True
                self._video.request_keyframe()
            case Fault() as fault:
                self._take_fault(fault)
                self._publish(fault)
            case Reaction() | Draining() as event:
                self._publish(event)

    async def close(self, status: StreamStatus) -> None:
        self.abort(status)

    def abort(self, status: StreamStatus) -> None:
        self.status = status
        self._video.close()

    def _write(self, unit: AccessUnit) -> None:
        if unit.codec is not self._codec:
            if self._loop.time() < self._join_from_s:
                self.not_sent += 1
                return
            # A join takes effect with a keyframe. The sender is asked for one, and the frames until then are counted by
            # the server.
            self._codec = unit.codec
            self._written.append(Join(self._id, unit.codec, b"", self._labels))
        if unit.follows_loss:
            self._sequence += 1  # a gap: how many frames are missing is not known
        if unit.keyframe:
            self._is_keyframe_wanted = False
        elif self._is_keyframe_wanted:
            # Asked again with each frame, because a request can be lost; the track limits how often.
            self._video.request_keyframe()
        self._written.append(
            EncodedFrame(
                self._id,
                self._sequence,
                unit.pts,
                unit.clock_hz,
                unit.keyframe,
                unit.payload,
                unit.rotation,
                unit.temporal_layer,
            )
        )
        self._sequence += 1

    def _take_fault(self, fault: Fault) -> None:
        if fault.code in _NOT_JOINED:
            self._codec = None
            self._join_from_s = self._loop.time() + REJOIN_S
