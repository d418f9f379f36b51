"""Code blocks of Markdown pages, and commands as a shell would split them."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
INDENTED = re.compile(r"^    (vestige .*)$", re.M)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, what is in it, and its first line on the page."""

    language: str
    text: str
    line: int


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page in their order."""
    return [Block(m[1], m[2], text[: m.start()].count("\n") + 2) for m in FENCE.finditer(text)]


def commands(text: str) -> list[list[str]]:
    """The arguments of each vestige command in some lines; comments and line ends are removed."""
    lines = text.replace("\\\n", " ").split("\n")
    split = [shlex.split(line, comments=True) for line in lines if line.startswith("vestige ")]
    return [words[1:] for words in split]


def commands_of_page(text: str) -> list[list[str]]:
    """All vestige commands that stand on lines of their own, fenced or indented by four."""
    shell = [one.text for one in blocks(text) if one.language in ("", "sh", "bash")]
    return commands("\n".join([*shell, *INDENTED.findall(FENCE.sub("", text))]))
