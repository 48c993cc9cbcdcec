"""`gifcue gesture`: teach a gesture from a few dozen samples, and serve it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gifcue.gestures.capture import Captured

app = typer.Typer(help="Teach gifcue a gesture of your own.", no_args_is_help=True)

Label = Annotated[str, typer.Argument(help="The gesture's label: a-z, 0-9 and _.")]
Gestures = Annotated[
    Path, typer.Option("--gestures-dir", help="Where gestures are kept; [detect] gestures_dir serves it.")
]
Model = Annotated[Path, typer.Option("--model", help="The model's directory.")]
Backend = Annotated[str, typer.Option(help="litert or savedmodel.")]
Fps = Annotated[float, typer.Option(help="Frames a second of clips and cameras.", min=0.1, max=60)]
EveryHand = Annotated[
    bool, typer.Option("--every-hand", help="Take every hand of a frame, not the largest alone.")
]
Sources = Annotated[
    list[str], typer.Argument(help="Clips, pictures, folders of pictures, or a camera (/dev/video0).")
]

_FOLDER = Path("gestures")
_MODEL = Path("models")
_SETTINGS = """[detect]
gestures_dir = "{}"

[reactions.labels.{}]
kind = "hand"
"""


@app.command()
def capture(
    label: Annotated[str, typer.Argument(help="The gesture's label; none for hands that do not make it.")],
    sources: Sources,
    gestures_dir: Gestures = _FOLDER,
    limit: Annotated[int, typer.Option(help="Take so many hands of each source at most.", min=1)] = 30,
    fps: Fps = 4.0,
    every_hand: EveryHand = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the samples that are there.")] = False,
    model_dir: Model = _MODEL,
    backend: Backend = "litert",
) -> None:
    """Keep the landmarks of hands as samples of a gesture. No picture is kept."""
    from gifcue.gestures.samples import check_label, read_samples, write_samples

    check_label(label)
    folder = gestures_dir / "samples"
    before = [] if fresh else read_samples(folder, label)
    taken = _capture(sources, limit, fps, every_hand, model_dir, backend)
    found = [sample for captured in taken for sample in captured.samples]
    path = write_samples(folder, label, [*before, *found])
    frames = sum(captured.frames for captured in taken)
    typer.echo(f"{len(found)} hands in {frames} frames; {path} now has {len(before) + len(found)} of {label}")


@app.command()
def train(
    label: Label,
    gestures_dir: Gestures = _FOLDER,
    seed: Annotated[int, typer.Option(help="The same seed and samples give the same head.")] = 1,
    max_false: Annotated[
        float, typer.Option(help="The share of strangers' hands that may pass for it.", min=0.0, max=0.5)
    ] = 0.003,
) -> None:
    """Make a light head of the samples, tell what it is worth, and put it where it is served."""
    from gifcue.gestures.fit import train_gesture
    from gifcue.gestures.negatives import read_negatives
    from gifcue.gestures.samples import labels_in, read_samples

    folder = gestures_dir / "samples"
    strangers = read_negatives()
    others = [
        sample for other in labels_in(folder) if other != label for sample in read_samples(folder, other)
    ]
    done = train_gesture(
        label, read_samples(folder, label), others, strangers, seed=seed, max_false=max_false
    )
    path = gestures_dir / f"{label}.json"
    done.head.write(path)
    mine, shipped = done.positives, len(strangers.points) - done.alike
    typer.echo(f"{path} is made. What it says of hands held out in turn:")
    typer.echo(f"  {mine.right} of your {mine.right + mine.missed} samples found")
    if others:
        typer.echo(f"  {done.own.wrong} of your {len(others)} other hands taken for it")
    typer.echo(f"  {done.strangers.wrong} of {shipped} strangers' hands taken for it")
    if done.alike:
        typer.echo(f"  {done.alike} more strangers' hands look like it and were left out")
    typer.echo(f"Serve it with this in the server's settings:\n\n{_SETTINGS.format(gestures_dir, label)}")


@app.command("test")
def judge_gesture(
    label: Label,
    sources: Sources,
    against: Annotated[
        list[str] | None,
        typer.Option(help="Clips, pictures or folders whose hands do not make it; may be repeated."),
    ] = None,
    gestures_dir: Gestures = _FOLDER,
    limit: Annotated[int, typer.Option(help="Take so many hands of each source at most.", min=1)] = 1000,
    fps: Fps = 4.0,
    every_hand: EveryHand = False,
    model_dir: Model = _MODEL,
    backend: Backend = "litert",
) -> None:
    """Precision and recall on hands that were not taught: those in SOURCES make the gesture, those against do not."""
    from gifcue.detect.gesture_classifier import read_head
    from gifcue.gestures.evaluation import judge

    head = read_head(gestures_dir / f"{label}.json")
    shows = [s for c in _capture(sources, limit, fps, every_hand, model_dir, backend) for s in c.samples]
    others = _capture(against, limit, fps, True, model_dir, backend) if against else []
    shows_not = [sample for captured in others for sample in captured.samples]
    result = judge(head, label, shows, shows_not)
    counts = result.counts
    if counts.recall is not None:
        typer.echo(f"recall {counts.recall:.3f}: {counts.right} of {len(shows)} hands found")
    if against and counts.precision is not None:
        typer.echo(
            f"precision {counts.precision:.3f}: {counts.wrong} of {len(shows_not)} other hands taken for it"
        )
    for what, found in (("missed", result.missed), ("wrong", result.wrong)):
        for source, score in found[:20]:
            typer.echo(f"  {what} {source} at {score:.3f}")


def _capture(
    sources: list[str], limit: int, fps: float, every_hand: bool, model_dir: Path, backend: str
) -> list[Captured]:
    from gifcue.gestures.capture import capture as run
    from gifcue_lab.cli.evaluate import detector_for
    from gifcue_lab.datasets.progress import rich_track

    detector = detector_for(model_dir, backend)
    try:
        return [
            run(detector, source, limit=limit, fps=fps, every_hand=every_hand, track=rich_track)
            for source in sources
        ]
    finally:
        detector.close()
