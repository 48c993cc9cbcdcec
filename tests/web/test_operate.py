"""The page /operate in a real browser, with a real server."""

from __future__ import annotations

import contextlib
import json
import queue
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from playwright.sync_api import Page, expect

from gifcue.access.files import add_entry
from gifcue.access.grants import Scope
from gifcue.access.issue import new_token, token_digest, token_entry
from gifcue.v1 import media_pb2, reaction_service_pb2_grpc
from gifcue.v1 import reaction_service_pb2 as pb
from tests.support.browser import TIMEOUT_MS, Chromium, OpenPage
from tests.support.serve_process import ServeProcess, serve_process
from tests.web.test_accessibility import violations

pytestmark = pytest.mark.timeout(240)

ROOM, PERSON = "secret-room", "secret-person"


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    expect.set_options(timeout=TIMEOUT_MS)
    yield
    expect.set_options(timeout=5_000)


@contextlib.contextmanager
def stream(server: ServeProcess) -> Iterator[Callable[[], list[pb.StreamReactionsResponse]]]:
    """An open stream with one participant. What it gives ends the stream's requests and returns all answers."""
    port = next(line["grpc_port"] for line in server.lines if line["event"] == "serving")
    requests: queue.SimpleQueue[pb.StreamReactionsRequest | None] = queue.SimpleQueue()
    join = pb.Join(codec=media_pb2.CODEC_H264, allowed_labels=["smile"])
    requests.put(pb.StreamReactionsRequest(config=pb.StreamConfig(room_id=ROOM)))
    requests.put(
        pb.StreamReactionsRequest(participant=pb.ParticipantUpdate(participant_id=PERSON, join=join))
    )
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = reaction_service_pb2_grpc.ReactionServiceStub(channel).StreamReactions(
            iter(requests.get, None)
        )
        answers = [next(call)]

        def ended() -> list[pb.StreamReactionsResponse]:
            answers.extend(call)
            return answers

        try:
            yield ended
        finally:
            requests.put(None)
            call.cancel()


def open_page(server: ServeProcess, chromium: Chromium) -> OpenPage:
    opened = chromium.open(f"{server.operator_url}/operate")
    expect(opened.page.get_by_role("heading", name="Frame accounting")).to_be_visible()
    return opened


def action(page: Page, name: str) -> None:
    """An action with the keyboard alone: its button, then the second button of the dialog."""
    page.get_by_role("button", name=name, exact=True).focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    # The harmless answer comes first.
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()


def outcome(page: Page) -> str:
    """What the page says of the last action, in its live region."""
    notice = page.locator("[role=status] .notice")
    expect(notice).to_be_visible()
    return notice.inner_text()


def test_the_page_shows_figures_and_no_names(server: ServeProcess, chromium: Chromium) -> None:
    opened = open_page(server, chromium)
    page = opened.page
    with stream(server):
        expect(page.locator(".tile", has_text="Participants")).to_contain_text("1 of 512")
        expect(page.locator(".tile", has_text="Streams")).to_contain_text("1 of 1,024")
        expect(page.get_by_text("Every frame is accounted for")).to_be_visible()
        table = page.get_by_role("region", name="Table of streams")
        expect(table.locator("tbody tr")).to_have_count(1)
        for name in ("front", "decode-0", "detect-0", "still-0"):
            processes = page.get_by_role("region", name="Table of processes")
            expect(processes.get_by_role("rowheader", name=name)).to_be_visible()
        expect(page.get_by_role("img", name="Latency, the last ten minutes")).to_be_visible()
        text = page.content()
        assert ROOM not in text
        assert PERSON not in text
    expect(page.get_by_text("No stream is open.")).to_be_visible()
    assert opened.problems == []
    assert {url.split("/")[2] for url in opened.requested} == {server.operator_url.split("/")[2]}


def test_a_drain_is_asked_for_first_and_can_be_taken_back(server: ServeProcess, chromium: Chromium) -> None:
    page = open_page(server, chromium).page
    state = page.get_by_role("banner").get_by_role("status")
    with stream(server) as ended:
        expect(page.locator(".tile", has_text="Streams")).to_contain_text("1 of 1,024")
        drain = page.get_by_role("button", name="Drain…", exact=True)
        drain.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_contain_text("1 stream and all new ones go elsewhere")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(drain).to_be_focused()
        expect(state).to_have_text("serving")
        action(page, "Drain…")
        assert outcome(page) == "1 stream asked to move. New ones are refused."
        controls = [each.control.WhichOneof("control") for each in ended() if each.HasField("control")]
        assert "drain" in controls
    expect(state).to_have_text("draining")
    page.get_by_role("button", name="Take streams again").press("Enter")
    expect(state).to_have_text("serving")
    with stream(server):
        expect(page.locator(".tile", has_text="Streams")).to_contain_text("1 of 1,024")


def test_a_share_of_the_streams_moves(server: ServeProcess, chromium: Chromium) -> None:
    page = open_page(server, chromium).page
    with stream(server), stream(server), stream(server):
        expect(page.locator(".tile", has_text="Streams")).to_contain_text("3 of 1,024")
        page.get_by_label("Share, %").fill("34")
        page.get_by_role("button", name="Move streams…").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_contain_text("Move 2 streams?")
        page.get_by_role("dialog").get_by_role("button", name="Move them").click()
        assert outcome(page) == "2 streams asked to move, 1 stay."
        expect(page.locator(".tile", has_text="Streams")).to_contain_text("1 of 1,024")


def test_rules_gestures_and_log_level(tmp_path: Path, chromium: Chromium) -> None:
    book = tmp_path / "book.yaml"
    book.write_text(
        "version: 1\ngifs: {a: {url: /gifs/wave_1.gif, title: t}}\nrules: [{label: smile, gifs: [a]}]\n"
    )
    with serve_process(tmp_path, f'[rules]\nbook = "{book}"\n[log]\nlevel = "info"\n') as server:
        page = open_page(server, chromium).page
        action(page, "Reload the rule book…")
        assert outcome(page) == "The rule book has not changed: 1 rules, 1 GIFs."
        book.write_text("version: 1\nrules: nonsense\n")
        action(page, "Reload the rule book…")
        expect(page.locator("[role=status] .notice.bad")).to_contain_text("rules: expected a list")
        expect(page.get_by_text("The file has mistakes, and the book before it is in force.")).to_be_visible()
        action(page, "Reload the gestures…")
        expect(page.locator("[role=status] .notice.good")).to_have_text(
            "Gestures in service: none of your own. "
        )
        page.get_by_label("Least severe level").select_option("warning")
        action(page, "Change…")
        expect(page.locator("[role=status] .notice")).to_have_text("The log level is warning, it was info.")
        expect(page.get_by_label("Least severe level")).to_have_value("warning")


def test_the_process_ends_and_the_page_says_so(tmp_path: Path, chromium: Chromium) -> None:
    with serve_process(tmp_path) as server:
        page = open_page(server, chromium).page
        action(page, "End the process…")
        assert server.process.wait(60) == 0
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("The server does not answer.")
        expect(page.get_by_role("banner").get_by_role("status")).to_have_text("no answer")
        # What it said last stays readable.
        expect(page.get_by_role("heading", name="Frame accounting")).to_be_visible()


def test_a_token_stays_in_the_memory_of_the_page(tmp_path: Path, chromium: Chromium) -> None:
    token, keys = new_token(), tmp_path / "keys.toml"
    add_entry(keys, token_entry("operator", token_digest(token), [Scope.OPERATE], None, None))
    with serve_process(tmp_path, f'[access]\nkeys = "{keys}"\n') as server:
        opened = chromium.open(f"{server.operator_url}/operate")
        page = opened.page
        field = page.get_by_label("This server asks for an access token")
        expect(page.get_by_text("expected a token with the scope observe")).to_be_visible()
        assert violations(page) == []
        field.fill("nonsense")
        page.keyboard.press("Enter")
        expect(page.get_by_text("expected a JSON Web Token")).to_be_visible()
        field.fill(token)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Frame accounting")).to_be_visible()
        expect(field).to_be_hidden()
        action(page, "Drain…")
        assert outcome(page).endswith("New ones are refused.")
        kept = page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie])")
        assert json.loads(kept) == [{}, {}, ""]
        page.reload()
        expect(field).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_and_its_dialogs_have_no_violation(
    server: ServeProcess, chromium: Chromium, scheme: str, width: int
) -> None:
    opened = chromium.open(
        f"{server.operator_url}/operate", viewport={"width": width, "height": 800}, color_scheme=scheme
    )
    page = opened.page
    with stream(server):
        expect(page.get_by_role("region", name="Table of streams").locator("tbody tr")).to_have_count(1)
        assert violations(page) == []
        page.get_by_role("button", name="End the process…").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert violations(page) == []
        wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wider) == 0
    assert opened.problems == []
