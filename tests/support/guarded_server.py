"""A server with TLS, client certificates and tokens, and callers that show this and that."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np

from gifcue.access.bearer import SUBPROTOCOL
from gifcue.access.files import add_entry
from gifcue.access.grants import Scope
from gifcue.access.issue import KeyPair, issue_token, new_key, new_token, token_digest, token_entry
from gifcue.client import (
    Codec,
    ConnectionOptions,
    Fault,
    ReactionClient,
    ServerError,
    StreamOptions,
    TlsOptions,
)
from gifcue.server.config import Settings, load_settings
from gifcue.server.lifecycle import Server
from gifcue.v1 import media_pb2
from gifcue.v1 import reaction_service_pb2 as pb
from tests.support.certificates import Authority, ServerFiles
from tests.support.colour_detector import TARGET
from tests.support.raw_streams import Request, WebSocketStream

ROOM = "weekly"
# Static tokens: one that may do everything of operators, and one that may read figures.
STATIC = new_token()
OBSERVING = new_token()
STILL = cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes()


@dataclass(frozen=True)
class Guarded:
    """A server with TLS, client certificates and tokens, and everything that signs for it."""

    server: Server
    files: ServerFiles
    keys: Path
    authority: Authority
    clients: Authority
    stranger: Authority
    key: KeyPair
    other_key: KeyPair
    own_certificate: tuple[bytes, bytes] = field(repr=False)

    def token(self, scope: Scope = Scope.STREAM, **changes: Any) -> str:
        """A sound token, but for the changes."""
        made = {
            "signing": self.key.signing,
            "key_name": "one",
            "scopes": [scope],
            "now_s": time.time(),
            "lifetime_s": 3600.0,
            "rooms": [ROOM],
            "labels": ["smile"],
            **changes,
        }
        return issue_token(made.pop("signing"), **made)

    def tls(self, certificate: tuple[bytes, bytes] | None) -> TlsOptions:
        chain, key = certificate or (None, None)
        return TlsOptions(self.authority.pem, chain, key, "localhost")

    def context(self, certificate: tuple[bytes, bytes] | None, folder: Path) -> ssl.SSLContext:
        """The same for HTTP. `load_cert_chain` takes files alone."""
        context = ssl.create_default_context(cadata=self.authority.pem.decode())
        if certificate is not None:
            path = folder / "client.pem"
            path.write_bytes(b"".join(certificate))
            context.load_cert_chain(path)
        return context


@asynccontextmanager
async def serving(folder: Path, **access: Any) -> AsyncIterator[Guarded]:
    authority, clients, stranger = Authority(), Authority(), Authority()
    files = ServerFiles(folder)
    files.write(authority, clients.pem)
    keys, key = folder / "keys.toml", new_key("one", "EdDSA")
    add_entry(keys, key.entry)
    add_entry(keys, token_entry("scraper", token_digest(STATIC), [Scope.OPERATE], None, None))
    add_entry(keys, token_entry("dashboard", token_digest(OBSERVING), [Scope.OBSERVE], None, None))
    async with Server(settings_of(files, keys, **access), detector_target=TARGET) as server:
        yield Guarded(
            server,
            files,
            keys,
            authority,
            clients,
            stranger,
            key,
            new_key("one", "EdDSA"),
            clients.issue("mcu@example.org"),
        )


def settings_of(files: ServerFiles, keys: Path, **access: Any) -> Settings:
    # Exposed on purpose: what other machines reach has TLS and tokens, and so needs no --insecure.
    addresses = dict.fromkeys(("listen", "http_listen"), "0.0.0.0:0")
    operators = dict.fromkeys(("operator_listen", "operator_http_listen"), "127.0.0.1:0")
    return load_settings(
        None,
        {
            "server": {**addresses, **operators, **files.settings},
            "access": {"keys": keys, **access},
            "media": {"workers": 1},
            "detect": {"workers": 1},
            "log": {"level": "error"},
        },
    )


@dataclass(frozen=True)
class Attempt:
    """What a caller shows: a certificate, None for none, and a token. `plain`: it does not encrypt."""

    certificate: Callable[[Guarded], tuple[bytes, bytes] | None] = lambda g: g.own_certificate
    token: Callable[[Guarded], str | None] = lambda g: g.token()
    http_token: Callable[[Guarded], str | None] = lambda g: g.token(Scope.ANNOTATE)
    room: str = ROOM
    label: str = "smile"
    plain: bool = False
    operator: bool = False


async def over_grpc(guarded: Guarded, attempt: Attempt) -> str:
    """The status of a stream with one join, or the fault that answers the join."""
    if attempt.operator:
        target = f"127.0.0.1:{guarded.server.operator_port}"
        options = ConnectionOptions(token=attempt.token(guarded))
        try:
            async with ReactionClient(target, options) as client:
                await client.status()
        except ServerError as error:
            return error.code
        return "OK"
    options = ConnectionOptions(
        tls=None if attempt.plain else guarded.tls(attempt.certificate(guarded)), token=attempt.token(guarded)
    )
    try:
        async with (
            ReactionClient(f"127.0.0.1:{guarded.server.listen_port}", options) as client,
            client.open(StreamOptions(room_id=attempt.room)) as stream,
        ):
            # A client learns which labels its token grants.
            assert stream.ready.reaction_labels == ("smile",)
            await stream.join("alice", Codec.H264, allowed_labels=[attempt.label])
            await stream.half_close()
            faults = [event.code.name async for event in stream.events() if isinstance(event, Fault)]
    except ServerError as error:
        return error.code
    return f"fault {faults[0]}" if faults else "OK"


async def over_websocket(guarded: Guarded, attempt: Attempt, folder: Path) -> str:
    """As `over_grpc`, over WebSocket with TLS."""
    token = attempt.token(guarded)
    offered = (SUBPROTOCOL,) if token is None else (SUBPROTOCOL, f"gifcue.token.{token}")
    scheme = "ws" if attempt.plain else "wss"
    url = f"{scheme}://localhost:{guarded.server.http_port}/stream"
    context = guarded.context(attempt.certificate(guarded), folder)
    join = pb.Join(codec=media_pb2.CODEC_H264, allowed_labels=[attempt.label])
    async with aiohttp.ClientSession() as session:
        try:
            async with session.ws_connect(url, ssl=context, protocols=offered, autoclose=False) as socket:
                assert socket.protocol == SUBPROTOCOL
                stream = WebSocketStream(socket)
                with contextlib.suppress(ConnectionError):  # the server has refused it by then
                    await stream.send(Request(config=pb.StreamConfig(room_id=attempt.room)))
                    update = pb.ParticipantUpdate(participant_id="alice", join=join)
                    await stream.send(Request(participant=update))
                    await stream.half_close()
                faults = []
                while (answer := await stream.read()) is not None:
                    if answer.HasField("fault"):
                        faults.append(pb.FaultCode.Name(answer.fault.code).removeprefix("FAULT_CODE_"))
                code, _ = await stream.status()
        except (aiohttp.ClientError, ConnectionError):
            return "UNAVAILABLE"
    return f"fault {faults[0]}" if faults else code.name


async def over_http(guarded: Guarded, attempt: Attempt, folder: Path) -> int:
    token = attempt.http_token(guarded)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    scheme = "http" if attempt.plain or attempt.operator else "https"
    context = guarded.context(attempt.certificate(guarded), folder)
    async with aiohttp.ClientSession(headers=headers) as session:
        try:
            if attempt.operator:
                url = f"http://127.0.0.1:{guarded.server.operator_http_port}/metrics"
                async with session.get(url) as answer:
                    return answer.status
            url = f"{scheme}://localhost:{guarded.server.http_port}/annotations"
            async with session.post(url, data=still_form(), ssl=context) as answer:
                assert (answer.status != 401) or answer.headers["WWW-Authenticate"] == "Bearer"
                return answer.status
        except aiohttp.ClientError:
            return 0


def still_form() -> aiohttp.FormData:
    """A still as browsers send it."""
    form = aiohttp.FormData()
    form.add_field("img", STILL, filename="a.jpg")
    return form
