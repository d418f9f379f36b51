"""One core for each product of matrices."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any


@contextmanager
def one_core() -> Iterator[None]:
    """Within this, or within a function so decorated, a product of matrices uses one core.

    No bit then depends on how many cores there are; and decoding threads, whose many small
    products would each wait for a second core, are four times as fast.
    """
    import scipy.linalg  # noqa: F401  # brings a BLAS of its own: only what is loaded is limited
    import threadpoolctl  # noqa: F401  # counted below

    with _libraries(len(sys.modules)).limit(limits=1):
        yield


@lru_cache(maxsize=1)
def _libraries(modules: int) -> Any:
    """The loaded libraries of products: a new one comes with a module, so that it is looked for."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
