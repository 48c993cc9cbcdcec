"""Certificates for tests, made anew each time."""

from __future__ import annotations

import datetime
from pathlib import Path

import trustme

_DAY = datetime.timedelta(days=1)


class Authority:
    """A certificate authority."""

    def __init__(self) -> None:
        self._authority = trustme.CA()

    @property
    def pem(self) -> bytes:
        return self._authority.cert_pem.bytes()

    def issue(self, *names: str, is_expired: bool = False) -> tuple[bytes, bytes]:
        """A certificate with its chain, and its key."""
        now = datetime.datetime.now(datetime.UTC)
        issued = self._authority.issue_cert(
            *(names or ("localhost", "127.0.0.1")),
            not_before=now - 2 * _DAY,
            not_after=now - _DAY if is_expired else now + _DAY,
        )
        chain = b"".join(each.bytes() for each in issued.cert_chain_pems)
        return chain, issued.private_key_pem.bytes()


class ServerFiles:
    """The files of a server's TLS, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key, self.clients = (
            folder / name for name in ("tls.crt", "tls.key", "clients.crt")
        )

    def write(self, authority: Authority, clients: bytes, *, is_expired: bool = False) -> None:
        """A new certificate with its key, and the authorities of clients."""
        certificate, key = authority.issue(is_expired=is_expired)
        self.certificate.write_bytes(certificate)
        self.key.write_bytes(key)
        self.clients.write_bytes(clients)

    @property
    def settings(self) -> dict[str, Path]:
        return {"tls_certificate": self.certificate, "tls_key": self.key, "tls_client_ca": self.clients}
