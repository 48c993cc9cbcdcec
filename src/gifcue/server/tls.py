"""TLS of every port, from files that may be replaced while the server runs.

Certificate, key and client CA are taken together or not at all: what is in force always fits. Connections that are open
keep what they were made with; each new handshake uses what is in force.
"""

from __future__ import annotations

import datetime
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gifcue.errors import ConfigError
from gifcue.server.settings import ServerSettings

log = structlog.get_logger()

MAX_FILE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Identity:
    """The bytes of the files, in PEM. `clients` is None where no client certificate is wanted."""

    certificate: bytes
    key: bytes = field(repr=False)
    clients: bytes | None
    expires_s: float


class Tls:
    """Owns the identity in force.

    Raises:
        ConfigError: a file is missing, or the files do not fit.
    """

    def __init__(self, certificate: Path, key: Path, clients: Path | None) -> None:
        self._paths = certificate, key, clients
        self._problem: str | None = None
        try:
            self._in_force, self._context = self._load()
        except ConfigError as error:
            raise ConfigError(
                f"server.tls_certificate, server.tls_key, server.tls_client_ca: {error}"
            ) from None
        self._grpc = self._grpc_configuration()
        if self._in_force.expires_s < _now_s():
            log.warning("the certificate has expired", setting="server.tls_certificate")

    @property
    def expires_s(self) -> float:
        """When the certificate in force expires, in seconds since the epoch."""
        return self._in_force.expires_s

    def look(self) -> bool:
        """Reads the files, and takes them where they have changed and fit; True if they were taken.

        A pair that is only half written does not fit. The old one stays in force, it is logged once, and the next look
        tries again. So does a certificate that has expired already.
        """
        try:
            identity, context = self._load()
            if identity == self._in_force:
                self._problem = None
                return False
            if identity.expires_s < _now_s():
                raise ConfigError("expected a certificate that is valid, got one that has expired")
        except ConfigError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                log.warning("certificate not taken, the old one stays in force", problem=self._problem)
            return False
        self._problem = None
        self._in_force, self._context = identity, context
        self._grpc = self._grpc_configuration()
        log.info("certificate taken", expires=_iso(identity.expires_s))
        return True

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """Credentials for one port. Each port needs its own: they remember what the port has seen."""
        seen = self._grpc

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            # Called by gRPC in a thread of its own, for every handshake. Everything was read and checked before.
            nonlocal seen
            latest = self._grpc
            if latest is seen:
                return None
            seen = latest
            return latest

        return grpc.dynamic_ssl_server_credentials(
            self._grpc,
            fetch,  # type: ignore[arg-type]  # None: nothing has changed, which the stubs leave out
            require_client_authentication=self._in_force.clients is not None,
        )

    def http_context(self) -> ssl.SSLContext:
        """The context for HTTP ports."""
        context = self._load()[1]

        def switch(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            # OpenSSL calls this in every handshake, whether the client names a server or not. The context is replaced
            # and not changed: certificates cannot be taken out of one, and a CA that was removed must not count.
            connection.context = self._context

        context.sni_callback = switch
        return context

    def _grpc_configuration(self) -> grpc.ServerCertificateConfiguration:
        identity = self._in_force
        return grpc.ssl_server_certificate_configuration(
            [(identity.key, identity.certificate)], root_certificates=identity.clients
        )

    def _load(self) -> tuple[Identity, ssl.SSLContext]:
        """Reads the files.

        Raises:
            ConfigError: one cannot be read, they do not fit, or they change meanwhile.
        """
        certificate, key, clients = self._paths
        data = [_read(path) for path in (certificate, key)]
        client_data = None if clients is None else _read(clients)
        identity = _checked(data[0], data[1], client_data)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(certificate, key)
            if client_data is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                # A session that is resumed is not checked again, so a CA that was removed would still count.
                context.minimum_version = ssl.TLSVersion.TLSv1_3
                context.num_tickets = 0
                context.load_verify_locations(cadata=client_data.decode("ascii"))
        except (ssl.SSLError, OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"expected a certificate with its key in PEM, got {type(error).__name__}"
            ) from None
        # The context was loaded from the files, not from these bytes.
        if data != [_read(path) for path in (certificate, key)]:
            raise ConfigError("expected files that stay as they are while they are read")
        return identity, context


def tls_of(settings: ServerSettings) -> Tls | None:
    """The TLS that the settings ask for; None without.

    Raises:
        ConfigError: as `Tls`, or only one of certificate and key is set, or a client CA without them.
    """
    certificate, key, clients = settings.tls_certificate, settings.tls_key, settings.tls_client_ca
    if certificate is not None and key is not None:
        return Tls(certificate, key, clients)
    if certificate is not None or key is not None:
        raise ConfigError("server.tls_certificate, server.tls_key: expected both or none, got one")
    if clients is not None:
        raise ConfigError("server.tls_client_ca: expected server.tls_certificate and server.tls_key with it")
    return None


def _checked(certificate: bytes, key: bytes, clients: bytes | None) -> Identity:
    try:
        chain = x509.load_pem_x509_certificates(certificate)
    except ValueError:
        raise ConfigError("expected certificates in PEM in tls_certificate") from None
    try:
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError):
        raise ConfigError("expected a private key without a password in PEM in tls_key") from None
    if not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        # gRPC's TLS library offers no signatures of other kinds, so that every handshake would fail.
        raise ConfigError("expected a certificate with an ECDSA or RSA key, got one of another kind")
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if private.public_key().public_bytes(*form) != chain[0].public_key().public_bytes(*form):
        raise ConfigError("expected the private key of the certificate, got another one")
    if clients is not None:
        try:
            x509.load_pem_x509_certificates(clients)
        except ValueError:
            raise ConfigError("expected certificates in PEM in tls_client_ca") from None
    return Identity(certificate, key, clients, chain[0].not_valid_after_utc.timestamp())


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise ConfigError(f"expected a readable file, got {path}: {error.strerror}") from None


def _now_s() -> float:
    return datetime.datetime.now(datetime.UTC).timestamp()


def _iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()
