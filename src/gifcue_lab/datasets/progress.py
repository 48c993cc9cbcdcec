"""How long work reports on itself without knowing who looks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Track(Protocol):
    """Hands the items on, one by one, and shows how far it is; `total` is for items without a length."""

    def __call__(self, items: Iterable[T], what: str, total: int | None = None) -> Iterable[T]: ...


def quiet(items: Iterable[T], what: str, total: int | None = None) -> Iterable[T]:
    """Shows nothing: for tests and for callers with a progress of their own."""
    return items
