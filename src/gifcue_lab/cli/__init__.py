"""The `gifcue-lab` command. Each command's module is imported when it is run, and not before."""

from gifcue_lab.cli.app import main

__all__ = ["main"]
