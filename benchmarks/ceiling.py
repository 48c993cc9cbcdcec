"""The ceiling: how many participants the hardware could carry without a server around the work.

    python -m benchmarks.ceiling --seconds 10 --analysis-fps 5 --json

Runs one bare loop per core at full speed: it decodes every frame, applies pacing and filter, and converts and detects
the frames that pass. Seconds of video processed per second are participants. gifcue's share of that ceiling is
calculated at the server's own rate of analysis, because a server under load may analyse less often than a bare loop.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from benchmarks.bare import Bare, saturate
from benchmarks.footage import own_footage
from benchmarks.load import machine, show, size_of
from benchmarks.processes import exit_on_sigterm
from gifcue.protocol.codecs import Codec


def report(bare: Bare, fps: float) -> dict[str, Any]:
    """The report of bare loops, ready for JSON."""
    return {
        "processes": bare.processes,
        "frames_per_second": round(bare.frames / bare.wall_s, 1),
        "analysed_per_second": round(bare.analysed / bare.wall_s, 1),
        "participants": round(bare.participants, 1),
        "analysed_per_participant_s": round(bare.analysed_per_participant_s, 3),
        "participants_at_3_analyses": round(bare.participants_at(3.0, fps), 1),
        "cpu_ms": {stage: round(ms, 4) for stage, ms in bare.ms().items()},
        "cores_busy": round(bare.cpu_total_s / bare.wall_s, 3),
    }


def shares(bare: Bare, figures: dict[str, Any], fps: float) -> dict[str, Any]:
    """gifcue's share of the ceiling in a run at capacity, at that run's rate of analysis.

    `by_participants` is the number carried, divided by the number that bare loops would carry; the load generator runs
    on the server's cores. `by_cpu` is the CPU time of the bare work, divided by that of all server processes; it does
    not depend on how close the run was to the limit. `by_cpu_with_sender` includes the load generator.
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
    exit_on_sigterm()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ceiling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--codec", default="h264", choices=[each.value for each in Codec])
    parser.add_argument("--size", type=size_of, default=(640, 360))
    parser.add_argument("--analysis-fps", type=float, help="the pace; by default the server's own")
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
