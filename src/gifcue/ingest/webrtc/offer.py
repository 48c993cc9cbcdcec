"""Offers of WebRTC peers (RFC 8866, RFC 9429), as far as a receiver of video needs them.

Whoever sends an offer may mean harm: sizes and counts are checked before the lines are read, and every value before it
is used. Nothing of an offer is copied into an answer unless it was read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gifcue.ingest.rtp.sdp import ENCODINGS, SdpError, whole_number
from gifcue.protocol.codecs import RTP_CLOCK_HZ, Codec

# RFC 8839 section 5.4, RFC 5888 section 5.
_USERNAME = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_TOKEN = re.compile(r"[!#-'*+\-.0-9A-Z^-~]{1,64}")
_FINGERPRINT = re.compile(r"(?:[0-9A-Fa-f]{2}:){31,63}[0-9A-Fa-f]{2}")
_PARAMETERS = re.compile(r"[\x20-\x7e]{1,400}")
# Those that aiortc compares. Others are left out.
_DIGESTS = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
OPUS = "opus/48000/2"
_SECURE = frozenset({"UDP/TLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVPF", "RTP/SAVPF"})
_SETUPS = frozenset({"actpass", "active", "passive"})
_DIRECTIONS = frozenset({"sendrecv", "sendonly", "recvonly", "inactive"})
# Profiles that every decoder of the codec takes: 8 bits and 4:2:0.
_PROFILES = {Codec.VP9: ("profile-id", "0"), Codec.AV1: ("profile", "0"), Codec.H265: ("profile-id", "1")}


@dataclass(frozen=True, slots=True)
class OfferLimits:
    """What one offer may hold. `sections` counts its `m=` lines, `line_bytes` the characters of one line."""

    total_bytes: int = 64 * 1024
    sections: int = 8
    attributes: int = 512  # of one section
    line_bytes: int = 1024
    candidates: int = 0  # of the whole offer; those after are left out


@dataclass(frozen=True, slots=True)
class OfferedCodec:
    """One payload type. `encoding` and `parameters` are what `a=rtpmap` and `a=fmtp` say; `feedback` what `a=rtcp-fb`
    says.
    """

    number: int
    codec: Codec
    encoding: str
    parameters: str
    feedback: frozenset[str]


@dataclass(frozen=True, slots=True)
class OfferedMedia:
    """One `m=` section. `sends`: the peer wants to send on it.

    `formats` are the formats of its `m=` line. `codecs` are those of them that carry video of a known codec, in the
    peer's order. `opus` is the payload type of Opus in a section of audio, None where there is none. `extensions` has
    the local id of each header extension by its URI. `stream` and `track` are the names of `a=msid`, empty where the
    peer gives none.
    """

    kind: str
    mid: str
    protocol: str
    formats: tuple[str, ...]
    is_rejected: bool
    sends: bool
    codecs: tuple[OfferedCodec, ...] = ()
    extensions: Mapping[str, int] | None = None
    ssrcs: tuple[int, ...] = ()
    stream: str = ""
    track: str = ""
    opus: int | None = None


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
    media = tuple(_media(each, index) for index, each in enumerate(sections))
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
        _matching(_last(lines, "ice-ufrag"), _USERNAME, "a=ice-ufrag of 4 to 256 characters"),
        _matching(_last(lines, "ice-pwd"), _PASSWORD, "a=ice-pwd of 22 to 256 characters"),
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


def _media(section: _Section, index: int) -> OfferedMedia:
    parts = section.media.split()
    if len(parts) < 4:
        raise SdpError(f"expected m=KIND PORT PROTOCOL FORMATS, got m={section.media[:60]}")
    kind, port_text, protocol, *formats = parts
    for each in (kind, *formats):
        _matching(each, _TOKEN, "an m= line of tokens")
    port = whole_number(port_text.partition("/")[0], "a port", 0, 65535)
    attributes = section.attributes
    mid = _matching(_last(attributes, "mid") or str(index), _TOKEN, "a=mid of 1 to 64 characters")
    is_bundled = any(name == "bundle-only" for name, _ in attributes)
    is_rejected = port == 0 and not is_bundled
    directions = [name for name, _ in attributes if name in _DIRECTIONS]
    sends = not is_rejected and (directions or ["sendrecv"])[-1] in ("sendrecv", "sendonly")
    if kind in ("audio", "video") and not is_rejected and protocol not in _SECURE:
        raise SdpError(f"expected encrypted media (UDP/TLS/RTP/SAVPF), got {protocol[:40]}")
    if kind != "video":
        opus = _opus(attributes, formats) if kind == "audio" else None
        return OfferedMedia(kind, mid, protocol, tuple(formats), is_rejected, sends, opus=opus)
    if not is_rejected and not any(name == "rtcp-mux" for name, _ in attributes):
        raise SdpError("expected video with a=rtcp-mux, got none")
    numbers = [whole_number(each, "a payload type", 0, 127) for each in formats]
    stream, _, track = _last(attributes, "msid").partition(" ")
    return OfferedMedia(
        kind,
        mid,
        protocol,
        tuple(formats),
        is_rejected,
        sends,
        tuple(_codecs(attributes, numbers)),
        _extensions(attributes),
        _ssrcs(attributes),
        stream[:256],
        track[:256],
    )


def _opus(attributes: Iterable[tuple[str, str]], formats: Iterable[str]) -> int | None:
    listed = set(formats)
    for name, value in attributes:
        number, _, encoding = value.partition(" ")
        if name == "rtpmap" and number in listed and encoding.strip().lower() == OPUS:
            return whole_number(number, "a payload type", 0, 127)
    return None


def _codecs(attributes: Iterable[tuple[str, str]], numbers: Iterable[int]) -> Iterable[OfferedCodec]:
    encodings: dict[int, str] = {}
    parameters: dict[int, str] = {}
    feedback: dict[int, set[str]] = {}
    for name, value in attributes:
        number_text, _, rest = value.partition(" ")
        if name == "rtpmap":
            encodings[whole_number(number_text, "a payload type", 0, 127)] = rest.strip()
        elif name == "fmtp" and _PARAMETERS.fullmatch(rest):
            parameters[whole_number(number_text, "a payload type", 0, 127)] = rest
        elif name == "rtcp-fb" and number_text != "*":
            feedback.setdefault(whole_number(number_text, "a payload type", 0, 127), set()).add(rest.strip())
    for number in dict.fromkeys(numbers):
        codec_name, _, clock = encodings.get(number, "").partition("/")
        codec = ENCODINGS.get(codec_name.lower())
        if codec is None or clock != str(RTP_CLOCK_HZ):
            continue
        given = parameters.get(number, "")
        if _has_profile(codec, given):
            yield OfferedCodec(
                number, codec, f"{codec_name}/{clock}", given, frozenset(feedback.get(number, ()))
            )


def _has_profile(codec: Codec, parameters: str) -> bool:
    name, wanted = _PROFILES.get(codec, ("", ""))
    for each in parameters.split(";"):
        key, _, value = each.strip().partition("=")
        if name and key == name:
            return value == wanted
    return True


def _extensions(attributes: Iterable[tuple[str, str]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, value in attributes:
        parts = value.split()
        if name == "extmap" and len(parts) >= 2:
            number = whole_number(parts[0].partition("/")[0], "the id of a header extension", 1, 255)
            found.setdefault(parts[1], number)
    return found


def _ssrcs(attributes: Iterable[tuple[str, str]]) -> tuple[int, ...]:
    numbers = (
        whole_number(value.partition(" ")[0], "an SSRC", 0, 2**32 - 1)
        for name, value in attributes
        if name == "ssrc"
    )
    return tuple(dict.fromkeys(numbers))


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
    setup = _last(lines, "setup")
    if setup not in _SETUPS:
        raise SdpError(f"expected a=setup of {', '.join(sorted(_SETUPS))}, got {setup[:20] or 'none'!r}")
    return setup


def _last(lines: Iterable[tuple[str, str]], wanted: str) -> str:
    found = ""
    for name, value in lines:
        if name == wanted:
            found = value
    return found


def _matching(text: str, pattern: re.Pattern[str], expected: str) -> str:
    if not pattern.fullmatch(text):
        raise SdpError(f"expected {expected}, got {text[:40]!r}")
    return text
