"""Tables as people write them: separators, encodings, names of columns, ways to write a path."""

import csv
import io
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from vestige.files.regular import TEXT_BYTES, open_regular
from vestige.images.formats import SUFFIXES
from vestige.registry.entries import InputError

LIST_COLUMNS = (
    "id", "file", "path", "image", "filename", "file_name", "filepath", "file_path", "image_id",
    "image_path",
)  # fmt: skip
"""Names of the column of images."""
GROUP_COLUMNS = (
    "group", "person", "patient", "patient_id", "patientid", "group_id", "subject", "subject_id",
    "case", "case_id", "participant", "participant_id",
)  # fmt: skip
"""Names of the column of patients."""
SEPARATORS = ",;\t"
_TOLD = "sep="
"""A first line such as "sep=;" tells Excel, and us, the separator."""
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_NO_TEXT = {b"PK\x03\x04": "an Excel file or an archive", b"\xd0\xcf\x11\xe0": "an old Excel file"}


def read_rows(table: Path) -> list[list[str]]:
    """The rows of a CSV file that are not blank, their cells without blanks around.

    Commas, semicolons or tabs separate; UTF-8 or, with its mark, UTF-16.

    Raises
    ------
    InputError
        For anything else.
    """
    text = _text(table)
    first, _, rest = text.partition("\n")
    told = first.strip().strip('"').lower()
    if told.startswith(_TOLD) and len(told) <= len(_TOLD) + 1:
        separator = first.strip().strip('"')[len(_TOLD) :] or "\t"
        text = rest
    else:
        separator = _separator(text)
    if separator not in SEPARATORS:
        raise InputError(f"{table} names {separator!r} as its separator; use a comma")
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        rows = [[cell.strip() for cell in row] for row in reader]
    except csv.Error as error:
        raise InputError(
            f"cannot read {table} as CSV: row {reader.line_num} is not closed, or one of its cells "
            "is too long; save it as CSV again"
        ) from error
    return [row for row in rows if any(row)]


def _text(table: Path) -> str:
    try:
        with open_regular(table, TEXT_BYTES, link=True) as file:
            data = file.read()
    except OSError as error:
        raise InputError(f"cannot read {table} as CSV: {error.strerror or error}") from error
    except ValueError as error:  # a zero byte in the name
        raise InputError(f"cannot read {table} as CSV: no file has this name") from error
    for start, kind in _NO_TEXT.items():
        if data.startswith(start):
            raise InputError(f"cannot read {table} as CSV: it is {kind}; save it as CSV UTF-8")
    coding = "utf-16" if data.startswith(_UTF_16) else "utf-8-sig"
    try:
        text = data.decode(coding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"cannot read {table} as CSV: line {line} is not written in UTF-8 (by a program of "
            "Windows?); save it as CSV UTF-8"
        ) from error
    if "\0" in text:
        raise InputError(
            f"cannot read {table} as CSV: it holds zero bytes (UTF-16 without a mark?); save it as "
            "CSV UTF-8"
        )
    return text


def _separator(text: str) -> str:
    """The one by which most names of columns are seen in the first line; a comma by default."""
    first = next((line for line in text.splitlines() if line.strip()), "")

    def seen(separator: str) -> int:
        names = [column_name(cell.strip().strip('"')) for cell in first.split(separator)]
        return sum(name in LIST_COLUMNS or name in GROUP_COLUMNS for name in names)

    # no comma in the line: a name of one column alone says nothing
    several = [sign for sign in SEPARATORS if sign in first]
    return max(several, key=seen, default=",") if max(map(seen, several), default=0) else ","


def column_name(cell: str) -> str:
    """The name of a column as it is compared: "Patient ID" is patient_id."""
    return "_".join(cell.strip().lower().replace("-", " ").split())


def column(header: Sequence[str], known: Sequence[str], first: int) -> int | None:
    """Place of the column that has one of these names: `first` if it has, else the only one.

    Raises
    ------
    InputError
        When several columns have such a name and place `first` has none.
    """
    names = [column_name(cell) for cell in header]
    places = [k for k, name in enumerate(names) if name in known]
    if first in places:
        return first
    if len(places) > 1:
        raise InputError(
            f"has the columns {' and '.join(header[k] for k in places)}, which may mean the same; "
            "keep one of them"
        )
    return places[0] if places else None


def written(name: str) -> str:
    """A name as it is compared: composed letters (NFC), slashes, no "./"."""
    text = unicodedata.normalize("NFC", name.strip()).replace("\\", "/")
    return Path(text).as_posix() if text else ""


def without_suffix(name: str) -> str:
    """A name without the suffix of an image format; "v.nii.gz#3" becomes "v#3"."""
    base, mark, number = name.rpartition("#")
    if mark and number.isdigit():
        return f"{without_suffix(base)}#{number}"
    lower = name.lower()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        stem = name[: -len(suffix)]
        if lower.endswith(suffix) and stem and not stem.endswith("/"):
            return stem
    return name
