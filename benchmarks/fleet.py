"""A day of a fleet of gifcue servers, simulated: pods, bandwidth, refused joins, moved streams.

    python -m benchmarks.fleet [--participants 1000,100000,10000000] [--seed 1] [--cell 100000] [--sources]

Prints the tables of docs/scale.md in Markdown, which explains the method. The same seed gives the same tables. Up to
100,000 participants are simulated one by one. More are cells of 100,000, each with servers of its own: two cells are
simulated, and their figures multiplied. It takes about two minutes on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks import fleet_tables as tables
from benchmarks.fleet_events import Day
from benchmarks.fleet_inputs import Inputs, with_gpu
from benchmarks.fleet_tables import Result

CELL = 100_000
SAMPLE_CELLS = 2
# One day of few participants says little.
SMALL_DAYS = 10
SMALL = 10_000
SPARE = 0.6
LITTLE = 48.0


def simulate(name: str, inputs: Inputs, seed: int, days: int, times: float = 1.0) -> Result:
    """Days with seeds of their own."""
    return Result(name, inputs, tuple(Day(inputs, seed + day).run() for day in range(days)), times)


def variants(participants: float) -> list[tuple[str, Inputs]]:
    """Fleets for so many participants: three to compare sizes of pods, then what else may be changed."""
    base = Inputs(participants=participants)
    spared = base.changed(spare=max(base.spare, SPARE * participants))
    quad = spared.changed(capacity=96, cores=4, pods_per_node=3)
    octo = spared.changed(capacity=192, cores=8, pods_per_node=1)
    return [
        ("2 cores, spare 60 % of the peak", spared),
        ("4 cores, the same spare", quad),
        ("GPU, the same spare", with_gpu(spared)),
        ("4 cores, spare 48 and 60 % of those in", quad.changed(spare=LITTLE, spare_share=SPARE)),
        ("4 cores, spare 60 % of the peak, streams open up to 75 % of a pod", quad.changed(opens_below=0.75)),
        ("8 cores, spare 60 % of the peak", octo),
        ("8 cores, spare 120 % of the peak", octo.changed(spare=max(base.spare, 2 * SPARE * participants))),
        ("2 cores, spare 30 % of the peak", base.changed(spare=max(base.spare, 0.3 * participants))),
        ("2 cores, spare 60 %, no rush at the half hours", spared.changed(on_the_half_hour=0.0)),
        ("the chart's values, up to 20 pods of 2 cores", base.changed(max_replicas=20)),
        ("2 cores, spare 48: less than a tenth", base.changed(spare=LITTLE)),
    ]


def results(participants: float, seed: int, cell: float) -> list[Result]:
    """The fleets for so many participants that are simulated: the more, the fewer."""
    if participants > cell:
        times = participants / cell
        return [simulate(name, inputs, seed, SAMPLE_CELLS, times) for name, inputs in variants(cell)[:3]]
    if participants > SMALL:
        return [simulate(name, inputs, seed, 1) for name, inputs in variants(participants)[:5]]
    # Where clients come again and again, because nobody starts pods, a large fleet takes long to simulate.
    found = variants(participants) if participants <= 1000 else variants(participants)[:-2]
    return [simulate(name, inputs, seed, SMALL_DAYS) for name, inputs in found]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fleet",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--participants", default="1000,100000,10000000", help="numbers at the busiest minute"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cell", type=float, default=CELL, help="participants of a cell, 1,000 at least")
    parser.add_argument("--sources", action="store_true", help="print the inputs with their sources, and end")
    given = parser.parse_args(arguments)
    if given.sources:
        print(tables.sources())
        return
    try:
        scales = [float(each) for each in given.participants.split(",")]
    except ValueError:
        parser.error(f"--participants: expected numbers with commas between them, got {given.participants!r}")
    if not all(10 <= scale <= 1e9 for scale in scales):
        parser.error(f"--participants: expected 10 to 1,000,000,000, got {given.participants}")
    if not 1000 <= given.cell <= 1e6:
        parser.error(f"--cell: expected 1,000 to 1,000,000, got {given.cell:g}")
    quads = []
    for scale in scales:
        found = results(scale, given.seed, given.cell)
        quads.append(found[1])
        print(f"### {tables.number(scale)} participants\n")
        for table in (tables.size, tables.service, tables.moves):
            print(table(found), end="\n\n", flush=True)
    print(f"### Bandwidth\n\n{tables.bandwidth(scales, Inputs().capacity, Inputs().cores)}\n")
    print(f"### Around the pods\n\nWith pods of 4 cores.\n\n{tables.around(quads)}")


if __name__ == "__main__":
    main()
