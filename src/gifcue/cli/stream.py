"""`gifcue stream`: sends files, URLs and cameras to a server and prints the reactions."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from gifcue import __version__
from gifcue.cli import connection
from gifcue.cli.as_json import counts_json, event_json, participant_json
from gifcue.cli.connection import DEFAULT_SERVERS, client_of
from gifcue.cli.console import err, out, print_json
from gifcue.cli.interrupt import interruptible
from gifcue.cli.printing import EventPrinter, print_summary
from gifcue.cli.streaming import Plan, SourceLost, Summary, jobs_of, stream_all
from gifcue.client import Event, ReactionClient, StreamOptions, SubjectPolicy
from gifcue.errors import ConfigError
from gifcue.ingest.opening import STDIN

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def stream(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|URL|DEVICE...",
            help="A file (mp4, webm, mkv …); - for a container from standard input that needs no seeking (mkv, ts, "
            "fragmented mp4); rtsp://, rtmp://, srt://, http(s)://; FILE.sdp for RTP that comes to this machine; a "
            "camera: /dev/video0, avfoundation:0 or dshow:video=NAME. The video is H.264, H.265, VP8, VP9, AV1 or "
            "Motion JPEG.",
        ),
    ],
    server: connection.Servers = DEFAULT_SERVERS,
    participants: Annotated[
        int,
        typer.Option(
            "--participants", "-n", min=1, max=256, help="Number of participants that send each source."
        ),
    ] = 1,
    labels: Annotated[
        str,
        typer.Option(help="Reactions to allow, separated by commas; by default all that the server knows."),
    ] = "",
    room: Annotated[str, typer.Option(help="The room, for the rule book's cooldowns and overrides.")] = "",
    preset: Annotated[
        str, typer.Option(help="careful, normal or playful; by default the server's own.")
    ] = "",
    subject: Annotated[
        SubjectPolicy | None,
        typer.Option(help="Whose reactions count where people share a camera; by default the server's own."),
    ] = None,
    holding: Annotated[bool, typer.Option(help="Show poses that are held but are not reactions yet.")] = True,
    track: Annotated[
        int, typer.Option(min=1, max=100, help="Which video track of each source is sent; 1 is the first.")
    ] = 1,
    why: Annotated[
        bool, typer.Option("--why", help="Explain what keeps each allowed reaction from starting.")
    ] = False,
    fast: Annotated[
        bool, typer.Option("--fast", help="Send as fast as the server analyses, not as recorded.")
    ] = False,
    loop: Annotated[bool, typer.Option("--loop", help="Start again at the end, until Ctrl-C.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for a server that is not up yet.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line: the events, then a summary.")
    ] = False,
    tls: connection.Tls = False,
    ca: connection.Ca = None,
    cert: connection.Certificate = None,
    key: connection.Key = None,
    server_name: connection.ServerName = None,
    token_file: connection.TokenFile = None,
) -> None:
    """Stream files, URLs or cameras and print the reactions.

    Each source is sent as a participant of one stream, as the encoded packets that it contains. Ctrl-C ends the stream
    and prints the summary. A lost connection is restored, and streaming continues at the next keyframe. A lost source
    of the network, such as rtsp://, is reported and opened again.
    """
    if loop and STDIN in sources:
        raise ConfigError("--loop: expected a source that can be read again, got standard input")
    plan = Plan(
        jobs=jobs_of(sources, participants),
        stream=StreamOptions(
            room_id=room,
            client_name=f"gifcue-cli/{__version__}",
            preset=preset,
            send_holding=holding,
            subject=subject,
            send_decisions=why,
            explain=why,
        ),
        labels=[label for label in (each.strip() for each in labels.split(",")) if label],
        fast=fast,
        loop=loop,
        wait_for_server=wait,
        track=track,
    )
    client = client_of(server, tls, ca, cert, key, server_name, token_file)
    if not connection.run(server, _stream(client, plan, as_json)):
        raise typer.Exit(1)


async def _stream(client: ReactionClient, plan: Plan, as_json: bool) -> bool:
    """Returns False where the server was gone at the end, so that the outcome of the frames is unknown."""
    async with client:
        with interruptible() as stop:
            if as_json:
                summary = await stream_all(client, plan, _print_json, lambda *_: None, stop, _print_lost_json)
                print_json(summary_json(summary))
                return summary.statistics is not None
            with Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[at]}"),
                TimeRemainingColumn(),
                console=out,
                transient=True,
                disable=not out.is_terminal,
            ) as progress:
                show = _Bars(progress)
                summary = await stream_all(
                    client, plan, EventPrinter(progress.console), show, stop, _print_lost
                )
            print_summary(out, summary)
            return summary.statistics is not None


def _print_json(event: Event) -> None:
    print_json(event_json(event))


def _print_lost(lost: SourceLost) -> None:
    err.print(
        f"{lost.participant_id}: {lost.problem}; the next attempt is in {lost.retry_in_s:.1f} s", markup=False
    )


def _print_lost_json(lost: SourceLost) -> None:
    print_json(
        {
            "type": "source_lost",
            "participant_id": lost.participant_id,
            "problem": lost.problem,
            "retry_in_s": round(lost.retry_in_s, 3),
        }
    )


def summary_json(summary: Summary) -> dict[str, object]:
    """The last line of `--json`."""
    statistics = summary.statistics
    return {
        "type": "summary",
        "sent": summary.sent,
        "not_sent": summary.not_sent,
        "connections": summary.connections,
        "started": dict(sorted(summary.started.items())),
        "participants": [participant_json(each) for each in statistics.participants] if statistics else [],
        "total": counts_json(statistics.total) if statistics else None,
    }


class _Bars:
    """A progress bar for each participant."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, int] = {}

    def __call__(self, participant_id: str, at_s: float, length_s: float | None) -> None:
        task = self._tasks.get(participant_id)
        if task is None:
            task = self._progress.add_task(participant_id, total=length_s, at="")
            self._tasks[participant_id] = task
        length = f" / {length_s:.1f} s" if length_s is not None else " s"
        self._progress.update(task, completed=at_s, at=f"{at_s:.1f}{length}")  # type: ignore[arg-type]
