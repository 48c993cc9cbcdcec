"""`gifcue ingest`: receives video from a media server and sends it on, without decoding it."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from gifcue import __version__
from gifcue.cli import connection
from gifcue.cli.as_json import event_json
from gifcue.cli.connection import DEFAULT_SERVER, client_of
from gifcue.cli.console import out, print_json
from gifcue.cli.interrupt import interruptible
from gifcue.cli.printing import EventPrinter
from gifcue.cli.streaming import all_or_none, allowed_of
from gifcue.client import Event, ReactionClient, ReconnectingStream, StreamOptions
from gifcue.errors import ConfigError
from gifcue.ingest.feed import ParticipantFeed
from gifcue.ingest.rtp.listener import RtpListener, RtpPort
from gifcue.ingest.rtp.receiver import PayloadFormat
from gifcue.ingest.rtp.sdp import MAX_SDP_BYTES, parse_sdp
from gifcue.protocol.codecs import Codec

Report = Callable[[str, RtpListener, ParticipantFeed], None]

# RTP's dynamic payload types are 96 to 127. A media server may use any of the 128.
MAX_PAYLOAD_TYPE = 127

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Receive video from a media server and send it to a gifcue server, without decoding it.",
)


@app.callback()
def ingest() -> None:
    """Receive video from a media server and send it to a gifcue server, without decoding it."""


@dataclass(frozen=True, slots=True)
class _Source:
    participant_id: str
    port: RtpPort
    parameter_sets: bytes = b""


@app.command()
def rtp(
    sdp: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE.sdp]", help="A session description; without it, --listen and --payload."
        ),
    ] = None,
    listen: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Where RTP comes in, with RTCP one port above. An SDP file names address and port itself.",
        ),
    ] = "",
    payload: Annotated[
        list[str] | None,
        typer.Option(
            "--payload",
            metavar="TYPE=CODEC",
            help="What a payload type carries, such as 96=h264; can be given several times. "
            "h264, h265, vp8, vp9 or av1.",
        ),
    ] = None,
    rtcp_mux: Annotated[
        bool, typer.Option("--rtcp-mux", help="RTCP comes on the same port as RTP (RFC 5761).")
    ] = False,
    orientation: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=255,
            help="The id of the header extension urn:3gpp:video-orientation, if the sender has one.",
        ),
    ] = None,
    only_from: Annotated[
        str, typer.Option("--from", metavar="IP", help="Take packets from this address only.")
    ] = "",
    wait_ms: Annotated[
        int, typer.Option(min=0, max=2000, help="How long a missing packet is waited for, in milliseconds.")
    ] = 100,
    participant: Annotated[
        str,
        typer.Option(
            "--participant", "-p", help="The participant's name. Several m=video sections get a number each."
        ),
    ] = "rtp",
    server: connection.Server = DEFAULT_SERVER,
    labels: Annotated[
        str,
        typer.Option(help="Reactions to allow, separated by commas; by default all that the server knows."),
    ] = "",
    room: Annotated[str, typer.Option(help="The room, for the rule book's cooldowns and overrides.")] = "",
    preset: Annotated[
        str, typer.Option(help="careful, normal or playful; by default the server's own.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    tls: connection.Tls = False,
    ca: connection.Ca = None,
    cert: connection.Certificate = None,
    key: connection.Key = None,
    server_name: connection.ServerName = None,
    token_file: connection.TokenFile = None,
) -> None:
    """Receive RTP over UDP and print the reactions, until Ctrl-C.

    Packets are put in order, joined to frames and sent on as they are. What is lost on the way is told to the server,
    and its requests for keyframes go back to the sender as RTCP PLI.
    """
    if sdp is not None and (listen or payload):
        raise ConfigError("FILE.sdp, --listen, --payload: expected a file or the two options, got both")
    if sdp is None:
        port = _port(listen, payload or [], rtcp_mux, orientation, only_from, wait_ms)
        sources = [_Source(participant, port)]
    else:
        sources = _described(sdp, participant, orientation, only_from, wait_ms)
    client = client_of(server, tls, ca, cert, key, server_name, token_file)
    options = StreamOptions(room_id=room, client_name=f"gifcue-ingest-rtp/{__version__}", preset=preset)
    wanted = [label for label in (each.strip() for each in labels.split(",")) if label]
    connection.run(server, _ingest(client, options, sources, wanted, as_json))


async def _ingest(
    client: ReactionClient,
    options: StreamOptions,
    sources: Sequence[_Source],
    labels: Sequence[str],
    as_json: bool,
) -> None:
    show: Callable[[Event], None] = _print_json if as_json else EventPrinter(out)
    report = _report_json if as_json else _report
    async with client, client.reconnecting(options) as stream:
        allowed = allowed_of(labels, stream.ready)
        with interruptible() as stop:
            receivers = asyncio.ensure_future(
                all_or_none([_receive(stream, source, allowed, report) for source in sources])
            )
            printer = asyncio.ensure_future(_print(stream, show))
            stopping = asyncio.ensure_future(stop.wait())
            try:
                done, _ = await asyncio.wait(
                    {receivers, printer, stopping}, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
            finally:
                receivers.cancel()
                stopping.cancel()
                # The feeds leave before the stream is closed, so that reactions under way end.
                await asyncio.wait({receivers, stopping})
        await stream.half_close()
        await printer


async def _receive(
    stream: ReconnectingStream, source: _Source, labels: Sequence[str], report: Report
) -> None:
    async with RtpListener(source.port) as listener:
        feed = ParticipantFeed(
            stream, source.participant_id, labels, listener.request_keyframe, source.parameter_sets
        )
        try:
            async for unit in listener.units():
                await feed.send(unit)
        finally:
            await feed.close()
            report(source.participant_id, listener, feed)


async def _print(stream: ReconnectingStream, show: Callable[[Event], None]) -> None:
    async for event in stream.events():
        show(event)


def _report(participant_id: str, listener: RtpListener, feed: ParticipantFeed) -> None:
    receiver = listener.receiver
    dropped = ", ".join(f"{count} {reason}" for reason, count in sorted(listener.dropped.items()))
    out.print(
        f"{participant_id}: {receiver.packets} packets, {receiver.units} frames, {feed.sent} sent, "
        f"{feed.not_sent} not sent; dropped: {dropped or 'none'}",
        markup=False,
    )


def _report_json(participant_id: str, listener: RtpListener, feed: ParticipantFeed) -> None:
    print_json(
        {
            "type": "summary",
            "participant": participant_id,
            "packets": listener.receiver.packets,
            "frames": listener.receiver.units,
            "sent": feed.sent,
            "not_sent": feed.not_sent,
            "dropped": dict(sorted(listener.dropped.items())),
        }
    )


def _print_json(event: Event) -> None:
    print_json(event_json(event))


def _port(
    listen: str,
    payloads: Sequence[str],
    rtcp_mux: bool,
    orientation: int | None,
    only_from: str,
    wait_ms: int,
) -> RtpPort:
    host, colon, port_text = listen.rpartition(":")
    if not (host and colon and port_text.isdecimal() and 0 < int(port_text) < 65536):
        raise ConfigError(f"--listen: expected HOST:PORT such as 127.0.0.1:5004, got {listen!r}")
    if not payloads:
        raise ConfigError("--payload: expected at least one TYPE=CODEC such as 96=h264, got none")
    port = int(port_text)
    formats = dict(_payload(each) for each in payloads)
    rtcp_port = port if rtcp_mux else port + 1
    return RtpPort(
        host.strip("[]"), port, rtcp_port, formats, orientation, _address(only_from), wait_ms / 1000
    )


def _payload(text: str) -> tuple[int, PayloadFormat]:
    number, _, name = text.partition("=")
    known = [codec.value for codec in Codec if not codec.is_intra_only]
    if not (number.isdecimal() and int(number) <= MAX_PAYLOAD_TYPE and name.lower() in known):
        raise ConfigError(
            f"--payload: expected TYPE=CODEC with a type of 0 to {MAX_PAYLOAD_TYPE} and a codec of "
            f"{', '.join(known)}, got {text!r}"
        )
    return int(number), PayloadFormat(Codec(name.lower()))


def _described(
    path: Path, participant: str, orientation: int | None, only_from: str, wait_ms: int
) -> list[_Source]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_SDP_BYTES + 1).decode("utf-8", "replace")
    except OSError as error:
        raise ConfigError(f"expected a readable session description, got {path}: {error.strerror}") from None
    videos = parse_sdp(text)
    sources = []
    for number, video in enumerate(videos, 1):
        port = RtpPort(
            video.address or "127.0.0.1",
            video.port,
            video.rtcp_port,
            video.formats,
            video.orientation_id if orientation is None else orientation,
            _address(only_from),
            wait_ms / 1000,
        )
        name = participant if len(videos) == 1 else f"{participant}-{number}"
        sources.append(_Source(name, port, video.parameter_sets))
    return sources


def _address(text: str) -> str | None:
    if not text:
        return None
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ConfigError(f"--from: expected an IP address, got {text!r}") from None
