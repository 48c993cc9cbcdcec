"""The table of `make bench`."""

from __future__ import annotations

from typing import Any

Figures = dict[str, Any]
Line = tuple[str, str, str]


def summary(parts: dict[str, Figures], failed: dict[str, str]) -> list[Line]:
    """The lines of the table: name, value and remark."""
    lines: list[Line] = []

    def line(what: str, value: object, remark: str = "") -> None:
        lines.append((what, str(value), remark))

    capacity, at = parts.get("capacity"), parts.get("capacity", {}).get("at_capacity")
    if capacity is not None:
        line(
            "participants carried",
            capacity["carried"],
            f"640x360, 30 fps, H.264; limited by: {capacity['why_limited']}",
        )
    if at:
        latency = at["due_to_decision_ms"]
        line(
            "  latency, due time to decision, ms",
            f"{latency['p50']} / {latency['p95']} / {latency['p99']} / {latency['max']}",
            "p50 / p95 / p99 / max",
        )
        moving = at["analysed_moving_s"]
        line(
            "  analyses per second of motion",
            f"{moving['least']} / {moving['mean']}",
            "minimum / mean of the participants",
        )
        line(
            "  frames offered / received",
            f"{at['offered']} / {at['received']}",
            f"dropped: {at['dropped'] or 'none'}",
        )
        line("  CPU, cores", _join(at["cpu_cores"]))
        line("  memory of the server, MB", at["server_memory_mb"], _join(at["memory_mb"]["pss"]))
    alone = parts.get("memory")
    if alone and at and at["participants"] > 1:
        grown = at["server_memory_mb"] - alone["server_memory_mb"]
        line(
            "  memory per participant, MB",
            round(grown / (at["participants"] - 1), 2),
            f"after the first; with one: {alone['server_memory_mb']} MB",
        )
    bare = parts.get("ceiling")
    if bare:
        line(
            "the ceiling, participants",
            bare["participants"],
            f"bare loops at {bare['analysed_per_participant_s']} analyses per second and participant",
        )
        share = bare.get("share")
        if share:
            line(
                "  at gifcue's analysis rate",
                share["ceiling_participants"],
                f"{share['analysed_per_participant_s']} analyses per second and participant",
            )
            line(
                "  gifcue's share, by participants",
                share["by_participants"],
                "with the load generator on the same cores",
            )
            line(
                "  gifcue's share, by CPU",
                share["by_cpu"],
                f"server only; with the load generator {share['by_cpu_with_sender']}",
            )
            line("  the front's share of the CPU", share["front_share_of_cpu"])
    whole = parts.get("annotations")
    if whole:
        served, streamed = whole["served"], whole["streamed"]
        line(
            "complete annotations per second",
            streamed["per_second"],
            f"video through the server: {streamed['times_the_original']} times the original service's 8",
        )
        line(
            "  JPEGs through the server",
            served["per_second"],
            f"{served['times_the_original']} times",
        )
        line(
            "  in bare loops",
            whole["bare"]["with_jpeg_per_second"],
            f"{whole['bare']['times_the_original']} times; the detector alone {whole['bare']['detector_per_second']}",
        )
    for name, peer in parts.get("peers", {}).get("rows", {}).items():
        if "participants" in peer:
            ratio = (
                f"gifcue carries {capacity['carried'] / peer['participants']:.2f} times as many"
                if capacity and peer["participants"]
                else ""
            )
            rate = f"{peer.get('analysed_per_participant_s')} analyses per second"
            remarks = (ratio, rate if ratio else "", f"limited by: {peer.get('why_limited')}")
            line(f"peer {name}: carried", peer["participants"], "; ".join(filter(None, remarks)))
        else:
            line(f"peer {name}", "not measured", peer["why"])
    for count, carried in parts.get("cores", {}).get("carried", {}).items():
        line(f"carried on {count} core{'s' if count != '1' else ''}", carried)
    for row in parts.get("codecs", {}).get("rows", []) + parts.get("sizes", {}).get("rows", []):
        line(
            f"{row['codec']} {row['size']}: CPU ms per second",
            _join({name: row.get(f"{name}_ms") for name in ("front", "decode", "detect")}),
            f"per participant; CPU for {row['participants_by_cpu']} participants",
        )
    for row in parts.get("stages", {}).get("rows", []):
        line(f"stage {row['process']}: {row['stage']}", row["ms"], "CPU ms per frame")
    for row in parts.get("batches", {}).get("rows", []):
        line(
            f"batch of {row['batch']}, {row['backend']}",
            row["pictures_s"],
            f"pictures per second of one worker, {row['device']}",
        )
    for name, why in failed.items():
        line(name, "none", why)
    return lines


def _join(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def show(lines: list[Line]) -> None:
    """Prints the table."""
    from rich.console import Console
    from rich.table import Table

    shown = Table("figure", "value", "", title="gifcue")
    for line in lines:
        shown.add_row(*line)
    Console(width=150).print(shown)
