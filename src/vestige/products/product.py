"""A matrix product, made by numpy unless an engine has named something else for it.

Products of images with images, and of images with a whitening, are made here: they are large, and
what they round stays as small as it is. Covariances are made by numpy everywhere: a whitening
divides by small eigenvalues, and other roundings there move a score by 1e-4 of the spread of its
column instead of 2e-6.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[Any]
"""Of floats [n, d]; products are of the same type."""


class Maker(Protocol):
    """What makes products in the place of numpy.

    name : what kept scores are told apart by: another maker rounds differently
    """

    name: str

    def product(self, left: Matrix, right: Matrix, stays: Matrix | None) -> Matrix:
        """As the function `product`."""


_MAKER: ContextVar[Maker | None] = ContextVar("maker", default=None)


def product(
    left: Matrix, right: Matrix, stays: Matrix | None = None, room: Matrix | None = None
) -> Matrix:
    """Left [n, d] times right [d, m] -> [n, m].

    `stays`, of which one side is a part, takes part in further products and does not change until
    it is dropped: a device keeps it. `room` [n, m] is where numpy puts the product, if it is given.
    """
    maker = _MAKER.get()
    if maker is None:
        return np.asarray(np.matmul(left, right, out=room))
    return maker.product(left, right, stays)


@contextmanager
def made_by(maker: Maker) -> Iterator[None]:
    """Within this, here and in threads that take over the context, `maker` makes products."""
    before = _MAKER.set(maker)
    try:
        yield
    finally:
        _MAKER.reset(before)


def name_of_maker() -> str:
    """What makes products now, "" for numpy."""
    maker = _MAKER.get()
    return "" if maker is None else maker.name
