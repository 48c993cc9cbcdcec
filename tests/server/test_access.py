"""Keys and certificates that are replaced while a server runs, clients whose token was refused, and the other ports."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import grpc
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from gifcue.access.files import add_entry
from gifcue.access.issue import new_key, token_digest
from gifcue.client import (
    AccessDenied,
    Backoff,
    ConnectionOptions,
    ReactionClient,
    ServerError,
    ServerUnavailable,
    StreamOptions,
    TlsOptions,
)
from tests.server.conftest import Stub
from tests.support.certificates import Authority
from tests.support.guarded_server import ROOM, STATIC, Attempt, Guarded, over_grpc, over_http, serving
from tests.support.logs import logs_to_stderr

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    async with serving(folder) as made:
        yield made


# What changes while the server runs


@pytest_asyncio.fixture(loop_scope="module")
async def own(tmp_path: Path) -> AsyncIterator[Guarded]:
    """A server of the test's own, which may change its files."""
    async with serving(tmp_path) as made:
        yield made


def client_of(
    guarded: Guarded, token: str | None = None, authority: Authority | None = None
) -> ReactionClient:
    tls = TlsOptions((authority or guarded.authority).pem, *guarded.own_certificate, "localhost")
    return ReactionClient(
        f"127.0.0.1:{guarded.server.listen_port}",
        ConnectionOptions(tls=tls, token=guarded.token() if token is None else token),
    )


async def open_and_close(client: ReactionClient) -> None:
    async with client.open(StreamOptions(room_id=ROOM)):
        pass


async def test_a_key_is_rotated_without_a_restart(own: Guarded) -> None:
    with pytest.raises(AccessDenied, match="got one whose key was withdrawn"):
        await rotate(own)
    assert own.server.access.control.refused["withdrawn_token"] == 1


async def rotate(own: Guarded) -> None:
    """Replaces the key, while a stream is open that the old one vouches for; raises how that stream ends."""
    new = new_key("two", "HS256")
    async with (
        client_of(own) as old_client,
        client_of(own, own.token(signing=new.signing, key_name="two")) as client,
        old_client.open(StreamOptions(room_id=ROOM)) as stream,
    ):
        with pytest.raises(AccessDenied, match="expected a token signed by a key of this server"):
            await open_and_close(client)
        # First the server learns the new key, then issuers use it, and at last the old one goes.
        add_entry(own.keys, new.entry)
        await own.server.access.look()
        await open_and_close(client)
        await open_and_close(old_client)
        own.keys.write_text(new.entry, encoding="utf-8")
        await own.server.access.look()
        with pytest.raises(AccessDenied) as refused:
            await open_and_close(old_client)
        assert refused.value.code == "UNAUTHENTICATED"
        await open_and_close(client)
        # A stream that the old key had opened ends by itself: the server checks every second.
        async for _ in stream.events():
            pass


async def test_the_server_follows_its_files_by_itself(tmp_path: Path) -> None:
    async with serving(tmp_path, reload_interval_s=0.1) as own:
        new = new_key("two", "EdDSA")
        add_entry(own.keys, new.entry)
        token = own.token(signing=new.signing, key_name="two")

        async with client_of(own, token) as client:

            async def is_taken() -> bool:
                try:
                    await open_and_close(client)
                except AccessDenied:
                    return False
                return True

            async with asyncio.timeout(60):
                while not await is_taken():
                    pass


async def is_trusted(own: Guarded, authority: Authority) -> bool:
    """Whether the server shows a certificate of this authority, over gRPC and over HTTP."""
    async with client_of(own, authority=authority) as client:
        try:
            over_grpc = await client.health() == "SERVING"
        except ServerUnavailable:
            over_grpc = False
    context = ssl.create_default_context(cadata=authority.pem.decode())
    path = own.keys.parent / "client.pem"
    path.write_bytes(b"".join(own.own_certificate))
    context.load_cert_chain(path)
    async with aiohttp.ClientSession() as session:
        try:
            url = f"https://localhost:{own.server.http_port}/healthz"
            async with session.get(url, ssl=context) as answer:
                over_http = answer.status == 200
        except aiohttp.ClientError:
            over_http = False
    assert over_grpc == over_http
    return over_grpc


async def test_a_certificate_is_replaced_without_a_restart(own: Guarded) -> None:
    new = Authority()
    async with client_of(own) as client, client.open(StreamOptions(room_id=ROOM)) as stream:
        assert (await is_trusted(own, own.authority), await is_trusted(own, new)) == (True, False)
        own.files.write(new, own.clients.pem)
        assert await asyncio.to_thread(own.server.access.tls.look)  # type: ignore[union-attr]
        assert (await is_trusted(own, own.authority), await is_trusted(own, new)) == (False, True)
        # Connections that are open keep theirs.
        assert (await stream.statistics()).participants == ()


async def test_a_pair_that_is_half_written_is_not_taken(own: Guarded) -> None:
    tls = own.server.access.tls
    assert tls is not None
    before = own.files.certificate.read_bytes()
    certificate, key = own.authority.issue()
    with capture_logs() as logs:
        own.files.certificate.write_bytes(certificate)
        assert not tls.look()
        assert not tls.look()
        for broken in (certificate[:100], b"", before + certificate[:200]):
            own.files.certificate.write_bytes(broken)
            assert not tls.look()
        own.files.certificate.unlink()
        assert not tls.look()
        assert await is_trusted(own, own.authority)
        own.files.certificate.write_bytes(certificate)
        own.files.key.write_bytes(key)
        assert tls.look()
    events = [each["event"] for each in logs]
    warned = events.count("certificate not taken, the old one stays in force")
    assert 3 <= warned <= 5  # once for each kind of mistake, though it was looked at more often
    assert events[-1] == "certificate taken"
    assert await is_trusted(own, own.authority)


async def test_a_certificate_that_has_expired_is_not_taken(own: Guarded) -> None:
    tls = own.server.access.tls
    assert tls is not None
    own.files.write(own.authority, own.clients.pem, is_expired=True)
    assert not tls.look()
    assert await is_trusted(own, own.authority)


async def test_the_authorities_of_clients_are_replaced_without_a_restart(
    own: Guarded, tmp_path: Path
) -> None:
    tls = own.server.access.tls
    assert tls is not None
    theirs = Attempt(certificate=lambda g: g.stranger.issue("mcu@example.org"))
    own.files.clients.write_bytes(own.clients.pem + own.stranger.pem)
    assert tls.look()
    for attempt in (Attempt(), theirs):
        assert await over_grpc(own, attempt) == "OK"
        assert await over_http(own, attempt, tmp_path) == 200
    own.files.clients.write_bytes(own.stranger.pem)
    assert tls.look()
    for attempt, status in ((Attempt(), "UNAVAILABLE"), (theirs, "OK")):
        assert await over_grpc(own, attempt) == status
        assert await over_http(own, attempt, tmp_path) == (200 if status == "OK" else 0)


# What a client does about it


async def test_a_reconnecting_stream_does_not_repeat_a_token_that_was_refused(guarded: Guarded) -> None:
    before = guarded.server.access.control.refused["malformed_token"]
    async with client_of(guarded, "not.a.token") as client:
        with pytest.raises(AccessDenied):
            async with client.reconnecting(StreamOptions(room_id=ROOM), wait_for_server=True):
                pass
    assert guarded.server.access.control.refused["malformed_token"] == before + 1


async def test_a_reconnecting_stream_takes_a_newer_token(guarded: Guarded) -> None:
    tokens = ["not.a.token", guarded.token(), guarded.token()]
    options = ConnectionOptions(tls=guarded.tls(guarded.own_certificate), token=lambda: tokens.pop(0))
    async with (
        ReactionClient(f"127.0.0.1:{guarded.server.listen_port}", options) as client,
        client.reconnecting(StreamOptions(room_id=ROOM), Backoff(first_s=0.0)) as stream,
    ):
        assert stream.connections == 1
    assert tokens == []


async def test_a_provider_that_signs_with_a_wrong_key_is_asked_once_more(guarded: Guarded) -> None:
    given: list[str] = []

    async def provide() -> str:
        given.append(guarded.token(signing=guarded.other_key.signing, subject=str(len(given))))
        return given[-1]

    before = guarded.server.access.control.refused["wrong_signature"]
    options = ConnectionOptions(tls=guarded.tls(guarded.own_certificate), token=provide)
    async with ReactionClient(f"127.0.0.1:{guarded.server.listen_port}", options) as client:
        with pytest.raises(AccessDenied):
            async with client.reconnecting(StreamOptions(room_id=ROOM), Backoff(first_s=0.0)):
                pass
    assert guarded.server.access.control.refused["wrong_signature"] == before + 2


# The rest of the ports


async def test_probes_need_no_token(guarded: Guarded, tmp_path: Path) -> None:
    operators = f"127.0.0.1:{guarded.server.operator_port}"
    for options, target in (
        (
            ConnectionOptions(tls=guarded.tls(guarded.own_certificate)),
            f"127.0.0.1:{guarded.server.listen_port}",
        ),
        (ConnectionOptions(), operators),
    ):
        async with ReactionClient(target, options) as client:
            assert await client.health() == "SERVING"
    context = guarded.context(guarded.own_certificate, tmp_path)
    async with aiohttp.ClientSession(headers={"Host": "probe.example.org"}) as session:
        for path in ("/healthz", "/readyz"):
            async with session.get(
                f"https://localhost:{guarded.server.http_port}{path}", ssl=context
            ) as answer:
                assert answer.status == 200
            url = f"http://127.0.0.1:{guarded.server.operator_http_port}{path}"
            async with session.get(url) as answer:
                assert answer.status == 200


async def test_pages_need_no_token_but_a_host_that_is_served(guarded: Guarded, tmp_path: Path) -> None:
    context = guarded.context(guarded.own_certificate, tmp_path)
    site = f"https://localhost:{guarded.server.http_port}"
    async with aiohttp.ClientSession() as session:
        for path in ("/", "/live", "/static/js/stream.js"):
            async with session.get(site + path, ssl=context) as answer:
                assert answer.status == 200
            async with session.get(
                site + path, ssl=context, headers={"Host": "rebound.example.org"}
            ) as answer:
                assert answer.status == 421


async def test_an_operator_reads_status_and_metrics_which_count_refusals(guarded: Guarded) -> None:
    before = guarded.server.access.control.refused["wrong_room"]
    await over_grpc(guarded, Attempt(room="monthly"))
    async with ReactionClient(
        f"127.0.0.1:{guarded.server.operator_port}", ConnectionOptions(token=STATIC)
    ) as client:
        assert (await client.status()).state == "serving"
        text = await client.metrics()
    assert f'gifcue_refused_total{{reason="wrong_room"}} {before + 1}.0' in text
    assert "gifcue_certificate_expiry_timestamp_seconds" in text
    headers = {"Authorization": f"Bearer {STATIC}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        url = f"http://127.0.0.1:{guarded.server.operator_http_port}/metrics"
        async with session.get(url) as answer:
            assert (answer.status, "gifcue_refused_total" in await answer.text()) == (200, True)
        # The digest in the keys file is no token.
        digest = {"Authorization": f"Bearer {token_digest(STATIC)}"}
        async with session.get(url, headers=digest) as answer:
            assert answer.status == 401


async def test_operators_calls_are_not_on_the_main_port(guarded: Guarded) -> None:
    async with client_of(guarded, STATIC) as client:
        with pytest.raises(ServerError) as refused:
            await client.status()
    assert refused.value.code == "UNIMPLEMENTED"


async def test_two_authorization_headers_are_refused(guarded: Guarded) -> None:
    credentials = guarded.tls(guarded.own_certificate).credentials()
    metadata = [("authorization", f"Bearer {guarded.token()}")] * 2
    async with grpc.aio.secure_channel(f"localhost:{guarded.server.listen_port}", credentials) as channel:
        call = Stub(channel).StreamReactions(metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.read()
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert "expected one authorization header, got 2" in str(refused.value.details())


async def test_no_secret_is_in_logs_or_metrics(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with logs_to_stderr():
        async with serving(tmp_path) as own:
            tokens = [own.token(), own.token(signing=own.other_key.signing), STATIC[:-1] + "_", f"{STATIC}x"]
            for token in tokens:
                async with client_of(own, token) as client:
                    with contextlib.suppress(ServerError):
                        async with client.open(StreamOptions(room_id="monthly")):
                            pass
            secret = new_key("two", "HS256")
            add_entry(own.keys, secret.entry)
            own.keys.write_text(own.keys.read_text(encoding="utf-8") + "[keys", encoding="utf-8")
            await own.server.access.look()
            async with ReactionClient(
                f"127.0.0.1:{own.server.operator_port}", ConnectionOptions(token=STATIC)
            ) as operator:
                metrics = await operator.metrics()
            key = own.files.key.read_text()
    captured = capfd.readouterr()
    written = captured.out + captured.err + metrics
    assert "caller refused" in written
    assert "keys not taken" in written
    parts = [part for token in tokens for part in token.split(".") if len(part) > 20]
    secrets = [*parts, STATIC, secret.signing.strip(), own.key.signing, key.splitlines()[1]]
    assert [each[:12] for each in secrets if each in written] == []
