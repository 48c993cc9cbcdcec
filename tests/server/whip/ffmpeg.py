"""`python -m tests.server.whip.ffmpeg URL CERTIFICATE KEY FRAMES [TOKEN]`: sends red pictures by FFmpeg's WHIP muxer.

It runs in a process of its own, because PyAV holds the interpreter while FFmpeg waits for the answer.
"""

from __future__ import annotations

import itertools
import sys
import time
from fractions import Fraction
from typing import Any

import av

from tests.support.colour_detector import RED, colour_frames

FPS = 30


def main(url: str, certificate: str, key: str, count: str, token: str = "") -> None:
    """Sends at the pace of a camera."""
    options = {"cert_file": certificate, "key_file": key, "handshake_timeout": "10000"}
    if token:
        options["authorization"] = token
    output: Any = av.open(url, "w", format="whip", options=options)
    stream = output.add_stream("libx264", rate=FPS)
    stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
    stream.options = {"profile": "baseline", "preset": "ultrafast", "tune": "zerolatency", "g": str(FPS)}
    began_s = time.monotonic()
    pictures = itertools.cycle(list(colour_frames(RED, FPS)))
    for number, picture in zip(range(int(count)), pictures, strict=False):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        output.mux(stream.encode(frame))
        time.sleep(max(0.0, began_s + number / FPS - time.monotonic()))
    output.mux(stream.encode(None))
    output.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
