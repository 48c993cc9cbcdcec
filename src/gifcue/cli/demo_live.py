"""`gifcue demo --live`: a real server and the page to try it, until Ctrl-C."""

from __future__ import annotations

import asyncio
import socket
import webbrowser
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from gifcue.cli.console import out
from gifcue.cli.demo_server import StartServer, running_server
from gifcue.cli.interrupt import interruptible

# The port of HTTP, where it is free. Another one is taken otherwise.
HTTP_PORT = 8080


async def run_live(
    folder: Path,
    *,
    start_server: StartServer | None = None,
    open_page: Callable[[str], bool] = webbrowser.open,
    stop: asyncio.Event | None = None,
) -> None:
    """Serves until Ctrl-C, SIGTERM or `stop`. `folder` is for the server's files.

    Raises:
        GifcueError: the server failed.
    """
    start = start_server or (lambda place: running_server(place, http_port=free_or(HTTP_PORT)))
    out.print("[bold]1  A server[/] in a process of its own")
    with interruptible() as interrupted:
        async with start(folder) as server:
            # Browsers give a camera to pages of this machine by this name, without TLS.
            url = f"http://localhost:{server.http_port}/live"
            out.print(f"   gRPC {server.target}, operators {server.operator}\n")
            out.print(f"[bold]2  The page[/]: {url}", soft_wrap=True)
            # A text browser would take the terminal; in a thread it cannot hold up Ctrl-C.
            if not await asyncio.to_thread(open_page, url):
                out.print("   No browser could be opened here. Open the address yourself.")
            out.print("   Start the camera, tick a reaction, and make it. Ctrl-C ends the server.\n")
            await _first(interrupted, server.ended, *filter(None, [stop]))
            out.print("[bold]3  The end[/]: the server finishes the frames in flight")
    out.print("   the server stopped with exit code 0")


async def _first(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    _, others = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for each in others:
        each.cancel()


def free_or(port: int) -> int | None:
    """`port` where it is free, else None."""
    with closing(socket.socket()) as probe:
        # As the server does it: a port whose connections linger counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
    return port
