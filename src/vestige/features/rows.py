"""Rows of all images of a set, without ever holding [images x pixels] of a large one."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar

import numpy as np

from vestige.images.elsewhere import Elsewhere
from vestige.images.passes import Merge, fold_blocks, folded, in_order, listed
from vestige.images.spool import BLOCK
from vestige.types import Embedder, Float32s, Images, Ints, PairEmbedder

S = TypeVar("S")
FoldRows: TypeAlias = Callable[[S | None, int, Float32s], S]
"""As `vestige.images.passes.Fold`, of rows."""

MANY_BYTES = 2**25
"""Of images whose rows are rather made twice than held: memory is slow when it is first touched."""
HELD_ROWS = 2**29
"""Bytes of rows of volumes that are held at a time where a space or a whitening is learned."""


def chosen_by_content(parts: Iterable[Float32s], most: int) -> Ints:
    """At most `most` rows or images of all parts, ascending; their order does not matter.

    Those with the smallest digests are chosen: a fixed choice that looks like chance.
    """
    digests = [
        hashlib.blake2b(np.ascontiguousarray(row).data, digest_size=8).digest()
        for part in parts
        for row in part
    ]
    order = sorted(range(len(digests)), key=digests.__getitem__)
    return np.sort(np.array(order[:most], np.int64))


@dataclass(frozen=True, eq=False)
class LazyRows:
    """Rows [m, d] of images, made again each time they are asked for."""

    embed: Embedder
    images: Images
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """Number and width of the rows."""
        return len(self.images), self.width

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Any, /) -> Float32s:
        """Rows of a slice, or of an array of numbers."""
        return held_rows(self.embed, self.images[rows])

    def __iter__(self) -> Iterator[tuple[int, Float32s]]:
        """Blocks, each with the number of its first row: `vestige.stats.neighbours.Pool`."""
        for start in range(0, len(self), BLOCK):
            yield start, self[start : start + BLOCK]


Rows: TypeAlias = Float32s | LazyRows


def fold_rows(rows: Rows, fold: FoldRows[S], merge: Merge[S], spread: bool = False) -> S:
    """What a pass over all rows, one or more, finds: `vestige.images.passes.fold_blocks`."""
    if isinstance(rows, LazyRows):
        whole = partial(_embedded, rows.embed, fold)
        return fold_blocks(rows.images, whole, merge, spread)
    return folded(rows.__getitem__, len(rows), BLOCK, fold, merge, spread)


def _embedded(embed: Embedder, fold: FoldRows[S], state: S | None, start: int, block: Images) -> S:
    return fold(state, start, embed.transform(block))


def held_rows(embed: Embedder, images: Images) -> Float32s:
    """Rows [m, d] of images as an array: for spaces of few columns."""
    return np.concatenate(fold_blocks(images, partial(listed, embed.transform), in_order))


def rows_of(embed: Embedder, images: Images) -> Rows:
    """Rows [m, d] of images: an array, or `LazyRows` of many images.

    A space that is learned has few columns and is always held.
    """
    many = isinstance(images, np.memmap | Elsewhere) or images.nbytes > MANY_BYTES
    if many and not isinstance(embed, PairEmbedder):
        one = np.zeros((1, *images.shape[1:]), np.float32)
        return LazyRows(embed, images, embed.transform(one).shape[1])
    return held_rows(embed, images)
