"""Sums of float64 that do not depend on the order of their terms.

Terms that are multiples of 2^-28 add up without rounding as long as no sum reaches 2^25, so that
blocks may be summed in any order, on any machine. What rounding a term to such a multiple takes,
at most 2e-9, is less than what the float32 products behind it have lost. A larger sum is rounded
as float64 sums are: still right, but its last digits depend on the order.
"""

import numpy as np
import numpy.typing as npt

from vestige.types import Floats

UNIT = 2.0**-28


def on_grid(values: npt.NDArray[np.floating]) -> Floats:
    """The nearest multiples of `UNIT`, float64, of the shape given."""
    scaled = np.asarray(np.multiply(values, 1 / UNIT, dtype=np.float64))
    np.rint(scaled, out=scaled)
    scaled *= UNIT
    return scaled
