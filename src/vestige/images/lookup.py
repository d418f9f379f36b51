"""Lookup tables of DICOM: palettes, modality and display tables, in every packing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.images.frame import Unreadable

_MOST_ENTRIES = 65536


@dataclass(frozen=True)
class Table:
    """Entries for the inputs `first`, `first` + 1, ...; their type is that of `bits`."""

    entries: npt.NDArray[Any]
    first: int
    bits: int

    @property
    def full(self) -> int:
        """The entry that is white: 8 bits where no entry uses more, whatever the table says."""
        return 255 if self.entries.max() <= 255 and self.bits > 8 else 2**self.bits - 1

    def __call__(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The entry of each value; those beyond the ends take the entry of the end."""
        place = np.rint(values).astype(np.int64) - self.first
        found: npt.NDArray[Any] = self.entries[np.clip(place, 0, len(self.entries) - 1)]
        return found


def read_table(
    descriptor: Sequence[int], data: Any, is_big_endian: bool, is_signed: bool = False
) -> Table:
    """A table from its descriptor (entries, first input, bits) and its data.

    Data are words, or bytes with one or two for each entry. Writers also put entries of 8 bits
    into words, or say 16 bits and use 8.

    Raises
    ------
    Unreadable
        For a table that has too few entries.
    """
    count, first, bits = (int(n) for n in descriptor)
    count = count or 65536
    if is_signed and first >= 32768:
        first -= 65536
    words = _words(data, count, is_big_endian)
    if len(words) < count or not 1 <= bits <= 16:
        raise Unreadable("has a lookup table that is shorter than it says; save as plain grey")
    words = words[:count]
    if bits <= 8 and words.max() > 255:
        words = (words >> 8).astype(np.uint16)  # the entry in the high byte
    return Table(words.astype(np.uint8 if bits <= 8 else np.uint16), first, bits)


def _words(data: Any, count: int, is_big_endian: bool) -> npt.NDArray[np.uint16]:
    order = ">" if is_big_endian else "<"
    if isinstance(data, bytes | bytearray):
        if len(data) < 2 * count:
            return np.frombuffer(data, np.uint8).astype(np.uint16)
        return np.frombuffer(data[: 2 * count], f"{order}u2").astype(np.uint16)
    words = np.atleast_1d(np.asarray(data, np.int64)).astype(np.uint16)
    if len(words) < count <= 2 * len(words):  # two entries of 8 bits in each word
        words = np.frombuffer(words.astype("<u2").tobytes(), np.uint8).astype(np.uint16)
    return words


def check_segments(data: Any, bits: int, is_big_endian: bool) -> None:
    """Refuse a segmented table that unfolds to more entries than a table has.

    Segments are lists (0), straight lines (1), or some of the former ones again (2).
    """
    kind = np.dtype(np.uint8) if bits <= 8 else np.dtype(">u2" if is_big_endian else "<u2")
    raw = bytes(data)
    words = np.frombuffer(raw[: len(raw) // kind.itemsize * kind.itemsize], kind).tolist()
    sizes: list[int] = []
    places: dict[int, int] = {}
    place = total = 0
    while place + 1 < len(words):
        code, count = words[place : place + 2]
        places[place * kind.itemsize] = len(sizes)
        size = count
        if code == 2:
            halves = 4 // kind.itemsize
            parts = words[place + 2 : place + 2 + halves]
            first = places.get(sum(part << 8 * kind.itemsize * k for k, part in enumerate(parts)))
            size = sum(sizes[first : first + count]) if first is not None else _MOST_ENTRIES + 1
            place += 2 + halves
        else:
            place += 2 + (count if code == 0 else 1)
        sizes.append(size)
        total += size
        if total > _MOST_ENTRIES:
            raise Unreadable("has a palette that unfolds to more entries than a palette has")


def palette_levels(tables: Sequence[Table], indices: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Colours [..., 3] of indices [...]: uint8 where no entry needs more bits, else uint16."""
    few = all(int(table.entries.max()) <= 255 for table in tables)
    made = np.stack([table(indices) for table in tables], axis=-1)
    return made.astype(np.uint8 if few else np.uint16)
