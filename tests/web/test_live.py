"""The page /live in a real browser, with a real server and the real model.

Times are media time, taken from the frames that the page sent: they do not depend on the speed of the machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from gifcue.access.files import add_entry
from gifcue.access.grants import Scope
from gifcue.access.issue import new_token, token_digest, token_entry
from gifcue.client import room_key
from gifcue.reactions.settings import policy_preset
from gifcue.v1.media_pb2 import CODEC_H264, CODEC_JPEG
from gifcue.v1.reaction_service_pb2 import (
    PHASE_CANCELLED,
    PHASE_HOLDING,
    KeyframeRequest,
    StreamControl,
    StreamReactionsRequest,
    StreamReactionsResponse,
)
from tests.support.browser import TIMEOUT_MS, Chromium, OpenPage, pictures_of
from tests.support.serve_process import ServeProcess, serve_process
from tests.support.waiting import TIMEOUT_S

pytestmark = pytest.mark.timeout(240)

# Grey values: a picture of one colour has none beside its mean.
_PLAIN = 8.0
_LATE_S = 0.5
_POLL_MS = 50


def wait_for(
    opened: OpenPage, condition: Callable[[], object], expected: str, timeout_s: float = TIMEOUT_S
) -> None:
    """Lets the page run until a condition holds."""
    for _ in range(round(1000 * timeout_s / _POLL_MS)):
        if condition():
            return
        opened.page.wait_for_timeout(_POLL_MS)
    raise AssertionError(
        f"expected {expected} within {timeout_s:g} s, got {opened.wire.faults()}, {opened.problems}"
    )


def play_on(opened: OpenPage, seconds: float) -> None:
    """Lets the first participant's video play on."""
    video = opened.page.locator(".stage video").first
    begun_s = video.evaluate("video => video.currentTime")
    wait_for(
        opened,
        lambda: video.evaluate("video => video.currentTime") > begun_s + seconds,
        f"{seconds} s of video",
    )


def start_camera(page: Page, *labels: str) -> None:
    page.get_by_role("button", name="Start the camera").click()
    for label in labels:
        page.get_by_label(label, exact=True).check()


def test_each_smile_gets_one_gif_in_time(
    server: ServeProcess, chromium: Chromium, smile_camera: Path
) -> None:
    opened = chromium.open(f"{server.url}/live", smile_camera)
    page, wire = opened.page, opened.wire
    # By keyboard alone: the button is the first control after the links.
    expect(page.get_by_role("button", name="Start the camera")).to_be_enabled()
    page.get_by_role("link", name="Tap").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    smile = page.get_by_label("Smile", exact=True)
    expect(smile).to_be_visible()
    for box in page.get_by_role("group").get_by_role("checkbox").all():
        expect(box).not_to_be_checked()
    play_on(opened, 0.5)
    assert not wire.frames, "expected no picture to be sent before a label is allowed"
    smile.focus()
    page.keyboard.press("Space")
    expect(smile).to_be_checked()

    picture = page.locator(".gif img")
    expect(picture).to_be_visible()
    title = picture.get_attribute("alt")
    assert title
    expect(page.get_by_role("status")).to_have_text(f"Smile. GIF: {title}")
    wait_for(opened, lambda: len(wire.started()) == 2, "a second reaction")
    expect(page.locator(".gif")).to_have_count(0)

    # By the room's key, proxies place the streams of pages and of media servers alike.
    room_id = wire.requests[0].config.room_id
    assert parse_qs(urlsplit(wire.addresses[0]).query) == {"room": [room_key(room_id)]}
    join = next(each.participant.join for each in wire.requests if each.participant.HasField("join"))
    assert join.codec == CODEC_H264
    assert list(join.allowed_labels) == ["smile"]
    assert wire.frames[0].keyframe
    assert {each.temporal_layer for each in wire.frames} == {0, 1, 2}
    appearances: list[float] = []
    was_plain = False
    for frame, grey in pictures_of(wire.frames):
        is_plain = grey.std() < _PLAIN
        if was_plain and not is_plain:
            appearances.append(frame.pts / frame.clock_hz)
        was_plain = is_plain
    dwell_s = policy_preset("normal").labels["smile"].dwell_s
    starts = [each.pts / each.clock_hz for each in wire.started()]
    assert len(appearances) >= len(starts) == 2
    delays = [start - appeared for start, appeared in zip(starts, appearances, strict=False)]
    print(f"seconds from the first frame with the smile to its reaction: {delays}")
    assert all(dwell_s - 0.1 <= delay <= dwell_s + _LATE_S for delay in delays), delays
    assert all(each.gif.url for each in wire.started())
    assert wire.faults() == []
    assert opened.problems == []
    assert all(url.startswith((server.url, "data:", "blob:")) for url in opened.requested), opened.requested


@pytest.mark.shared_data
@pytest.mark.skipif(
    os.environ.get("GIFCUE_PEERS") != "1", reason="plays clips to their end: make test-peers runs it"
)
def test_a_room_of_clips_gets_the_right_gifs_once(
    server: ServeProcess, chromium: Chromium, shared_clips: Path
) -> None:
    clips = {"anupam_thumbs_up": ["thumbs_up"], "anupam_ok_hand": ["ok_hand"], "talking_cap13": []}
    opened = chromium.open(f"{server.url}/live")
    page, wire = opened.page, opened.wire
    # Files can be added from then on.
    expect(page.get_by_text("Connected", exact=True)).to_be_visible()
    for number, name in enumerate(clips):
        page.get_by_label("Add video files").set_input_files(shared_clips / f"{name}.mp4")
        participant = page.locator(f"[data-participant=video-{number + 1}]")
        # All at once, so that the beginning of the clip is not missed.
        participant.get_by_role("group").evaluate(
            "group => group.querySelectorAll('input').forEach((box) => box.click())"
        )
    expect(page.get_by_text("The video has ended.")).to_have_count(len(clips), timeout=2 * TIMEOUT_MS)
    got = {
        name: [(each.label, bool(each.gif.url)) for each in wire.started(f"video-{number + 1}")]
        for number, name in enumerate(clips)
    }
    assert got == {name: [(label, True) for label in labels] for name, labels in clips.items()}
    assert wire.faults() == []
    assert opened.problems == []


# Clicks the box as soon as the page shows the hold: before the ring is full.
_WITHDRAW = """() => {
  const look = () => {
    const isHeld = document.querySelector('.now')?.textContent.startsWith('Hold it');
    if (isHeld) document.querySelector('input[name=smile]').click();
    else requestAnimationFrame(look);
  };
  look();
}"""


def test_withdrawn_consent_cancels_a_hold(
    server: ServeProcess, chromium: Chromium, smile_camera: Path
) -> None:
    opened = chromium.open(f"{server.url}/live", smile_camera)
    page, wire = opened.page, opened.wire
    start_camera(page, "Smile")
    page.evaluate(_WITHDRAW)
    wait_for(
        opened,
        lambda: any(each.phase == PHASE_CANCELLED for each in wire.reactions()),
        "the hold to be cancelled",
    )
    assert wire.reactions()[0].phase == PHASE_HOLDING
    assert wire.reactions()[-1].end_reason == "not_allowed"
    expect(page.get_by_text("No picture is sent while no reaction is allowed.")).to_be_visible()
    withdrawn = max(
        number for number, each in enumerate(wire.requests) if each.participant.HasField("allowed")
    )
    play_on(opened, 1)
    sent = wire.requests[withdrawn + 1 :]
    # Not even what was in the encoder at that moment.
    assert not any(each.HasField("frame") or each.frames.frames for each in sent)
    assert wire.started() == []
    assert page.locator(".gif").count() == 0


def test_without_an_encoder_stills_are_sent_and_a_still_of_the_gif_is_shown(
    server: ServeProcess, chromium: Chromium, smile_camera: Path
) -> None:
    opened = chromium.open(
        f"{server.url}/live", smile_camera, script="delete globalThis.VideoEncoder", reduced_motion="reduce"
    )
    page, wire = opened.page, opened.wire
    start_camera(page, "Smile")
    still = page.locator(".gif canvas")
    expect(still).to_be_visible()
    assert still.get_attribute("role") == "img"
    assert still.get_attribute("aria-label") == wire.started()[0].gif.title
    # The canvas takes the size of the GIF when it is drawn.
    wait_for(opened, lambda: still.evaluate("canvas => canvas.width !== 300"), "the still to be drawn")
    join = next(each.participant.join for each in wire.requests if each.participant.HasField("join"))
    assert join.codec == CODEC_JPEG
    assert all(each.keyframe for each in wire.frames)
    page.locator(".gif").get_by_role("button", name="Not meant").click()
    wait_for(
        opened,
        lambda: any(each.participant.HasField("dismiss") for each in wire.requests),
        "the dismissal",
    )
    (dismissed,) = [each.participant for each in wire.requests if each.participant.HasField("dismiss")]
    assert dismissed.dismiss.reaction_id == wire.started()[0].reaction_id
    expect(page.locator(".gif")).to_have_count(0)
    expect(page.locator(".reactions").get_by_text("Not meant")).to_be_visible()
    assert wire.faults() == []
    assert opened.problems == []


_CONGESTION = """
const real = Object.getOwnPropertyDescriptor(WebSocket.prototype, 'bufferedAmount').get;
Object.defineProperty(WebSocket.prototype, 'bufferedAmount', {
  get() { return globalThis.isCongested ? 1e9 : real.call(this); },
});
"""


def test_pictures_are_skipped_before_encoding_while_the_network_is_slow(
    server: ServeProcess, chromium: Chromium, smile_camera: Path
) -> None:
    opened = chromium.open(f"{server.url}/live", smile_camera, script=_CONGESTION)
    page, wire = opened.page, opened.wire
    start_camera(page, "Smile")
    wait_for(opened, lambda: len(wire.frames) > 5, "frames")
    page.evaluate("globalThis.isCongested = true")
    expect(page.get_by_text("the network is slow")).to_be_visible()
    before = len(wire.frames)
    play_on(opened, 0.5)
    assert len(wire.frames) - before <= 2
    page.evaluate("globalThis.isCongested = false")
    wait_for(opened, lambda: len(wire.frames) > before + 10, "frames again")
    # Nothing was encoded meanwhile, so nothing is missing.
    numbers = [each.sequence for each in wire.frames]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert wire.faults() == []


def test_keyframes_are_sent_on_request_and_after_a_new_connection(
    server: ServeProcess, chromium: Chromium, smile_camera: Path
) -> None:
    opened = chromium.open("about:blank", smile_camera)
    page = opened.page
    routes: list[WebSocketRoute] = []
    sent: list[StreamReactionsRequest] = []

    def between(route: WebSocketRoute) -> None:
        routes.append(route)
        upstream = route.connect_to_server()

        def pass_on(data: bytes | str) -> None:
            assert isinstance(data, bytes)
            sent.append(StreamReactionsRequest.FromString(data))
            upstream.send(data)

        route.on_message(pass_on)

    page.route_web_socket("**/stream*", between)
    page.goto(f"{server.url}/live")
    start_camera(page, "Smile")

    def frames() -> list[bool]:
        return [each.frame.keyframe for each in sent if each.HasField("frame")]

    wait_for(opened, lambda: len(frames()) > 10, "frames")
    assert frames()[0]
    assert not any(frames()[1:])
    control = StreamControl(keyframe=KeyframeRequest(participant_id="camera", reason="test"))
    routes[0].send(StreamReactionsResponse(control=control).SerializeToString())
    wait_for(opened, lambda: sum(frames()) == 2, "a second keyframe")

    sent.clear()
    routes[0].close(code=4014, reason="50 the server restarts")
    wait_for(opened, lambda: len(frames()) > 5, "frames over a new connection")
    assert len(routes) == 2
    assert sent[0].HasField("config")
    assert sent[1].participant.join.allowed_labels == ["smile"]
    assert frames()[0], "expected the new connection to begin with a keyframe"
    expect(page.get_by_text("Connected", exact=True)).to_be_visible()


_NO_CAMERA = "MediaDevices.prototype.getUserMedia = async () => { throw new DOMException('no', 'NAME'); }"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("NotAllowedError", "Allow it in the browser’s address bar"),
        ("NotFoundError", "Connect one"),
        ("NotReadableError", "Another program uses the camera"),
    ],
)
def test_a_camera_that_cannot_be_used_says_what_to_do(
    server: ServeProcess, chromium: Chromium, name: str, says: str
) -> None:
    opened = chromium.open(
        f"{server.url}/live",
        script=_NO_CAMERA.replace("NAME", name),
    )
    start_camera(opened.page)
    expect(opened.page.get_by_role("alert")).to_contain_text(says)
    expect(opened.page.get_by_role("button", name="Start the camera")).to_be_enabled()


def test_a_file_that_is_no_video_is_named(server: ServeProcess, chromium: Chromium, tmp_path: Path) -> None:
    opened = chromium.open(f"{server.url}/live")
    broken = tmp_path / "holiday.mp4"
    broken.write_bytes(b"this is no video")
    expect(opened.page.get_by_text("Connected", exact=True)).to_be_visible()
    opened.page.get_by_label("Add video files").set_input_files(broken)
    expect(opened.page.get_by_role("alert")).to_contain_text("cannot play holiday.mp4")
    assert opened.page.locator(".participant").count() == 0


def test_a_server_with_tokens_asks_for_one(chromium: Chromium, tmp_path: Path) -> None:
    token, keys = new_token(), tmp_path / "keys.toml"
    add_entry(keys, token_entry("page", token_digest(token), [Scope.STREAM], ["*"], ["*"]))
    with serve_process(tmp_path, f'[access]\nkeys = "{keys}"\n') as guarded:
        opened = chromium.open(f"{guarded.url}/live")
        page = opened.page
        field = page.get_by_label("This server asks for an access token")
        field.fill("wrong")
        field.press("Enter")
        # The answer to this token, and not that to none, which the page shows before.
        expect(page.get_by_text("expected a JSON Web Token")).to_be_visible()
        field.fill(token)
        field.press("Enter")
        expect(page.get_by_text("Connected", exact=True)).to_be_visible()
        page.reload()
        expect(page.get_by_text("Connected", exact=True)).to_be_visible()
        assert token not in page.content()
    assert all(token not in str(line) for line in guarded.lines)
