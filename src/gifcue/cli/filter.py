"""`gifcue filter`: what the similar-frame filter skips of a clip."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from gifcue.cli.console import out, print_json

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command(name="filter")
def filter_clip(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A video file.")],
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="The server's settings.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="How pictures are compared: intersection or ssim.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Similarity, 0..1, from which a frame is skipped.")
    ] = None,
    paced: Annotated[
        bool, typer.Option("--paced", help="Apply the analysis rate first, as the server does.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Report how many frames of a clip the similar-frame filter skips, and its cost."""
    from gifcue.cli.filter_report import report
    from gifcue.server.config import load_settings

    chosen = {"metric": metric, "threshold": threshold}
    changes = {name: value for name, value in chosen.items() if value is not None}
    settings = load_settings(config, {"media": {"filter": changes}} if changes else {})
    result = report(clip, settings.media, paced=paced)
    if as_json:
        print_json({"type": "filter", "clip": str(clip), **asdict(result)})
        return
    table = Table.grid(padding=(0, 2))
    table.add_row(
        "clip", f"{escape(str(clip))} [dim]{result.width} x {result.height}, {result.seconds:.1f} s[/]"
    )
    table.add_row("frames", str(result.frames))
    if paced:
        table.add_row("paced", f"{result.paced} [dim]over the analysis rate[/]")
    table.add_row("skipped", f"{result.skipped} [bold]{result.share_skipped:.1%}[/]")
    table.add_row("analysed", str(result.analysed))
    table.add_row("filter", f"{result.filter_ms_per_frame:.3f} ms a frame")
    table.add_row("decoding", f"{result.decode_ms_per_frame:.3f} ms a frame")
    table.add_row("metric", f"{result.metric}, threshold {result.threshold:g}")
    out.print(table)
