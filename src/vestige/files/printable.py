"""Text of strangers without what a terminal obeys or a reader cannot see."""


def printable(text: str, keep: str = "") -> str:
    r"""Each character that is not printable as an escape, such as \x00, but for those to keep."""
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)
