"""Very short runs of the benchmarks that start processes. They check that these work, not how fast."""

import json
import os

from benchmarks import annotations
from benchmarks.bare import saturate
from benchmarks.footage import own_footage
from benchmarks.measure import Load, measure
from benchmarks.scaling import batches, codecs, load_row
from benchmarks.server_process import ServerProcess
from gifcue.protocol.codecs import Codec


async def test_a_small_load_on_a_real_server() -> None:
    footage = own_footage(Codec.H264, (320, 180), 10.0, (1.0, 1.0), variants=1, clip_s=4.0)
    load = Load(2, 10.0, 1.0, footage, mcus=2, senders=2, warm_up_s=0.2)
    async with ServerProcess([]) as server:
        figures = await measure(server, load)
        rows = await codecs(server, load.with_participants(1, 0.5), 3.0, [Codec.VP8], (96, 64))
        through = await annotations.served(server, annotations.pictures(None, (320, 180)), 0.3)
        video = await annotations.streamed(server, footage, 0.5)

    assert figures["offered"] == figures["received"] == 20
    assert figures["consistent"]
    assert figures["due_to_decision_ms"]["decided"] > 0
    assert set(figures["cpu_cores"]) == {"front", "decode", "detect", "still", "load generator"}
    assert load_row(figures)["participants"] == 2
    assert [row["codec"] for row in rows] == ["vp8"]
    assert through["annotations_per_picture"] > 0
    assert video["per_second"] > 0
    json.dumps([figures, rows, through, video], allow_nan=False)


def test_a_small_ceiling() -> None:
    footage = own_footage(Codec.H264, (320, 180), 10.0, (1.0, 1.0), variants=1, clip_s=4.0)

    done = saturate(footage, 10.0, 0.2, analysis_fps=2.0, cores=[min(os.sched_getaffinity(0))])

    assert done.processes == 1
    assert done.frames >= done.analysed > 0
    assert done.participants > 0


def test_batches_have_the_requested_sizes() -> None:
    rows = batches([1, 3], "litert", 0.01)

    assert [row["batch"] for row in rows] == [1, 3]
    assert all(row["pictures_s"] > 0 for row in rows)
