"""WHIP (RFC 9725): senders of WebRTC as clients. Needs the extra `webrtc`.

service    what the server starts and stops, and its figures
handler    the requests over HTTP
sessions   the senders, from their offer to their end
transport  one sender's video as a stream
events     reactions of a room, for whoever listens over HTTP
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from gifcue.errors import ConfigError
from gifcue.server.access_guard import AccessGuard
from gifcue.server.config import Settings
from gifcue.server.streams import Streams

if TYPE_CHECKING:
    from gifcue.server.whip.service import WhipService


def whip_service(
    settings: Settings, streams: Streams, guard: AccessGuard, labels: Callable[[], Collection[str]]
) -> WhipService | None:
    """The service, None where the settings have no WHIP. `labels` gives the labels that the server knows.

    Raises:
        ConfigError: the extra `webrtc` is not installed, or there is no HTTP for it.
    """
    if not settings.whip.listen:
        return None
    if not settings.server.http_listen:
        raise ConfigError("whip.listen: expected server.http_listen as well, because senders ask over HTTP")
    try:
        from gifcue.server.whip.service import WhipService
    except ImportError as error:
        raise ConfigError(
            f"whip.listen: expected the extra webrtc (pip install 'gifcue[webrtc]'), got: {error}"
        ) from None
    return WhipService(settings, streams, guard, labels)
