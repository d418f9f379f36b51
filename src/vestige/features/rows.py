"""Rows of all images of a set, without ever holding [images x pixels] of a large one."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vestige.images.spool import blocks, let_go
from vestige.types import Embedder, Float32s, Images, PairEmbedder, Rows


@dataclass(frozen=True, eq=False)
class LazyRows:
    """Rows of images that are made again each time they are asked for."""

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
        made = self.embed.transform(np.asarray(self.images[rows]))
        let_go(self.images)
        return made


def held_rows(embed: Embedder, images: Images) -> Float32s:
    """Rows [m, d] of images as an array: for spaces of few columns."""
    return np.concatenate([embed.transform(np.asarray(part)) for part in blocks(images)])


def rows_of(embed: Embedder, images: Images) -> Rows:
    """Rows [m, d] of images: an array, or `LazyRows` where the images lie in a file.

    A space that is learned has few columns and is always held.
    """
    if isinstance(images, np.memmap) and not isinstance(embed, PairEmbedder):
        return LazyRows(embed, images, embed.transform(np.asarray(images[:1])).shape[1])
    return held_rows(embed, images)
