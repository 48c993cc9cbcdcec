"""media.proto: codecs, frames, boxes and the model."""

from __future__ import annotations

from gifcue.protocol.codecs import Codec
from gifcue.protocol.geometry import Box
from gifcue.protocol.models import Model
from gifcue.protocol.requests import EncodedFrame
from gifcue.v1 import media_pb2

_CODEC_NUMBERS = {codec: media_pb2.Codec.Value(f"CODEC_{codec.name}") for codec in Codec}
_CODECS: dict[int, Codec] = {number: codec for codec, number in _CODEC_NUMBERS.items()}


def encode_codec(codec: Codec | None) -> media_pb2.Codec.ValueType:
    """The wire's number; CODEC_UNSPECIFIED for None."""
    return media_pb2.CODEC_UNSPECIFIED if codec is None else _CODEC_NUMBERS[codec]


def decode_codec(number: int) -> Codec | None:
    """The codec; None where the number is unset or unknown to this version."""
    return _CODECS.get(number)


def encode_frame(frame: EncodedFrame) -> media_pb2.Frame:
    return media_pb2.Frame(
        participant_id=frame.participant_id,
        sequence=frame.sequence,
        pts=frame.pts,
        clock_hz=frame.clock_hz,
        keyframe=frame.keyframe,
        payload=frame.payload,
        rotation=frame.rotation,
        temporal_layer=frame.temporal_layer,
    )


def decode_frame(message: media_pb2.Frame) -> EncodedFrame:
    # By position: this runs once a frame.
    return EncodedFrame(
        message.participant_id,
        message.sequence,
        message.pts,
        message.clock_hz,
        message.keyframe,
        message.payload,
        message.rotation,
        message.temporal_layer if message.HasField("temporal_layer") else None,
    )


def encode_box(box: Box) -> media_pb2.BoundingBox:
    return media_pb2.BoundingBox(ymin=box.ymin, xmin=box.xmin, ymax=box.ymax, xmax=box.xmax)


def decode_box(message: media_pb2.BoundingBox) -> Box:
    return Box(ymin=message.ymin, xmin=message.xmin, ymax=message.ymax, xmax=message.xmax)


def encode_model(model: Model) -> media_pb2.ModelInfo:
    return media_pb2.ModelInfo(
        name=model.name, version=model.version, labels=model.labels, backend=model.backend
    )


def decode_model(message: media_pb2.ModelInfo) -> Model:
    return Model(
        name=message.name, version=message.version, labels=tuple(message.labels), backend=message.backend
    )
