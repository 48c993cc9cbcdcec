"""Frames of several participants in one message are treated like single frames."""

from __future__ import annotations

from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.v1 import media_pb2, reaction_service_pb2_grpc
from gifcue.v1 import reaction_service_pb2 as pb
from tests.support.colour_detector import RED, colour_frames

NAMES = ("alice", "bob")


def frame(name: str, clip: EncodedClip, index: int) -> media_pb2.Frame:
    packet = clip.packets[index]
    return media_pb2.Frame(
        participant_id=name,
        sequence=index,
        pts=packet.pts,
        clock_hz=packet.clock_hz,
        keyframe=packet.keyframe,
        payload=packet.payload,
    )


async def test_a_faulty_frame_of_a_batch_does_not_affect_the_others(
    stub: reaction_service_pb2_grpc.ReactionServiceStub,
) -> None:
    clip = encode(colour_frames(RED, 4), Codec.VP8, 5.0)
    join = pb.Join(codec=media_pb2.CODEC_VP8, allowed_labels=["smile"])
    joins = [
        pb.StreamReactionsRequest(participant=pb.ParticipantUpdate(participant_id=name, join=join))
        for name in NAMES
    ]
    batches = [
        pb.Frames(
            frames=[frame(NAMES[0], clip, index), frame("nobody", clip, index), frame(NAMES[1], clip, index)]
        )
        for index in range(len(clip.packets))
    ]
    call = stub.StreamReactions(
        iter(
            [
                pb.StreamReactionsRequest(config=pb.StreamConfig()),
                *joins,
                *(pb.StreamReactionsRequest(frames=batch) for batch in batches),
                pb.StreamReactionsRequest(frames=pb.Frames()),
                pb.StreamReactionsRequest(statistics=pb.StatisticsRequest()),
            ]
        )
    )
    answers = [answer async for answer in call]
    faults = [answer.fault for answer in answers if answer.WhichOneof("message") == "fault"]
    assert {(fault.participant_id, fault.code) for fault in faults} == {
        ("nobody", pb.FAULT_CODE_UNKNOWN_PARTICIPANT)
    }
    (statistics,) = [answer.statistics for answer in answers if answer.WhichOneof("message") == "statistics"]
    received = {each.participant_id: each.books.received for each in statistics.participants}
    assert {name: received[name] for name in NAMES} == dict.fromkeys(NAMES, len(clip.packets))
