"""The model of a stream: it passes what a server may say, and names what it may not."""

from __future__ import annotations

import pytest

from gifcue.v1 import media_pb2, reaction_service_pb2
from tests.support import stream_model
from tests.support.stream_model import Request, Response, StreamModel


def ready() -> Response:
    return Response(ready=reaction_service_pb2.StreamReady())


def reaction(phase: str, reaction_id: str = "r1", label: str = "smile", name: str = "alice") -> Response:
    return Response(
        reaction=reaction_service_pb2.ReactionEvent(
            participant_id=name,
            reaction_id=reaction_id,
            label=label,
            phase=reaction_service_pb2.Phase.Value(f"PHASE_{phase}"),
        )
    )


def update(name: str = "alice", kind: str = "join") -> Request:
    message = Request()
    message.participant.participant_id = name
    getattr(message.participant, kind).SetInParent()
    return message


def frame(sequence: int, name: str = "alice") -> Request:
    return Request(frame=media_pb2.Frame(participant_id=name, sequence=sequence))


def statistics(received: int, analysed: int, in_flight: int = 0, name: str = "alice") -> Response:
    books = reaction_service_pb2.FrameBooks(received=received, analysed=analysed, in_flight=in_flight)
    entry = reaction_service_pb2.ParticipantStatistics(participant_id=name, books=books)
    return Response(statistics=reaction_service_pb2.StreamStatistics(participants=[entry]))


def decision(sequence: int, name: str = "alice") -> Response:
    return Response(decision=reaction_service_pb2.FrameDecision(participant_id=name, sequence=sequence))


ASK = Request(statistics=reaction_service_pb2.StatisticsRequest())


def heard(*responses: Response, is_ok: bool | None = None) -> StreamModel:
    model = StreamModel()
    model.heard(ready())
    for response in responses:
        model.heard(response)
    if is_ok is not None:
        model.ended(is_ok=is_ok)
    return model


def test_reactions_in_order_are_no_violation():
    model = heard(
        reaction("HOLDING"),
        reaction("HOLDING"),
        reaction("STARTED"),
        reaction("HOLDING", "r2", "wave"),
        reaction("ENDED"),
        reaction("CANCELLED", "r2", "wave"),
        reaction("STARTED", "r3"),
        reaction("STARTED", "r4", name="bob"),
        reaction("ENDED", "r4", name="bob"),
        reaction("ENDED", "r3"),
        is_ok=True,
    )
    assert not model.violations, model.violations
    assert model.reactions.started == {"smile": 3}


@pytest.mark.parametrize(
    ("responses", "expected"),
    [
        ([reaction("STARTED"), reaction("STARTED", "r2")], "ENDED before the next STARTED"),
        ([reaction("ENDED")], "ENDED of the reaction that STARTED"),
        ([reaction("STARTED"), reaction("ENDED", "r2")], "ENDED of the reaction that STARTED"),
        ([reaction("STARTED"), reaction("HOLDING")], "no HOLDING after STARTED"),
        ([reaction("STARTED"), reaction("CANCELLED")], "no CANCELLED after STARTED"),
        ([reaction("HOLDING"), reaction("STARTED", label="wave")], "keep its participant and label"),
        ([reaction("HOLDING"), reaction("STARTED", name="bob")], "keep its participant and label"),
        ([reaction("UNSPECIFIED")], "a known phase"),
        ([reaction("STARTED", reaction_id="")], "with participant, label and id"),
        ([ready()], "StreamReady once"),
    ],
)
def test_what_breaks_the_order_is_named(responses: list[Response], expected: str):
    assert expected in str(heard(*responses).violations)


def test_a_stream_that_ends_with_ok_has_ended_its_reactions():
    assert "ENDED of every reaction" in str(heard(reaction("STARTED"), is_ok=True).violations)
    assert not heard(reaction("STARTED"), is_ok=False).violations


def test_everything_before_ready_is_a_violation():
    model = StreamModel()
    model.heard(reaction("STARTED"))
    assert "StreamReady first" in str(model.violations)


def test_frames_are_received_as_they_were_sent():
    model = heard()
    for request in (update(), frame(1), frame(2), ASK, frame(3), ASK):
        model.sent(request)
    model.heard(statistics(2, 1, 1))
    model.heard(statistics(3, 3))
    assert not model.violations, model.violations
    assert (model.in_flight, model.counts.analysed) == (0, 3)


@pytest.mark.parametrize("received", [1, 3])
def test_a_frame_that_was_lost_or_counted_twice_is_a_violation(received: int):
    model = heard()
    for request in (update(), frame(1), frame(2), ASK):
        model.sent(request)
    model.heard(statistics(received, received))
    assert "2 to 2 sent" in str(model.violations)


def test_frames_outside_of_a_join_need_not_be_received():
    model = heard()
    for request in (frame(1), update(), frame(2), update(kind="leave"), frame(3), ASK):
        model.sent(request)
    model.heard(statistics(1, 1))
    assert not model.violations, model.violations


def test_a_frame_without_outcome_is_a_violation():
    model = heard()
    for request in (update(), frame(1), frame(2), ASK):
        model.sent(request)
    model.heard(statistics(2, 1))
    assert "2 received, 1 accounted for" in str(model.violations)


def test_statistics_that_nobody_asked_for_are_a_violation():
    assert "an answer without a question" in str(heard(statistics(0, 0)).violations)


def test_each_frame_is_decided_upon_at_most_once():
    model = heard()
    model.sent(Request(frames=reaction_service_pb2.Frames(frames=[frame(1).frame, frame(2).frame])))
    model.heard(decision(2))
    assert not model.violations
    model.heard(decision(2))
    assert "one decision of a frame that was sent, got alice 2" in str(model.violations)


def test_decisions_of_the_newest_frames_alone_are_checked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stream_model, "MAX_SEQUENCES", 10)
    model = heard()
    for sequence in range(30):
        model.sent(frame(sequence))
    model.heard(decision(29))
    assert not model.violations
    model.heard(decision(1))
    assert model.violations


def test_faults_are_counted_by_code():
    fault = reaction_service_pb2.ParticipantFault(code=reaction_service_pb2.FAULT_CODE_INVALID_DATA, count=3)
    assert heard(Response(fault=fault)).faults == {"INVALID_DATA": 3}


def test_violations_are_all_counted_and_the_first_are_kept():
    model = heard(*[reaction("ENDED", f"r{number}") for number in range(50)])
    assert model.violations.count == 50
    assert str(model.violations).endswith("and 30 more")
