"""Text of strangers without what a terminal obeys or a reader cannot see."""

import re

_LOOKED_AT = re.compile(r"[^ -~]")
"""All of the others are printable."""


def printable(text: str, keep: str = "") -> str:
    r"""Each character that is not printable as an escape, such as \x00, but for those to keep."""

    def shown(match: re.Match[str]) -> str:
        c = match[0]
        return c if c.isprintable() or c in keep else repr(c)[1:-1]

    return _LOOKED_AT.sub(shown, text)
