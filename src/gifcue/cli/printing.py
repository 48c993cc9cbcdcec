"""Events and frame accounting as text for people.

All names come from outside, so they are escaped: they must not be read as markup.
"""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gifcue.cli.console import seconds
from gifcue.cli.streaming import Summary
from gifcue.cli.why import Explainer
from gifcue.client import (
    Disconnected,
    Draining,
    Event,
    Fault,
    FrameCounts,
    FrameDecided,
    KeyframeRequested,
    Phase,
    Reaction,
    Ready,
    SlowDown,
    Statistics,
)

# Fills while a pose is held.
RING = "○◔◑◕●"


def ring(progress: float) -> str:
    """The character for a progress of 0..1; full only at 1."""
    return RING[min(int(max(progress, 0.0) * (len(RING) - 1)), len(RING) - 1)]


class EventPrinter:
    """Prints events on a console. HOLDING is printed only when its ring changes, and of decisions what has changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rings: dict[str, str] = {}
        self._explainer = Explainer()

    def __call__(self, event: Event) -> None:
        match event:
            case Reaction():
                self._reaction(event)
            case FrameDecided():
                for line in self._explainer.changes(event):
                    self._line(
                        f"[dim]{seconds(event.at_s):>8}  {escape(event.participant_id)}  {escape(line)}[/]"
                    )
            case Ready():
                model = f"{escape(event.model.name)} {escape(event.model.version)} on {escape(event.model.backend)}"
                labels = escape(", ".join(event.reaction_labels))
                self._line(f"[dim]ready: model {model}, preset {escape(event.preset)}, reactions {labels}[/]")
            case KeyframeRequested():
                self._line(
                    f"[dim]{escape(event.participant_id)}: keyframe wanted ({escape(event.reason)})[/]"
                )
            case SlowDown():
                who = event.participant_id or "all participants"
                self._line(
                    f"[yellow]{escape(who)}: send at most {event.max_fps:g} fps ({escape(event.reason)})[/]"
                )
            case Draining():
                self._line(
                    f"[yellow]the server drains this stream: it ends within {event.deadline_ms / 1000:g} s[/]"
                )
            case Fault():
                times = f" ({event.count} times)" if event.count > 1 else ""
                self._line(
                    f"[red]{escape(event.participant_id)}: {event.code.value}{times}: {escape(event.message)}[/]"
                )
            case Disconnected():
                again = f"attempt {event.attempt} in {event.retry_in_s:.1f} s"
                # grpc's own message fills three lines.
                why = "no server answers" if "failed to connect" in event.reason else event.reason
                self._line(f"[yellow]no connection: {escape(why)}; {again}[/]")

    def _reaction(self, event: Reaction) -> None:
        # A reaction that ends because its participant left has no deciding frame, and so no time.
        at = seconds(event.at_s) if event.clock_hz else ""
        head = f"[dim]{at:>8}[/]  {escape(event.participant_id)}  "
        match event.phase:
            case Phase.HOLDING:
                now = ring(event.progress)
                if self._rings.get(event.reaction_id) == now:
                    return
                self._rings[event.reaction_id] = now
                self._line(f"{head}[dim]{now} {escape(event.label)} HOLDING {event.progress:4.0%}[/]")
            case Phase.STARTED:
                what = f"[bold green]● {escape(event.label)} STARTED[/] score {event.score:.2f}"
                self._line(f"{head}{what}  {self._gif(event)}")
            case Phase.ENDED | Phase.CANCELLED:
                self._rings.pop(event.reaction_id, None)
                self._line(
                    f"{head}[dim]○ {escape(event.label)} {event.phase.name} ({escape(event.end_reason)})[/]"
                )

    def _gif(self, event: Reaction) -> str:
        if event.gif is None:
            return f"[dim]no GIF: {escape(event.gif_reason)}[/]"
        return f"[cyan]“{escape(event.gif.title)}”[/] {escape(event.gif.url)}"

    def _line(self, text: str) -> None:
        self._console.print(text)


def print_summary(console: Console, summary: Summary) -> None:
    """The stream's frame accounting as a table, and the reactions."""
    console.print()
    if summary.statistics is None:
        console.print("[yellow]no frame accounting: the server was gone at the end[/]")
    else:
        console.print(participants_table(summary.statistics))
        console.print(accounting(summary.statistics.total))
    if summary.not_sent:
        console.print(
            f"[yellow]{summary.not_sent} frames were not sent: no connection, or no keyframe yet[/]"
        )
    started = ", ".join(f"{label} × {count}" for label, count in sorted(summary.started.items()))
    console.print(f"reactions: [bold]{escape(started) or 'none'}[/]")


def participants_table(statistics: Statistics) -> Table:
    """One row for each participant."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("participant", no_wrap=True, overflow="ellipsis")
    for name in ("received", "analysed", "skipped", "dropped", "reactions", "p50 ms", "p95 ms"):
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    for each in statistics.participants:
        counts = each.frames
        table.add_row(
            escape(each.participant_id),
            str(counts.received),
            str(counts.analysed),
            str(sum(counts.skipped.values())),
            str(sum(counts.dropped.values())),
            str(each.reactions),
            f"{each.latency_p50_ms:.1f}",
            f"{each.latency_p95_ms:.1f}",
        )
    return table


def accounting(counts: FrameCounts) -> str:
    """Whether frame accounting is consistent, and its sum. Console markup."""
    if counts.is_consistent:
        return f"[green]frame accounting is consistent[/]: {accounting_sum(counts)}"
    return (
        f"[bold red]frame accounting is inconsistent[/]: received {counts.received}, "
        f"accounted {counts.accounted}"
    )


def accounting_sum(counts: FrameCounts) -> str:
    """Frame accounting as a sum, by reason. Console markup."""
    parts = [f"analysed {counts.analysed}"]
    parts += [f"skipped {reason} {count}" for reason, count in sorted(counts.skipped.items()) if count]
    parts += [f"dropped {reason} {count}" for reason, count in sorted(counts.dropped.items()) if count]
    parts.append(f"in flight {counts.in_flight}")
    return escape(f"received {counts.received} = {' + '.join(parts)}")
