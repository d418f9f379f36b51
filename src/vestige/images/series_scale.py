"""One scale for a series: what each file had to decide by itself is put right once all are read."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from vestige.images.flags import ONE_SCALE, PERCENTILES, SEVERAL_WINDOWS
from vestige.images.imageset import Record, rescaled
from vestige.images.spool import blocks, spooled
from vestige.types import Images

_ALIKE = 1e-6
"""Of the range of a series: ends that differ by no more are the same."""


def on_one_scale(pixels: Images, records: Sequence[Record]) -> tuple[Images, list[Record]]:
    """Slices of each DICOM series without a window on the scale of the whole series.

    Without a window the levels that can be stored are black and white, so that a slope for each
    slice (PET, MR) cancels. The grey is linear in the units, so the slices of a series, wherever
    they stand, are put on the lowest and highest units of any of them; `Record.scale` says how. The
    result does not depend on the order of the files. What several windows have cut off cannot be
    put right: those series are flagged.

    Returns
    -------
    pixels, records
        The same ones where nothing had to change.
    """
    members: dict[str, list[int]] = {}
    for k, record in enumerate(records):
        if record.series and record.ends is not None:
            members.setdefault(record.series, []).append(k)
    changed = list(records)
    for rows in members.values():
        ends = np.array([records[k].ends for k in rows])
        # those that fill a part of the range of their type say more than those that fill it
        usual = np.array([PERCENTILES in records[k].flags for k in rows])
        own = ends[usual] if usual.any() else ends
        low, high = float(own.min()), float(own.max())
        if high <= low or np.ptp(ends, axis=0).max() <= _ALIKE * (high - low):
            continue
        if any(records[k].is_windowed for k in rows):
            for k in rows:
                changed[k] = _flagged(records[k], SEVERAL_WINDOWS)
            continue
        for k, (black, white) in zip(rows, ends.tolist(), strict=True):
            start, end = (low, high) if black < white else (high, low)
            factor, offset = (white - black) / (end - start), (black - start) / (end - start)
            changed[k] = replace(_flagged(records[k], ONE_SCALE), scale=(factor, offset))
    if all(record.scale is None for record in changed):
        return pixels, changed
    if not isinstance(pixels, np.memmap):
        for k, record in enumerate(changed):
            if record.scale is not None:
                pixels[k] = rescaled(pixels[k], record.scale)
        return pixels, changed
    return spooled(_blocks(pixels, changed), pixels.shape[1:], len(pixels)), changed


def _blocks(pixels: Images, records: Sequence[Record]) -> Iterator[Images]:
    start = 0
    for block in blocks(pixels):
        some = records[start : start + len(block)]
        start += len(block)
        yield np.stack([rescaled(p, r.scale) for p, r in zip(block, some, strict=True)])


def _flagged(record: Record, flag: str) -> Record:
    return replace(record, flags=(*record.flags, flag))
