"""Which ports other machines reach, and whether that is safe."""

from __future__ import annotations

from gifcue.access.hosts import is_loopback
from gifcue.access.settings import AccessSettings
from gifcue.errors import ConfigError
from gifcue.server.settings import ServerSettings

ADDRESSES = ("listen", "http_listen", "operator_listen", "operator_http_listen")


def is_exposed(address: str) -> bool:
    """Whether other machines may reach a port at this address, host:port. The empty one, no port, is not reached."""
    return bool(address) and not is_loopback(address.rpartition(":")[0])


def check_exposure(server: ServerSettings, access: AccessSettings) -> list[str]:
    """What makes the exposed ports unsafe, one sentence each, where the settings accept it.

    Raises:
        ConfigError: a port is exposed without encryption or without a check of who calls, and the settings do not
            accept that.
    """
    missing = []
    if server.tls_certificate is None:
        missing.append("TLS (server.tls_certificate, server.tls_key)")
    if access.keys is None and server.tls_client_ca is None:
        missing.append("tokens (access.keys) or client certificates (server.tls_client_ca)")
    if not missing:
        return []
    found = []
    for name in ADDRESSES:
        address = getattr(server, name)
        if is_exposed(address):
            found.append(f"server.{name}: other machines reach {address}; expected {' and '.join(missing)}")
    if found and not server.insecure:
        raise ConfigError(
            f"{found[0]}. Listen on 127.0.0.1, or accept it with --insecure (server.insecure); see docs/access.md"
        )
    return found
