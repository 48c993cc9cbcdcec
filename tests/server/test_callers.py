"""A server without tokens: hosts, origins, quotas of peers, proxies, and ports that other machines reach."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from gifcue.client import Codec, ConnectionOptions, Fault, ReactionClient, ServerBusy
from gifcue.errors import ConfigError
from gifcue.server import grpc_access
from gifcue.server.config import Settings, load_settings
from gifcue.server.lifecycle import Server
from gifcue.server.status_codes import RETRY_AFTER
from gifcue.v1 import reaction_service_pb2
from tests.server.conftest import Stub
from tests.support.certificates import Authority, ServerFiles
from tests.support.colour_detector import TARGET
from tests.support.guarded_server import STILL, still_form
from tests.support.raw_streams import Over, raw_stream, websocket


def changed(settings: Settings, **tables: dict[str, Any]) -> Settings:
    made = settings.model_dump()
    for name, table in tables.items():
        made[name] = {**made[name], **table}
    return load_settings(None, made)


@asynccontextmanager
async def running(settings: Settings, **tables: dict[str, Any]) -> AsyncIterator[Server]:
    async with Server(changed(settings, **tables), detector_target=TARGET) as server:
        yield server


async def get(server: Server, path: str, **headers: str) -> int:
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"http://127.0.0.1:{server.http_port}{path}") as answer,
    ):
        return answer.status


async def test_hosts_and_origins_of_http(settings: Settings) -> None:
    public = {"public_url": "https://cues.example.org/base"}
    async with running(
        settings, server={"allowed_origins": ["https://meet.example.org"]}, delivery=public
    ) as server:
        gif = "/gifs/smile_1.gif"
        assert await get(server, gif) == 200
        # The name under which receivers fetch GIFs needs no setting of its own.
        assert await get(server, gif, Host="cues.example.org") == 200
        assert await get(server, gif, Host="rebound.example.com") == 421
        assert await get(server, gif, Origin="https://meet.example.org") == 200
        assert await get(server, gif, Origin="https://evil.example.com") == 403
        assert await get(server, "/healthz", Host="rebound.example.com") == 200
        assert (server.access.control.refused["host"], server.access.control.refused["origin"]) == (1, 1)
        # The operators' port has the same rules.
        async with (
            aiohttp.ClientSession(headers={"Host": "rebound.example.com"}) as session,
            session.get(f"http://127.0.0.1:{server.operator_http_port}/metrics") as answer,
        ):
            assert answer.status == 421


async def test_a_stream_too_many_is_refused_with_the_time_to_come_back(settings: Settings) -> None:
    async with running(settings, access={"max_streams": 1}) as server:
        target = f"127.0.0.1:{server.listen_port}"
        async with ReactionClient(target) as client, client.open():
            with pytest.raises(ServerBusy, match=r"access\.max_streams"):
                async with client.open():
                    pass
            async with grpc.aio.insecure_channel(target) as channel:
                call = Stub(channel).StreamReactions()
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await call.read()
            assert dict(refused.value.trailing_metadata() or ())[RETRY_AFTER] == "5000"
        # The place is free again once the stream has ended.
        async with ReactionClient(target) as client, client.open():
            pass


async def test_over_websocket_the_reason_begins_with_the_time_to_come_back(settings: Settings) -> None:
    async with running(settings, access={"max_streams": 1}) as server:
        async with websocket(server), raw_stream(server, Over.WEBSOCKET) as refused:
            code, reason = await refused.status()
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert reason.startswith("5000 expected at most 1 streams of one caller at once")
        assert server.access.control.refused["streams"] == 1
        # The place is free again once the stream has ended.
        async with websocket(server) as socket:
            request = reaction_service_pb2.StreamReactionsRequest(config=reaction_service_pb2.StreamConfig())
            await socket.send_bytes(request.SerializeToString())
            assert (await socket.receive()).type is aiohttp.WSMsgType.BINARY


async def test_stills_too_many_are_refused_over_both_protocols(settings: Settings) -> None:
    async with running(settings, access={"stills_per_s": 0.1}) as server:
        target = f"127.0.0.1:{server.listen_port}"
        async with ReactionClient(target) as client:
            await client.annotate(STILL)
        async with grpc.aio.insecure_channel(target) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await Stub(channel).AnnotateImage(reaction_service_pb2.AnnotateImageRequest(image=STILL))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert 0 < int(str(dict(refused.value.trailing_metadata() or ())[RETRY_AFTER])) <= 10_000
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://127.0.0.1:{server.http_port}/annotations", data=still_form()) as answer,
        ):
            assert (answer.status, 0 < int(answer.headers["Retry-After"]) <= 10) == (429, True)
        assert server.access.control.refused["stills"] == 2


async def test_participants_are_counted_over_all_streams_of_a_caller(settings: Settings) -> None:
    async with (
        running(settings, access={"max_participants": 2}) as server,
        ReactionClient(f"127.0.0.1:{server.listen_port}") as client,
        client.open() as first,
    ):
        for name in ("alice", "bob"):
            await first.join(name, Codec.H264, allowed_labels=["smile"])
        assert await faults_of_a_join(client) == ["TOO_MANY_PARTICIPANTS"]
        await (await first.join("alice", Codec.H264, allowed_labels=["smile"])).leave()
        await first.statistics()  # the server has read all that came before
        assert await faults_of_a_join(client) == []


async def faults_of_a_join(client: ReactionClient) -> list[str]:
    async with client.open() as stream:
        await stream.join("carol", Codec.H264, allowed_labels=["smile"])
        await stream.half_close()
        return [event.code.name async for event in stream.events() if isinstance(event, Fault)]


async def test_quotas_count_by_the_peer_that_a_trusted_proxy_names(settings: Settings) -> None:
    async with running(
        settings, access={"max_streams": 1}, server={"trusted_proxies": ["127.0.0.1"]}
    ) as server:

        def client_at(*addresses: str) -> ReactionClient:
            metadata = tuple(("x-forwarded-for", each) for each in addresses)
            return ReactionClient(f"127.0.0.1:{server.listen_port}", ConnectionOptions(metadata=metadata))

        async with (
            client_at("203.0.113.1") as one,
            client_at("203.0.113.2") as two,
            # Whatever the peer writes before what its proxy adds.
            client_at("198.51.100.7, 203.0.113.1") as again,
            one.open(),
            two.open(),
        ):
            with pytest.raises(ServerBusy):
                async with again.open():
                    pass


async def test_websockets_count_by_the_peer_that_a_trusted_proxy_names(settings: Settings) -> None:
    async with running(
        settings, access={"max_streams": 1}, server={"trusted_proxies": ["127.0.0.1"]}
    ) as server:
        one, two = ({"X-Forwarded-For": each} for each in ("203.0.113.1", "203.0.113.2"))
        async with (
            websocket(server, headers=one),
            websocket(server, headers=two),
            websocket(server, headers=one) as again,
        ):
            closed = await again.receive()
        assert closed.data == 4000 + grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        both = {**one, "Forwarded": "for=203.0.113.9"}
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with websocket(server, headers=both):
                pass
        assert refused.value.status == 400


async def test_hostile_video_counts_against_the_peer_that_sent_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(settings, server={"trusted_proxies": ["127.0.0.1"]}) as server:
        peers: list[str] = []
        open_session = server.engine.open_session

        def recording(**options: Any) -> Any:
            peers.append(options["peer"])
            return open_session(**options)

        monkeypatch.setattr(server.engine, "open_session", recording)
        for metadata in ((), (("x-forwarded-for", "203.0.113.1"),)):
            options = ConnectionOptions(metadata=metadata)
            async with ReactionClient(f"127.0.0.1:{server.listen_port}", options) as client, client.open():
                pass
    assert peers == ["127.0.0.1", "203.0.113.1"]


async def test_headers_of_other_peers_do_not_choose_the_address(settings: Settings) -> None:
    async with running(settings, access={"max_streams": 1}) as server:
        target = f"127.0.0.1:{server.listen_port}"
        forged = ConnectionOptions(metadata=(("x-forwarded-for", "203.0.113.2"),))
        async with ReactionClient(target) as client, client.open(), ReactionClient(target, forged) as again:
            with pytest.raises(ServerBusy):
                async with again.open():
                    pass


async def test_watches_of_health_are_bounded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_access, "MAX_WATCHES_PER_PEER", 2)
    async with (
        running(settings) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.listen_port}") as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        watches = [health.Watch(health_pb2.HealthCheckRequest()) for _ in range(2)]
        for watch in watches:
            await watch.read()
        with pytest.raises(grpc.aio.AioRpcError, match="watches of health") as refused:
            await health.Watch(health_pb2.HealthCheckRequest()).read()
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == 1


@pytest.mark.parametrize("name", ["listen", "http_listen", "operator_listen", "operator_http_listen"])
@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "gifcue.example.org:0"])
def test_a_port_that_other_machines_reach_needs_tls_and_tokens(
    settings: Settings, name: str, address: str
) -> None:
    expected = rf"server\.{name}: other machines reach .*; expected TLS .* and tokens .*--insecure"
    with pytest.raises(ConfigError, match=expected):
        Server(changed(settings, server={name: address}), detector_target=TARGET)


def test_either_alone_is_not_enough(settings: Settings, tmp_path: Path) -> None:
    files, authority = ServerFiles(tmp_path), Authority()
    files.write(authority, authority.pem)
    tls = {"tls_certificate": files.certificate, "tls_key": files.key}
    with pytest.raises(ConfigError, match=r"expected tokens \(access\.keys\) or client certificates"):
        Server(changed(settings, server={"listen": "0.0.0.0:0", **tls}), detector_target=TARGET)
    mutual = {"listen": "0.0.0.0:0", **files.settings}
    with capture_logs() as logs:
        Server(changed(settings, server=mutual), detector_target=TARGET)
    assert [each for each in logs if each["log_level"] == "warning"] == []


def test_insecure_is_accepted_with_a_warning_for_each_port(settings: Settings) -> None:
    with capture_logs() as logs:
        Server(
            changed(settings, server={"listen": "0.0.0.0:0", "http_listen": "0.0.0.0:0", "insecure": True}),
            detector_target=TARGET,
        )
    warnings = [each["problem"] for each in logs if each["log_level"] == "warning"]
    assert [each.partition(":")[0] for each in warnings] == ["server.listen", "server.http_listen"]


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ({"tls_key": None}, "expected both or none, got one"),
        (
            {"tls_certificate": None, "tls_key": None},
            r"server\.tls_client_ca: expected server\.tls_certificate",
        ),
    ],
)
def test_files_of_tls_belong_together(
    settings: Settings, tmp_path: Path, missing: dict[str, None], words: str
) -> None:
    files, authority = ServerFiles(tmp_path), Authority()
    files.write(authority, authority.pem)
    with pytest.raises(ConfigError, match=words):
        Server(changed(settings, server={**files.settings, **missing}), detector_target=TARGET)


def test_a_certificate_that_grpc_cannot_use_is_refused_at_the_start(
    settings: Settings, tmp_path: Path
) -> None:
    files, authority = ServerFiles(tmp_path), Authority()
    files.write(authority, authority.pem)
    key = Ed25519PrivateKey.generate()
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ConfigError, match="expected a certificate with an ECDSA or RSA key"):
        Server(changed(settings, server=files.settings), detector_target=TARGET)


def test_a_key_of_another_certificate_is_refused_at_the_start(settings: Settings, tmp_path: Path) -> None:
    files, authority = ServerFiles(tmp_path), Authority()
    files.write(authority, authority.pem)
    files.key.write_bytes(authority.issue()[1])
    with pytest.raises(ConfigError, match="expected the private key of the certificate, got another one"):
        Server(changed(settings, server=files.settings), detector_target=TARGET)
