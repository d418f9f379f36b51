"""Contexts for the document of a board: the template with every key filled in."""

import re
from pathlib import Path

from vestige.report.annex_context import LONGEST, MOST, STATEMENTS, Context, read_context, template

KEY = re.compile(r"^# (?=[a-z_0-9]+ = )", re.MULTILINE)


def filled() -> str:
    """The template with every key in force."""
    return KEY.sub("", template())


def longest() -> str:
    """The same with the longest texts that may be given."""
    kept, told, lines = ("access", "unit", "sha256", "table", "scrub_log"), "", []
    for line in filled().splitlines():
        if heading := re.match(r"\[(\w+)\]", line):
            told = heading[1]
        if (key := re.match(r'(\w+) = "', line)) and key[1] not in kept:
            most = LONGEST if f"{told}.{key[1]}" in STATEMENTS else MOST
            line = f'{key[1]} = "{("A long statement of the controller. " * 60)[:most]}"'
        lines.append(line)
    return "\n".join(lines)


def without_files(text: str) -> str:
    """The same without the files that it names."""
    return re.sub(r"^(table|columns|scrub_log) = .*$", "", text, flags=re.MULTILINE)


def context_of(folder: Path, text: str) -> Context:
    """What a context.toml with this text states."""
    path = folder / "context.toml"
    path.write_text(text, encoding="utf-8")
    return read_context(path)
