"""AnnotateImageResponse: what was found in a still."""

from __future__ import annotations

from gifcue.protocol.annotation import AnnotatedImage, Annotation
from gifcue.protocol.wire.media import decode_box, decode_model, encode_box, encode_model
from gifcue.v1 import reaction_service_pb2 as pb


def encode_image(image: AnnotatedImage) -> pb.AnnotateImageResponse:
    return pb.AnnotateImageResponse(
        annotations=[
            pb.Annotation(label=each.label, score=each.score, box=encode_box(each.box))
            for each in image.annotations
        ],
        model=encode_model(image.model),
        width=image.width,
        height=image.height,
    )


def decode_image(message: pb.AnnotateImageResponse) -> AnnotatedImage:
    return AnnotatedImage(
        annotations=tuple(
            Annotation(each.label, each.score, decode_box(each.box)) for each in message.annotations
        ),
        model=decode_model(message.model),
        width=message.width,
        height=message.height,
    )
