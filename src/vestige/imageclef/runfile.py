"""run.csv, the submission file of the ImageCLEFmedical GANs challenge: names, checks, reading."""

import csv
import io
import math
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from vestige.files.regular import read_text
from vestige.files.spreadsheet import no_table
from vestige.images.names import natural_key
from vestige.registry.entries import InputError, RegistryEntry, create
from vestige.stats.groups import some_names

# Longest first, so that "scan.nii.gz" loses both.
_SUFFIXES = (
    ".nii.gz", ".dicom", ".jpeg", ".tiff", ".webp", ".nii", ".dcm", ".png", ".jpg", ".tif",
    ".bmp", ".npy", ".npz", ".gif",
)  # fmt: skip


@dataclass(frozen=True)
class RunFormat:
    """How a row names an image, and which header (if any) may stand above the rows."""

    name: str
    header: str | None
    extension: bool

    def row_name(self, image_id: str) -> str:
        """The name that stands in the file: no folder; with or without the extension."""
        name = PurePosixPath(image_id).name
        return name if self.extension else bare_name(name)


FORMATS: dict[str, RegistryEntry[RunFormat]] = {
    "imageclef2025": RegistryEntry(
        "file name with extension, 0 or 1; --header writes original_image,label",
        lambda: RunFormat("imageclef2025", "original_image,label", extension=True),
    ),
    "imageclef2023": RegistryEntry(
        "id without extension, 0 or 1; never a header",
        lambda: RunFormat("imageclef2023", None, extension=False),
    ),
}


def bare_name(image_id: str) -> str:
    """An id without folder and image extension, in NFC; "v.nii.gz#3" becomes "v#3"."""
    name = PurePosixPath(unicodedata.normalize("NFC", image_id)).name
    stem, frame = re.fullmatch(r"(.*?)(#[0-9]+)?", name, re.DOTALL).groups("")  # type: ignore[union-attr]
    for suffix in _SUFFIXES:
        if stem.lower().endswith(suffix) and len(stem) > len(suffix):
            return stem[: -len(suffix)] + frame
    return name


def validate_run(
    text: str,
    ids: Iterable[str],
    format: str = "imageclef2025",
) -> list[str]:
    """All faults of a run file, with line and id; none when it may be handed in.

    Stricter than the official 2023 validator, which also takes spaces and "01", and stops at the
    first fault. Lines may end in LF or CRLF; rows may stand in any order; the 2025 header may be
    there or not.

    Parameters
    ----------
    text : str
        The whole file, decoded as UTF-8.
    ids : iterable of str
        Every query, as path or as name.
    format : str
        A key of :data:`FORMATS`.
    """
    rules = create(FORMATS, format, "format")
    expected = {rules.row_name(i) for i in ids}
    faults: list[str] = []
    if text.startswith("\ufeff"):
        faults.append("the file starts with a byte-order mark")
        text = text[1:]
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    start = 0
    if rules.header is not None and lines[0] == rules.header:
        start = 1
    seen: set[str] = set()
    if lines[start:] in ([], [""]):
        faults.append("the file holds no row")
        start = len(lines)
    for number, line in enumerate(lines[start:], start + 1):
        tokens = line.split(",")
        if len(tokens) != 2:
            what = "is blank" if not line.strip() else f"has {len(tokens)} fields, not 2: {line!r}"
            faults.append(f"line {number} {what}")
            continue
        name, label = tokens
        if name not in expected:
            faults.append(f"line {number}: unknown id {name!r}")
        elif name in seen:
            faults.append(f"line {number}: repeated id {name!r}")
        if label not in ("0", "1"):
            faults.append(f"line {number}: label of {name!r} is {label!r}, not 0 or 1")
        seen.add(name)
    faults += [f"missing id {name!r}" for name in sorted(expected - seen, key=natural_key)]
    return faults


def read_run(path: str | os.PathLike[str]) -> dict[str, float]:
    """Read labels or scores by id, as written but for its letters, which become composed (NFC).

    A header, quotes and spaces are understood.

    The first line counts as a header when its second field is not a number and its first has no
    image extension.

    Raises
    ------
    InputError
        When the file cannot be read, a row is not ``id,number``, or an id is repeated.
    """
    shown = os.fspath(path)
    text = read_text(path).removeprefix("\ufeff")
    values: dict[str, float] = {}
    repeated: list[str] = []
    try:
        rows = list(csv.reader(io.StringIO(text, newline=None), skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise InputError(f"cannot read {shown} as CSV: {no_table(error)}.") from error
    for number, row in enumerate(rows, 1):
        fields = [unicodedata.normalize("NFC", field.strip()) for field in row]
        value = _number(fields[1]) if len(fields) == 2 and fields[0] else None
        if value is None:
            if number == 1 and len(fields) == 2 and bare_name(fields[0]) == fields[0]:
                continue
            raise InputError(
                f"{shown}, row {number}: expected id,number, found {','.join(row)!r:.80}."
            )
        if fields[0] in values:
            repeated.append(fields[0])
        values[fields[0]] = value
    if repeated:
        raise InputError(
            f"{shown} repeats {len(repeated)} ids: {some_names(repeated, 10)}. Keep one row each."
        )
    if not values:
        raise InputError(f"{shown} holds no row. Give one id,number per line.")
    return values


def refuse_collisions(ids: Sequence[str], name_of: Callable[[str], str], what: str) -> None:
    """Refuse ids that share a name: which image a row means could not be told."""
    by_name: dict[str, list[str]] = {}
    for image_id in ids:
        by_name.setdefault(name_of(image_id), []).append(image_id)
    clashes = [f"{name} ({', '.join(same)})" for name, same in by_name.items() if len(same) > 1]
    if clashes:
        raise InputError(
            f"{len(clashes)} {what} stand for several images: {some_names(clashes, 10)}. "
            "Rename the files so that names differ without folder and extension."
        )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
