"""The engine: opening and closing streams, control of the pools, statistics, and stills."""

from __future__ import annotations

import pytest

from gifcue.detect.messages import StillPicture
from gifcue.detect.regions import Region
from gifcue.engine.decisions import DecisionDetails
from gifcue.errors import ConfigError, MediaError, Unavailable
from gifcue.media.settings import MediaSettings
from gifcue.media.still_settings import StillSettings
from gifcue.protocol.events import FrameDecided, Reaction
from gifcue.protocol.reasons import DropReason
from tests.engine.kit import INFO, NOTHING, SMILE, Kit


class TestLifecycle:
    async def test_the_engine_starts_and_stops_both_pools(self) -> None:
        kit = Kit()
        await kit.engine.start()
        assert (kit.decode.is_running, kit.detect.is_running) == (True, True)
        await kit.engine.stop()
        assert (kit.decode.is_running, kit.detect.is_running) == (False, False)

    def test_the_model_is_unavailable_before_a_detector_is_warm(self) -> None:
        kit = Kit()
        assert kit.engine.model == INFO
        kit.detect.info = None
        with pytest.raises(Unavailable, match="expected a detector that is warm"):
            _ = kit.engine.model


class TestSessions:
    @pytest.mark.parametrize("field", ["room_id", "client_name"])
    def test_a_name_that_is_too_long_is_refused(self, field: str) -> None:
        with pytest.raises(ConfigError, match=f"{field}: expected at most 128 bytes, got 130"):
            Kit().open(**{field: "ä" * 65})

    def test_an_unknown_preset_is_refused(self) -> None:
        with pytest.raises(ConfigError):
            Kit().open(preset="frantic")

    def test_a_streams_preset_and_labels_are_in_its_session(self) -> None:
        stream = Kit().open(preset="careful", speaking_suppresses_hands=True, subject="all")
        assert stream.session.preset == "careful"
        # Labels that both the model and the policy have.
        assert stream.session.reaction_labels == ("smile", "thumbs_up", "wave")

    def test_a_closed_stream_stays_in_the_statistics(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        kit.smile(stream, key)
        stream.send()
        kit.engine.close_session(stream.session)
        assert stream.of(Reaction)[-1].end_reason == "stream_closed"
        figures = kit.engine.statistics()
        assert (figures.sessions, figures.participants, figures.frames.in_flight) == (0, 0, 1)
        kit.skipped(key)
        figures = kit.engine.statistics()
        assert figures.frames.is_consistent
        assert figures.frames.in_flight == 0
        assert figures.frames.received == stream.session.frame_counts().received
        assert figures.reactions == {"smile": 1}

    def test_an_idle_stream_closes_at_once(self) -> None:
        kit = Kit()
        stream = kit.open()
        stream.join()
        kit.engine.close_session(stream.session)
        assert kit.engine.statistics().frames.received == 0
        assert kit.detect.forgotten == [1]


class TestReactions:
    def test_a_reaction_with_a_gif_is_delivered(self) -> None:
        kit = Kit()
        stream = kit.open(room_id="weekly")
        kit.smile(stream, stream.join())
        ((room_id, reaction, gif),) = kit.delivered
        assert (room_id, gif.id) == ("weekly", "smile")
        assert reaction == stream.of(Reaction)[0]
        assert kit.chooser.asked == [("smile", "weekly", "alice")]

    def test_a_reaction_without_a_gif_is_sent_but_not_delivered(self) -> None:
        kit = Kit()
        kit.chooser.withholds = True
        stream = kit.open()
        kit.smile(stream, stream.join())
        (started,) = stream.of(Reaction)
        assert (started.gif, started.gif_reason) == (None, "because")
        assert kit.delivered == []
        # Without a name, each stream has its own room.
        assert kit.chooser.asked == [("smile", stream.session.session_id, "alice")]


class TestLatency:
    def test_the_reported_latency_is_the_recorded_one(self) -> None:
        kit = Kit()
        stream = kit.open(decisions=DecisionDetails(), send_holding=True)
        key = stream.join()
        kit.analyse(stream, key, SMILE)
        stream.events.clear()
        stream.send()
        kit.decoded(key)
        kit.time.advance(0.040)
        kit.detected(key, SMILE)
        (decided,), (holding,) = stream.of(FrameDecided), stream.of(Reaction)
        assert decided.latency_ms == holding.latency_ms == pytest.approx(40.0)
        figures = kit.engine.statistics().latency
        assert (figures.count, figures.p95_ms) == (2, decided.latency_ms)
        (alice,) = stream.session.statistics()
        assert alice.latency_p95_ms == decided.latency_ms

    def test_late_results_lower_the_decoders_pace(self) -> None:
        kit = Kit(media=MediaSettings(late_ms=80.0))
        stream = kit.open()
        key = stream.join()
        for _ in range(8):
            stream.send()
            kit.decoded(key)
            kit.time.advance(0.2)
            kit.detected(key, NOTHING)
        assert kit.decode.paces
        assert kit.engine.statistics().analysis_fps == kit.decode.paces[-1]

    def test_superseded_pictures_count_as_late(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        for _ in range(8):
            stream.send()
            kit.decoded(key)
            kit.time.advance(0.2)
            kit.undetected(key, DropReason.SUPERSEDED)
        assert kit.decode.paces
        assert stream.counts().dropped == {"superseded": 8}


class TestSlots:
    def test_an_analysed_picture_releases_its_slot_and_a_lost_one_is_no_reference(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        stream.send()
        stream.send()
        analysed, lost = kit.decoded(key), kit.decoded(key)
        kit.detected(key, SMILE)
        kit.undetected(key, DropReason.DETECT_WORKER_LOST)
        assert kit.decode.released == [(analysed, True), (lost, False)]
        assert stream.counts().dropped == {"detect_worker_lost": 1}


class TestStills:
    async def test_a_still_keeps_its_slot_until_a_detector_has_seen_it(self) -> None:
        kit = Kit()
        seen: list[set[int]] = []

        async def annotate(picture: StillPicture) -> list[Region]:
            seen.append(set(kit.stills.held))
            assert picture == StillPicture(5, 64, 36)
            return SMILE

        kit.detect.annotate = annotate  # type: ignore[method-assign]
        with kit.engine.enter_still("alice", 4) as place:
            still = await kit.engine.annotate(b"jpeg", place)
        assert (still.regions, still.model, still.width, still.height) == (SMILE, INFO, 640, 360)
        assert (seen, kit.stills.held, kit.stills.callers) == ([{5}], set(), ["alice"])
        assert kit.stills.admission.count == 0

    async def test_a_slot_is_released_if_no_detector_accepts_the_still(self) -> None:
        kit = Kit()

        async def refuse(picture: object) -> None:
            raise Unavailable("too many")

        kit.detect.annotate = refuse  # type: ignore[assignment,method-assign]
        with kit.engine.enter_still("alice") as place, pytest.raises(Unavailable, match="too many"):
            await kit.engine.annotate(b"jpeg", place)
        assert kit.stills.held == set()

    async def test_a_still_is_given_up_at_its_deadline(self) -> None:
        kit = Kit(stills=StillSettings(timeout_s=0.001))
        kit.stills.hangs = True
        with kit.engine.enter_still("alice") as place, pytest.raises(Unavailable, match="in time"):
            await kit.engine.annotate(b"jpeg", place)

    @pytest.mark.parametrize(
        ("size", "reason"), [(0, DropReason.EMPTY_PAYLOAD), (2 * 1024 * 1024 + 1, DropReason.FRAME_TOO_LARGE)]
    )
    async def test_a_size_out_of_bounds_is_refused_before_it_is_decoded(
        self, size: int, reason: DropReason
    ) -> None:
        engine = Kit().engine
        with (
            engine.enter_still("alice") as place,
            pytest.raises(MediaError, match="expected a picture of 1 to") as caught,
        ):
            await engine.annotate(bytes(size), place)
        assert caught.value.reason is reason
