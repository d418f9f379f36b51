"""One pass over many images, block by block: in this process, or on the workers that hold them.

A pass is a fold: ``fold(state, start, block)`` adds a block of images, the first of which has the
number `start`, to what is known of other blocks (None: of none), and ``merge(first, second)`` joins
what is known of two runs of blocks, the first before the second. Both must give the same bytes
however the blocks are cut into runs: what they keep is a choice in a total order, a list in the
order of the images, or a sum that is exact (`vestige.stats.exact`). Blocks are counted from the
first image and always of one size. Then it does not matter where a pass is made.
"""

from collections.abc import Callable
from functools import reduce
from typing import TypeAlias, TypeVar

import numpy as np

from vestige.engine.machine import cores, in_threads
from vestige.images.elsewhere import Elsewhere
from vestige.images.spool import BLOCK, let_go, step_of
from vestige.stats.slices import slices
from vestige.types import Images

S = TypeVar("S")
Fold: TypeAlias = Callable[[S | None, int, Images], S]
"""Neither changes what it is given; a fold may change the state that it made itself."""
Merge: TypeAlias = Callable[[S, S], S]


def fold_blocks(images: Images, fold: Fold[S], merge: Merge[S], spread: bool = False) -> S:
    """What a pass over all images, one or more, finds.

    Parameters
    ----------
    images : float32 [m, ...] of any kind
        In memory, mapped, or held by workers (`vestige.images.elsewhere`).
    fold, merge : callables
        Of modules that workers can import (`functools.partial` of such); what they hold is sent to
        every worker once.
    spread : bool
        Use all cores of this process; who makes several passes beside each other does not need it.

    Raises
    ------
    InputError
        When the workers that held the images are lost.
    """
    if isinstance(images, Elsewhere):
        return images.folded(fold, merge)

    def take(part: slice) -> Images:
        let_go(images)  # of the blocks before
        return np.asarray(images[part])

    return folded(take, len(images), step_of(images, BLOCK), fold, merge, spread)


def folded(
    take: Callable[[slice], Images],
    length: int,
    step: int,
    fold: Fold[S],
    merge: Merge[S],
    spread: bool,
) -> S:
    """What a pass finds in this process, over `length` images or rows in blocks of `step`."""

    def run(part: slice) -> S | None:
        state: S | None = None
        for start in range(part.start, part.stop, step):
            state = fold(state, start, take(slice(start, min(start + step, part.stop))))
        return state

    blocks = -(-length // step)
    share = -(-blocks // cores()) if spread else blocks
    parts = slices(length, share * step)
    states = in_threads(run, parts) if spread and blocks > 1 else map(run, parts)
    return reduce(merge, (state for state in states if state is not None))


def listed(
    function: Callable[[Images], S], state: list[S] | None, start: int, block: Images
) -> list[S]:
    """Fold of what a function makes of each block, in the order of the blocks."""
    found = [] if state is None else state
    found.append(function(block))
    return found


def in_order(first: list[S], second: list[S]) -> list[S]:
    """Merge of lists."""
    return [*first, *second]
