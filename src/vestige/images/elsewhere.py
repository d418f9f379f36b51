"""Images that lie with the workers that read them, block by block; for who looks, an array.

Passes are made where the blocks are (`vestige.images.passes`) and send home what they found. Who
asks for images by their numbers is sent these.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from vestige.images.spool import BLOCK, step_of
from vestige.types import Images, Ints

if TYPE_CHECKING:
    from vestige.engine.kept import Kept

S = TypeVar("S")


class Elsewhere:
    """Images [m, ...] of any kind, float32, which a cluster holds.

    Parameters
    ----------
    kept : Kept
        Blocks of `step` images each, but for the last.
    shape : lengths of all axes, of m images
    """

    dtype = np.dtype(np.float32)

    def __init__(self, kept: "Kept", shape: tuple[int, ...]) -> None:
        self.kept, self.shape = kept, shape
        self.step = block_of(shape)
        self._home: dict[int, Images] = {}

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all images."""
        return 4 * int(np.prod(self.shape, dtype=np.int64))

    def __getitem__(self, rows: Any, /) -> Images:
        """Images of these numbers, in memory of this process."""
        if isinstance(rows, tuple):
            first, *rest = rows
            if isinstance(first, slice):
                rest.insert(0, slice(None))
            return np.asarray(self[first][tuple(rest)])
        if isinstance(rows, int | np.integer) and int(rows) in self._home:
            return self._home[int(rows)]
        numbers = np.arange(len(self))[rows]
        found = self._taken(np.atleast_1d(numbers))
        return found[0] if np.ndim(numbers) == 0 else found

    def __iter__(self) -> Iterator[Images]:
        for start in range(0, len(self), self.step):
            yield from self[start : start + self.step]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        found = self[:]
        return found if dtype is None else found.astype(dtype, copy=False)

    def bring(self, rows: Iterable[int]) -> None:
        """Fetch images that will be asked for one by one, all at once, and keep them here."""
        numbers = np.array(sorted(set(rows) - self._home.keys()), np.int64)
        self._home |= dict(zip(numbers.tolist(), self._taken(numbers), strict=True))

    def folded(self, fold: Callable[..., S], merge: Callable[[S, S], S]) -> S:
        """What a pass over all blocks finds: see `vestige.images.passes.fold_blocks`."""
        starts = range(0, len(self), self.step)
        return self.kept.folded(fold, merge, starts)

    def _taken(self, numbers: Ints) -> Images:
        found = np.empty((len(numbers), *self.shape[1:]), np.float32)
        blocks = numbers // self.step
        asked = {
            int(block): numbers[blocks == block] - block * self.step for block in np.unique(blocks)
        }
        for block, part in self.kept.parts(asked):
            found[blocks == block] = part
        return found


def bring_home(images: Images, rows: Iterable[int]) -> None:
    """Have images at hand that will be looked at one by one; those of this process are."""
    if isinstance(images, Elsewhere):
        images.bring(rows)


def block_of(shape: tuple[int, ...]) -> int:
    """Images of one block, of images of this shape."""
    return step_of(np.broadcast_to(np.float32(0), (0, *shape[1:])), BLOCK)
