"""`gifcue annotate`: prints the labels found in still pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from gifcue.cli import connection
from gifcue.cli.as_json import image_json
from gifcue.cli.connection import DEFAULT_SERVER, client_of
from gifcue.cli.console import out, print_json
from gifcue.client import AnnotatedImage, ReactionClient
from gifcue.errors import ConfigError, GifcueError

# Bytes of a still that a server takes by default (limits.max_frame_bytes).
MAX_PLAIN_BYTES = 2 * 1024 * 1024

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def annotate(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE...",
            help="JPEG or PNG files. One of more than 2 MiB is made smaller before it is sent.",
        ),
    ],
    server: connection.Server = DEFAULT_SERVER,
    min_score: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Omit labels that score less; 0 takes the server's thresholds."),
    ] = 0.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, one for each picture.")
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT", help="Write the picture with its boxes; for several pictures, an existing folder."
        ),
    ] = None,
    tls: connection.Tls = False,
    ca: connection.Ca = None,
    cert: connection.Certificate = None,
    key: connection.Key = None,
    server_name: connection.ServerName = None,
    token_file: connection.TokenFile = None,
) -> None:
    """Print the labels found in still pictures."""
    contents = [_read(path) for path in images]
    sendable = [_fitted(content) for content in contents]
    targets = _targets(images, save)
    client = client_of(server, tls, ca, cert, key, server_name, token_file)
    found = connection.run(server, _ask(client, sendable, min_score))
    for path, content, image, target in zip(images, contents, found, targets, strict=True):
        if as_json:
            print_json(image_json(str(path), image))
        else:
            _print(path, image)
        if target is not None:
            # cv2 takes half a second to import, so only where something is drawn.
            from gifcue.cli.drawing import save_boxes

            save_boxes(content, image, target)
            if not as_json:
                out.print(f"[dim]saved {escape(str(target))}[/]")


async def _ask(client: ReactionClient, contents: Sequence[bytes], min_score: float) -> list[AnnotatedImage]:
    async with client:
        return [await client.annotate(content, min_score) for content in contents]


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise GifcueError(f"expected a JPEG or PNG at {path}, got: {error.strerror}") from error
    if not content:
        raise GifcueError(f"expected a JPEG or PNG at {path}, got an empty file")
    return content


def _fitted(content: bytes) -> bytes:
    if len(content) <= MAX_PLAIN_BYTES:
        return content
    # cv2 takes half a second to import, so only where something is scaled.
    from gifcue.cli.photograph import fitted

    return fitted(content)


def _targets(images: Sequence[Path], save: Path | None) -> list[Path | None]:
    if save is None:
        return [None] * len(images)
    if save.is_dir():
        return [save / f"{path.stem}.boxes.png" for path in images]
    if len(images) > 1:
        raise ConfigError(f"--save: expected an existing folder for {len(images)} pictures, got {save}")
    if save.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise ConfigError(f"--save: expected a folder or a name that ends in .png or .jpg, got {save}")
    return [save]


def _print(path: Path, image: AnnotatedImage) -> None:
    out.print(
        f"[bold]{escape(str(path))}[/] [dim]{image.width} x {image.height}, {escape(image.model.version)}[/]"
    )
    if not image.annotations:
        out.print("  nothing found")
        return
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2))
    table.add_column("  label")
    table.add_column("score", justify="right")
    table.add_column("left, top – right, bottom")
    for each in image.annotations:
        box = each.box
        left, right = round(box.xmin * image.width), round(box.xmax * image.width)
        top, bottom = round(box.ymin * image.height), round(box.ymax * image.height)
        table.add_row(f"  {escape(each.label)}", f"{each.score:.3f}", f"{left}, {top} – {right}, {bottom}")
    out.print(table)
