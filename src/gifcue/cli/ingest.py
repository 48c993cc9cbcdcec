"""`gifcue ingest`: receives video from a media server and sends it on, without decoding it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import typer

from gifcue.cli.app import Entry, LazyGroup


class _Sources(LazyGroup):
    commands_table: ClassVar[Mapping[str, Entry]] = {
        "rtp": Entry("gifcue.cli.ingest_rtp", "RTP over UDP: ports and a payload map, or an SDP file."),
        "janus": Entry("gifcue.cli.ingest_janus", "The publishers of a Janus VideoRoom."),
        "livekit": Entry("gifcue.cli.ingest_livekit", "The cameras of a LiveKit room.", "webrtc"),
    }


app = typer.Typer(
    cls=_Sources,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Receive video from a media server and send it to a gifcue server, without decoding it.",
)


@app.callback()
def ingest() -> None:
    """Receive video from a media server and send it to a gifcue server, without decoding it."""
