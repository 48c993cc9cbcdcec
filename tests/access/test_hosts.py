from __future__ import annotations

import pytest

from gifcue.access.hosts import HostRules, is_loopback
from gifcue.access.refusals import Forbidden, Misdirected, Reason

RULES = HostRules(["gifcue.example.org", "*.internal"], ["https://meet.example.org"])


@pytest.mark.parametrize(
    "host",
    [
        None,
        "localhost",
        "localhost:8080",
        "LOCALHOST.:8080",
        "app.localhost",
        "127.0.0.1:8080",
        "[::1]:8080",
        "10.1.2.3:8080",
        "[2001:db8::1]",
        "gifcue.example.org",
        "GifCue.Example.ORG:8443",
        "gifcue.example.org.",
        "a.internal",
        "a.b.internal:1",
    ],
)
def test_hosts_that_are_served(host: str | None) -> None:
    RULES.check_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example.org",
        "gifcue.example.org.evil.com",
        "evilgifcue.example.org",
        "internal",
        "127.0.0.1.evil.com",
        "localhost.evil.com",
        "evil.com:127.0.0.1",
        "evil.com#localhost",
        "localhost@evil.com",
        "[evil.com]",
        "l\u043ecalhost",  # a Cyrillic letter
    ],
)
def test_other_hosts_are_refused(host: str) -> None:
    with pytest.raises(Misdirected, match=r"server\.allowed_hosts") as refused:
        RULES.check_host(host)
    assert refused.value.reason is Reason.HOST


def test_a_star_serves_every_host() -> None:
    HostRules(["*"]).check_host("evil.example.org")


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "gifcue.example.org"),
        ("https://meet.example.org", "gifcue.example.org"),
        ("https://MEET.example.org/", "gifcue.example.org"),
        # A page that this server's own address served.
        ("https://gifcue.example.org", "gifcue.example.org"),
        ("http://10.1.2.3:8080", "10.1.2.3:8080"),
        # A page of this machine that calls this machine.
        ("http://localhost:3000", "127.0.0.1:8080"),
        ("http://[::1]:3000", "localhost:8080"),
    ],
)
def test_origins_that_may_call(origin: str | None, host: str) -> None:
    RULES.check_origin(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.com", "localhost:8080"),
        ("http://meet.example.org", "gifcue.example.org"),
        ("https://meet.example.org:8443", "gifcue.example.org"),
        ("https://meet.example.org.evil.com", "gifcue.example.org"),
        ("null", "localhost"),
        ("", "localhost"),
        ("file://", "localhost"),
        ("http://localhost:3000", "gifcue.example.org"),
        ("http://localhost:3000", "10.1.2.3:8080"),
        ("http://localhost@evil.com", "localhost"),
        ("http://10.1.2.3:9090", "10.1.2.3:8080"),
        ("http://[::1", "localhost"),
        ("http://localhost:99999", "localhost"),
        ("https://evil.com", None),
    ],
)
def test_other_origins_are_refused(origin: str, host: str | None) -> None:
    with pytest.raises(Forbidden, match=r"server\.allowed_origins") as refused:
        RULES.check_origin(origin, host)
    assert refused.value.reason is Reason.ORIGIN


def test_a_star_lets_every_origin_call() -> None:
    HostRules((), ["*"]).check_origin("https://evil.com", "localhost")


def test_loopback() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]", "::ffff:127.0.0.1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.org", "", "localhost.evil.com")))


@pytest.mark.parametrize(
    ("origin", "host", "is_same"),
    [
        ("http://127.0.0.1:8081", "127.0.0.1:8081", True),
        ("http://gifcue.example.org", "gifcue.example.org:80", True),
        # A proxy that ends TLS: the server does not see the scheme.
        ("https://gifcue.example.org", "gifcue.example.org", True),
        ("http://127.0.0.1:8080", "127.0.0.1:8081", False),
        ("http://localhost:8081", "127.0.0.1:8081", False),
        ("https://meet.example.org", "127.0.0.1:8081", False),
        ("null", "127.0.0.1:8081", False),
        ("http://127.0.0.1:8081", None, False),
        (None, "127.0.0.1:8081", False),
        ("", "", False),
    ],
)
def test_a_change_is_taken_from_the_same_site_alone(
    origin: str | None, host: str | None, is_same: bool
) -> None:
    # Neither "*" nor a name among the origins opens this.
    rules = HostRules(origins=["*", "https://meet.example.org"])
    if is_same:
        rules.check_same_site(origin, host)
    else:
        with pytest.raises(Forbidden, match="expected an Origin header with this server's address"):
            rules.check_same_site(origin, host)
