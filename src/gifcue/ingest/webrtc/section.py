"""One `m=` section of an offer: what the peer would send on it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gifcue.ingest.rtp.sdp import ENCODINGS, SdpError, whole_number
from gifcue.protocol.codecs import RTP_CLOCK_HZ, Codec

OPUS = "opus/48000/2"
# RFC 8866 section 9 (token); RFC 5888 section 5 uses it for names of sections.
_TOKEN = re.compile(r"[!#-'*+\-.0-9A-Z^-~]{1,64}")
_PARAMETERS = re.compile(r"[\x20-\x7e]{1,400}")
_SECURE = frozenset({"UDP/TLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVPF", "RTP/SAVPF"})
_DIRECTIONS = frozenset({"sendrecv", "sendonly", "recvonly", "inactive"})
# Profiles that every decoder of the codec takes: 8 bits and 4:2:0.
_PROFILES = {Codec.VP9: ("profile-id", "0"), Codec.AV1: ("profile", "0"), Codec.H265: ("profile-id", "1")}

Attributes = Sequence[tuple[str, str]]


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


def read_section(media: str, attributes: Attributes, index: int) -> OfferedMedia:
    """The section with the `m=` line `media`. `index` is its place in the offer.

    Raises:
        SdpError: it cannot be used.
    """
    parts = media.split()
    if len(parts) < 4:
        raise SdpError(f"expected m=KIND PORT PROTOCOL FORMATS, got m={media[:60]}")
    kind, port_text, protocol, *formats = parts
    for each in (kind, *formats):
        matching(each, _TOKEN, "an m= line of tokens")
    port = whole_number(port_text.partition("/")[0], "a port", 0, 65535)
    mid = matching(last_of(attributes, "mid") or str(index), _TOKEN, "a=mid of 1 to 64 characters")
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
    stream, _, track = last_of(attributes, "msid").partition(" ")
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


def last_of(lines: Iterable[tuple[str, str]], wanted: str) -> str:
    """The value of the last attribute with a name; empty where there is none."""
    found = ""
    for name, value in lines:
        if name == wanted:
            found = value
    return found


def matching(text: str, pattern: re.Pattern[str], expected: str) -> str:
    """`text`. Raises SdpError where it does not match as a whole."""
    if not pattern.fullmatch(text):
        raise SdpError(f"expected {expected}, got {text[:40]!r}")
    return text
