"""Answers to offers of WebRTC peers: video is received, and nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from gifcue.ingest.rtp.sdp import ORIENTATION_URI
from gifcue.ingest.webrtc.offer import Offer
from gifcue.ingest.webrtc.section import OPUS, OfferedCodec, OfferedMedia

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
SCTP_PORT = 5000
_EXTENSIONS = (MID_URI, ORIENTATION_URI)
# What is sent to a peer: requests for packets that are missing, and for keyframes.
_FEEDBACK = ("nack", "nack pli", "ccm fir")


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """This end of the connection. `candidates` are values of `a=candidate` lines; `setup` is active or passive.

    `session` names the session in `o=`, and `version` counts its answers.
    """

    username: str
    password: str
    fingerprints: Sequence[tuple[str, str]]
    setup: str
    candidates: Sequence[str]
    is_lite: bool
    session: int
    version: int


def new_session() -> int:
    """A random number for `LocalTransport.session`."""
    return secrets.randbits(62)


def local_setup(offered: str) -> str:
    """The role in DTLS that answers `offered`. RFC 9725 section 4.4: the peer that offers begins the handshake."""
    return "active" if offered == "passive" else "passive"


def write_answer(
    offer: Offer, accepted: Collection[str], kept: Collection[str], local: LocalTransport
) -> str:
    """The answer. `accepted` are the `mid`s of the video that is received; `kept` are those of sections that stay part
    of the session although nothing is sent on them. All others are rejected.
    """
    bundled = [each.mid for each in offer.media if each.mid in accepted or each.mid in kept]
    lines = [
        "v=0",
        f"o=- {local.session} {local.version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        *(["a=ice-lite"] if local.is_lite else []),
        f"a=group:BUNDLE {' '.join(bundled)}",
    ]
    for index, media in enumerate(offer.media):
        if media.mid in bundled:
            lines += _section(media, media.mid in accepted, local, index == _first(offer, bundled))
        else:
            lines += _rejected(media)
    return "\r\n".join(lines) + "\r\n"


def _first(offer: Offer, bundled: Collection[str]) -> int:
    return next(index for index, each in enumerate(offer.media) if each.mid in bundled)


def _rejected(media: OfferedMedia) -> list[str]:
    return [
        f"m={media.kind} 0 {media.protocol} {' '.join(media.formats)}",
        "c=IN IP4 0.0.0.0",
        "a=inactive",
        f"a=mid:{media.mid}",
    ]


def _section(
    media: OfferedMedia, is_received: bool, local: LocalTransport, has_candidates: bool
) -> list[str]:
    codecs = media.codecs
    formats: Sequence[str] = media.formats
    if codecs:
        formats = [str(each.number) for each in codecs]
    elif media.opus is not None:
        formats = [str(media.opus)]
    lines = [
        f"m={media.kind} 9 {media.protocol} {' '.join(formats)}",
        "c=IN IP4 0.0.0.0",
        f"a=ice-ufrag:{local.username}",
        f"a=ice-pwd:{local.password}",
        *(f"a=fingerprint:{digest} {value}" for digest, value in local.fingerprints),
        f"a=setup:{local.setup}",
        f"a=mid:{media.mid}",
    ]
    if media.kind in ("audio", "video"):
        lines += ["a=rtcp-mux", "a=recvonly" if is_received else "a=inactive"]
    if media.opus is not None:
        lines += [f"a=rtpmap:{media.opus} {OPUS}"]
    if media.kind == "application":
        lines += [f"a=sctp-port:{SCTP_PORT}"]
    lines += _formats(codecs)
    if is_received:
        extensions = media.extensions or {}
        lines += [f"a=extmap:{extensions[uri]} {uri}" for uri in _EXTENSIONS if uri in extensions]
    if has_candidates:
        lines += [*(f"a=candidate:{each}" for each in local.candidates), "a=end-of-candidates"]
    return lines


def _formats(codecs: Iterable[OfferedCodec]) -> list[str]:
    lines: list[str] = []
    for each in codecs:
        lines.append(f"a=rtpmap:{each.number} {each.encoding}")
        if each.parameters:
            lines.append(f"a=fmtp:{each.number} {each.parameters}")
        lines += [f"a=rtcp-fb:{each.number} {name}" for name in _FEEDBACK if name in each.feedback]
    return lines
