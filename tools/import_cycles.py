"""Lists the import cycles of gifcue and gifcue_lab, and fails when there is one.

Imports under TYPE_CHECKING and inside functions count as well: a cycle that only a type checker or a late call
follows still ties its modules together.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Mapping, Set

import grimp

PACKAGES = ("gifcue", "gifcue_lab")

Imports = Mapping[str, Set[str]]


def main() -> int:
    """Prints every cycle as a chain; returns 1 when there is one, otherwise 0."""
    cycles = list(find_cycles(read_imports()))
    for cycle in cycles:
        print(" -> ".join((*cycle, cycle[0])))
    print(f"import cycles: {len(cycles)}" if cycles else "no import cycles")
    return 1 if cycles else 0


def read_imports() -> Imports:
    """The modules that each module of `PACKAGES` imports directly."""
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=False)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def find_cycles(imports: Imports) -> Iterator[tuple[str, ...]]:
    """Yields, for each module on a cycle that no earlier one contains, the shortest cycle through it.

    Modules that import each other in many ways have more cycles than is useful to read. This list names every module
    that is on one, and is empty only if there is none.
    """
    seen: set[str] = set()
    for module in sorted(imports):
        if module not in seen:
            cycle = shortest_cycle(imports, module)
            if cycle:
                seen.update(cycle)
                yield cycle


def shortest_cycle(imports: Imports, start: str) -> tuple[str, ...]:
    """The modules on the shortest way from `start` back to itself, `start` first; empty if there is none."""
    importer: dict[str, str] = {}
    waiting = deque([start])
    while waiting:
        module = waiting.popleft()
        for imported in sorted(imports.get(module, ())):
            if imported == start:
                chain = [module]
                while chain[-1] != start:
                    chain.append(importer[chain[-1]])
                return tuple(reversed(chain))
            if imported not in importer:
                importer[imported] = module
                waiting.append(imported)
    return ()


if __name__ == "__main__":
    sys.exit(main())
