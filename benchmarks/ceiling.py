"""The ceiling: how many participants the hardware could carry, with no server around the work.

    python -m benchmarks.ceiling --seconds 10 --analysis-fps 5 --json

One bare loop a core, as fast as it goes: decode every frame, pace and filter, convert and detect what passes. Seconds
of video a second are participants. gifcue's share of that is the figure to steer by; since a server under load may
look less often than a loop without one, the share is taken at the server's own rate of analysis.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from benchmarks.bare import Bare, saturate
from benchmarks.footage import own_footage
from benchmarks.load import machine, show, size_of
from benchmarks.processes import end_in_order
from gifcue.protocol.codecs import Codec


def report(bare: Bare, fps: float) -> dict[str, Any]:
    """A saturated machine as plain figures."""
    return {
        "processes": bare.processes,
        "frames_a_second": round(bare.frames / bare.wall_s, 1),
        "analysed_a_second": round(bare.analysed / bare.wall_s, 1),
        "participants": round(bare.participants, 1),
        "analysed_per_participant_s": round(bare.analysed_per_participant_s, 3),
        "participants_at_3_analyses": round(bare.participants_at(3.0, fps), 1),
        "cpu_ms": {stage: round(ms, 4) for stage, ms in bare.ms().items()},
        "cores_busy": round(bare.cpu_total_s / bare.wall_s, 3),
    }


def shares(bare: Bare, figures: dict[str, Any], fps: float) -> dict[str, Any]:
    """gifcue's share of the ceiling, by the figures of a run at capacity, at that run's rate of analysis.

    `by_participants` is what is carried over what the bare machine would carry, with the load generator on the
    server's cores. `by_cpu` is the CPU of the bare work over the CPU of all the server's processes, which does not
    depend on how near the run came to the edge; `by_cpu_with_sender` counts the load generator's in.
    """
    rate = figures["analysed_per_participant_s"]
    work_s = bare.cpu_per_participant_s(rate, fps)
    cores = figures["cpu_cores"]
    sender_s = cores["load generator"]
    server_s = sum(cores.values()) - sender_s
    participants = figures["participants"]
    ceiling = bare.participants_at(rate, fps)
    return {
        "analysed_per_participant_s": rate,
        "ceiling_participants": round(ceiling, 1),
        "by_participants": round(participants / ceiling, 3),
        "by_cpu": round(work_s * participants / server_s, 3),
        "by_cpu_with_sender": round(work_s * participants / (server_s + sender_s), 3),
        "front_share_of_cpu": round(cores["front"] / server_s, 3),
    }


def main() -> None:
    """The command line."""
    end_in_order()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ceiling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--codec", default="h264", choices=[each.value for each in Codec])
    parser.add_argument("--size", type=size_of, default=(640, 360))
    parser.add_argument("--analysis-fps", type=float, help="the pace; the server's own where it is not given")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    footage = own_footage(Codec(arguments.codec), arguments.size, arguments.fps)
    bare = saturate(footage, arguments.fps, arguments.seconds, analysis_fps=arguments.analysis_fps)
    figures = {"machine": machine(), **report(bare, arguments.fps)}
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures, "the ceiling")


if __name__ == "__main__":
    main()
