"""The client library: what a media server in Python streams its participants' video with.

    async with ReactionClient("127.0.0.1:50051") as client:
        async with client.open(StreamOptions(room_id="weekly", send_holding=True)) as stream:
            alice = await stream.join("alice", Codec.H264, extradata, allowed_labels=["smile", "wave"])
            await alice.send(payload, pts=0, clock_hz=90_000, keyframe=True)
            async for event in stream.events():
                ...

`client.reconnecting(…)` opens a stream that outlives its connections. `gifcue.ingest.source` reads a file,
URL or camera as encoded packets, and `gifcue.ingest.pacing` sends them in time; both need PyAV and are
imported by name.
"""

from gifcue.client.backoff import Backoff
from gifcue.client.client import ReactionClient
from gifcue.client.options import ConnectionOptions, StreamOptions, SubjectPolicy, TlsOptions
from gifcue.client.participant import Participant
from gifcue.client.reconnecting import ReconnectingStream
from gifcue.client.rejoining import ReconnectingParticipant
from gifcue.client.stream import ReactionStream
from gifcue.media.codecs import Codec
from gifcue.protocol.events import (
    AnnotatedImage,
    Annotation,
    Box,
    Disconnected,
    Draining,
    Event,
    Fault,
    FaultCode,
    FrameCounts,
    FrameDecided,
    Gif,
    KeyframeRequested,
    Limits,
    Model,
    ParticipantStatistics,
    Phase,
    Reaction,
    Ready,
    ServerStatus,
    SlowDown,
    Statistics,
    WorkerState,
)

__all__ = [
    "AnnotatedImage",
    "Annotation",
    "Backoff",
    "Box",
    "Codec",
    "ConnectionOptions",
    "Disconnected",
    "Draining",
    "Event",
    "Fault",
    "FaultCode",
    "FrameCounts",
    "FrameDecided",
    "Gif",
    "KeyframeRequested",
    "Limits",
    "Model",
    "Participant",
    "ParticipantStatistics",
    "Phase",
    "Reaction",
    "ReactionClient",
    "ReactionStream",
    "Ready",
    "ReconnectingParticipant",
    "ReconnectingStream",
    "ServerStatus",
    "SlowDown",
    "Statistics",
    "StreamOptions",
    "SubjectPolicy",
    "TlsOptions",
    "WorkerState",
]
