"""The `gifcue-lab` command. The module of a command is imported when the command runs, not before."""

from __future__ import annotations

import sys

# As in `gifcue`: usage and settings.
_USAGE = 2
# Modules of gifcue itself: if one of them is missing, that is a defect and no missing extra.
_OWN = frozenset(("gifcue", "gifcue_lab"))


def main() -> None:
    """The entry point of `gifcue-lab`. Exits with 2 if a package of the extra `lab` is not installed."""
    try:
        from gifcue_lab.cli.app import app

        app()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package or package in _OWN:
            raise
        print(
            f'error: gifcue-lab needs the package {package}, which is not installed: pip install "gifcue[lab]"',
            file=sys.stderr,
        )
        sys.exit(_USAGE)


__all__ = ["main"]
