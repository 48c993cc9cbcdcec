"""Plays the chosen GIF's video in an eyeson meeting.

POST /rooms/<access_key>/playbacks, https://docs.eyeson.com/docs/rest/references/playbacks. The API takes MP4 and WEBM
that it can fetch itself, no animated GIF: a GIF of the rule book needs its `video_url`.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from yarl import URL

from gifcue.delivery.http import Poster
from gifcue.delivery.settings import EyesonSettings
from gifcue.delivery.sink import Answer, Cue, DeadReason, Verdict

_DEAD = {409: DeadReason.CONFLICT, 410: DeadReason.MEETING_OVER, 423: DeadReason.LOCKED}
# What went wrong may have gone wrong after the video was started: nobody promised otherwise.
_MAY_HAVE_ACTED = 500
_VIDEO_TYPES = ("video/mp4", "video/webm")


class EyesonSink:
    """`play_id` is the reaction's id: no two reactions share one, and every attempt of one has the same."""

    name = "eyeson"

    def __init__(self, settings: EyesonSettings) -> None:
        self._api = URL(settings.api_url)
        self._rooms = settings.rooms
        self._poster = Poster()

    def objection(self, cue: Cue) -> DeadReason | None:
        if cue.room_id not in self._rooms:
            return DeadReason.NO_ROOM
        video = video_of(cue.url, cue.media_type, cue.video_url)
        return None if video is not None and is_fetched(video) else DeadReason.NO_VIDEO

    async def send(self, cue: Cue, begun: Callable[[], None]) -> Answer:
        room = self._rooms[cue.room_id]
        video = video_of(cue.url, cue.media_type, cue.video_url)
        values = {"url": video, "play_id": cue.reaction_id, "name": cue.title, "audio": room.audio}
        if room.replace_participant:
            values["replacement_id"] = cue.participant_id
        url = self._api / "rooms" / room.access_key.get_secret_value() / "playbacks"
        body = json.dumps(values, ensure_ascii=False).encode()
        status = await self._poster.post(url, body, {"Content-Type": "application/json"}, begun)
        if status is None or status.code == _MAY_HAVE_ACTED:
            return Answer(Verdict.LOST)
        dead = _DEAD.get(status.code, DeadReason.REFUSED)
        return status.general() or Answer(Verdict.DEAD, dead)

    async def close(self) -> None:
        await self._poster.close()


def video_of(url: str, media_type: str, video_url: str | None) -> str | None:
    """Where the video of a GIF is; None where it has none."""
    return video_url or (url if media_type in _VIDEO_TYPES else None)


def is_fetched(video: str) -> bool:
    """False for a path on this server's port: eyeson fetches videos from outside."""
    return video.startswith(("http://", "https://"))
