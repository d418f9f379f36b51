"""What a file's name alone says: its place in the order, and whether it may be an image."""

import os
import re
from typing import Any

_NO_IMAGE_SUFFIXES = frozenset(
    [
        ".csv",
        ".tsv",
        ".txt",
        ".md",
        ".rst",
        ".json",
        ".jsonl",
        ".html",
        ".htm",
        ".xml",
        ".yaml",
        ".yml",
        ".toml",
        ".ini",
        ".cfg",
        ".log",
        ".pdf",
        ".xls",
        ".xlsx",
        ".doc",
        ".docx",
        ".db",
        ".sqlite",
        ".py",
        ".ipynb",
        ".sh",
        ".sha256",
        ".md5",
    ]
)
_NO_IMAGE_NAMES = frozenset(
    [
        "readme",
        "license",
        "licence",
        "copying",
        "notice",
        "authors",
        "changelog",
        "dicomdir",
        "thumbs.db",
        "desktop.ini",
        "__macosx",
    ]
)


def natural_key(identifier: str) -> tuple[Any, ...]:
    """Sort key by which "s2/img_10" follows "s2/img_9"; total, so ties cannot depend on luck."""
    parts = tuple(tuple(map(_chunk, re.split(r"([0-9]+)", p))) for p in identifier.split("/"))
    return parts, identifier


def _chunk(text: str) -> tuple[int, int, str]:
    if not (text.isascii() and text.isdigit()):
        return 1, 0, text
    digits = text.lstrip("0")
    # numbers by their length first: no conversion, so no limit on the digits
    return 0, len(digits), digits


def may_be_image(identifier: str) -> bool:
    """Whether neither the name nor a folder above says that this is hidden or a document."""
    named = any(part in _NO_IMAGE_NAMES for part in identifier.lower().split("/"))
    return not (named or is_hidden(identifier) or is_document(identifier))


def is_document(identifier: str) -> bool:
    """Whether the file has the name of a document or a table."""
    name = identifier.lower().rpartition("/")[2]
    return name in _NO_IMAGE_NAMES or os.path.splitext(name)[1] in _NO_IMAGE_SUFFIXES


def is_hidden(identifier: str) -> bool:
    """Whether the file or a folder above has a name that starts with a dot."""
    return any(part.startswith(".") for part in identifier.split("/"))
