"""Real images in several views, for distances to images that are seen as they are."""

import numpy as np

from vestige.choices import InputError
from vestige.features.index import Search
from vestige.stats.neighbours import Pool, nearest, nearest_view
from vestige.symmetries import INVERSE, VIEWS, Views, seen_as
from vestige.types import Embedder, Float32s, Floats, Images, Ints


def check_views(views: str) -> None:
    """Refuse a word that is no choice of views."""
    if views not in VIEWS:
        raise InputError(f"unknown views {views!r}. Known: {', '.join(VIEWS)}.")


def seen_rows(embed: Embedder, images: Images, views: Views) -> Float32s:
    """Rows [views * n, d] of images [n, h, w], view after view, the images as they are first.

    The distance of x to a generated image seen by a symmetry is that of x, seen by the inverse, to
    the generated image itself: few images are turned instead of many.
    """
    seen = (seen_as(images, INVERSE[symmetry]) for symmetry in VIEWS[views])
    return np.concatenate([embed.transform(np.ascontiguousarray(part)) for part in seen])


def nearest_seen(
    rows: Float32s, pool: Pool, k: int, views: Views, search: Search = nearest
) -> tuple[Floats, Ints, Ints]:
    """The k nearest pool rows of each image, each in its nearest view.

    Parameters
    ----------
    rows : float32 [views * n, d]
        From `seen_rows`.

    Returns
    -------
    distances, indices, symmetries : [n, k]
        Symmetries are rows of ``VIEWS[views]``: how the pool's image must be seen.
    """
    distances, indices = search(rows, pool, k)
    return nearest_view(distances, indices, len(VIEWS[views]))
