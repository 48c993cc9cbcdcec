"""What every `gifcue ingest` has in common: the stream, the printed events, Ctrl-C."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

import typer

from gifcue import __version__
from gifcue.cli.as_json import event_json
from gifcue.cli.console import out, print_json
from gifcue.cli.interrupt import interruptible
from gifcue.cli.printing import EventPrinter
from gifcue.cli.streaming import allowed_of
from gifcue.client import Event, ReactionClient, ReconnectingStream, StreamOptions

Labels = Annotated[
    str,
    typer.Option(help="Reactions to allow, separated by commas; by default all that the server knows."),
]
Room = Annotated[str, typer.Option(help="The room, for the rule book's cooldowns and overrides.")]
Preset = Annotated[str, typer.Option(help="careful, normal or playful; by default the server's own.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
WaitMs = Annotated[
    int, typer.Option(min=0, max=2000, help="How long a missing packet is waited for, in milliseconds.")
]
Orientation = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=255,
        help="The id of the header extension urn:3gpp:video-orientation, if the sender has one.",
    ),
]

# Receives until it is cancelled; gets the stream and the labels to allow.
Receive = Callable[[ReconnectingStream, Sequence[str]], Awaitable[None]]


def options_of(kind: str, room: str, preset: str) -> StreamOptions:
    """The stream's options; `kind` is the adapter's name."""
    return StreamOptions(room_id=room, client_name=f"gifcue-ingest-{kind}/{__version__}", preset=preset)


def labels_of(text: str) -> list[str]:
    """The labels of `--labels`."""
    return [label for label in (each.strip() for each in text.split(",")) if label]


async def ingest(
    client: ReactionClient,
    options: StreamOptions,
    labels: Sequence[str],
    as_json: bool,
    receive: Receive,
    watch: Callable[[Event], None] | None = None,
) -> None:
    """Runs `receive` and prints the stream's events, until `receive` returns, Ctrl-C or the first error. `watch` gets
    each event as well.

    Raises:
        ConfigError: a label is not a reaction of the server.
        ClientError: the error that ended the stream.
    """
    show: Callable[[Event], None] = _print_json if as_json else EventPrinter(out)
    async with client, client.reconnecting(options) as stream:
        allowed = allowed_of(labels, stream.ready)
        with interruptible() as stop:
            receiving = asyncio.ensure_future(receive(stream, allowed))
            printer = asyncio.ensure_future(_print(stream, show, watch))
            stopping = asyncio.ensure_future(stop.wait())
            try:
                done, _ = await asyncio.wait(
                    {receiving, printer, stopping}, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
            finally:
                receiving.cancel()
                stopping.cancel()
                # The participants leave before the stream is closed, so that reactions under way end.
                await asyncio.wait({receiving, stopping})
        await stream.half_close()
        await printer


async def _print(
    stream: ReconnectingStream, show: Callable[[Event], None], watch: Callable[[Event], None] | None
) -> None:
    async for event in stream.events():
        show(event)
        if watch is not None:
            watch(event)


def _print_json(event: Event) -> None:
    print_json(event_json(event))
