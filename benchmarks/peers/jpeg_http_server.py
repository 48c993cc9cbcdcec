"""A server like the original service: FastAPI receives a JPEG and answers with detections as JSON.

    python -m benchmarks.peers.jpeg_http_server DETECTOR MODEL_DIR PORT

prints the address that it serves on once it is warm.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import cv2
import fastapi
import numpy as np
import uvicorn

from benchmarks.peers.detectors import DetectFunction, cores, open_detect_function


def application(detect: DetectFunction, pool: ThreadPoolExecutor, ready: str) -> fastapi.FastAPI:
    """An application with POST /detect, which takes a JPEG as the body. Prints `ready` at its start."""

    @asynccontextmanager
    async def lifespan(_: fastapi.FastAPI) -> AsyncIterator[None]:
        print(ready, flush=True)
        yield

    app = fastapi.FastAPI(lifespan=lifespan)

    def detections(jpeg: bytes) -> dict[str, Any] | None:
        pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:
            return None
        return {"detections": [each._asdict() for each in detect(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))]}

    @app.post("/detect")  # type: ignore[untyped-decorator]
    async def answer(request: fastapi.Request) -> fastapi.responses.JSONResponse:
        jpeg = await request.body()
        found = await asyncio.get_running_loop().run_in_executor(pool, detections, jpeg)
        if found is None:
            return fastapi.responses.JSONResponse({"error": "expected a JPEG"}, status_code=400)
        return fastapi.responses.JSONResponse(found)

    return app


def main() -> None:
    """Serves until it is terminated."""
    detector, model_dir, port = sys.argv[1:]
    cv2.setNumThreads(1)
    detect = open_detect_function(detector, Path(model_dir), cores())
    pool = ThreadPoolExecutor(cores())
    # One detection on each thread creates the thread's state before the first request.
    list(pool.map(detect, [np.zeros((360, 640, 3), np.uint8)] * (4 * cores())))
    app = application(detect, pool, f"127.0.0.1:{port}")
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
