"""`gifcue ingest rtp`: one participant a port, or a session description."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from gifcue.cli import connection
from gifcue.cli.connection import DEFAULT_SERVERS, client_of
from gifcue.cli.console import out, print_json
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
from gifcue.cli.streaming import all_or_none
from gifcue.client import ReconnectingStream
from gifcue.errors import ConfigError
from gifcue.ingest.feed import ParticipantFeed
from gifcue.ingest.rtp.listener import RtpListener, RtpPort
from gifcue.ingest.rtp.receiver import PayloadFormat
from gifcue.ingest.rtp.sdp import MAX_SDP_BYTES, parse_sdp
from gifcue.protocol.codecs import Codec

Report = Callable[[str, RtpListener, ParticipantFeed], None]

# RTP's dynamic payload types are 96 to 127. A media server may use any of the 128.
MAX_PAYLOAD_TYPE = 127

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


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
    orientation: Orientation = None,
    only_from: Annotated[
        str, typer.Option("--from", metavar="IP", help="Take packets from this address only.")
    ] = "",
    wait_ms: WaitMs = 100,
    participant: Annotated[
        str,
        typer.Option(
            "--participant", "-p", help="The participant's name. Several m=video sections get a number each."
        ),
    ] = "rtp",
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
    report = _report_json if as_json else _report

    async def receive(stream: ReconnectingStream, allowed: Sequence[str]) -> None:
        await all_or_none([_receive(stream, source, allowed, report) for source in sources])

    connection.run(
        server, ingest(client, options_of("rtp", room, preset), labels_of(labels), as_json, receive)
    )


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
