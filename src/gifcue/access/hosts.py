"""Which hosts and origins HTTP serves.

A page of another site can make a browser send requests to a server of the local network: through a name of its own that
it lets point there (DNS rebinding), or straight from its scripts. The browser says the name in Host and the page's site
in Origin, and neither can be forged by the page.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from gifcue.access.refusals import Forbidden, Misdirected, Reason

_DEFAULT_PORTS = {"http": 80, "https": 443}


class HostRules:
    """Args:
    hosts: Names that are served besides the loopback's; "*.example.org" stands for all below, "*" for any.
        Addresses are served always: no page can make its own name look like one.
    origins: Sites whose pages may call, such as "https://meet.example.org"; "*" stands for any.
    """

    def __init__(self, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        self._hosts = tuple(each.lower().rstrip(".") for each in hosts)
        self._origins = frozenset(each.lower().rstrip("/") for each in origins)

    def check_host(self, host: str | None) -> None:
        """Raises Misdirected for a Host header that names another server. Browsers send one with every request."""
        if host is None:
            return
        name = _name(host)
        if is_loopback(name) or _is_address(name) or any(_covers(each, name) for each in self._hosts):
            return
        raise Misdirected(
            Reason.HOST,
            "expected a host that this server serves, got another one; server.allowed_hosts names more",
        )

    def check_origin(self, origin: str | None, host: str | None) -> None:
        """Raises Forbidden for a page of another site. Call it after `check_host`."""
        if origin is None or "*" in self._origins or origin.lower().rstrip("/") in self._origins:
            return
        site = _site(origin)
        if site is not None and host is not None:
            # A page that this server's own address served, or one of this machine that calls this machine.
            if site == _site(f"{urlsplit(origin).scheme}://{host}"):
                return
            if is_loopback(site[0]) and is_loopback(_name(host)):
                return
        raise Forbidden(
            Reason.ORIGIN,
            "expected an origin that may call, got another one; server.allowed_origins names more",
        )

    def check_same_site(self, origin: str | None, host: str | None) -> None:
        """Raises Forbidden for a request that does not come from a page of this very host and port, for requests that
        change something. Every browser says the origin of such a request; other callers have to say it, too.
        """
        if origin is not None and host is not None:
            site = _site(origin)
            if site is not None and site == _site(f"{urlsplit(origin).scheme}://{host}"):
                return
        expected = f"http://{host[:80]}" if host else "http://HOST:PORT"
        got = "none" if origin is None else "another one"
        raise Forbidden(
            Reason.ORIGIN,
            f"expected an Origin header with this server's address, such as {expected}; got {got}",
        )


def is_loopback(name: str) -> bool:
    """Whether a name or an address without its port is this machine's own."""
    name = name.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _covers(pattern: str, name: str) -> bool:
    if pattern.startswith("*."):
        return name.endswith(pattern[1:])
    return pattern in ("*", name)


def _site(origin: str) -> tuple[str, int | None] | None:
    """The name and port of an origin, None where it is none."""
    try:
        parts = urlsplit(origin.strip().lower())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return None
    return parts.hostname.rstrip("."), port or _DEFAULT_PORTS[parts.scheme]
