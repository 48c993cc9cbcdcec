"""The `gifcue` command. Each command's module is imported when it is run, and not before."""

from gifcue.cli.app import app, main

__all__ = ["app", "main"]
