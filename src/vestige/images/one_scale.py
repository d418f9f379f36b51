"""What puts the slices of one DICOM series on one scale."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from vestige.images.flags import ONE_SCALE, PERCENTILES, SEVERAL_WINDOWS
from vestige.types import Float32s

Scale = tuple[float, float] | None
"""Factor and offset; None where nothing changes."""
_ALIKE = 1e-6
"""Of the range of a series: ends that differ by no more are the same."""


class Ended(Protocol):
    """An image that knows which units it shows as black and as white; see `Frame`."""

    @property
    def ends(self) -> tuple[float, float] | None:
        """Units that are black and white."""
        ...

    @property
    def flags(self) -> tuple[str, ...]:
        """What was noticed on the way."""
        ...

    @property
    def is_windowed(self) -> bool:
        """Whether the ends are those of a window."""
        ...


def scales_of(slices: Sequence[Ended]) -> tuple[str, list[Scale]]:
    """The scale of each slice of one series, and the flag of all of them; "" where nothing changes.

    Without a window the levels that can be stored are black and white, so that a slope for each
    slice (PET, MR) cancels. The grey is linear in the units, so the slices are put on the lowest
    and highest units of any of them. What several windows have cut off cannot be put right: those
    series are flagged.
    """
    as_they_are: list[Scale] = [None] * len(slices)
    told = [one.ends for one in slices if one.ends is not None]
    if len(told) < len(slices):
        return "", as_they_are
    ends = np.array(told)
    # those that fill a part of the range of their type say more than those that fill it
    usual = np.array([PERCENTILES in one.flags for one in slices])
    own = ends[usual] if usual.any() else ends
    low, high = float(own.min()), float(own.max())
    if high <= low or np.ptp(ends, axis=0).max() <= _ALIKE * (high - low):
        return "", as_they_are
    if any(one.is_windowed for one in slices):
        return SEVERAL_WINDOWS, as_they_are
    scales: list[Scale] = []
    for black, white in ends.tolist():
        start, end = (low, high) if black < white else (high, low)
        scales.append(((white - black) / (end - start), (black - start) / (end - start)))
    return ONE_SCALE, scales


def rescaled(pixels: Float32s, scale: Scale) -> Float32s:
    """Pixels on the scale of their series."""
    if scale is None:
        return pixels
    factor, offset = map(np.float32, scale)
    shown: Float32s = np.clip(pixels * factor + offset, np.float32(0), np.float32(1))
    return shown
