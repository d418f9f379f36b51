"""One core for each product of matrices."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_core() -> Iterator[None]:
    """Within this, or within a function so decorated, a product of matrices uses one core.

    No bit then depends on how many cores there are; and decoding threads, whose many small
    products would each wait for a second core, are four times as fast.
    """
    import scipy.linalg  # noqa: F401  # brings a BLAS of its own: only what is loaded is limited
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield
