"""What the commands that capture hands share: their options, and the capture itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gifcue.cli.progress import rich_track

if TYPE_CHECKING:
    from gifcue.detect.detector import Detector
    from gifcue.gestures.capture import Capture

Label = Annotated[str, typer.Argument(help="Label of the gesture: a-z, 0-9 and _, beginning with a letter.")]
Sources = Annotated[
    list[str],
    typer.Argument(help="Recordings, pictures, folders of pictures, or a camera (/dev/video0)."),
]
Gestures = Annotated[
    Path,
    typer.Option("--gestures-dir", metavar="DIR", help="Folder of the gestures' samples and classifiers."),
]
Model = Annotated[
    Path | None,
    typer.Option("--model", metavar="DIR", help="Folder of the model. Default: the model that is served."),
]
Backend = Annotated[str, typer.Option(help="Runtime of the model: litert or savedmodel.")]
Fps = Annotated[float, typer.Option(help="Frames a second taken of recordings and cameras.", min=0.1, max=60)]
EveryHand = Annotated[
    bool, typer.Option("--every-hand", help="Take all hands of a frame, and not only the largest.")
]


def capture_from(
    sources: Sequence[str], limit: int, fps: float, every_hand: bool, opener: Callable[[], Detector]
) -> list[Capture]:
    """The hands of each source, with a bar that shows the progress.

    Raises:
        UnreadableMedia: a source cannot be read.
    """
    from gifcue.gestures.capture import capture as capture_hands
    from gifcue.gestures.capture import open_frames_of

    detector = opener()
    captures = []
    try:
        for source in sources:
            total, frames = open_frames_of(source, fps)
            shown = rich_track(frames, f"capturing from {source}", total)
            captures.append(capture_hands(detector, shown, limit=limit, every_hand=every_hand))
    finally:
        detector.close()
    return captures


def model_folder(given: Path | None) -> Path:
    """The folder that was given, else that of the model that comes with gifcue."""
    from gifcue.detect.settings import default_model_dir

    return given or default_model_dir()
