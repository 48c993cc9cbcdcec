"""Teaching over HTTP: gestures are recorded, trained, tried and kept while the server runs. docs/teaching-api.md.

GET    /teach/v1/gestures                     the gestures in service, and what the page needs to know
DELETE /teach/v1/gestures/{label}             takes one out of service, and deletes its file
GET    /teach/v1/streams/{session}/hands      the hands of an open stream as they are seen: a line of JSON a frame
PUT    /teach/v1/streams/{session}/gesture    puts a gesture on trial, for this stream alone
POST   /teach/v1/candidates                   trains a gesture from samples
POST   /teach/v1/candidates/{name}/keep       serves it to everybody, and writes it to the folder
DELETE /teach/v1/candidates/{name}            forgets it

The samples of a person are with the caller. The server has them while it trains, and never writes them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from aiohttp import hdrs, web

from gifcue.engine.engine import Engine
from gifcue.engine.session import Session
from gifcue.errors import GifcueError
from gifcue.gestures.candidates import Candidate, Candidates
from gifcue.gestures.fit import MIN_SAMPLES
from gifcue.gestures.folder import MAX_GESTURES
from gifcue.gestures.library import GestureLibrary, ServedGesture
from gifcue.gestures.taught import TaughtGesture, check_new_label
from gifcue.gestures.trainer import MAX_OTHERS, MAX_SAMPLES, Request
from gifcue.gestures.training import Trainer
from gifcue.rules.watch import BookWatcher
from gifcue.server.actions import log_action
from gifcue.server.hands_feed import HandsFeed
from gifcue.server.http_stills import error_answer, refusal_of
from gifcue.server.teach_access import TeachAccess
from gifcue.server.teach_messages import KeepBody, Refused, TrainBody, TryBody, line_of, read_body

PATH = "/teach/v1"
# Streams whose hands are sent at the same time.
MAX_WATCHED = 8
# A reader that takes nothing for so long is cut off, since it would keep its place for ever.
_WRITE_S = 10.0
# An empty line is sent after so long without a frame, so that a reader that has gone is noticed.
_SILENCE_S = 5.0
# Bytes of a candidate's random name.
_NAME_BYTES = 8


class TeachHandler:
    """The handlers. `access` says who may call; the middleware has checked host, origin and scope before.

    `clock` is the engine's, in seconds.
    """

    def __init__(
        self,
        engine: Engine,
        library: GestureLibrary,
        book: BookWatcher,
        access: TeachAccess,
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._library = library
        self._book = book
        self._access = access
        self._candidates = Candidates(clock, lambda: secrets.token_hex(_NAME_BYTES))
        self._trainer = Trainer()
        self._watched = 0

    def add_to(self, application: web.Application) -> None:
        """Adds the routes."""
        routes: Mapping[tuple[str, str], Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
            ("GET", "/gestures"): self._list,
            ("DELETE", "/gestures/{label}"): self._delete,
            ("GET", "/streams/{session}/hands"): self._hands,
            ("PUT", "/streams/{session}/gesture"): self._try,
            ("POST", "/candidates"): self._train,
            ("POST", "/candidates/{name}/keep"): self._keep,
            ("DELETE", "/candidates/{name}"): self._forget,
        }
        for (method, path), handler in routes.items():
            application.router.add_route(method, PATH + path, self._guarded(handler))

    def _guarded(
        self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            problem = self._access.problem(request)
            if problem is not None:
                return error_answer(403, problem)
            try:
                return await handler(request)
            except Refused as error:
                return error_answer(error.status, str(error))
            except GifcueError as error:
                return refusal_of(error)

        return handle

    async def _list(self, request: web.Request) -> web.Response:
        library, model = self._library, self._engine.model
        gifs = self._book.book.gifs
        # It asks the file system, which may be a share that is slow.
        is_writable = await asyncio.to_thread(lambda: library.is_writable)
        return web.json_response(
            {
                "gestures": [each for served in library.served for each in self._described(served)],
                "problems": [
                    {"file": file, "problem": problem} for file, problem in sorted(library.problems.items())
                ],
                "folder": {"configured": library.has_folder, "writable": is_writable},
                "gifs": [{"id": name, "title": gif.title, "url": gif.url} for name, gif in gifs.items()],
                "labels": list(model.labels),
                "model": {"version": model.version, "sha256": model.sha256},
                "limits": {
                    "min_samples": MIN_SAMPLES,
                    "max_samples": MAX_SAMPLES,
                    "max_others": MAX_OTHERS,
                    "max_gestures": MAX_GESTURES,
                },
            }
        )

    def _described(self, served: ServedGesture) -> list[dict[str, Any]]:
        gesture = served.gesture
        return [
            {
                "label": label,
                "gif": gesture.gif,
                "samples": gesture.samples,
                "file": served.file,
                "has_rule": label in self._book.book.labels,
            }
            for label in gesture.labels
        ]

    async def _delete(self, request: web.Request) -> web.Response:
        label = request.match_info["label"]
        if not await self._library.delete(label):
            raise Refused(404, "expected a gesture in service, got another label")
        log_action("delete gesture", label=label)
        return web.json_response({"deleted": label})

    async def _hands(self, request: web.Request) -> web.StreamResponse:
        session = self._session(request)
        if self._watched >= MAX_WATCHED:
            raise Refused(429, f"expected at most {MAX_WATCHED} streams to be watched at once, got one more")
        feed = HandsFeed()
        self._watched += 1
        unwatch = session.watch_hands(feed.add)
        try:
            response = web.StreamResponse(
                headers={hdrs.CONTENT_TYPE: "application/x-ndjson", hdrs.CACHE_CONTROL: "no-store"}
            )
            response.headers["X-Accel-Buffering"] = "no"
            await response.prepare(request)
            line = b"\n"  # the reader knows that it is watching now
            # Once a session is closed, the engine does not know it any more.
            while self._engine.session(session.session_id) is session and self._access.is_valid():
                try:
                    async with asyncio.timeout(_WRITE_S):
                        await response.write(line)
                except TimeoutError:
                    if request.transport is not None:
                        request.transport.abort()
                    break
                try:
                    async with asyncio.timeout(_SILENCE_S):
                        seen = await feed.take()
                    line = line_of(seen, feed.dropped)
                except TimeoutError:
                    line = b"\n"
            return response
        finally:
            unwatch()
            self._watched -= 1

    async def _try(self, request: web.Request) -> web.Response:
        session, asked = self._session(request), await read_body(request, TryBody)
        if asked.label is None:
            session.try_gesture(None)
            return web.json_response({"label": None})
        label = self._new_label(asked.label)
        candidate = None if asked.candidate is None else self._candidate(asked.candidate)
        if candidate is not None and candidate.label != label:
            raise Refused(400, f"candidate: expected one of {label}, got one of {candidate.label}")
        session.try_gesture(label, None if candidate is None else candidate.gesture.classifier)
        return web.json_response({"label": label})

    async def _train(self, request: web.Request) -> web.Response:
        asked = await read_body(request, TrainBody)
        label = self._new_label(asked.label)
        classifier, report = await self._trainer.train(
            Request(label, asked.samples, asked.others, self._model_labels(), asked.max_false)
        )
        candidate = self._candidates.add(label, TaughtGesture(classifier), report)
        return web.json_response(
            {"candidate": candidate.name, "label": label, "report": msgspec.structs.asdict(report)}
        )

    async def _keep(self, request: web.Request) -> web.Response:
        candidate, asked = self._candidate(request.match_info["name"]), await read_body(request, KeepBody)
        if asked.gif is not None and asked.gif not in self._book.book.gifs:
            raise Refused(400, "gif: expected the name of a GIF of the rule book, got another one")
        gesture = TaughtGesture(candidate.gesture.classifier, asked.gif)
        is_stored = await self._library.keep(gesture, replace=asked.replace)
        log_action("keep gesture", label=candidate.label, stored=is_stored)
        self._candidates.discard(candidate.name)
        return web.json_response({"label": candidate.label, "stored": is_stored})

    async def _forget(self, request: web.Request) -> web.Response:
        if not self._candidates.discard(request.match_info["name"]):
            raise Refused(404, "expected a candidate, got the name of none")
        return web.json_response({})

    def _session(self, request: web.Request) -> Session:
        session = self._engine.session(request.match_info["session"])
        if session is None:
            raise Refused(404, "expected an open stream of this server, got the name of none")
        if not session.sends_landmarks:
            # Whoever may teach must not be able to look at the hands of a meeting.
            raise Refused(403, "expected a stream that asked for landmarks (send_landmarks), got another one")
        return session

    def _candidate(self, name: str) -> Candidate:
        candidate = self._candidates.find(name)
        if candidate is None:
            raise Refused(404, "expected a candidate, got the name of none: train the gesture again")
        return candidate

    def _model_labels(self) -> tuple[str, ...]:
        taught = set(self._library.labels)
        return tuple(label for label in self._engine.model.labels if label not in taught)

    def _new_label(self, label: str) -> str:
        check_new_label(label)
        if label in self._model_labels():
            raise Refused(400, f"expected a new label, got {label}, which is a label of the model")
        return label
