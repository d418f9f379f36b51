"""Cells of a CSV that is safe to open in a spreadsheet, and why a CSV cannot be read."""

import re

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "＝", "＋", "－", "＠")
_START = "[" + "".join(map(re.escape, FORMULA_STARTS)) + "]"
_FORMULA = re.compile(rf"(?:\A|(?<=;))(?=\s*{_START})")
_MARK = re.compile(r"\A'|(?<=;)'")
"""Every apostrophe at these places was put there: one of the text itself is marked, too."""


def number(value: float | None) -> str:
    """A number in full precision; nothing for None."""
    return "" if value is None else repr(float(value))


def cell(text: str) -> str:
    """Neutralise spreadsheet formulas: no part of a text must start like one.

    Parts begin where a spreadsheet may begin a cell: at the start, and after the semicolon, which
    separates cells in many countries; blanks do not count. Each gets an apostrophe; `plain` gives
    the text back.
    """
    return _FORMULA.sub("'", text)


def plain(text: str) -> str:
    """The text of which `cell` made this."""
    return _MARK.sub("", text)


def no_table(error: Exception) -> str:
    """Why a CSV cannot be read, in plain words."""
    if isinstance(error, OSError):
        return error.strerror or "the system does not give it"
    if isinstance(error, UnicodeDecodeError):
        return "it is not a UTF-8 text; save it as CSV in UTF-8"
    return "a quotation mark is never closed, or a cell is longer than 131,072 characters"
