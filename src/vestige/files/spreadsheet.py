"""Cells of a CSV that is safe to open in a spreadsheet."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "＝", "＋", "－", "＠")


def number(value: float | None) -> str:
    """A number in full precision; nothing for None."""
    return "" if value is None else repr(float(value))


def cell(text: str) -> str:
    """Neutralise spreadsheet formulas: a text cell must not start like one.

    A leading apostrophe is doubled, so that dropping one apostrophe gives the name back.
    """
    return "'" + text if text.startswith(FORMULA_STARTS) else text
