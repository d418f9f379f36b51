"""One scale for a series: what each file had to decide by itself is put right once all are read."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from vestige.images.imageset import Record
from vestige.images.one_scale import rescaled, scales_of
from vestige.images.spool import blocks, spooled
from vestige.types import Images


def on_one_scale(pixels: Images, records: Sequence[Record]) -> tuple[Images, list[Record]]:
    """Slices of each DICOM series without a window on the scale of the whole series.

    As `vestige.images.one_scale.scales_of` says, wherever the slices of a series stand;
    `Record.scale` says how. The result does not depend on the order of the files.

    Returns
    -------
    pixels, records
        The same ones where nothing had to change.
    """
    changed = scaled_records(records)
    if all(record.scale is None for record in changed):
        return pixels, changed
    if not isinstance(pixels, np.memmap):
        for k, record in enumerate(changed):
            if record.scale is not None:
                pixels[k] = rescaled(pixels[k], record.scale)
        return pixels, changed
    return spooled(_blocks(pixels, changed), pixels.shape[1:], len(pixels)), changed


def scaled_records(records: Sequence[Record]) -> list[Record]:
    """The records, with the scale and the flag of those that must be put on one scale."""
    members: dict[str, list[int]] = {}
    for k, record in enumerate(records):
        if record.series and record.ends is not None:
            members.setdefault(record.series, []).append(k)
    changed = list(records)
    for rows in members.values():
        flag, scales = scales_of([records[k] for k in rows])
        for k, scale in zip(rows, scales if flag else (), strict=False):
            changed[k] = replace(_flagged(records[k], flag), scale=scale)
    return changed


def _blocks(pixels: Images, records: Sequence[Record]) -> Iterator[Images]:
    start = 0
    for block in blocks(pixels):
        some = records[start : start + len(block)]
        start += len(block)
        yield np.stack([rescaled(p, r.scale) for p, r in zip(block, some, strict=True)])


def _flagged(record: Record, flag: str) -> Record:
    return replace(record, flags=(*record.flags, flag))
