from __future__ import annotations

import pytest

from gifcue.ingest.rtp.receiver import PayloadFormat
from gifcue.ingest.rtp.sdp import MAX_SDP_BYTES, SdpError, parse_sdp
from gifcue.protocol.codecs import Codec

FFMPEG = """v=0\r
o=- 0 0 IN IP4 127.0.0.1\r
s=No Name\r
c=IN IP4 127.0.0.1\r
t=0 0\r
m=video 5004 RTP/AVP 96\r
b=AS:200\r
a=rtpmap:96 H264/90000\r
a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LAHtkAoD2hAAADAAEAAAMAMg8WLkg=,aMuMsg==\r
"""


def test_what_ffmpeg_writes() -> None:
    [video] = parse_sdp(FFMPEG)
    assert (video.address, video.port, video.rtcp_port) == ("127.0.0.1", 5004, 5005)
    assert video.formats == {96: PayloadFormat(Codec.H264)}
    assert video.parameter_sets.startswith(b"\0\0\0\1\x67\x42\xc0\x1e")
    assert video.parameter_sets.endswith(b"\0\0\0\1\x68\xcb\x8c\xb2")


def test_several_formats_sections_and_extensions() -> None:
    text = """v=0
m=audio 4000 RTP/AVP 0
m=video 5004 RTP/AVPF 100 101 102
c=IN IP6 ::1
a=rtpmap:100 VP8/90000
a=rtpmap:101 rtx/90000
a=rtpmap:102 AV1/90000
a=rtcp-mux
a=extmap:4/recvonly urn:3gpp:video-orientation
m=video 5010 RTP/AVP 98
c=IN IP4 127.0.0.2/127
a=rtpmap:98 H265/90000
a=rtcp:6001 IN IP4 127.0.0.2
a=fmtp:98 sprop-vps=QAE=;sprop-sps=QgE=;sprop-pps=RAE=
"""
    first, second = parse_sdp(text)
    assert first.formats == {100: PayloadFormat(Codec.VP8), 102: PayloadFormat(Codec.AV1)}
    assert (first.address, first.rtcp_port, first.orientation_id) == ("::1", 5004, 4)
    assert (second.address, second.rtcp_port, second.orientation_id) == ("127.0.0.2", 6001, None)
    assert second.parameter_sets == b"\0\0\0\1@\x01\0\0\0\1B\x01\0\0\0\1D\x01"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "begins with v=0"),
        ("<html>", "begins with v=0"),
        ("v=0\nhello", "expected a line"),
        ("v=0\nm=audio 5004 RTP/AVP 0", "expected an m=video section"),
        ("v=0\nm=video 5004", "expected m=video PORT"),
        ("v=0\nm=video 70000 RTP/AVP 96", "a port of 0 to 65535"),
        ("v=0\nm=video 5004 RTP/AVP x", "a payload type of 0 to 127"),
        ("v=0\nm=video 5004 RTP/AVP ٩", "a payload type of 0 to 127"),
        ("v=0\nm=video 5004 UDP/TLS/RTP/SAVPF 96\na=rtpmap:96 VP8/90000", "WHIP"),
        ("v=0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 theora/90000", "expected video of h264"),
        ("v=0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 VP8/x", "a clock rate"),
        ("v=0\nc=IN\nm=video 5004 RTP/AVP 96", "expected c=IN"),
        (FFMPEG.replace("Z0LA", "Z0L!"), "expected base64"),
        ("v=0\n" + "a=x\n" * MAX_SDP_BYTES, "at most"),
    ],
)
def test_what_cannot_be_used_says_why(text: str, message: str) -> None:
    with pytest.raises(SdpError, match=message):
        parse_sdp(text)
