"""Encodes the clip that `gifcue capacity` streams: `make capacity-clip`.

Serving needs no encoder and no container format, and neither does the measurement: the access units lie in a file of
numpy's.
"""

from __future__ import annotations

import numpy as np

from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import encode
from gifcue.sample_video.photo import MOVING_S, STILL_S, photo_frames
from gifcue.server.capacity.footage import CLIP

SIZE = (640, 360)
FPS = 30.0


def main() -> None:
    """Writes the file."""
    seconds = STILL_S + MOVING_S
    clip = encode(photo_frames(seconds, FPS, *SIZE), Codec.H264, FPS, keyframe_interval=round(FPS))
    payloads = [packet.payload for packet in clip.packets]
    np.savez(
        CLIP,
        data=np.frombuffer(b"".join(payloads), np.uint8),
        sizes=np.array([len(payload) for payload in payloads], np.int32),
        keyframes=np.array([packet.keyframe for packet in clip.packets]),
        moving=np.arange(len(payloads)) > STILL_S * FPS,
        shape=np.array([*SIZE, FPS]),
    )
    print(f"wrote {CLIP}: {len(payloads)} access units, {CLIP.stat().st_size} bytes")


if __name__ == "__main__":
    main()
