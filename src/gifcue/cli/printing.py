"""Events as people read them."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gifcue.cli.console import seconds
from gifcue.cli.streaming import Summary
from gifcue.client import (
    Disconnected,
    Draining,
    Event,
    Fault,
    FrameCounts,
    KeyframeRequested,
    Phase,
    Reaction,
    Ready,
    SlowDown,
)

# A ring that fills while a pose is held.
RING = "○◔◑◕●"


def ring(progress: float) -> str:
    """The ring for 0..1; full only at 1."""
    return RING[min(int(max(progress, 0.0) * (len(RING) - 1)), len(RING) - 1)]


class EventPrinter:
    """Prints events on a console; HOLDING only when its ring has changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rings: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case Reaction():
                self._reaction(event)
            case Ready():
                model = f"{_(event.model.name)} {_(event.model.version)} on {_(event.model.backend)}"
                labels = _(", ".join(event.reaction_labels))
                self._line(f"[dim]ready: model {model}, preset {_(event.preset)}, reactions {labels}[/]")
            case KeyframeRequested():
                self._line(f"[dim]{_(event.participant_id)}: keyframe wanted ({_(event.reason)})[/]")
            case SlowDown():
                who = event.participant_id or "everybody"
                self._line(f"[yellow]{_(who)}: send at most {event.max_fps:g} fps ({_(event.reason)})[/]")
            case Draining():
                self._line(f"[yellow]the server stops within {event.deadline_ms / 1000:g} s[/]")
            case Fault():
                times = f" ({event.count} times)" if event.count > 1 else ""
                self._line(
                    f"[red]{_(event.participant_id)}: {event.code.value}{times}: {_(event.message)}[/]"
                )
            case Disconnected():
                again = f"attempt {event.attempt} in {event.retry_in_s:.1f} s"
                # grpc's own words on a port where nobody listens fill three lines.
                why = "nobody answers" if "failed to connect" in event.reason else event.reason
                self._line(f"[yellow]no connection: {_(why)}; {again}[/]")

    def _reaction(self, event: Reaction) -> None:
        # Where somebody left there is no deciding frame, and so no time of one.
        at = seconds(event.at_s) if event.clock_hz else ""
        head = f"[dim]{at:>8}[/]  {_(event.participant_id)}  "
        match event.phase:
            case Phase.HOLDING:
                now = ring(event.progress)
                if self._rings.get(event.reaction_id) == now:
                    return
                self._rings[event.reaction_id] = now
                self._line(f"{head}[dim]{now} {_(event.label)} HOLDING {event.progress:4.0%}[/]")
            case Phase.STARTED:
                what = f"[bold green]● {_(event.label)} STARTED[/] score {event.score:.2f}"
                self._line(f"{head}{what}  {self._gif(event)}")
            case Phase.ENDED | Phase.CANCELLED:
                self._rings.pop(event.reaction_id, None)
                self._line(f"{head}[dim]○ {_(event.label)} {event.phase.name} ({_(event.end_reason)})[/]")

    def _gif(self, event: Reaction) -> str:
        if event.gif is None:
            return f"[dim]no GIF: {_(event.gif_reason)}[/]"
        return f"[cyan]“{_(event.gif.title)}”[/] {_(event.gif.url)}"

    def _line(self, text: str) -> None:
        self._console.print(text)


def print_summary(console: Console, summary: Summary) -> None:
    """The books of the stream as a table."""
    console.print()
    if summary.statistics is None:
        console.print("[yellow]no books: the server was gone at the end[/]")
    else:
        console.print(books_table(summary))
        total = summary.statistics.total
        verdict = (
            "[green]the books balance[/]" if total.is_consistent else "[bold red]the books do not balance[/]"
        )
        console.print(f"{verdict}: {books_sum(total)}")
    if summary.not_sent:
        console.print(
            f"[yellow]{summary.not_sent} frames were not sent for want of a connection or a keyframe[/]"
        )
    started = ", ".join(f"{label} × {count}" for label, count in sorted(summary.started.items()))
    console.print(f"reactions: [bold]{_(started) or 'none'}[/]")


def books_table(summary: Summary) -> Table:
    """One row a participant."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("participant", no_wrap=True, overflow="ellipsis")
    for name in ("received", "analysed", "skipped", "dropped", "reactions", "p50 ms", "p95 ms"):
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    for each in summary.statistics.participants if summary.statistics else ():
        books = each.books
        table.add_row(
            _(each.participant_id),
            str(books.received),
            str(books.analysed),
            str(sum(books.skipped.values())),
            str(sum(books.dropped.values())),
            str(each.reactions),
            f"{each.latency_p50_ms:.1f}",
            f"{each.latency_p95_ms:.1f}",
        )
    return table


def books_sum(books: FrameCounts) -> str:
    """The books as the sum that they are, by reason."""
    parts = [f"{books.analysed} analysed"]
    parts += [f"{count} skipped {reason}" for reason, count in sorted(books.skipped.items()) if count]
    parts += [f"{count} dropped {reason}" for reason, count in sorted(books.dropped.items()) if count]
    parts.append(f"{books.in_flight} in flight")
    return f"{books.received} received = " + " + ".join(_(part) for part in parts)


def _(text: str) -> str:
    """Names come from outside: no markup in them."""
    return escape(text)
