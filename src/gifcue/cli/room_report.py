"""What `gifcue ingest` prints of a room that it follows: what happens, and at the end what became of the frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gifcue.cli.console import err, out, print_json
from gifcue.ingest.report import Notice, PublisherTotals

# These go to standard error.
_PROBLEMS = ("refused", "disconnected")


def teller(kind: str, as_json: bool) -> Callable[[Notice], None]:
    """Prints notices; `kind` is the adapter's name."""

    def tell(notice: Notice) -> None:
        who = " ".join(filter(None, (notice.publisher, f"({notice.display})" if notice.display else "")))
        line = ": ".join(filter(None, (who or "room", " ".join(filter(None, (notice.kind, notice.detail))))))
        (err if notice.kind in _PROBLEMS else out).print(_printable(line), markup=False)

    def tell_json(notice: Notice) -> None:
        print_json(
            {
                "type": kind,
                "kind": notice.kind,
                "publisher": notice.publisher,
                "display": notice.display,
                "detail": notice.detail,
            }
        )

    return tell_json if as_json else tell


def report_room(
    totals: Mapping[str, PublisherTotals], dropped: Mapping[str, int], what: str, as_json: bool
) -> None:
    """Prints the totals by publisher, and `dropped`: what belongs to no publisher. `what` counts in `dropped`."""
    if as_json:
        _report_json(totals, dropped)
        return
    for name, each in totals.items():
        out.print(
            _printable(
                f"{name}: {each.packets} packets, {each.frames} frames, {each.sent} sent, {each.not_sent} not "
                f"sent, {each.keyframes_requested} keyframes requested; dropped: {_reasons(each.dropped)}"
            ),
            markup=False,
        )
    if dropped:
        out.print(f"{what} of no publisher: {_reasons(dropped)}", markup=False)


def _report_json(totals: Mapping[str, PublisherTotals], dropped: Mapping[str, int]) -> None:
    for name, each in totals.items():
        print_json(
            {
                "type": "summary",
                "participant": name,
                "packets": each.packets,
                "frames": each.frames,
                "sent": each.sent,
                "not_sent": each.not_sent,
                "keyframes_requested": each.keyframes_requested,
                "dropped": dict(sorted(each.dropped.items())),
            }
        )
    print_json({"type": "summary", "participant": None, "dropped": dict(sorted(dropped.items()))})


def _reasons(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items())) or "none"


def _printable(text: str) -> str:
    """People choose their names themselves: one must not steer the terminal of an operator."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
