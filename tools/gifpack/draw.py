"""`make gifs`: draws every scene into the folder of the default rule book.

python -m tools.gifpack.draw [FOLDER]
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

from tools.gifpack.extra_scenes import EXTRA_SCENES
from tools.gifpack.scene import Scene
from tools.gifpack.scenes import OWN_SCENES

SCENES = OWN_SCENES | EXTRA_SCENES
FOLDER = Path(__file__).parents[2] / "src" / "gifcue" / "rules" / "default" / "gifs"
# Flat pictures have few colours. The others are blends at the edges.
COLOURS = 24


def render(scene: Scene) -> bytes:
    """One scene as an endless animated GIF with one palette for all frames."""
    frames = [scene.paint(step / scene.frames) for step in range(scene.frames)]
    strip = Image.new("RGB", (frames[0].width, frames[0].height * len(frames)))
    for place, frame in enumerate(frames):
        strip.paste(frame, (0, place * frame.height))
    palette = strip.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    indexed = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    data = io.BytesIO()
    indexed[0].save(
        data, "GIF", save_all=True, append_images=indexed[1:], duration=scene.frame_ms, loop=0, optimize=True
    )
    return data.getvalue()


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, scene in SCENES.items():
        data = render(scene)
        (folder / f"{name}.gif").write_bytes(data)
        print(f"{name}.gif  {scene.frames} frames  {len(data) / 1024:.1f} KiB")


if __name__ == "__main__":
    main()
