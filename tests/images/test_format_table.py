"""One table of formats: the readers, the command line and docs/formats.md say the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from story.world import call
from vestige.images.format_table import GREY, REFUSED
from vestige.images.formats import SUFFIXES
from vestige.images.other_formats import archive, other_format
from vestige.images.readers import READERS

PAGE = Path(__file__).resolve().parents[2] / "docs/formats.md"


def page_rows() -> list[list[str]]:
    """Cells of the first table of the page."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index("| format | what | suffixes | extra | grey values |") + 2
    end = next(k for k in range(start, len(lines)) if not lines[k].startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start:end]]


def test_every_reader_says_how_grey_comes_about() -> None:
    assert GREY.keys() == READERS.keys()
    assert not REFUSED.keys() & READERS.keys()
    assert {*SUFFIXES.values()} == READERS.keys()


@pytest.mark.parametrize(
    "head",
    [
        b"\x00\x00\x00\x0cJXL ",
        b"\x76\x2f\x31\x01",
        b"8BPS",
        b"SIMPLE  =",
        b"MINC",
        b"7z\xbc\xaf\x27\x1c",
        b"Rar!\x1a\x07",
        b"\0\0\0\x18ftypheic",
        b"\x5c\x01\0\0".ljust(348, b"\0"),
        b"PK\x03\x04",
        b"\x1f\x8b",
    ],
)
def test_every_format_that_is_refused_has_its_reason(head: bytes) -> None:
    name = other_format(head.ljust(28, b"\0")) or archive(head)
    assert name.lower() in {*map(str.lower, REFUSED), *READERS}


def test_the_page_holds_what_the_command_prints(capsys: Any) -> None:
    listed = json.loads(call(capsys, "list", "formats", "--json").out)
    rows = page_rows()
    assert [row[0] for row in rows] == list(listed)
    for (name, what, suffixes, extra, grey), told in zip(rows, listed.values(), strict=True):
        assert name == told["name"]
        assert what.endswith(told["what"])
        assert what.startswith({"read": ""}.get(told["state"], told["state"].capitalize() + "."))
        assert suffixes == (" ".join(told["suffixes"]) or "-")
        assert extra == (told["extra"] or "-")
        assert grey == (told["grey"] or "-")
    printed = call(capsys, "list", "formats").out
    assert all(cell == "-" or cell in printed for row in rows for cell in row)
    assert "[needs vestige[medical]]" in printed
