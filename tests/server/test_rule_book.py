"""The rule book of a running server: changes of its file are read, checked and counted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gifcue.client import ReactionClient
from gifcue.rules import BookWatcher
from gifcue.rules.watch import NewBook
from gifcue.server.config import Settings, load_settings
from gifcue.server.lifecycle import Server
from tests.support.colour_detector import TARGET
from tests.support.deliveries import delivery_table
from tests.support.waiting import until

BOOK = """\
version: 1
gifs: {{a: {{url: /gifs/wave_1.gif, title: {title}}}}}
rules: [{{label: smile, gifs: [a]}}]
"""
UNKNOWN_REFERENCES = """\
version: 1
gifs:
  a: {url: /gifs/none.gif, title: t}
rules: [{label: smile, gifs: [a]}]
rooms:
  secret-room: {without: [smlie]}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "book.yaml"
    path.write_text(BOOK.format(title="one"))
    return path


@pytest.fixture
def following(settings: Settings, path: Path) -> Settings:
    """Settings with a reload interval of zero, so that no test waits for a reload."""
    configured = load_settings(None, {**settings.model_dump(), "rules": {"book": path}})
    rules = configured.rules.model_copy(update={"reload_interval_s": 0.0})
    return configured.model_copy(update={"rules": rules})


@pytest.fixture
async def server(following: Settings) -> AsyncIterator[Server]:
    async with Server(following, detector_target=TARGET) as running:
        yield running


def save(path: Path, text: str) -> None:
    """Replaces the book atomically: the server may read the file between truncation and writing."""
    saved = path.with_suffix(".saved")
    saved.write_text(text)
    saved.replace(path)


def title(server: Server) -> str:
    return server.rule_book.book.gifs["a"].title


def events(logs: list[Any], event: str) -> list[Any]:
    return [each for each in logs if each["event"] == event]


async def metrics(server: Server) -> str:
    async with ReactionClient(f"127.0.0.1:{server.operator_port}") as client:
        return await client.metrics()


async def test_a_book_with_an_invalid_date_is_refused_and_the_next_valid_one_taken(
    server: Server, path: Path
) -> None:
    save(path, BOOK.format(title="2024-13-45"))
    await until(lambda: server.rule_book.statistics().refused == 1)
    text = await metrics(server)
    assert 'gifcue_book_reloads_total{outcome="refused"} 1.0' in text
    assert 'gifcue_book_reloads_total{outcome="taken"} 0.0' in text
    save(path, BOOK.format(title="two"))
    await until(lambda: title(server) == "two")
    assert 'gifcue_book_reloads_total{outcome="taken"} 1.0' in await metrics(server)


async def test_withheld_gifs_are_counted_by_reason(server: Server) -> None:
    for now_s in (0.0, 1.0, 2.0):
        server.rule_book.chooser.choose("smile", 0.9, "r", "p", now_s)
    text = await metrics(server)
    assert 'gifcue_gifs_withheld_total{reason="participant_cooldown"} 2.0' in text
    assert 'gifcue_gifs_withheld_total{reason="quiet"} 0.0' in text


def raising(looks: list[int], raises: Callable[[int], bool]) -> Callable[[BookWatcher], NewBook | None]:
    """A replacement for `look` that raises on those calls whose number satisfies `raises`."""
    own = BookWatcher.look

    def look(watcher: BookWatcher) -> NewBook | None:
        looks.append(len(looks))
        if raises(looks[-1]):
            raise KeyError("secret-room")
        return own(watcher)

    return look


async def test_a_recurring_error_is_logged_once_and_the_book_is_still_followed(
    following: Settings, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    monkeypatch.setattr(BookWatcher, "look", raising(looks, lambda number: number < 5))
    with capture_logs() as logs:
        async with Server(following, detector_target=TARGET) as server:
            await until(lambda: len(looks) >= 6)
            save(path, BOOK.format(title="two"))
            await until(lambda: title(server) == "two")
    assert [each["log_level"] for each in events(logs, "rule book could not be followed")] == ["error"]
    assert events(logs, "stopped")


async def test_unknown_labels_and_missing_files_are_logged_at_the_start_and_on_reload(
    following: Settings, path: Path
) -> None:
    save(path, UNKNOWN_REFERENCES)
    with capture_logs() as logs:
        async with Server(following, detector_target=TARGET) as server:
            save(path, UNKNOWN_REFERENCES.replace("smlie", "smile"))
            await until(lambda: len(events(logs, "rule book names GIFs that are not in the folder")) == 2)
            save(path, "\n" + UNKNOWN_REFERENCES.replace("none.gif", "wave_1.gif"))
            await until(lambda: len(events(logs, "rule book names labels that never react here")) == 2)
            assert server.rule_book.statistics().taken == 2
    labels = events(logs, "rule book names labels that never react here")
    files = events(logs, "rule book names GIFs that are not in the folder")
    assert [(each["log_level"], each["lines"]) for each in labels] == [("warning", [6]), ("warning", [7])]
    assert [(each["log_level"], each["lines"]) for each in files] == [("warning", [3])] * 2
    assert "secret" not in repr(logs)
    assert "smlie" not in repr(logs)


async def test_labels_of_the_default_book_cause_no_warning(settings: Settings) -> None:
    reactions = {"labels": {"thinking": {"enabled": False}}}
    configured = load_settings(None, {**settings.model_dump(exclude={"reactions"}), "reactions": reactions})
    with capture_logs() as logs:
        async with Server(configured, detector_target=TARGET) as server:
            assert "thinking" in server.rule_book.book.labels
            assert "thinking" not in server.engine.reaction_labels(configured.reactions)
    assert [each for each in logs if each["log_level"] == "warning"] == []


@pytest.mark.parametrize("sink", ["eyeson", "webhook"])
async def test_gifs_that_eyeson_cannot_show_are_logged_at_the_start(settings: Settings, sink: str) -> None:
    table = {"delivery": delivery_table(sink, "http://127.0.0.1:1")}
    with capture_logs() as logs:
        async with Server(
            load_settings(None, {**settings.model_dump(), **table}), detector_target=TARGET
        ) as server:
            gifs = len(server.rule_book.book.gifs)
    warnings = [
        (each["sink"], each["reason"], each["gifs"], each["of"])
        for each in events(logs, "rule book has GIFs that a sink cannot show")
    ]
    # The GIFs of the default book have no videos.
    assert warnings == ([("eyeson", "no_video", gifs, gifs)] if sink == "eyeson" else [])


async def test_without_http_no_gif_is_missing(following: Settings, path: Path) -> None:
    save(path, UNKNOWN_REFERENCES)
    without = following.server.model_copy(update={"http_listen": ""})
    with capture_logs() as logs:
        async with Server(following.model_copy(update={"server": without}), detector_target=TARGET):
            pass
    assert events(logs, "rule book names GIFs that are not in the folder") == []
    assert len(events(logs, "rule book names labels that never react here")) == 1
