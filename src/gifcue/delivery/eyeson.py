"""Plays the chosen GIF's video in an eyeson meeting.

POST /rooms/<access_key>/playbacks, https://docs.eyeson.com/docs/rest/references/playbacks. The API takes MP4 and WEBM
from addresses that it can fetch, and no animated GIF. A GIF of the rule book therefore needs a `video_url`.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from yarl import URL

from gifcue.delivery.http import Poster
from gifcue.delivery.settings import EyesonSettings
from gifcue.delivery.sink import AttemptOutcome, AttemptResult, Cue, CueGif, DeadReason

_DEAD_REASONS = {409: DeadReason.CONFLICT, 410: DeadReason.MEETING_OVER, 423: DeadReason.LOCKED}
# The API does not promise that a request answered with 500 had no effect: the video may be playing.
_MAY_HAVE_ACTED = 500
_VIDEO_TYPES = ("video/mp4", "video/webm")


class EyesonSink:
    """Sends the reaction's id as `play_id`: the same in every attempt, and different for every reaction."""

    name = "eyeson"

    def __init__(self, settings: EyesonSettings) -> None:
        self._api = URL(settings.api_url)
        self._rooms = settings.rooms
        self._poster = Poster()

    def reject_reason(self, gif: CueGif, room_id: str | None = None) -> DeadReason | None:
        if room_id is not None and room_id not in self._rooms:
            return DeadReason.NO_ROOM
        return None if _video_url(gif) is not None else DeadReason.NO_VIDEO

    async def send(self, cue: Cue, on_sent: Callable[[], None]) -> AttemptResult:
        room = self._rooms[cue.room_id]
        values = {
            "url": _video_url(cue.gif),
            "play_id": cue.reaction_id,
            "name": cue.gif.title,
            "audio": room.audio,
        }
        if room.replace_participant:
            values["replacement_id"] = cue.participant_id
        url = self._api / "rooms" / room.access_key.get_secret_value() / "playbacks"
        body = json.dumps(values, ensure_ascii=False).encode()
        status = await self._poster.post(url, body, {"Content-Type": "application/json"}, on_sent)
        if status is None or status.code == _MAY_HAVE_ACTED:
            return AttemptResult(AttemptOutcome.NO_ANSWER)
        reason = _DEAD_REASONS.get(status.code, DeadReason.REFUSED)
        return status.common_result() or AttemptResult(AttemptOutcome.REFUSED, reason)

    async def close(self) -> None:
        await self._poster.close()


def _video_url(gif: CueGif) -> str | None:
    """The address of the GIF's video. None if there is no video, or eyeson cannot fetch it: a path on gifcue's port."""
    video = gif.video_url or (gif.url if gif.media_type in _VIDEO_TYPES else None)
    return video if video is not None and video.startswith(("http://", "https://")) else None
