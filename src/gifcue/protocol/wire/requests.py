"""StreamReactionsRequest: what a media server sends."""

from __future__ import annotations

from gifcue.errors import ConfigError
from gifcue.protocol.requests import (
    AllowedLabels,
    Dismiss,
    EncodedFrame,
    FrameBatch,
    Join,
    Leave,
    ParticipantUpdate,
    Request,
    Speaking,
    StatisticsRequest,
    StreamOptions,
)
from gifcue.protocol.subjects import SubjectPolicy
from gifcue.protocol.wire.media import decode_codec, decode_frame, encode_codec, encode_frame
from gifcue.protocol.wire.resume import (
    decode_participant_state,
    decode_room_state,
    encode_participant_state,
    encode_room_state,
)
from gifcue.v1 import reaction_service_pb2 as pb

_SUBJECT_NUMBERS = {each: pb.SubjectPolicy.Value(f"SUBJECT_POLICY_{each.name}") for each in SubjectPolicy}
_SUBJECTS: dict[int, SubjectPolicy] = {number: each for each, number in _SUBJECT_NUMBERS.items()}


def encode_request(request: Request) -> pb.StreamReactionsRequest:
    """The message of the wire."""
    match request:
        case EncodedFrame():
            return pb.StreamReactionsRequest(frame=encode_frame(request))
        case FrameBatch():
            frames = pb.Frames(frames=[encode_frame(each) for each in request.frames])
            return pb.StreamReactionsRequest(frames=frames)
        case StreamOptions():
            return pb.StreamReactionsRequest(config=encode_options(request))
        case StatisticsRequest():
            return pb.StreamReactionsRequest(statistics=pb.StatisticsRequest())
        case _:
            return pb.StreamReactionsRequest(participant=encode_update(request))


def decode_request(message: pb.StreamReactionsRequest) -> Request | None:
    """The request; None for an empty message, or one of a kind that this version does not know.

    Raises:
        ConfigError: the configuration's subject is a number that this version does not know.
    """
    match message.WhichOneof("message"):
        case "frame":
            return decode_frame(message.frame)
        case "frames":
            return FrameBatch(tuple(decode_frame(each) for each in message.frames.frames))
        case "participant":
            return decode_update(message.participant)
        case "statistics":
            return StatisticsRequest()
        case "config":
            return decode_options(message.config)
    return None


def encode_options(options: StreamOptions) -> pb.StreamConfig:
    return pb.StreamConfig(
        room_id=options.room_id,
        client_name=options.client_name,
        preset=options.preset,
        send_holding=options.send_holding,
        send_decisions=options.send_decisions,
        speaking_suppresses_hands=options.speaking_suppresses_hands,
        subject=encode_subject(options.subject),
        send_detections=options.send_detections,
        send_landmarks=options.send_landmarks,
        explain=options.explain,
        resume=None if options.resume is None else encode_room_state(options.resume),
    )


def decode_options(message: pb.StreamConfig) -> StreamOptions:
    """The stream's configuration.

    Raises:
        ConfigError: the subject is a number that this version does not know.
    """
    has_speaking = message.HasField("speaking_suppresses_hands")
    return StreamOptions(
        room_id=message.room_id,
        client_name=message.client_name,
        preset=message.preset,
        send_holding=message.send_holding,
        send_decisions=message.send_decisions,
        speaking_suppresses_hands=message.speaking_suppresses_hands if has_speaking else None,
        subject=decode_subject(message.subject),
        send_detections=message.send_detections,
        send_landmarks=message.send_landmarks,
        explain=message.explain,
        resume=decode_room_state(message.resume) if message.HasField("resume") else None,
    )


def encode_subject(subject: SubjectPolicy | None) -> pb.SubjectPolicy.ValueType:
    """The wire's number; SUBJECT_POLICY_UNSPECIFIED for None."""
    return pb.SUBJECT_POLICY_UNSPECIFIED if subject is None else _SUBJECT_NUMBERS[subject]


def decode_subject(number: int) -> SubjectPolicy | None:
    """Whose reactions count; None where the stream leaves it to the server.

    Raises:
        ConfigError: this version does not know the number.
    """
    if number == pb.SUBJECT_POLICY_UNSPECIFIED:
        return None
    subject = _SUBJECTS.get(number)
    if subject is None:
        raise ConfigError(f"subject: expected one of {', '.join(SubjectPolicy)}, got {number}")
    return subject


def encode_update(update: ParticipantUpdate) -> pb.ParticipantUpdate:
    message = pb.ParticipantUpdate(participant_id=update.participant_id)
    match update:
        case Join():
            join = pb.Join(
                codec=encode_codec(update.codec),
                extradata=update.extradata,
                allowed_labels=update.allowed_labels,
                resume=None if update.resume is None else encode_participant_state(update.resume),
            )
            message.join.CopyFrom(join)
        case Speaking():
            message.speaking.CopyFrom(pb.SpeakingHint(speaking=update.speaking))
        case AllowedLabels():
            message.allowed.CopyFrom(pb.AllowedLabels(labels=update.labels))
        case Leave():
            message.leave.CopyFrom(pb.Leave())
        case Dismiss():
            message.dismiss.CopyFrom(pb.Dismiss(reaction_id=update.reaction_id))
    return message


def decode_update(message: pb.ParticipantUpdate) -> ParticipantUpdate | None:
    """The update; None where the message has none, or one that this version does not know."""
    participant_id = message.participant_id
    match message.WhichOneof("update"):
        case "join":
            join = message.join
            labels = tuple(join.allowed_labels)
            resume = decode_participant_state(join.resume) if join.HasField("resume") else None
            return Join(participant_id, decode_codec(join.codec), join.extradata, labels, resume)
        case "speaking":
            return Speaking(participant_id, message.speaking.speaking)
        case "allowed":
            return AllowedLabels(participant_id, tuple(message.allowed.labels))
        case "leave":
            return Leave(participant_id)
        case "dismiss":
            return Dismiss(participant_id, message.dismiss.reaction_id)
    return None
