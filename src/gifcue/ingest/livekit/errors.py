"""What goes wrong between gifcue and LiveKit."""

from __future__ import annotations

from gifcue.errors import GifcueError


class LiveKitError(GifcueError):
    """LiveKit cannot be used."""


class LiveKitUnavailable(LiveKitError):
    """LiveKit cannot be reached, or the session with it is lost. Another attempt may succeed."""


class LiveKitRefused(LiveKitError):
    """LiveKit answers that it never will: a token is wrong, another instance has taken this one's place, or somebody
    has removed this side from the room.
    """


class RoomClosed(LiveKitError):
    """The meeting is over: LiveKit has closed the room."""
