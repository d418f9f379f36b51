"""Which rule made the grey values of an image: its code, and the values that are black and white.

docs/formats.md says when each rule applies.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Code = Literal[
    "levels of the type",
    "bits of the header",
    "floats from 0 to 1",
    "window of the user",
    "window of the file",
    "sigmoid of the file",
    "display range of the file",
    "display table of the file",
    "lung window",
    "range of the type",
    "percentiles",
]
CODES: tuple[Code, ...] = get_args(Code)


@dataclass(frozen=True)
class GreyRule:
    """How stored levels became grey.

    Parameters
    ----------
    code : str
        One of `CODES`.
    low, high : float
        Values that are black and white, in the units of the file; of a sigmoid window its two ends,
        of a display table the lowest and highest value that can be stored.
    is_inverted : bool
        Whether black and white were exchanged after that.
    """

    code: Code
    low: float
    high: float
    is_inverted: bool = False
