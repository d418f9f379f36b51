"""Numbers in headers of text, as NRRD and MetaImage have them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vestige.images.frame import Unreadable

_WORDS = "has a header with words where numbers belong; save it again"


def whole_number(text: str) -> int:
    """A whole number, or `Unreadable`."""
    try:
        return int(text)
    except ValueError as error:
        raise Unreadable(_WORDS) from error


def real_number(text: str) -> float:
    """A number, or `Unreadable`."""
    try:
        return float(text)
    except ValueError as error:
        raise Unreadable(_WORDS) from error


def scale_of(steps: Sequence[float]) -> npt.NDArray[np.float64]:
    """Affine [4, 4] of steps along up to three axes; one that is no length counts as 1."""
    usable = [n if np.isfinite(n) and n > 0 else 1.0 for n in steps[:3]]
    return np.diag([*usable, *[1.0] * (4 - len(usable))])
