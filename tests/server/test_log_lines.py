"""Logging neither raises nor waits, and what is lost is counted."""

from __future__ import annotations

import io
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from gifcue.server.log_lines import (
    MAX_WAITING,
    NOT_WRITTEN,
    QUEUE_FULL,
    SUPPRESSED,
    EventLimit,
    LogLines,
)
from gifcue.server.logs import configure_logs
from gifcue.server.settings import LogSettings
from tests.support.manual_time import ManualTime


def closed(lines: LogLines) -> LogLines:
    lines.close(60.0)
    return lines


def test_lines_are_written_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w") as stream:
        lines = LogLines(stream)
        for number in range(100):
            lines.msg(f"line {number} ä")
        closed(lines)
    assert path.read_text(encoding="utf-8").splitlines() == [f"line {number} ä" for number in range(100)]
    assert sum(lines.lost.values()) == 0


def test_a_full_disk_loses_lines_and_counts_them() -> None:
    with Path("/dev/full").open("w") as stream:
        lines = LogLines(stream)
        for _ in range(7):
            lines.msg("line")
        closed(lines)
    assert lines.lost == {NOT_WRITTEN: 7, QUEUE_FULL: 0, SUPPRESSED: 0}


def test_a_pipe_that_nobody_reads_holds_up_nobody() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as reader:
        with os.fdopen(writing, "w") as stream:
            lines = LogLines(stream)
            # More than any pipe holds. The thread waits in the middle; the callers do not.
            for _ in range(MAX_WAITING + 2000):
                lines.msg("x" * 1000)
            assert lines.lost[QUEUE_FULL] > 0
            written: list[str] = []
            thread = threading.Thread(target=lambda: written.extend(reader))
            thread.start()
            closed(lines)
        thread.join()
    assert len(written) + lines.lost[QUEUE_FULL] == MAX_WAITING + 2000


def test_a_stream_without_a_descriptor_is_written() -> None:
    stream = io.StringIO()
    lines = LogLines(stream)
    lines.msg("line")
    closed(lines)
    assert stream.getvalue() == "line\n"


class TestEventLimit:
    def admitted(self, limit: EventLimit, event: str, **fields: str) -> dict[str, object] | None:
        try:
            return dict(limit(None, "info", {"event": event, **fields}))
        except structlog.DropEvent:
            return None

    def test_each_event_has_a_rate_of_its_own(self) -> None:
        time = ManualTime()
        lost: list[None] = []
        limit = EventLimit(lambda: lost.append(None), time.clock, burst=3, lines_per_s=1.0)
        admitted = [self.admitted(limit, "worker lost") for _ in range(10)]
        assert [each is not None for each in admitted] == [True] * 3 + [False] * 7
        assert len(lost) == 7
        assert self.admitted(limit, "stream opened") == {"event": "stream opened"}
        assert self.admitted(limit, "worker lost", place="elsewhere") is not None
        time.advance(1.0)
        assert self.admitted(limit, "worker lost") == {"event": "worker lost", "suppressed": 7}
        assert self.admitted(limit, "worker lost") is None

    def test_the_events_that_are_remembered_have_a_bound(self) -> None:
        limit = EventLimit(lambda: None, ManualTime().clock)
        for number in range(5000):
            self.admitted(limit, f"event {number}")
        assert len(limit._events) <= 512


@pytest.fixture
def logs_to_full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[LogLines]:
    """Logs as `gifcue serve` has them, where stderr takes no byte."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with Path("/dev/full").open("w") as stream:
        monkeypatch.setattr("sys.stderr", stream)
        lines = configure_logs(LogSettings(level="debug"))
        monkeypatch.undo()
        try:
            yield lines
        finally:
            lines.close()
            structlog.reset_defaults()
            root.handlers[:] = handlers
            root.setLevel(level)


def test_nothing_raises_on_a_full_disk(logs_to_full_disk: LogLines) -> None:
    log = structlog.get_logger()
    log.info("an event", value=object())
    log.error("an event", exc_info=ValueError())
    logging.getLogger("asyncio").error("a library's message")
    for _ in range(200):
        log.info("many")
    lost = closed(logs_to_full_disk).lost
    assert lost[NOT_WRITTEN] >= 3
    assert lost[SUPPRESSED] >= 50
