"""`gifcue ingest livekit`: the cameras of a room."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from gifcue.cli import connection
from gifcue.cli.connection import DEFAULT_SERVERS, client_of
from gifcue.cli.console import out, print_json
from gifcue.cli.ingesting import AsJson, Labels, Preset, ingest, labels_of, options_of
from gifcue.cli.room_report import report_room, teller
from gifcue.client import ReconnectingStream
from gifcue.errors import ConfigError, without_secrets
from gifcue.ingest.livekit.access import LiveKitAccess, Tokens
from gifcue.ingest.livekit.consent import parse_rule
from gifcue.ingest.livekit.ingest import LiveKitIngest
from gifcue.ingest.livekit.publishing import ReactionPublisher
from gifcue.ingest.livekit.requests import WantedLayer
from gifcue.ingest.livekit.settings import LiveKitSettings

# Secrets come from the environment, never from an argument: arguments are in the list of processes.
API_KEY = "GIFCUE_LIVEKIT_API_KEY"
API_SECRET = "GIFCUE_LIVEKIT_API_SECRET"
TOKEN = "GIFCUE_LIVEKIT_TOKEN"

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def livekit(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="LiveKit's address, such as ws://127.0.0.1:7880 or wss://…")
    ],
    room: Annotated[
        str, typer.Option("--room", metavar="NAME", help="The room. In gifcue it has the same name.")
    ],
    consent: Annotated[
        list[str],
        typer.Option(
            "--consent",
            metavar="RULE",
            help="Who is subscribed to: ATTRIBUTE=PATTERN, such as attributes.reactions=yes, or ATTRIBUTE where it "
            "lists the allowed labels, such as attributes.reactions. Attributes: identity, name, attributes.NAME, "
            "metadata.NAME. Can be given several times; one match is enough. 'identity=*' is everybody.",
        ),
    ],
    size: Annotated[
        str,
        typer.Option(
            metavar="WIDTHxHEIGHT", help="LiveKit sends the simulcast layer that is nearest to this size."
        ),
    ] = "640x360",
    fps: Annotated[
        int,
        typer.Option(
            min=0,
            max=120,
            help="LiveKit leaves out temporal layers above this frame rate, where the video has any. 0: all.",
        ),
    ] = 15,
    max_publishers: Annotated[
        int, typer.Option(min=1, max=1000, help="How many participants are subscribed to at a time.")
    ] = 64,
    identity: Annotated[
        str,
        typer.Option(
            help="The name under which the command is in the room, unseen. A second one with the same name ends the "
            "first. A token from the environment has a name of its own."
        ),
    ] = "gifcue",
    publish: Annotated[
        bool,
        typer.Option(
            "--publish", help="Send reactions to the room, as data messages with the topic gifcue.reaction."
        ),
    ] = False,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait",
            help="Wait for a LiveKit that is not up yet, and for the next meeting where the room is closed.",
        ),
    ] = False,
    server: connection.Servers = DEFAULT_SERVERS,
    labels: Labels = "",
    preset: Preset = "",
    as_json: AsJson = False,
    tls: connection.Tls = False,
    ca: connection.Ca = None,
    cert: connection.Certificate = None,
    key: connection.Key = None,
    server_name: connection.ServerName = None,
    token_file: connection.TokenFile = None,
) -> None:
    """Receive the cameras of a LiveKit room whose participants consent, and print the reactions, until Ctrl-C or the
    end of the meeting.

    Each participant becomes one of gifcue's, with its identity as its name. Nothing is received of a participant that
    no --consent rule matches.

    Secrets come from the environment: GIFCUE_LIVEKIT_API_KEY and GIFCUE_LIVEKIT_API_SECRET, from which the command
    signs its own tokens, or GIFCUE_LIVEKIT_TOKEN.
    """
    if not url.startswith(("ws://", "wss://", "http://", "https://")):
        raise ConfigError(
            f"expected the address of LiveKit such as wss://livekit.example.org, got {without_secrets(url)!r}"
        )
    environment = os.environ
    settings = LiveKitSettings(
        url=url,
        room=room,
        rules=[parse_rule(each) for each in consent],
        layer=WantedLayer(*_size(size), fps),
        max_publishers=max_publishers,
        wait=wait,
    )
    access = LiveKitAccess(
        environment.get(API_KEY) or None, environment.get(API_SECRET) or None, environment.get(TOKEN) or None
    )
    tokens = Tokens(access, room, identity)
    tell = teller("livekit", as_json)
    publisher = ReactionPublisher(url, room, tokens, tell) if publish else None
    client = client_of(server, tls, ca, cert, key, server_name, token_file)

    async def receive(stream: ReconnectingStream, allowed: Sequence[str]) -> None:
        following = LiveKitIngest(settings, tokens, stream, allowed, tell)
        try:
            await following.run()
        finally:
            report_room(following.totals, following.dropped, "packets", as_json)

    async def follow() -> None:
        options, wanted = options_of("livekit", room, preset), labels_of(labels)
        if publisher is None:
            await ingest(client, options, wanted, as_json, receive)
            return
        try:
            # It outlives the room's cameras and the stream: reactions that end with them are sent as well.
            async with publisher:
                await ingest(client, options, wanted, as_json, receive, publisher.put)
        finally:
            _report_messages(publisher, as_json)

    connection.run(server, follow())


def _report_messages(publisher: ReactionPublisher, as_json: bool) -> None:
    not_sent = dict(sorted(publisher.not_sent.items()))
    if as_json:
        print_json({"type": "data_messages", "sent": publisher.sent, "not_sent": not_sent})
        return
    reasons = ", ".join(f"{count} {reason}" for reason, count in not_sent.items()) or "none"
    out.print(f"data messages: {publisher.sent} sent; not sent: {reasons}", markup=False)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not all(each.isascii() and each.isdecimal() and 0 < int(each) <= 7680 for each in (width, height)):
        raise ConfigError(f"--size: expected WIDTHxHEIGHT such as 640x360, got {text!r}")
    return int(width), int(height)
