"""Every message survives decoding and encoding: encode(decode(message)) == message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from gifcue.errors import ConfigError
from gifcue.protocol.detections import RegionKind
from gifcue.protocol.reasons import FaultCode
from gifcue.protocol.requests import Join, StreamOptions
from gifcue.protocol.statistics import ServingState
from gifcue.protocol.wire import annotation, decisions, media, operator, requests, responses
from gifcue.v1 import media_pb2, operator_service_pb2, reaction_service_pb2

# Messages that the server always sets. Decoding does not distinguish an unset one from an empty one.
ALWAYS_SET = {
    *("BoundingBox", "EffectiveLimits", "ModelInfo", "FrameBooks"),
    *("BuildInfo", "Capacity", "DrainStatus", "LoopLag", "ProcessStatus"),
    *("RulesStatus", "ServerLimits", "StillStatus"),
}
# Unset in a status where no model is loaded, and for a worker without a process.
OPTIONAL = {"GetStatusResponse.model", "WorkerStatus.process"}
# Phases that decoding does not know are ignored.
NONZERO = {"ReactionEvent.phase"}

SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: st.text(max_size=8),
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=8),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_FLOAT: st.floats(width=32, allow_nan=False),
    FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False),
}


@st.composite
def messages(draw: st.DrawFn, kind: type[Message]) -> Message:
    """A message with any values in its fields and one field of each oneof."""
    message = kind()
    _fill(draw, message)
    return message


def _fill(draw: st.DrawFn, message: Message) -> None:
    descriptor: Any = message.DESCRIPTOR
    for oneof in descriptor.oneofs:
        if len(oneof.fields) > 1:
            _set(draw, message, draw(st.sampled_from(list(oneof.fields))))
    for field in descriptor.fields:
        if field.containing_oneof is None or (
            len(field.containing_oneof.fields) == 1 and draw(st.booleans())
        ):
            _set(draw, message, field)


def _set(draw: st.DrawFn, message: Message, field: Any) -> None:
    name = field.name
    value = getattr(message, name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        value.update(draw(st.dictionaries(st.text(max_size=8), st.integers(0, 2**64 - 1), max_size=3)))
    elif field.is_repeated:
        for _ in range(draw(st.integers(0, 3))):
            if field.message_type is not None:
                _fill(draw, value.add())
            else:
                value.append(draw(_scalar(field)))
    elif field.message_type is None:
        setattr(message, name, draw(_scalar(field)))
    elif field.containing_oneof is not None or _is_set(draw, field):
        value.SetInParent()
        _fill(draw, value)


def _is_set(draw: st.DrawFn, field: Any) -> bool:
    always = (
        field.message_type.name in ALWAYS_SET and f"{field.containing_type.name}.{field.name}" not in OPTIONAL
    )
    return always or draw(st.booleans())


def _scalar(field: Any) -> st.SearchStrategy[Any]:
    if field.enum_type is None:
        return SCALARS[field.type]
    smallest = 1 if f"{field.containing_type.name}.{field.name}" in NONZERO else 0
    return st.sampled_from([each.number for each in field.enum_type.values if each.number >= smallest])


@pytest.mark.parametrize(
    ("kind", "decode", "encode"),
    [
        (media_pb2.Frame, media.decode_frame, media.encode_frame),
        (media_pb2.BoundingBox, media.decode_box, media.encode_box),
        (media_pb2.ModelInfo, media.decode_model, media.encode_model),
        (reaction_service_pb2.StreamConfig, requests.decode_options, requests.encode_options),
        (reaction_service_pb2.ParticipantUpdate, requests.decode_update, requests.encode_update),
        (reaction_service_pb2.StreamReactionsRequest, requests.decode_request, requests.encode_request),
        (reaction_service_pb2.StreamReady, responses.decode_ready, responses.encode_ready),
        (reaction_service_pb2.ReactionEvent, responses.decode_reaction, responses.encode_reaction),
        (reaction_service_pb2.FrameDecision, decisions.decode_decision, decisions.encode_decision),
        (reaction_service_pb2.StreamControl, responses.decode_control, responses.encode_control),
        (reaction_service_pb2.ParticipantFault, responses.decode_fault, responses.encode_fault),
        (reaction_service_pb2.StreamStatistics, responses.decode_statistics, responses.encode_statistics),
        (reaction_service_pb2.StreamReactionsResponse, responses.decode_response, responses.encode_response),
        (reaction_service_pb2.AnnotateImageResponse, annotation.decode_image, annotation.encode_image),
        (operator_service_pb2.GetStatusResponse, operator.decode_status, operator.encode_status),
        (operator_service_pb2.ListStreamsResponse, operator.decode_streams, operator.encode_streams),
        (operator_service_pb2.DrainResponse, operator.decode_drained, operator.encode_drained),
        (operator_service_pb2.ReloadRulesResponse, operator.decode_reloaded, operator.encode_reloaded),
    ],
)
@given(data=st.data())
def test_a_message_survives_decoding_and_encoding(
    kind: type[Message],
    decode: Callable[[Any], Any],
    encode: Callable[[Any], Message],
    data: st.DataObject,
) -> None:
    message = data.draw(messages(kind))
    assert encode(decode(message)) == message


@pytest.mark.parametrize("number", [0, 99])
def test_an_unknown_codec_is_none_and_unspecified_on_the_wire(number: int) -> None:
    assert media.decode_codec(number) is None
    update = requests.encode_update(Join("alice", None))
    assert update.join.codec == media_pb2.CODEC_UNSPECIFIED


def test_unknown_messages_of_a_newer_server_are_ignored_or_unspecified() -> None:
    pb = reaction_service_pb2
    assert responses.decode_response(pb.StreamReactionsResponse()) is None
    assert responses.decode_control(pb.StreamControl()) is None
    assert responses.decode_reaction(pb.ReactionEvent(phase=99)) is None  # type: ignore[arg-type]
    assert responses.decode_fault(pb.ParticipantFault(code=99)).code is FaultCode.UNSPECIFIED  # type: ignore[arg-type]
    region = pb.DetectedRegion(kind=99)  # type: ignore[arg-type]
    assert decisions.decode_region(region).kind is RegionKind.UNSPECIFIED
    status = operator_service_pb2.GetStatusResponse(state=99)  # type: ignore[arg-type]
    assert operator.decode_status(status).state is ServingState.UNSPECIFIED


def test_unknown_messages_of_a_newer_client_are_none_or_an_error() -> None:
    pb = reaction_service_pb2
    assert requests.decode_request(pb.StreamReactionsRequest()) is None
    assert requests.decode_update(pb.ParticipantUpdate(participant_id="alice")) is None
    with pytest.raises(ConfigError, match="subject: expected one of largest, centre, all, got 99"):
        requests.decode_options(pb.StreamConfig(subject=99))  # type: ignore[arg-type]


def test_the_servers_own_choice_stays_unset_on_the_wire() -> None:
    config = requests.encode_options(StreamOptions())
    assert not config.HasField("speaking_suppresses_hands")
    assert config.subject == reaction_service_pb2.SUBJECT_POLICY_UNSPECIFIED


def test_problems_of_gestures_survive_decoding_and_encoding() -> None:
    # A file is named once, so messages with any values are not all valid.
    pb = operator_service_pb2
    problems = [pb.GestureProblem(file="", problem="p"), pb.GestureProblem(file="a.json", problem="q")]
    message = pb.ReloadGesturesResponse(labels=["fist", "point"], problems=problems)
    assert operator.encode_gestures(operator.decode_gestures(message)) == message
