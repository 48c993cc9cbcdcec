"""The client library, with which a media server in Python streams its participants' video.

    async with ReactionClient("127.0.0.1:50051") as client:
        async with client.open(StreamOptions(room_id="weekly", send_holding=True)) as stream:
            alice = await stream.join("alice", Codec.H264, extradata, allowed_labels=["smile", "wave"])
            await alice.send(payload, pts=0, clock_hz=90_000, keyframe=True)
            async for event in stream.events():
                ...

`client.reconnecting(…)` opens a stream that reconnects when its connection is lost. With several servers,
`ReactionClient(["10.0.0.1:50051", "10.0.0.2:50051"])`, each room has its server, and reconnects to another one.

When the server needs a keyframe, `events()` yields `KeyframeRequested`. A media server that must ask an encoder at once
passes `on_keyframe_request` to `join`; one that decides when it sends reads `Participant.keyframe_wanted`.

Everything that may be imported stands in this module; the errors' tree is drawn in `gifcue.client.exceptions`. To read
files, URLs and cameras as encoded packets, see `gifcue.ingest`; to test without a server, see `gifcue.testing`.
"""

from gifcue.client.client import ReactionClient
from gifcue.client.exceptions import (
    AccessDenied,
    ClientError,
    InvalidRequest,
    ServerBusy,
    ServerError,
    ServerFailed,
    ServerTimeout,
    ServerUnavailable,
    StreamCancelled,
    StreamClosed,
)
from gifcue.client.options import Backoff, ConnectionOptions, TlsOptions
from gifcue.client.participant import Participant
from gifcue.client.reconnecting import ReconnectingStream
from gifcue.client.reconnecting_participant import ReconnectingParticipant
from gifcue.client.rendezvous import ROOM_HEADER, room_key
from gifcue.client.servers import Resolver, Server
from gifcue.client.stream import ReactionStream
from gifcue.client.tokens import TokenProvider
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.annotation import AnnotatedImage, Annotation
from gifcue.protocol.codecs import Codec
from gifcue.protocol.detections import DetectedRegion, LabelScore, Landmark, RegionKind, UnmetCondition
from gifcue.protocol.events import (
    Disconnected,
    Draining,
    Event,
    Fault,
    FrameDecided,
    Gif,
    KeyframeRequested,
    Limits,
    Reaction,
    Ready,
    SlowDown,
)
from gifcue.protocol.geometry import Box
from gifcue.protocol.models import Model
from gifcue.protocol.operations import (
    BuildInfo,
    Capacity,
    Drained,
    DrainStatus,
    GesturesReloaded,
    LoopLag,
    ProcessStatus,
    RulesReloaded,
    RulesStatus,
    ServerLimits,
    StillStatus,
    StreamFigures,
    StreamPage,
)
from gifcue.protocol.phases import Phase
from gifcue.protocol.reasons import FaultCode
from gifcue.protocol.requests import StreamOptions
from gifcue.protocol.resume import (
    LabelCooldown,
    ParticipantState,
    RoomState,
    RuleCooldown,
    RunningReaction,
)
from gifcue.protocol.statistics import (
    ParticipantStatistics,
    ServerStatus,
    ServingState,
    Statistics,
    WorkerState,
    WorkerStatus,
)
from gifcue.protocol.subjects import SubjectPolicy

__all__ = [
    "ROOM_HEADER",
    "AccessDenied",
    "AnnotatedImage",
    "Annotation",
    "Backoff",
    "Box",
    "BuildInfo",
    "Capacity",
    "ClientError",
    "Codec",
    "ConnectionOptions",
    "DetectedRegion",
    "Disconnected",
    "DrainStatus",
    "Drained",
    "Draining",
    "Event",
    "Fault",
    "FaultCode",
    "FrameCounts",
    "FrameDecided",
    "GesturesReloaded",
    "Gif",
    "InvalidRequest",
    "KeyframeRequested",
    "LabelCooldown",
    "LabelScore",
    "Landmark",
    "Limits",
    "LoopLag",
    "Model",
    "Participant",
    "ParticipantState",
    "ParticipantStatistics",
    "Phase",
    "ProcessStatus",
    "Reaction",
    "ReactionClient",
    "ReactionStream",
    "Ready",
    "ReconnectingParticipant",
    "ReconnectingStream",
    "RegionKind",
    "Resolver",
    "RoomState",
    "RuleCooldown",
    "RulesReloaded",
    "RulesStatus",
    "RunningReaction",
    "Server",
    "ServerBusy",
    "ServerError",
    "ServerFailed",
    "ServerLimits",
    "ServerStatus",
    "ServerTimeout",
    "ServerUnavailable",
    "ServingState",
    "SlowDown",
    "Statistics",
    "StillStatus",
    "StreamCancelled",
    "StreamClosed",
    "StreamFigures",
    "StreamOptions",
    "StreamPage",
    "SubjectPolicy",
    "TlsOptions",
    "TokenProvider",
    "UnmetCondition",
    "WorkerState",
    "WorkerStatus",
    "room_key",
]
