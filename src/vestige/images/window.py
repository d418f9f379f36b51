"""Grey-level windows of DICOM (PS3.3 C.11.2): modality units to 0..1."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vestige.registry.entries import InputError
from vestige.types import Float32s

LUNG: Final = (-600.0, 1500.0)
"""The window of last resort for CT: centre and width in Hounsfield units."""
FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def apply_window(
    values: npt.NDArray[Any], centre: float, width: float, function: str = "LINEAR"
) -> Float32s:
    """Map modality values to display values.

    Parameters
    ----------
    values : any shape, modality units (CT: HU)
    centre, width : float
        In the same unit. LINEAR needs a width of at least 1, the others above 0.
    function : "LINEAR", "LINEAR_EXACT" or "SIGMOID"

    Returns
    -------
    Float32s, same shape
        0 (black) to 1 (white).

    Raises
    ------
    InputError
        For an unknown function or a width the function cannot take.

    Examples
    --------
    >>> apply_window(np.array([-160.0, 40.0, 239.0]), 40, 400).round(6).tolist()
    [0.0, 0.5012530088424683, 1.0]
    """
    if function not in FUNCTIONS:
        raise InputError(f"unknown window function {function!r}. Known: {', '.join(FUNCTIONS)}.")
    if not usable(centre, width, function):
        raise InputError(
            f"a window of centre {centre:g} and width {width:g} cannot be used with {function}; "
            f"the width must be {'at least 1' if function == 'LINEAR' else 'above 0'}"
        )
    out = np.array(values, np.float32)
    if function == "SIGMOID":
        # exponents beyond +-60 change nothing in float32 but would overflow
        power = np.clip(out.astype(np.float64) - centre, -15 * width, 15 * width) * (-4 / width)
        return (1 / (1 + np.exp(power))).astype(np.float32)
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    if width == 0:  # LINEAR of width 1 is a threshold
        return (out > centre).astype(np.float32)
    out -= np.float32(centre)
    out /= np.float32(width)
    out += np.float32(0.5)
    return np.clip(out, 0, 1, out=out)


def ends(centre: float, width: float, function: str = "LINEAR") -> tuple[float, float]:
    """The values that become black and white; of a SIGMOID the ends of its width."""
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    return centre - width / 2, centre + width / 2


def usable(centre: float, width: float, function: str) -> bool:
    """Whether these numbers make a window."""
    if not np.isfinite([centre, width]).all():
        return False
    return width >= 1 if function == "LINEAR" else width > 0
