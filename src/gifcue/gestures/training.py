"""Trains gestures beside the event loop: one at a time, in a process of its own (`gestures/trainer.py`)."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

import msgspec

from gifcue.detect.gesture_classifier import GestureClassifier, parse_classifier
from gifcue.errors import TooManyRequests, Unavailable
from gifcue.gestures.samples import GestureError
from gifcue.gestures.trainer import Answer, Report, Request
from gifcue.workers.environment import clean_environment

# Seconds after which a training is given up. It takes 2 s on a free core.
TIMEOUT_S = 180.0
_RETRY_AFTER_MS = 3000

_ARGUMENTS = ("-P", "-m", "gifcue.gestures.trainer")


class Trainer:
    """Owned by the event loop."""

    def __init__(self) -> None:
        self._is_busy = False

    async def train(self, request: Request) -> tuple[GestureClassifier, Report]:
        """Trains a gesture. A caller that is cancelled ends the training.

        Raises:
            GestureError: there are too few samples, or the label is not allowed.
            TooManyRequests: another training runs.
            Unavailable: the process could not be started, was ended, or took too long.
        """
        if self._is_busy:
            raise TooManyRequests("expected one training at a time, another one runs", _RETRY_AFTER_MS)
        self._is_busy = True
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await _run(msgspec.msgpack.encode(request))
        except TimeoutError:
            raise Unavailable(f"expected a training to take less than {TIMEOUT_S:g} s, it did not") from None
        finally:
            self._is_busy = False
        if answer.classifier is None or answer.report is None:
            raise GestureError(answer.error)
        return parse_classifier(answer.classifier, Path(request.label)), answer.report


async def _run(request: bytes) -> Answer:
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *_ARGUMENTS,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=clean_environment(),
            process_group=0,  # Ctrl-C in a terminal is for the server, which then ends this process
        )
    except OSError as error:
        raise Unavailable(f"expected a process for the training: {error.strerror}") from None
    try:
        output, _ = await process.communicate(request)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.shield(process.wait())
    if process.returncode != 0:
        raise Unavailable(f"expected a training that ends by itself, got exit status {process.returncode}")
    return msgspec.msgpack.decode(output, type=Answer)
