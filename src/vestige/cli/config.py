"""`--config vestige.toml`: a file that holds the question of an audit, fixed before the run.

Its tables are the panels of the help, its keys the options of `vestige audit` without the dashes.
An option of the command line overrules the file.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_type_hints

import typer

from vestige.cli.options import PANELS, QUESTION, Command
from vestige.files.places import Named
from vestige.files.toml_file import one_line, read_toml, refuse_unknown, tables_of
from vestige.registry.entries import InputError

FLAG = "--config"
LEFT_OUT = ("config", "force", "help")
"""Options that a file cannot give: itself, and consent to lose a result."""
ROLES = ("generated", "used", "unused", "query", "reference")
CONTRADICTING = (*(("imageclef", role) for role in ROLES), ("groups", "group-regex"))
"""Sources of the same thing: a file names one of them."""
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A TOML file such as vestige.toml that holds the question: folders, patients and "
        "options. Options of the command line overrule it; its SHA-256 goes into the result.",
        rich_help_panel=QUESTION,
    ),
]


@dataclass(frozen=True)
class Config:
    """A file that was read: where it lies, the digest of its bytes, and what overruled it."""

    path: Path
    sha256: str
    overruled: tuple[str, ...]


def with_file(inputs: Sequence[Named], plan: Config | None) -> list[Named]:
    """What a command reads, the file of `--config` too: nothing is written there."""
    return [*inputs, *([(FLAG, plan.path)] if plan else [])]


class Configured(Command):
    """A command that takes what `--config` names, before what the command line says."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the options of the file before those of the command line, which overrule them."""
        if (path := _path(args)) is not None:
            raw, text = read_toml(path)
            own = _values(path, raw, self)
            given = {argument.partition("=")[0] for argument in args}
            overruled = [name for name in own if given & set(self.spellings(name))]
            ctx.obj = Config(
                path,
                hashlib.sha256(text.encode("utf-8")).hexdigest(),
                tuple(f"--{name}" for name in overruled),
            )
            told = [one for name, words in own.items() if name not in overruled for one in words]
            args = told + args
        return super().parse_args(ctx, args)

    def spellings(self, name: str) -> tuple[str, ...]:
        """All that the command line may call an option."""
        return next((*p.opts, *p.secondary_opts) for p in self.params if f"--{name}" in p.opts)


def _path(args: list[str]) -> Path | None:
    """The file that --config names last."""
    found = None
    for place, argument in enumerate(args):
        name, equals, value = argument.partition("=")
        if name == FLAG and (equals or place + 1 < len(args)):
            found = Path(value if equals else args[place + 1])
    return found


def _values(path: Path, raw: dict[str, Any], command: Configured) -> dict[str, list[str]]:
    """Option -> what the command line would say; a fault of the file is one line."""
    where = path.name
    tables = tables_of(where, raw, [panel.lower() for panel in PANELS])
    found: dict[str, list[str]] = {}
    hints = get_type_hints(command.callback)
    for panel in PANELS:
        known = {}
        for option in command.params:
            name = option.opts[0].removeprefix("--")
            if option.rich_help_panel == panel and name not in LEFT_OUT:  # type: ignore[attr-defined]
                known[name] = option
        own = tables.get(panel.lower(), {})
        refuse_unknown(f"{where}: [{panel.lower()}]", own, known, "key")
        for name, value in own.items():
            kind = hints[str(known[name].name)]
            place = f"{where}: {panel.lower()}.{name}"
            words = list(_words(place, value, kind, path.parent, name in ROLES))
            flag = known[name].opts[0]
            if isinstance(value, bool):
                found[name] = [flag] if value else list(known[name].secondary_opts[:1])
            else:
                found[name] = [word for one in words for word in (flag, one)]
    for one, other in CONTRADICTING:
        if one in found and other in found:
            raise InputError(f"{where} gives {one} and {other}, which say the same: give one.")
    return found


def _words(place: str, value: Any, kind: Any, folder: Path, is_role: bool) -> Iterator[str]:
    """A value as text, checked; places lie relative to the folder of the file."""
    from vestige.images.remote import is_address

    parts = [part for part in get_args(kind) if part is not NoneType] or [kind]
    wanted = parts[0]
    if get_args(wanted):  # a list
        (wanted,) = get_args(wanted)
        if not isinstance(value, list):
            raise InputError(f"{place} must be a list, not {one_line(repr(value))[:60]}.")
        values = value
    else:
        values = [value]
    of_text = str if wanted is Path else wanted
    for one in values:
        fits = isinstance(one, int | float) if of_text is float else isinstance(one, of_text)
        if not fits or (isinstance(one, bool) and of_text is not bool) or one == "":
            raise InputError(f"{place} must be {WORDS[of_text]}, not {one_line(repr(one))[:60]}.")
        if (wanted is Path or is_role) and not is_address(one):
            one = str(folder / one)
        yield str(one)
