"""The commands of `gifcue`, and how errors are reported.

A user's mistake, or what the system refuses, is reported in one line on stderr, with exit code 2 (usage, settings) or 1
(everything else). A traceback is a defect of gifcue.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from gifcue import __version__
from gifcue.cli.console import print_error
from gifcue.errors import ConfigError, GifcueError

USAGE = 2
FAILURE = 1
INTERRUPTED = 130  # 128 + SIGINT, the shells' convention


class Entry(NamedTuple):
    """A command: a module whose `app` is a Typer, imported only when the command is run.

    `extra` is the optional part of gifcue that it needs, empty for none.
    """

    module: str
    help: str
    extra: str = ""


COMMANDS: dict[str, Entry] = {
    "serve": Entry("gifcue.cli.serve", "Run the server until SIGTERM or Ctrl-C."),
    "stream": Entry("gifcue.cli.stream", "Stream files, URLs or cameras and print the reactions."),
    "ingest": Entry("gifcue.cli.ingest", "Receive a media server's video, such as RTP, and send it on."),
    "annotate": Entry("gifcue.cli.annotate", "Print the labels found in still pictures."),
    "labels": Entry("gifcue.cli.labels", "List what the model can detect and which of it are reactions."),
    "settings": Entry("gifcue.cli.settings", "List every setting, its value in force and what it does."),
    "filter": Entry("gifcue.cli.filter", "Report how many frames of a clip the similar-frame filter skips."),
    "rules": Entry("gifcue.cli.rules", "Check a rule book, and explain what it would choose."),
    "capacity": Entry("gifcue.cli.capacity", "Measure how many participants this machine carries."),
    "token": Entry("gifcue.cli.token", "Make the keys and tokens of callers."),
    "status": Entry("gifcue.cli.status", "Show the state of a running server."),
    "operate": Entry("gifcue.cli.operate", "Drain a running server, reload its rules, list its streams."),
    "demo": Entry("gifcue.cli.demo", "Start a server, stream a clip, print the reactions, stop."),
    "gesture": Entry("gifcue.cli.gesture", "Teach a gesture of your own from a few dozen samples."),
}


# Commands of `gifcue-lab`, which users may look for here.
MOVED: dict[str, str] = {name: f"gifcue-lab {name}" for name in ("dataset", "train", "evaluate", "export")}


class LazyGroup(TyperGroup):
    """A group that imports a command's module only when the command is run.

    A subclass sets `commands_table`.
    """

    commands_table: ClassVar[Mapping[str, Entry]] = {}

    _only_listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the commands, in the order of the table."""
        return list(self.commands_table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command. While the list of commands is printed, a stand-in that has only its help."""
        entry = self.commands_table.get(cmd_name)
        if entry is None:
            return None
        if self._only_listing:
            return TyperCommand(cmd_name, help=entry.help)
        try:
            module = importlib.import_module(entry.module)
        except ModuleNotFoundError as error:
            if not entry.extra:
                raise
            raise ConfigError(
                f"{cmd_name}: expected the extra {entry.extra} (pip install 'gifcue[{entry.extra}]'), got no module "
                f"{error.name}"
            ) from None
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Prints the help without importing the commands."""
        self._only_listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._only_listing = False

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Runs a command and exits with its code."""
        run = super().main
        # Not standalone, because click would then print errors itself.
        sys.exit(_run(lambda: run(args, prog_name, complete_var, False, windows_expand_args, **extra)))


def _run(command: Any) -> int:
    try:
        code = command()
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except ConfigError as error:
        print_error(str(error))
        return USAGE
    except GifcueError as error:
        print_error(str(error))
        return FAILURE
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of the output is gone (`| head`). Python flushes again at exit, which must not raise a second time.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except OSError as error:
        # The system refuses something: a folder is missing or protected, a disk is full. One without a number is not
        # the system's, and without a text it would tell nothing.
        if error.errno is None and not str(error):
            raise
        print_error(_refusal(error))
        return FAILURE
    except Exception as error:
        # Usage errors are recognised by their method: depending on the version, their class is in click or in typer.
        if not hasattr(error, "format_message"):
            raise
        context = getattr(error, "ctx", None)
        message = error.format_message()
        if not message:  # a group without a command, whose help has been printed
            return USAGE
        print_error(message)
        if context is not None:
            print_error(f"'{context.command_path} --help' explains the usage", prefix="")
        return int(getattr(error, "exit_code", USAGE))


def _refusal(error: OSError) -> str:
    """What the system refused, and the file, where the error names one."""
    if error.strerror is None:
        return str(error)
    return error.strerror if error.filename is None else f"{os.fsdecode(error.filename)}: {error.strerror}"


class _Commands(LazyGroup):
    commands_table = COMMANDS

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """As in `LazyGroup`. Raises `ConfigError` for a command that is `gifcue-lab`'s."""
        if cmd_name in MOVED:
            raise ConfigError(
                f"expected one of {', '.join(COMMANDS)}; `{cmd_name}` moved to `{MOVED[cmd_name]}` "
                '(pip install "gifcue[lab]")'
            )
        return super().get_command(ctx, cmd_name)


def make_app(commands: type[LazyGroup], name: str, summary: str) -> typer.Typer:
    """The top of a command line: its help, `--version`, and the commands of `commands`."""
    top = typer.Typer(
        cls=commands,
        name=name,
        help=summary,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )

    @top.callback(invoke_without_command=True)
    def options(
        context: typer.Context,
        version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    ) -> None:
        if version:
            typer.echo(f"{name} {__version__}")
            raise typer.Exit
        if context.invoked_subcommand is None:
            typer.echo(context.get_help(), nl=False)

    return top


app = make_app(_Commands, "gifcue", "Listens to the video of a meeting and cues GIFs.")


def main() -> None:
    """The entry point of the `gifcue` command."""
    # Read by gRPC when it is imported, which the commands do. It writes a line of its own for every failed handshake,
    # so that whoever reaches a port could fill a disk. What matters of it comes back as an exception.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    app()
