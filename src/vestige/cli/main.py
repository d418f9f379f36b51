"""The command line: one short function per command.

Exit codes: 0 done, 2 bad usage or input, 3 gate closed, 4 gate undecided.
"""

import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from vestige.cli.audit import audit_command
from vestige.cli.benchmark import benchmark
from vestige.cli.check import check_command
from vestige.cli.combine import combine
from vestige.cli.config import Configured
from vestige.cli.ending import Ended, ended_as_by_ctrl_c
from vestige.cli.inspect import inspect
from vestige.cli.listing import list_choices
from vestige.cli.options import OUTPUT, Command, Json, Quiet, Seed
from vestige.cli.results import export, report, score
from vestige.cli.scrub import scrub
from vestige.cli.terminal import output, progress_bars, say, tell, warn
from vestige.cli.train import train
from vestige.cli.worlds import app as world_commands
from vestige.engine.machine import collect_rarely, keep_freed_memory
from vestige.registry.entries import InputError
from vestige.version import __version__

app = typer.Typer(
    help="Was this real medical image used to train the generator behind those synthetic images?",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)

INTERRUPTED = 130
ENDED = (129, INTERRUPTED, 143)
"""Exit codes after SIGHUP, Ctrl-C and SIGTERM."""


app.command("audit", cls=Configured)(audit_command)
app.command("check", cls=Configured)(check_command)


@app.command(cls=Command)
def demo(
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="The folder for the images and the two reports.",
            rich_help_panel=OUTPUT,
        ),
    ] = Path("vestige-demo"),
    quiet: Quiet = False,
    as_json: Json = False,
    seed: Seed = 0,
) -> None:
    """Audit one leaking and one clean set of embedded CT-like phantoms."""
    from vestige.engine.engines import open_executor
    from vestige.worlds.demo import audit_demo, write_demo

    with output(out), progress_bars(quiet) as progress, open_executor() as executor:
        progress("drawing phantoms", 0, 1)
        asked = write_demo(out, seed, executor)
        progress("drawing phantoms", 1, 1)
        progress("auditing", 0, len(asked))
        for done, (result, report) in enumerate(audit_demo(asked, out, seed, executor)):
            progress("auditing", done + 1, len(asked))
            if not quiet and not as_json:
                say(f"The {asked[done][0]} set:")
            tell(result, report, quiet, as_json)


app.command(cls=Command)(combine)
app.command(cls=Command)(scrub)
app.command(cls=Command)(train)
app.add_typer(world_commands, name="world")
app.command(cls=Command)(benchmark)
app.command(cls=Command)(export)
app.command(cls=Command)(score)
app.command(cls=Command)(report)
app.command(cls=Command)(inspect)
app.command("list", cls=Command)(list_choices)


@app.callback()
def before_command(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version of vestige and exit.")
    ] = False,
) -> None:
    """Was this real medical image used to train the generator behind those synthetic images?"""
    if version:
        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every error a user can mend is one line on stderr and exit code 2."""
    # click's exceptions, from wherever typer has them: newer versions bring click within
    keep_freed_memory()
    collect_rarely()
    usage_error: Any = sys.modules[typer.BadParameter.__module__].ClickException
    try:
        with ended_as_by_ctrl_c():
            code = app(args=arguments, prog_name="vestige", standalone_mode=False)
    except InputError as error:
        code = _fail(error.for_command)
    except usage_error as error:
        code = _fail(usage(error.format_message()))
    except OSError as error:
        code = _fail(f"{error.strerror or error}: {error.filename or ''}")
    except Ended as end:
        code = end.code
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code in ENDED:  # typer may also return it
        _fail("interrupted before the result was written.")
    sys.exit(code or 0)


_USAGE = (
    (r"Input should be a valid integer.*", "it must be a whole number."),
    (r"Input should be a valid number.*", "it must be a number."),
    (r"Value error, embedded null byte", "it holds a zero byte, which no path does."),
)


def usage(message: str) -> str:
    """What the command line says of an option, without the words of the library below it."""
    for theirs, ours in _USAGE:
        message = re.sub(theirs, ours, message)
    return message


def _fail(message: str) -> int:
    warn(message)
    return 2


if __name__ == "__main__":
    main()
