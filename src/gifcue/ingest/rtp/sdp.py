"""Session descriptions (RFC 8866), as far as they say where video comes and what it is."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from gifcue.errors import GifcueError
from gifcue.ingest.rtp.receiver import PayloadFormat
from gifcue.protocol.codecs import Codec

MAX_SDP_BYTES = 64 * 1024
ORIENTATION_URI = "urn:3gpp:video-orientation"

# Encoding names as registered for RTP, in lower case.
ENCODINGS = {"h264": Codec.H264, "h265": Codec.H265, "vp8": Codec.VP8, "vp9": Codec.VP9, "av1": Codec.AV1}


class SdpError(GifcueError):
    """A session description that cannot be used. The message says what was expected and what came."""


@dataclass(frozen=True, slots=True)
class VideoDescription:
    """One `m=video` section. `rtcp_port` is the RTP port plus 1 unless the section says otherwise.

    `parameter_sets` are those of H.264 or H.265 that the description carries, as Annex B; empty where it has none.
    """

    address: str
    port: int
    rtcp_port: int
    formats: Mapping[int, PayloadFormat]
    orientation_id: int | None = None
    parameter_sets: bytes = b""
    attributes: Mapping[str, str] = field(default_factory=dict)


def parse_sdp(text: str) -> list[VideoDescription]:
    """The video sections of a session description.

    Raises:
        SdpError: it is no session description, or has no video of a known codec.
    """
    if len(text) > MAX_SDP_BYTES:
        raise SdpError(f"expected a session description of at most {MAX_SDP_BYTES} bytes, got {len(text)}")
    lines = [line.rstrip("\r") for line in text.split("\n") if line.strip()]
    if not lines or lines[0].strip() != "v=0":
        raise SdpError(
            f"expected a session description that begins with v=0, got {lines[0][:40] if lines else 'nothing'!r}"
        )
    session_address = ""
    sections: list[_Section] = []
    for line in lines[1:]:
        kind, separator, value = line.partition("=")
        if not separator or len(kind) != 1:
            raise SdpError(f"expected a line such as a=…, got {line[:60]!r}")
        if kind == "m":
            sections.append(_Section(value, session_address))
        elif kind == "c":
            address = _address(value)
            if sections:
                sections[-1].address = address
            else:
                session_address = address
        elif kind == "a" and sections:
            name, _, rest = value.partition(":")
            sections[-1].attributes.append((name, rest.strip()))
    described = [each.description() for each in sections if each.is_video]
    if not described:
        raise SdpError("expected an m=video section, got none")
    return described


class _Section:
    def __init__(self, media: str, address: str) -> None:
        parts = media.split()
        self.address = address
        self.attributes: list[tuple[str, str]] = []
        self._parts = parts
        self.is_video = bool(parts) and parts[0] == "video"

    def description(self) -> VideoDescription:
        if len(self._parts) < 4:
            raise SdpError(f"expected m=video PORT PROTOCOL FORMATS, got m={' '.join(self._parts)[:60]}")
        _, port_text, protocol, *numbers = self._parts
        port = whole_number(port_text.partition("/")[0], "a port", 0, 65535)
        if "SAVP" in protocol:
            raise SdpError(
                f"expected RTP without encryption (RTP/AVP or RTP/AVPF), got {protocol}: use WHIP for WebRTC"
            )
        listed = {whole_number(each, "a payload type", 0, 127) for each in numbers}
        formats = self._formats(listed)
        if not formats:
            names = ", ".join(value.split(" ")[-1] for name, value in self.attributes if name == "rtpmap")
            raise SdpError(f"expected video of {', '.join(ENCODINGS)}, got {names or 'no rtpmap'}")
        attributes = dict(self.attributes)
        rtcp_port = port if "rtcp-mux" in attributes else port + 1
        if "rtcp" in attributes:
            rtcp_port = whole_number(attributes["rtcp"].split(" ")[0], "an RTCP port", 0, 65535)
        return VideoDescription(
            self.address,
            port,
            rtcp_port,
            formats,
            self._orientation_id(),
            self._parameter_sets(formats),
            attributes,
        )

    def _formats(self, listed: set[int]) -> dict[int, PayloadFormat]:
        formats: dict[int, PayloadFormat] = {}
        for name, value in self.attributes:
            if name != "rtpmap":
                continue
            number_text, _, encoding = value.partition(" ")
            number = whole_number(number_text, "a payload type", 0, 127)
            codec_name, _, clock = encoding.strip().partition("/")
            codec = ENCODINGS.get(codec_name.lower())
            if codec is not None and number in listed:
                clock_hz = whole_number(clock.partition("/")[0], "a clock rate", 1, 1_000_000_000)
                formats[number] = PayloadFormat(codec, clock_hz)
        return formats

    def _orientation_id(self) -> int | None:
        for name, value in self.attributes:
            parts = value.split()
            if name == "extmap" and len(parts) >= 2 and parts[1] == ORIENTATION_URI:
                return whole_number(parts[0].partition("/")[0], "an extension id", 1, 255)
        return None

    def _parameter_sets(self, formats: Mapping[int, PayloadFormat]) -> bytes:
        """sprop-parameter-sets of RFC 6184, or sprop-vps, -sps and -pps of RFC 7798."""
        sets: list[bytes] = []
        for name, value in self.attributes:
            number, _, parameters = value.partition(" ")
            if name != "fmtp" or not number.isdecimal() or int(number) not in formats:
                continue
            given = {}
            for each in parameters.split(";"):
                key, _, text = each.strip().partition("=")
                given[key.lower()] = text
            for key in ("sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps"):
                for encoded in given.get(key, "").split(","):
                    if encoded:
                        sets.append(_decoded(encoded, key))
            if sets:
                break
        return b"".join(b"\0\0\0\1" + each for each in sets)


def _decoded(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SdpError(f"{what}: expected base64, got {text[:40]!r}") from None


def _address(value: str) -> str:
    parts = value.split()
    if len(parts) < 3 or parts[0] != "IN" or parts[1] not in ("IP4", "IP6"):
        raise SdpError(f"expected c=IN IP4 ADDRESS or c=IN IP6 ADDRESS, got c={value[:60]}")
    return parts[2].partition("/")[0]


def whole_number(text: str, what: str, low: int, high: int) -> int:
    """A number of a session description. Raises SdpError where it is none of `low` to `high`."""
    # ASCII only: `isdecimal` also takes digits of other scripts, which `int` reads.
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and low <= int(text) <= high):
        raise SdpError(f"expected {what} of {low} to {high}, got {text[:20]!r}")
    return int(text)
