"""Offers of WebRTC peers (RFC 8866, RFC 9429), as far as a receiver of video needs them.

Whoever sends an offer may mean harm: sizes and counts are checked before the lines are read, and every value before it
is used. Nothing of an offer is copied into an answer unless it was read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gifcue.ingest.rtp.sdp import SdpError
from gifcue.ingest.webrtc.section import OfferedMedia, last_of, matching, read_section

# RFC 8839 section 5.4.
_USERNAME = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_FINGERPRINT = re.compile(r"(?:[0-9A-Fa-f]{2}:){31,63}[0-9A-Fa-f]{2}")
# Those that aiortc compares. Others are left out.
_DIGESTS = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_SETUPS = frozenset({"actpass", "active", "passive"})
# A browser's offer takes 6 kB.
MAX_OFFER_BYTES = 64 * 1024
MAX_SECTIONS = 8


@dataclass(frozen=True, slots=True)
class OfferLimits:
    """What one offer may hold. `sections` counts its `m=` lines, `line_bytes` the characters of one line."""

    total_bytes: int = MAX_OFFER_BYTES
    sections: int = MAX_SECTIONS
    attributes: int = 512  # of one section
    line_bytes: int = 1024
    candidates: int = 0  # of the whole offer; those after are left out


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer. All of its sections share one transport.

    `fingerprints` are pairs of a digest's name and its value. `setup` is the role in DTLS that the peer offers.
    `candidates` are the values of its `a=candidate` lines. `is_complete`: no more candidates follow.
    """

    username: str
    password: str
    fingerprints: tuple[tuple[str, str], ...]
    setup: str
    is_lite: bool
    media: tuple[OfferedMedia, ...]
    candidates: tuple[str, ...]
    is_complete: bool


def parse_offer(text: str, limits: OfferLimits) -> Offer:
    """Reads an offer.

    Raises:
        SdpError: it is none, is over a limit, or lacks what a connection needs.
    """
    if len(text) > limits.total_bytes:
        raise SdpError(f"expected an offer of at most {limits.total_bytes} bytes, got {len(text)}")
    session, sections = _sections(text, limits)
    if not sections:
        raise SdpError("expected an offer with an m= section, got none")
    media = tuple(read_section(each.media, each.attributes, index) for index, each in enumerate(sections))
    mids = [each.mid for each in media]
    if len(set(mids)) != len(mids):
        raise SdpError("expected each a=mid once, got one twice")
    # The transport of the first section that is not rejected is that of all (RFC 8843, max-bundle).
    first = next(
        (each for each, read in zip(sections, media, strict=True) if not read.is_rejected), sections[0]
    )
    lines = [*session, *first.attributes]
    candidates = [value for each in sections for name, value in each.attributes if name == "candidate"]
    return Offer(
        matching(last_of(lines, "ice-ufrag"), _USERNAME, "a=ice-ufrag of 4 to 256 characters"),
        matching(last_of(lines, "ice-pwd"), _PASSWORD, "a=ice-pwd of 22 to 256 characters"),
        _fingerprints(lines),
        _setup(lines),
        any(name == "ice-lite" for name, _ in session),
        media,
        tuple(candidates[: limits.candidates]),
        any(name == "end-of-candidates" for name, _ in lines),
    )


class _Section:
    def __init__(self, media: str) -> None:
        self.media = media
        self.attributes: list[tuple[str, str]] = []


def _sections(text: str, limits: OfferLimits) -> tuple[list[tuple[str, str]], list[_Section]]:
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[0] != "v=0":
        raise SdpError(f"expected an offer that begins with v=0, got {lines[0][:40]!r}")
    session: list[tuple[str, str]] = []
    sections: list[_Section] = []
    for line in lines[1:]:
        if not line:
            continue
        kind, separator, value = line.partition("=")
        if not separator or len(kind) != 1:
            raise SdpError(f"expected a line such as a=…, got {line[:60]!r}")
        if len(line) > limits.line_bytes:
            raise SdpError(f"expected lines of at most {limits.line_bytes} bytes, got one of {len(line)}")
        if kind == "m":
            if len(sections) == limits.sections:
                raise SdpError(f"expected at most {limits.sections} m= sections, got more")
            sections.append(_Section(value))
        elif kind == "a":
            attributes = sections[-1].attributes if sections else session
            if len(attributes) == limits.attributes:
                raise SdpError(f"expected at most {limits.attributes} attributes of one section, got more")
            name, _, rest = value.partition(":")
            attributes.append((name, rest.strip()))
    return session, sections


def _fingerprints(lines: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for name, value in lines:
        if name != "fingerprint":
            continue
        digest, _, text = value.partition(" ")
        size = _DIGESTS.get(digest.lower())
        if size is None:
            continue
        if not _FINGERPRINT.fullmatch(text) or len(text) != 3 * size - 1:
            raise SdpError(f"expected a {digest} fingerprint of {size} bytes, got {text[:40]!r}")
        found.append((digest.lower(), text.upper()))
    if not found:
        raise SdpError(f"expected a=fingerprint with {', '.join(_DIGESTS)}, got none")
    return tuple(dict.fromkeys(found))


def _setup(lines: Iterable[tuple[str, str]]) -> str:
    setup = last_of(lines, "setup")
    if setup not in _SETUPS:
        raise SdpError(f"expected a=setup of {', '.join(sorted(_SETUPS))}, got {setup[:20] or 'none'!r}")
    return setup
