"""The browser tap: copies of a call's frames reach gifcue, and the call does not notice."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from playwright.sync_api import Page, expect

from gifcue.v1 import media_pb2
from gifcue.v1.reaction_service_pb2 import (
    AllowedLabels,
    EffectiveLimits,
    FaultCode,
    Frames,
    Gif,
    Heartbeat,
    Join,
    KeyframeRequest,
    Leave,
    ParticipantFault,
    ParticipantUpdate,
    Phase,
    ReactionEvent,
    SlowDown,
    StreamConfig,
    StreamControl,
    StreamReactionsRequest,
    StreamReactionsResponse,
    StreamReady,
)
from tests.support.browser import TIMEOUT_MS, Chromium
from tests.support.network import network
from tests.support.serve_process import ServeProcess

pytestmark = pytest.mark.timeout(240)

# `window.call` makes a call of the camera between two ends in the page: with a tap where it gets options of one.
CALLS = Path(__file__).with_name("tap_calls.js").read_text(encoding="utf-8")


def until(page: Page, condition: str) -> Any:
    """Waits until an expression of JavaScript, which may await, is true in the page, and returns its value."""
    return page.evaluate(
        f"""async (timeoutMs) => {{
          const end = performance.now() + timeoutMs;
          for (;;) {{
            const value = await (async () => {condition})();
            if (value) return value;
            if (performance.now() > end) throw new Error(`expected ${{{json.dumps(condition)}}} in time`);
            await new Promise((resolve) => setTimeout(resolve, 50));
          }}
        }}""",
        TIMEOUT_MS,
    )


def stream_url(port: int) -> str:
    return f"ws://localhost:{port}/stream"


def test_a_call_with_a_tap_gets_its_reaction_and_a_gif(
    server: ServeProcess, chromium: Chromium, smile_camera: Path
) -> None:
    opened = chromium.open(f"{server.url}/tap?codec=VP8", smile_camera)
    page = opened.page
    page.get_by_role("button", name="Start the call").click()
    smile = page.get_by_label("Smile", exact=True)
    expect(smile).not_to_be_checked()
    until(page, "document.querySelectorAll('.end video')[1].videoWidth > 0")
    expect(page.get_by_text("Not copied: nothing is agreed to")).to_be_visible()
    smile.check()
    expect(page.locator(".reactions li").first).to_contain_text("Smile")
    expect(page.locator(".gif img")).to_be_visible()
    page.get_by_role("button", name="End the call").click()
    expect(page.get_by_role("button", name="Start the call")).to_be_visible()
    assert opened.problems == []


def test_the_senders_frames_are_those_of_a_call_without_a_tap(
    server: ServeProcess, chromium: Chromium, smile_camera: Path
) -> None:
    page = chromium.open(f"{server.url}/tap", smile_camera).page
    page.evaluate(CALLS, "H264")
    page.evaluate(
        """async (url) => {
          window.tapped = await call({ url, labels: ['smile'] });
          window.control = await call(null);
          window.both = async () => [await tapped.frames(), await control.frames()];
        }""",
        stream_url(server.http_port),
    )
    until(page, "(await both()).every(({ decoded }) => decoded > 0)")
    before = page.evaluate("both()")
    assert until(page, "tapped.reactions[0]")["label"] == "smile"
    after = page.evaluate("both()")
    tapped, control = (
        {name: later[name] - earlier[name] for name in later}
        for earlier, later in zip(before, after, strict=True)
    )
    print(f"tapped {tapped}, control {control}")
    assert tapped["encoded"] > 20
    # Both are counted a moment apart, and on a busy machine each encoder leaves pictures out when it is not free.
    assert abs(tapped["encoded"] - control["encoded"]) <= 3 + 0.15 * control["encoded"]
    assert abs(tapped["encoded"] - tapped["received"]) <= 3
    # What the worker saw is what the browser's encoder made, and each frame has an outcome.
    page.evaluate("tapped.from.getSenders()[0].replaceTrack(null)")
    until(page, "tapped.tap.counts.encoded === (await tapped.frames()).encoded")
    counts = page.evaluate("tapped.tap.counts")
    print(counts)
    assert counts["encoded"] == counts["sent"] + counts["joined"] + sum(counts["leftOut"].values())
    assert counts["sent"] > 20
    assert page.evaluate("[tapped.problems, tapped.faults]") == [[], []]


def test_a_connection_that_is_lost_is_made_again_and_costs_no_frame_of_the_call(
    server: ServeProcess, chromium: Chromium, smile_camera: Path
) -> None:
    with network(server.http_port) as way:
        page = chromium.open(f"{server.url}/tap", smile_camera).page
        page.evaluate(CALLS, "VP8")
        # The stream goes another way than the page; pages of this machine may connect to this machine.
        page.evaluate(
            "async (url) => { window.tapped = await call({ url, labels: ['smile'] }); }", stream_url(way.port)
        )
        until(page, "tapped.tap.counts?.sent > 10")
        way.cut()
        until(page, "tapped.states.includes('waiting') && tapped.states.at(-1) === 'ready'")
        sent = page.evaluate("tapped.tap.counts.sent")
        until(page, f"tapped.tap.counts.sent > {sent + 10}")
        # The stream ends; the call goes on.
        page.evaluate("tapped.tap.stop()")
        until(page, "tapped.states.at(-1) === 'ended'")
        frames = page.evaluate("tapped.frames()")
        until(page, f"(await tapped.frames()).decoded > {frames['decoded'] + 10}")
        assert page.evaluate("[tapped.problems, tapped.faults]") == [[], []]


@pytest.mark.skipif(
    os.environ.get("GIFCUE_PEERS") != "1", reason="fills the network's buffers: make test-peers runs it"
)
def test_a_network_that_is_slow_costs_copies_and_no_frame_of_the_call(
    server: ServeProcess, chromium: Chromium
) -> None:
    with network(server.http_port) as way:
        page = chromium.open(f"{server.url}/tap").page
        page.evaluate(CALLS, "VP8")
        page.evaluate(
            "async (url) => { window.tapped = await call({ url, labels: ['smile'] }, noise()); }",
            stream_url(way.port),
        )
        until(page, "tapped.tap.counts?.sent > 10")
        way.is_open.clear()
        until(page, "tapped.tap.counts.leftOut.network > 10")
        held = page.evaluate("tapped.frames()")
        until(page, f"(await tapped.frames()).decoded > {held['decoded'] + 10}")
        way.is_open.set()
        sent = page.evaluate("tapped.tap.counts.sent")
        until(page, f"tapped.tap.counts.sent > {sent + 10}")
        # The server says that what came late is of no use; the tap itself has no problem.
        assert page.evaluate("tapped.problems") == []


def test_what_cannot_be_tapped_is_an_error_and_the_call_goes_on(
    server: ServeProcess, chromium: Chromium
) -> None:
    page = chromium.open(f"{server.url}/tap").page
    page.evaluate(CALLS, "VP8")
    found = page.evaluate(
        """async (url) => {
          const failing = (act) => { try { act(); return 'nothing'; } catch (error) { return error.message; } };
          const peer = new RTCPeerConnection();
          const sender = peer.addTransceiver('video').sender;
          const first = new Tap(sender);
          return [
            failing(() => new Tap(peer.addTransceiver('video'))),
            failing(() => new Tap(sender)),
            failing(() => first.start({ url })),
          ];
        }""",
        stream_url(server.http_port),
    )
    assert ["RTCRtpSender" in found[0], "transform" in found[1], "participant" in found[2]] == [True] * 3, (
        found
    )
    # A tap that comes late gets no frames in Chromium; it says so.
    page.evaluate(
        """async (url) => {
          window.late = await call(null);
          late.tap = new Tap(late.sender);
          const on = { problem: (problem) => late.problems.push(problem) };
          late.tap.start({ url, participant: 'late', labels: ['smile'], on });
        }""",
        stream_url(server.http_port),
    )
    until(page, "late.problems.length > 0")
    assert "where the sender is made" in page.evaluate("late.problems[0]")
    assert page.evaluate("late.frames()")["decoded"] > 0


def test_the_rotation_that_the_call_sends_beside_the_video_is_followed(
    server: ServeProcess, chromium: Chromium
) -> None:
    page = chromium.open(f"{server.url}/tap").page
    page.evaluate(CALLS, "VP8")
    page.evaluate(
        """async (url) => {
          const track = new MediaStreamTrackGenerator({ kind: 'video' });
          const writer = track.writable.getWriter();
          const canvas = new OffscreenCanvas(320, 180);
          canvas.getContext('2d').fillRect(0, 0, 320, 180);
          let timestamp = 0;
          setInterval(() => writer.write(new VideoFrame(canvas, { timestamp: timestamp += 50_000, rotation: 90 })), 50);
          window.tapped = await call({ url, labels: ['smile'] }, track);
        }""",
        stream_url(server.http_port),
    )
    until(page, "tapped.turned.includes(90) && tapped.tap.counts?.sent > 0")
    assert page.evaluate("[tapped.problems, tapped.faults]") == [[], []]


def test_a_shared_screen_is_not_copied(server: ServeProcess, chromium: Chromium, smile_camera: Path) -> None:
    page = chromium.open(f"{server.url}/tap", smile_camera).page
    page.evaluate(CALLS, "VP8")
    found = page.evaluate(
        """async (url) => {
          window.screen_ = noise();
          screen_.getSettings = () => ({ displaySurface: 'monitor' });
          const { tapNewSenders } = await import('/static/tap/tap.js');
          const taps = [];
          const stop = tapNewSenders((tap) => taps.push(tap));
          const peer = new RTCPeerConnection();
          peer.addTrack(screen_);
          peer.addTransceiver(screen_);
          peer.addTransceiver('video');
          stop();
          window.tapped = await call({ url, labels: ['smile'] });
          return taps.length;
        }""",
        stream_url(server.http_port),
    )
    assert found == 1
    until(page, "tapped.tap.counts?.sent > 0")
    page.evaluate(
        "(async () => { window.camera = tapped.sender.track; await tapped.sender.replaceTrack(screen_); })()"
    )
    until(page, "tapped.tap.counts.leftOut.screen > 0")
    sent = page.evaluate("tapped.tap.counts.sent")
    until(page, "tapped.tap.counts.leftOut.screen > 10")
    assert page.evaluate("tapped.tap.counts.sent") == sent
    page.evaluate("tapped.sender.replaceTrack(camera)")
    until(page, f"tapped.tap.counts.sent > {sent}")
    assert page.evaluate("tapped.problems") == []


def test_the_camera_is_not_kept_on_by_the_look_at_its_rotation(
    server: ServeProcess, chromium: Chromium
) -> None:
    page = chromium.open(f"{server.url}/tap").page
    page.evaluate(CALLS, "VP8")
    found = page.evaluate(
        """async (url) => {
          // A track without frames: a look at it lasts until it is stopped.
          const track = new MediaStreamTrackGenerator({ kind: 'video' });
          const copies = [];
          const clone = track.clone.bind(track);
          track.clone = () => { copies.push(clone()); return copies.at(-1); };
          const { sender } = new RTCPeerConnection().addTransceiver(track);
          const tap = new Tap(sender);
          const states = () => copies.map(({ readyState }) => readyState);
          const options = { url, participant: 'a' };
          tap.start(options);
          const during = states();
          tap.stop();
          const after = states();
          tap.start(options);
          const end = performance.now() + 20_000;
          while (states().at(-1) === 'live' && performance.now() < end) {
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
          const late = states();
          tap.end();
          return [during, after, late];
        }""",
        stream_url(server.http_port),
    )
    assert found == [["live"], ["ended"], ["ended", "ended"]]


@pytest.fixture
def tap_page(server: ServeProcess, chromium: Chromium) -> Page:
    return chromium.open(f"{server.url}/tap").page


_TYPES = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_FLOAT: "float",
}


def check_table(fields: Sequence[Sequence[Any]], message: Descriptor) -> int:
    """Compares a table of wire.js with a message of the protos, and returns how many fields it has."""
    count = 0
    for number, name, kind, *mark in fields:
        field = message.fields_by_number[number]
        where = f"{message.name}.{name}"
        assert field.json_name == name, where
        expected = None
        if field.is_repeated:
            expected = "list"
        elif field.containing_oneof is not None:
            synthetic = field.containing_oneof.name.startswith("_")
            expected = "present" if synthetic else field.containing_oneof.name
        assert mark == ([] if expected is None else [expected]), where
        if field.message_type is not None:
            count += check_table(kind, field.message_type)
        else:
            assert kind == _TYPES.get(field.type, "int"), where
        count += 1
    return count


def test_the_tables_of_the_wire_are_those_of_the_protos(tap_page: Page) -> None:
    wire = tap_page.evaluate(
        "async () => { const { wire, ...tables } = await import('/static/tap/wire.js'); return tables; }"
    )
    assert check_table(wire["REQUEST"], StreamReactionsRequest.DESCRIPTOR) > 20
    assert check_table(wire["RESPONSE"], StreamReactionsResponse.DESCRIPTOR) > 20
    assert wire["Codec"] == {name: media_pb2.Codec.Value(f"CODEC_{name}") for name in wire["Codec"]}
    assert wire["Phase"] == {name: Phase.Value(f"PHASE_{name}") for name in wire["Phase"]}


FRAME = media_pb2.Frame(
    participant_id="ada ñ",
    sequence=2**53 + 3,
    pts=-(2**62),
    clock_hz=1_000_000,
    keyframe=True,
    payload=bytes(range(256)) * 3,
    rotation=270,
    temporal_layer=0,
)
REQUESTS = [
    (
        "{case: 'config', value: {roomId: 'weekly', clientName: 'x', preset: '', sendHolding: true}}",
        StreamReactionsRequest(config=StreamConfig(room_id="weekly", client_name="x", send_holding=True)),
    ),
    (
        "{case: 'participant', value: {participantId: 'a', update: {case: 'join', value: {"
        "codec: 3, extradata: new Uint8Array(), allowedLabels: ['smile', '']}}}}",
        StreamReactionsRequest(
            participant=ParticipantUpdate(
                participant_id="a", join=Join(codec=media_pb2.CODEC_VP8, allowed_labels=["smile", ""])
            )
        ),
    ),
    (
        "{case: 'participant', value: {participantId: 'a', update: {case: 'allowed', value: {labels: []}}}}",
        StreamReactionsRequest(participant=ParticipantUpdate(participant_id="a", allowed=AllowedLabels())),
    ),
    (
        "{case: 'participant', value: {participantId: 'a', update: {case: 'leave', value: {}}}}",
        StreamReactionsRequest(participant=ParticipantUpdate(participant_id="a", leave=Leave())),
    ),
    (
        "{case: 'frame', value: {participantId: 'ada ñ', "
        "sequence: 2n ** 53n + 3n, pts: -(2n ** 62n), clockHz: 1000000, keyframe: true, "
        "payload: Uint8Array.from({length: 768}, (_, at) => at), rotation: 270, temporalLayer: 0}}",
        StreamReactionsRequest(frame=FRAME),
    ),
    (
        "{case: 'frames', value: {frames: [{participantId: 'a', sequence: 0n, pts: 0n, payload: Uint8Array.of(1)}, "
        "{payload: Uint8Array.of(2)}]}}",
        StreamReactionsRequest(
            frames=Frames(
                frames=[media_pb2.Frame(participant_id="a", payload=b"\1"), media_pb2.Frame(payload=b"\2")]
            )
        ),
    ),
    ("{case: 'frames', value: {frames: []}}", StreamReactionsRequest(frames=Frames())),
]


def test_requests_are_those_of_the_protos(tap_page: Page) -> None:
    for text, expected in REQUESTS:
        found = tap_page.evaluate(
            f"(async () => [...(await import('/static/tap/wire.js')).wire.encode({text})])()"
        )
        assert StreamReactionsRequest.FromString(bytes(found)) == expected, text


RESPONSES: Sequence[tuple[StreamReactionsResponse, dict[str, Any]]] = [
    (
        StreamReactionsResponse(
            ready=StreamReady(
                limits=EffectiveLimits(
                    max_participants=9, max_frame_bytes=2**31, max_fps=60, max_frames_per_message=512
                ),
                reaction_labels=["smile", "wave"],
                session_id="skipped",
                gif_base_url="https://x.example",
            )
        ),
        {
            "case": "ready",
            "value": {
                "reactionLabels": ["smile", "wave"],
                "serverVersion": "",
                "gifBaseUrl": "https://x.example",
                "features": [],
                "limits": {
                    "maxFrameBytes": 2**31,
                    "maxFps": 60,
                    "idleTimeoutMs": 0,
                    "maxMessageBytes": 0,
                    "maxFramesPerMessage": 512,
                    "heartbeatIntervalMs": 0,
                },
            },
        },
    ),
    (
        StreamReactionsResponse(
            reaction=ReactionEvent(
                participant_id="a",
                reaction_id="r",
                phase=Phase.Value("PHASE_STARTED"),
                label="smile",
                progress=1.0,
                score=0.5,
                pts=-1,
                latency_ms=3.0,
                gif=Gif(url="/gifs/a.gif", title="ä"),
            )
        ),
        {
            "case": "reaction",
            "value": {
                "participantId": "a",
                "reactionId": "r",
                "phase": 2,
                "label": "smile",
                "progress": 1,
                "score": 0.5,
                "gifReason": "",
                "endReason": "",
                "cooldownMs": 0,
                "roomCooldownMs": 0,
                "gifCooldownMs": 0,
                "gif": {"gifId": "", "url": "/gifs/a.gif", "title": "ä", "mediaType": "", "ruleId": ""},
            },
        },
    ),
    (
        StreamReactionsResponse(
            control=StreamControl(keyframe=KeyframeRequest(participant_id="a", reason="allowed"))
        ),
        {
            "case": "control",
            "value": {"control": {"case": "keyframe", "value": {"participantId": "a", "reason": "allowed"}}},
        },
    ),
    (
        StreamReactionsResponse(control=StreamControl(slow_down=SlowDown(max_fps=7.5))),
        {
            "case": "control",
            "value": {
                "control": {"case": "slowDown", "value": {"participantId": "", "maxFps": 7.5, "reason": ""}}
            },
        },
    ),
    (
        StreamReactionsResponse(
            fault=ParticipantFault(
                participant_id="a", code=FaultCode.Value("FAULT_CODE_INVALID_DATA"), message="m", count=3
            )
        ),
        {
            "case": "fault",
            "value": {"participantId": "a", "code": 9, "message": "m", "sequence": 0, "count": 3},
        },
    ),
    (StreamReactionsResponse(heartbeat=Heartbeat()), {"case": "heartbeat", "value": {}}),
]


def test_responses_are_read_and_damaged_ones_refused(tap_page: Page) -> None:
    decode = """async (bytes) => {
      const { wire } = await import('/static/tap/wire.js');
      return JSON.stringify(wire.decode(Uint8Array.from(bytes)));
    }"""
    for message, expected in RESPONSES:
        assert json.loads(tap_page.evaluate(decode, list(message.SerializeToString()))) == expected
    whole = RESPONSES[1][0].SerializeToString()
    outcomes = tap_page.evaluate(
        """async (bytes) => {
          const { wire } = await import('/static/tap/wire.js');
          const outcome = (bytes) => {
            try { wire.decode(Uint8Array.from(bytes)); return ''; } catch (error) { return error.constructor.name; }
          };
          return bytes.map((_, length) => outcome(bytes.slice(0, length)));
        }""",
        list(whole),
    )
    assert outcomes[0] == ""
    assert set(outcomes[1:]) == {"RangeError"}


def test_the_codec_of_a_payload_type_that_is_not_known_is_asked_for(
    tap_page: Page, server: ServeProcess
) -> None:
    found = tap_page.evaluate(
        """async (url) => {
          const { Session } = await import('/static/tap/session.js');
          const asked = [];
          let session;
          await new Promise((resolve) => {
            session = new Session({
              transformer: {},
              options: {
                url, token: '', participantId: 'a', labels: ['smile'], mimeTypes: {}, isScreen: false,
                config: { roomId: '', clientName: 'test', preset: '', sendHolding: false },
              },
              tell: ({ kind }) => (kind === 'ready' ? setTimeout(resolve) : asked.push(kind)),
            });
          });
          const getMetadata = () => ({ payloadType: 96 });
          const frame = { data: new ArrayBuffer(4), type: 'key', timestamp: 0, getMetadata };
          const unknown = [session.copyOf(frame), session.copyOf(frame)];
          session.knowCodecs({ 96: 'video/VP8' });
          const known = session.copyOf(frame);
          const { codec } = session.counts.leftOut;
          session.end();
          return { unknown, codec, known: known?.codec, asked: asked.filter((kind) => kind === 'needs_codecs').length };
        }""",
        stream_url(server.http_port),
    )
    assert found == {"unknown": [None, None], "codec": 2, "known": media_pb2.CODEC_VP8, "asked": 1}


LAYERS = Path(__file__).with_name("tap_layers.js").read_text(encoding="utf-8")


def test_the_layer_of_simulcast_that_serves_is_taken_from_its_keyframe_on(tap_page: Page) -> None:
    tap_page.evaluate(LAYERS)
    found = tap_page.evaluate(
        """() => {
          const low = [take(1, false, 0, 320, [0]), take(1, true, 3000, 320, [1])];
          clock.ms = 33;
          const both = [
            take(1, false, 6000, 320, [2]), take(2, false, 900000, 640, [3]), take(2, true, 903000, 640, [4]),
            take(1, false, 9000, 320, [5]), take(3, true, 1000, 1280, [6]), take(2, false, 906000, 640, [7]),
          ];
          clock.ms = 5000; // the middle layer is paused
          return { low, both, paused: [take(1, true, 20000, 320, [8])], units, asked };
        }"""
    )
    assert found["low"] == [False, True]
    assert found["both"] == [True, False, True, False, False, True]
    assert found["paused"] == [True]
    assert found["asked"] == [1, 2]
    assert [payload for payload, *_ in found["units"]] == [[1], [2], [4], [7], [8]]
    times = [ms for *_, ms, _ in found["units"]]
    assert times == sorted(set(times))
    assert times[3] - times[2] == pytest.approx(33, abs=1)
    assert times[4] == pytest.approx(5000, abs=50)


def test_a_clock_of_32_bits_goes_on_after_its_end(tap_page: Page) -> None:
    tap_page.evaluate(LAYERS)
    units = tap_page.evaluate(
        "() => { take(1, true, 2 ** 32 - 1500, 640, [1]); take(1, false, 1500, 640, [2]); return units; }"
    )
    assert units[1][2] - units[0][2] == pytest.approx(33, abs=1)


def test_spatial_layers_of_vp9_become_a_superframe_up_to_the_one_that_serves(tap_page: Page) -> None:
    tap_page.evaluate(LAYERS)
    units = tap_page.evaluate(
        """() => {
          const picture = (key, at) => [320, 640, 1280].map((width, spatialIndex) =>
            take(1, key && spatialIndex === 0, at, width, [spatialIndex, at / 3000], { codec: 4, spatialIndex }));
          const taken = [picture(true, 3000), picture(false, 6000)];
          take(1, false, 9000, 320, [0, 3], { codec: 4 }); // the others are not encoded
          take(1, false, 12000, 320, [0, 4], { codec: 4 });
          return [taken, units];
        }"""
    )
    assert units[0] == [[True, True, False]] * 2
    marker = 0xC0 | 1
    index = [marker, 2, 2, marker]
    assert [unit[:2] for unit in units[1]] == [
        [[0, 1, 1, 1, *index], True],
        [[0, 2, 1, 2, *index], False],
        [[0, 3], False],
    ]
    assert [unit[3] for unit in units[1]] == [2, 2, 1]


def test_a_temporal_unit_of_av1_has_no_delimiter(tap_page: Page) -> None:
    tap_page.evaluate(LAYERS)
    units = tap_page.evaluate(
        "() => { take(1, true, 0, 640, [0x12, 0, 0x0a, 1, 7], { codec: 5 }); return units; }"
    )
    assert units[0][0] == [0x0A, 1, 7]
