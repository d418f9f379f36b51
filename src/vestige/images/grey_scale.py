"""What grey scale values in physical units are on; one truth table for DICOM and NIfTI.

The table stands in docs/formats.md.
"""

import numpy as np
import numpy.typing as npt

from vestige.types import Float32s

_AIR, _TISSUE = (-1100.0, -850.0), (-200.0, 200.0)
"""Hounsfield units: around -1000, and around water and soft tissue."""
_LEAST = 0.01
"""Share of the voxels that each of the two holds at least, in a CT with air around the body."""
_BELOW_AIR = -1200.0
_DISPLAYED = 0.5
"""Share of the body that a display range keeps at least."""


def is_hounsfield(values: npt.NDArray[np.float32]) -> bool:
    """Whether values look like Hounsfield units: both air and soft tissue, and nothing below air.

    One single lowest value may fill the corners of the field of view.
    """
    if not values.size or values.min() > _AIR[1]:
        return False
    below = values < _BELOW_AIR
    if below.any() and np.ptp(values[below]) > 0:
        return False
    return all(
        ((values >= low) & (values <= high)).mean() >= _LEAST for low, high in (_AIR, _TISSUE)
    )


def is_hounsfield_scale(low: float, high: float, start: float, lowest: float) -> bool:
    """Whether the scale of a CT file can be Hounsfield units.

    Parameters
    ----------
    low, high : units of the lowest and highest level that can be stored
    start : rescale intercept
    lowest : lowest value of the image
    """
    return low <= -500 and high >= _TISSUE[1] and (start <= -500 or lowest < -200)


def keeps_body(values: npt.NDArray[np.float32], low: float, high: float) -> bool:
    """Whether a display range keeps most of the values that are no background."""
    ends = np.percentile(values, (1, 99))
    body = values[values > ends[0] + 0.1 * (ends[1] - ends[0])]
    return bool(body.size == 0 or ((body >= low) & (body <= high)).mean() >= _DISPLAYED)


def percentile_ends(values: Float32s) -> tuple[float, float]:
    """The 1 % and the 99 % level, which become black and white as the last resort."""
    low, high = np.percentile(values, (1, 99))
    return float(low), float(high)


def between(values: Float32s, low: float, high: float) -> Float32s:
    """Low to high as 0..1, clipped; constant values are black."""
    if high <= low:
        return np.zeros_like(values)
    out = (values - np.float32(low)) / np.float32(high - low)
    return np.clip(out, 0, 1, out=out)
