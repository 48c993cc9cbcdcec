"""The cost per frame of each media stage: decoding, the similar-frame filter, conversion.

    python benchmarks/media.py [--json]

Measures the CPU time of one thread on frames of the public photograph in motion, so that the result hardly depends on
other work of the machine. Reports the median of several rounds. Decoding is measured on whole clips.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import av
import cv2

from gifcue.media.decoder import Decoder
from gifcue.media.picture import Converter
from gifcue.media.settings import MediaSettings, Metric
from gifcue.media.similarity import Comparer
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import encode
from gifcue.sample_video.photo import photo_frames

SIZES = ((640, 360), (1280, 720))
ROUNDS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    rows = [row for width, height in SIZES for row in stages(width, height)]
    if arguments.json:
        print(json.dumps([{"stage": stage, "size": size, "ms": round(ms, 4)} for stage, size, ms in rows]))
        return
    for stage, size, ms in rows:
        print(f"{stage:38} {size:>9} {ms:8.3f} ms")


def stages(width: int, height: int) -> list[tuple[str, str, float]]:
    """Rows of stage, size and CPU milliseconds per frame."""
    size = f"{width}x{height}"
    frames = list(photo_frames(1.0, 30, width, height, motion="always"))
    rows = []
    for codec in (Codec.H264, Codec.H265, Codec.VP8, Codec.VP9, Codec.AV1, Codec.MJPEG):
        clip = encode(frames, codec, 30.0)

        def decode(clip=clip) -> None:  # type: ignore[no-untyped-def]
            decoder = Decoder(clip.codec, clip.extradata, MediaSettings().max_pixels)
            for packet in clip.packets:
                decoder.decode(packet.payload, packet.pts / packet.clock_hz)

        rows.append((f"decode {codec}", size, per_frame(decode, len(frames))))
    pictures = [
        av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="yuv420p") for frame in frames
    ]
    for metric in Metric:
        comparer = Comparer(metric)
        reference = comparer.signature(pictures[0])

        def compare(comparer=comparer, reference=reference) -> None:  # type: ignore[no-untyped-def]
            for picture in pictures:
                comparer.similarity(reference, comparer.signature(picture))

        rows.append((f"filter {metric}", size, per_frame(compare, len(frames))))
    converter = Converter(640, 360)
    slot = memoryview(bytearray(640 * 360 * 3))

    for name, rotation in (("", 0), (", turned by 90", 90), (", turned by 180", 180)):

        def convert(rotation: int = rotation) -> None:
            for picture in pictures:
                converter.convert(picture, slot, rotation)

        rows.append((f"convert to 640x360 RGB{name}", size, per_frame(convert, len(frames))))
    return rows


def per_frame(work: Callable[[], None], frames: int) -> float:
    """CPU milliseconds per frame: the median of the rounds after a warm-up round."""
    work()
    spent = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        work()
        spent.append((time.thread_time() - started) * 1e3 / frames)
    return statistics.median(spent)


if __name__ == "__main__":
    main()
