"""Shards whose images stay with the workers that read them, and come together as blocks there."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, cast

import numpy as np

from vestige.engine.kept import Keeping
from vestige.images.elsewhere import Elsewhere, block_of
from vestige.images.imageset import Record
from vestige.images.one_scale import rescaled
from vestige.images.shards import Shard
from vestige.types import Images, Ints

AT_HOME_BYTES = 2**25
"""Sets that are no larger are sent home: they are looked at as a whole more often than in parts."""
Place = tuple[str, int, int]
"""Key of a result, number of the shard in it, row of the shard."""


def told(key: str, shards: Sequence[Shard]) -> list[Shard]:
    """On a worker: what is known of some shards, with the places of their images."""
    return [
        replace(shard, pixels=_places(number, len(shard.pixels)), held=key)
        for number, shard in enumerate(shards)
    ]


def _places(number: int, count: int) -> Images:
    rows = np.stack([np.full(count, number), np.arange(count)], axis=1)
    return cast(Images, rows)


def places_of(shard: Shard) -> list[Place]:
    """Where the images of a shard are that was told of."""
    return [(shard.held, int(number), int(row)) for number, row in shard.pixels]


def arranged(
    keeping: Keeping, places: Sequence[Place], records: Sequence[Record], shape: tuple[int, ...]
) -> Images:
    """Images of one `shape` in the order of their places, on the scale that their records say.

    Blocks are cut by the workers. Where each file holds one image, and none had to be left out, the
    images of a block lie together already.
    """
    whole = (len(places), *shape)
    step, pieces = block_of(whole), []
    for start in range(0, len(places), step):
        part = slice(start, start + step)
        own = zip(places[part], records[part], strict=True)
        pieces.append(
            [
                (key, ([place[1:] for place, _ in some], [record.scale for _, record in some]))
                for key, group in groupby(own, key=lambda one: one[0][0])
                if (some := list(group))
            ]
        )
    images = Elsewhere(keeping.arranged(_block, pieces), whole)
    return images[:] if images.nbytes <= AT_HOME_BYTES else cast(Images, images)


def _block(parts: Sequence[tuple[Sequence[Shard], Any]]) -> Images:
    """On a worker: the images of one block."""
    found = []
    for shards, (places, scales) in parts:
        for number, rows, own in _runs(places, scales):
            images = shards[number].pixels[rows]
            if any(scale is not None for scale in own):
                images = np.stack([rescaled(*one) for one in zip(images, own, strict=True)])
            found.append(images)
    return np.concatenate(found)


def _runs(
    places: Sequence[tuple[int, int]], scales: Sequence[Any]
) -> list[tuple[int, Ints, list[Any]]]:
    """Neighbouring places in one shard: its number, rows and scales."""
    runs = []
    for number, group in groupby(zip(places, scales, strict=True), key=lambda one: one[0][0]):
        some = list(group)
        rows = np.array([row for (_, row), _ in some], np.int64)
        runs.append((number, rows, [scale for _, scale in some]))
    return runs
