"""Received RTP video as encoded access units, without decoding it.

    packet      one RTP packet (RFC 3550) and its header extensions (RFC 8285)
    unwrap      counters of 16 and 32 bits that wrap around, as counters that do not
    jitter      packets in order again, with what was lost between them
    payloads    the payload formats: H.264, H.265, VP8, VP9 and AV1
    assembler   payloads of one time stamp as one access unit
    receiver    all of these for one video source: datagrams in, access units out
    rtcp        the feedback that asks a sender for a keyframe
    sdp         session descriptions: ports, payload types, codecs

Everything here is pure: bytes and times come in as arguments, so that each part can be tested and fuzzed by itself.
Every parser raises `MalformedPacket` for what it cannot read, and reads no byte twice.
"""
