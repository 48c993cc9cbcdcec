"""`gifcue ingest janus`: the publishers of a VideoRoom."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from typing import Annotated

import typer

from gifcue.cli import connection
from gifcue.cli.connection import DEFAULT_SERVERS, client_of
from gifcue.cli.ingesting import (
    AsJson,
    Labels,
    Orientation,
    Preset,
    Room,
    WaitMs,
    ingest,
    labels_of,
    options_of,
)
from gifcue.cli.room_report import report_room, teller
from gifcue.client import ReconnectingStream
from gifcue.errors import ConfigError, without_secrets
from gifcue.ingest.janus.consent import parse_rule
from gifcue.ingest.janus.ingest import JanusIngest
from gifcue.ingest.janus.session import JanusAccess
from gifcue.ingest.janus.settings import JanusSettings
from gifcue.ingest.janus.videoroom import RoomAccess

# Secrets come from the environment, never from an argument: arguments are in the list of processes.
API_SECRET = "GIFCUE_JANUS_API_SECRET"
API_TOKEN = "GIFCUE_JANUS_TOKEN"
ROOM_PIN = "GIFCUE_JANUS_PIN"
ROOM_SECRET = "GIFCUE_JANUS_ROOM_SECRET"
ADMIN_KEY = "GIFCUE_JANUS_ADMIN_KEY"

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def janus(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="Janus' WebSocket, such as ws://127.0.0.1:8188 or wss://…")
    ],
    janus_room: Annotated[str, typer.Argument(metavar="ROOM", help="The VideoRoom's id, such as 1234.")],
    consent: Annotated[
        list[str],
        typer.Option(
            "--consent",
            metavar="RULE",
            help="Who is forwarded: ATTRIBUTE=PATTERN, such as 'display=* (reactions)', or ATTRIBUTE where it lists "
            "the allowed labels, such as metadata.reactions. Attributes: id, display, description, metadata.NAME. "
            "Can be given several times; one match is enough. 'id=*' is everybody.",
        ),
    ],
    listen: Annotated[
        str,
        typer.Option(
            metavar="IP:PORT", help="The UDP port that takes all publishers' video. Port 0 takes a free one."
        ),
    ] = "127.0.0.1:0",
    advertise: Annotated[
        str,
        typer.Option(
            metavar="IP:PORT", help="Where Janus sends to, if that is another address than --listen."
        ),
    ] = "",
    only_from: Annotated[
        str, typer.Option("--from", metavar="IP", help="Take packets from this address only.")
    ] = "",
    simulcast_layer: Annotated[
        int,
        typer.Option(
            min=0,
            max=2,
            help="The highest simulcast layer that is forwarded: 0 is the smallest picture. Browsers send 640x360 as "
            "layer 1 of a camera with 1280x720.",
        ),
    ] = 1,
    max_publishers: Annotated[
        int, typer.Option(min=1, max=1000, help="How many publishers are forwarded at a time.")
    ] = 64,
    copies: Annotated[
        int,
        typer.Option(
            min=0,
            max=2,
            help="How often Janus sends each packet. 0 decides by the losses: twice where more than 1 % are lost.",
        ),
    ] = 0,
    orientation: Orientation = None,
    wait_ms: WaitMs = 100,
    display: Annotated[str, typer.Option(help="The name under which the command is in the room.")] = "gifcue",
    wait: Annotated[bool, typer.Option("--wait", help="Wait for a Janus that is not up yet.")] = False,
    server: connection.Servers = DEFAULT_SERVERS,
    labels: Labels = "",
    room: Room = "",
    preset: Preset = "",
    as_json: AsJson = False,
    tls: connection.Tls = False,
    ca: connection.Ca = None,
    cert: connection.Certificate = None,
    key: connection.Key = None,
    server_name: connection.ServerName = None,
    token_file: connection.TokenFile = None,
) -> None:
    """Forward the publishers of a Janus VideoRoom who consent, and print the reactions, until Ctrl-C.

    Each publisher becomes a participant with its id in Janus as its name. Nothing is forwarded of a publisher that no
    --consent rule matches.

    Secrets come from the environment: GIFCUE_JANUS_PIN and GIFCUE_JANUS_ROOM_SECRET of the room,
    GIFCUE_JANUS_ADMIN_KEY of the plugin, GIFCUE_JANUS_API_SECRET and GIFCUE_JANUS_TOKEN of Janus itself.
    """
    if not url.startswith(("ws://", "wss://")):
        raise ConfigError(
            f"expected the address of Janus' WebSocket such as ws://127.0.0.1:8188, got {without_secrets(url)!r}"
        )
    listening = _address("--listen", listen, 0)
    sending_to = _address("--advertise", advertise, 1) if advertise else None
    if sending_to is None and ipaddress.ip_address(listening[0]).is_unspecified:
        raise ConfigError(
            f"--advertise: expected the address that Janus sends to beside --listen {listen}, got none"
        )
    environment = os.environ
    settings = JanusSettings(
        url=url,
        room=janus_room,
        rules=[parse_rule(each) for each in consent],
        listen=listening,
        advertise=sending_to,
        only_from=_ip("--from", only_from) if only_from else None,
        display=display,
        simulcast_layer=simulcast_layer,
        max_publishers=max_publishers,
        copies=copies or None,
        orientation_id=orientation,
        wait_s=wait_ms / 1000,
        wait_for_janus=wait,
        janus_access=JanusAccess(environment.get(API_SECRET) or None, environment.get(API_TOKEN) or None),
        room_access=RoomAccess(
            environment.get(ROOM_PIN) or None,
            environment.get(ROOM_SECRET) or None,
            environment.get(ADMIN_KEY) or None,
        ),
    )
    client = client_of(server, tls, ca, cert, key, server_name, token_file)

    async def receive(stream: ReconnectingStream, allowed: Sequence[str]) -> None:
        following = JanusIngest(settings, stream, allowed, teller("janus", as_json))
        try:
            await following.run()
        finally:
            report_room(following.totals, following.dropped, "packets", as_json)

    connection.run(
        server, ingest(client, options_of("janus", room, preset), labels_of(labels), as_json, receive)
    )


def _address(option: str, text: str, lowest_port: int) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not (colon and port.isascii() and port.isdecimal() and lowest_port <= int(port) < 65536):
        raise ConfigError(f"{option}: expected IP:PORT such as 10.0.0.5:5004, got {text!r}")
    return _ip(option, host.strip("[]")), int(port)


def _ip(option: str, text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ConfigError(f"{option}: expected an IP address, got {text!r}") from None
