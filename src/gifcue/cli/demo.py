"""`gifcue demo`: a real server, a clip of a real face, a client, and the reactions."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from gifcue import __version__
from gifcue.cli.console import out
from gifcue.cli.demo_live import run_live
from gifcue.cli.demo_server import RunningServer, StartServer, running_server
from gifcue.cli.printing import EventPrinter, print_summary
from gifcue.cli.streaming import Job, Plan, Summary, stream_all
from gifcue.client import ConnectionOptions, Event, Reaction, ReactionClient, StreamOptions
from gifcue.errors import ConfigError, GifcueError

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

# What the clip shows.
EXPECTED = "smile"
CLIP_SECONDS = 8.0
CLIP_FPS = 25.0


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(min=2.0, max=600.0, help="Length of the clip.")] = CLIP_SECONDS,
    keep: Annotated[
        Path | None, typer.Option(metavar="FILE.mp4", help="Keep the clip that was streamed.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Open a page to try it with your own camera, until Ctrl-C.")
    ] = False,
) -> None:
    """Start a server, stream a clip to it, print the reactions, stop. Or open a page to try it live.

    The clip is made from scikit-image's photograph of Eileen Collins (NASA, in the public domain), in motion, as H.264.
    Exit code 0 means that her smile was found and that the server stopped cleanly.
    """
    with tempfile.TemporaryDirectory(prefix="gifcue-demo-") as folder:
        if live:
            asyncio.run(run_live(Path(folder)))
        else:
            asyncio.run(run_demo(Path(folder), seconds, keep))
            command = sys.argv[0] if Path(sys.argv[0]).name == "gifcue" else "gifcue"
            out.print(f"\nTry it with your own camera: [bold]{command} demo --live[/]", soft_wrap=True)


async def run_demo(
    folder: Path,
    seconds: float,
    keep: Path | None = None,
    *,
    start_server: StartServer | None = None,
    expected: str = EXPECTED,
    fast: bool = False,
) -> None:
    """Runs the demo. `folder` is for its files; `start_server` gets it and runs the server, by default a real one.

    Raises:
        GifcueError: a package is missing, the server failed, or `expected` was not found.
    """
    out.print("[bold]1  A clip[/] of a real photograph in motion, H.264 in mp4")
    clip = make_clip(
        folder if keep is None else keep.parent, seconds, "clip.mp4" if keep is None else keep.name
    )
    out.print(f"   {clip.stat().st_size / 1024:.0f} KiB, {seconds:g} s at {CLIP_FPS:g} frames a second\n")

    out.print("[bold]2  A server[/] in a process of its own")
    async with (start_server or running_server)(folder) as server:
        summary = await _stream(server, clip, fast)
        out.print("\n[bold]4  The end[/]: SIGTERM, and the server finishes the frames in flight")
    out.print("   the server stopped with exit code 0")
    if not summary.started[expected]:
        raise GifcueError(f"expected at least one {expected} STARTED, got none")
    if summary.statistics is None:
        raise GifcueError("expected the server's frame accounting at the end, got none")
    total = summary.statistics.total
    if not total.is_consistent:
        raise GifcueError(
            f"frame accounting is inconsistent: received {total.received}, accounted {total.accounted}"
        )
    out.print(f"\n[bold green]done:[/] {expected} was found")


async def _stream(server: RunningServer, clip: Path, fast: bool) -> Summary:
    async with ReactionClient(server.operator, ConnectionOptions(call_timeout_s=5.0)) as operator:
        status = await operator.status()
    async with ReactionClient(server.target, ConnectionOptions(call_timeout_s=5.0)) as client:
        workers = ", ".join(f"{worker.name} (pid {worker.pid})" for worker in status.workers)
        model = f"{status.model.name} {status.model.version}" if status.model is not None else "no model"
        out.print(f"   gRPC {server.target}, HTTP 127.0.0.1:{server.http_port}, {model}, {workers}\n")

        out.print("[bold]3  The stream[/]" + ("" if fast else ", sent as recorded"))
        printer = EventPrinter(out)
        plan = Plan(
            jobs=[Job("eileen", str(clip))],
            stream=StreamOptions(room_id="demo", client_name=f"gifcue-demo/{__version__}", send_holding=True),
            fast=fast,
        )
        summary = await stream_all(
            client,
            plan,
            lambda event: printer(_absolute(event, server.http_port)),
            lambda *_: None,
            asyncio.Event(),
        )
    print_summary(out, summary)
    return summary


def _absolute(event: Event, http_port: int) -> Event:
    """The event with its GIF's address as a browser needs it."""
    if isinstance(event, Reaction) and event.gif is not None and event.gif.url.startswith("/"):
        return replace(event, gif=replace(event.gif, url=f"http://127.0.0.1:{http_port}{event.gif.url}"))
    return event


def make_clip(folder: Path, seconds: float, name: str) -> Path:
    """Writes the clip and returns its path.

    Raises:
        GifcueError: the packages of the `demo` extra are not installed.
        ConfigError: the clip cannot be written under this name.
    """
    from gifcue.protocol.codecs import Codec
    from gifcue.sample_video.clips import write
    from gifcue.sample_video.photo import photo_frames

    try:
        return write(photo_frames(seconds, CLIP_FPS), folder / name, Codec.H264, CLIP_FPS)
    except ImportError as error:
        raise GifcueError(
            "expected scikit-image and pooch, which the demo's clip is made with, got an environment without them: "
            "pip install 'gifcue[demo]'"
        ) from error
    except (OSError, KeyError) as error:
        raise ConfigError(
            f"--keep: expected a name that ends in .mp4 in a folder, got {name}: {error}"
        ) from error
