"""What a media server sends to gifcue, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass

from gifcue.protocol.codecs import RTP_CLOCK_HZ, Codec
from gifcue.protocol.resume import ParticipantState, RoomState
from gifcue.protocol.subjects import SubjectPolicy


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """The configuration of a stream, its first message. `gifcue.v1.StreamConfig` explains each field.

    An empty `preset` takes the server's own. `speaking_suppresses_hands` and `subject` override the server's values
    for the preset; None keeps them. For example, three people who talk with their hands share one camera:

        StreamOptions(room_id="weekly", speaking_suppresses_hands=True, subject=SubjectPolicy.LARGEST)

    `speaking_suppresses_hands` needs `Participant.set_speaking`. `send_detections`, `send_landmarks` and `explain` add
    to the decisions, so they need `send_decisions`; `send_landmarks` needs `send_detections` as well.

    `resume` says that the caller carries the state of the stream to the next server: a server that drains then ends no
    reaction that is under way. `ReconnectingStream` sets it by itself.
    """

    room_id: str = ""
    client_name: str = "gifcue-client"
    preset: str = ""
    send_holding: bool = False
    send_decisions: bool = False
    speaking_suppresses_hands: bool | None = None
    subject: SubjectPolicy | None = None
    send_detections: bool = False
    send_landmarks: bool = False
    explain: bool = False
    resume: RoomState | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """A participant's video starts.

    `codec` is None where the wire's number names no codec that this version knows. `extradata` is the codec's own
    header (an avcC or hvcC record), empty where every keyframe carries it. Only `allowed_labels` can become reactions.
    `resume` is what the participant keeps from the server before, None for one that is new.
    """

    participant_id: str
    codec: Codec | None
    extradata: bytes = b""
    allowed_labels: tuple[str, ...] = ()
    resume: ParticipantState | None = None


@dataclass(frozen=True, slots=True)
class Speaking:
    """A participant started or stopped speaking."""

    participant_id: str
    speaking: bool


@dataclass(frozen=True, slots=True)
class AllowedLabels:
    """The labels that a participant agrees to have changed; they replace those of its join."""

    participant_id: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leave:
    """A participant's video ends."""

    participant_id: str


@dataclass(frozen=True, slots=True)
class Dismiss:
    """A reaction of a participant, which started, was not meant."""

    participant_id: str
    reaction_id: str


ParticipantUpdate = Join | Speaking | AllowedLabels | Leave | Dismiss


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One encoded access unit. `pts` counts ticks of `clock_hz`; a `clock_hz` of 0 means `RTP_CLOCK_HZ`.

    `keyframe` is the sender's claim. `sequence` counts a participant's frames; a gap means that frames were lost.
    `rotation` is degrees clockwise that bring the picture upright: 0, 90, 180 or 270. `temporal_layer` is 0..7, and
    None where the sender does not know it.
    """

    participant_id: str
    sequence: int
    pts: int
    clock_hz: int = RTP_CLOCK_HZ
    keyframe: bool = False
    payload: bytes = b""
    rotation: int = 0
    temporal_layer: int | None = None


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """Several access units in one message, in the order in which they were sent."""

    frames: tuple[EncodedFrame, ...]


@dataclass(frozen=True, slots=True)
class StatisticsRequest:
    """Asks for one `Statistics`."""


Request = StreamOptions | ParticipantUpdate | EncodedFrame | FrameBatch | StatisticsRequest
