"""How long work reports on itself without knowing who looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Track(Protocol):
    """Hands the items on, one by one, and shows how far it is; `total` is for items without a length."""

    def __call__(self, items: Iterable[T], what: str, total: int | None = None) -> Iterable[T]: ...


def quiet(items: Iterable[T], what: str, total: int | None = None) -> Iterable[T]:
    """Shows nothing: for tests and for callers with a progress of their own."""
    return items


def rich_track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """A bar, the count and the time left on stderr; one line in the end where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeLeft(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield from progress.track(items, total, description=what)
