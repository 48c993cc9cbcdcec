"""The server of the original way: FastAPI takes a JPEG, a detector looks at it, JSON goes back.

    python -m benchmarks.peers.jpeg_http_server DETECTOR MODEL_DIR PORT

says the address that it serves on once it is warm.
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

from benchmarks.peers.judging import Judge, cores, open_judge


def application(judge: Judge, pool: ThreadPoolExecutor, ready: str) -> fastapi.FastAPI:
    """POST /detect with a JPEG as the body. Prints `ready` once it starts."""

    @asynccontextmanager
    async def lifespan(_: fastapi.FastAPI) -> AsyncIterator[None]:
        print(ready, flush=True)
        yield

    app = fastapi.FastAPI(lifespan=lifespan)

    def look(jpeg: bytes) -> dict[str, Any] | None:
        pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:
            return None
        return {"detections": [each._asdict() for each in judge(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))]}

    @app.post("/detect")  # type: ignore[untyped-decorator]
    async def detect(request: fastapi.Request) -> fastapi.responses.JSONResponse:
        jpeg = await request.body()
        answer = await asyncio.get_running_loop().run_in_executor(pool, look, jpeg)
        if answer is None:
            return fastapi.responses.JSONResponse({"error": "expected a JPEG"}, status_code=400)
        return fastapi.responses.JSONResponse(answer)

    return app


def main() -> None:
    """Serves until it is terminated."""
    detector, model_dir, port = sys.argv[1:]
    cv2.setNumThreads(1)
    judge = open_judge(detector, Path(model_dir), cores())
    pool = ThreadPoolExecutor(cores())
    # One look on each thread: what a thread has of its own is made before the first request.
    list(pool.map(judge, [np.zeros((360, 640, 3), np.uint8)] * (4 * cores())))
    app = application(judge, pool, f"127.0.0.1:{port}")
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
