"""Distance to the nearest generated image (GAN-Leaks, full black box)."""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from vestige.choices import build, choose
from vestige.detectors.inputs import fitted
from vestige.features import SPACES, fit_space, is_learned
from vestige.features.index import INDEXES
from vestige.features.pixels import as_images
from vestige.features.rows import Rows, rows_of
from vestige.stats.neighbours import nearest, nearest_and
from vestige.types import Embedder, Float32s, Floats, Images, Ints


@dataclass
class NearestDistance:
    """Minus the mean distance to the `k` nearest generated images.

    Attacker: holds the released set only. Source: Chen et al., GAN-Leaks, CCS 2020,
    arXiv:1909.03935; METHODS 2.3. Uses -d, never exp(-d^2), which underflows to ties.

    Parameters
    ----------
    k : int
        Neighbours averaged, 1 or more.
    space : str
        One of `vestige.features.SPACES`; those that learn do so from the generated set (and the
        reference if given).
    size : int
        Side in pixels at which images are compared.
    dims : int
        Components when `space` is "pca" or "whitened_pca".
    index : str
        One of `vestige.features.index.INDEXES`; what it has to say of itself is in `notes_`.
    """

    k: int = 1
    space: str = "pixels"
    size: int = 32
    dims: int = 64
    index: str = "exact"
    notes_: list[str] = field(init=False, default_factory=list, repr=False, compare=False)
    embed_: Embedder = field(init=False, repr=False, compare=False)
    generated_: Rows | None = field(init=False, default=None, repr=False, compare=False)
    scored_: tuple[Float32s, Floats] | None = field(
        init=False, default=None, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        choose(SPACES, self.space, "space")
        build(INDEXES, self.index, "index")

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Embed the generated set; `used` is ignored."""
        images = as_images(generated)
        reference = None if unused is None else as_images(unused)
        self.embed_ = fit_space(self.space, self.size, self.dims, images, reference)
        self.generated_, self.scored_ = rows_of(self.embed_, images), None
        return self

    def score_samples(self, images: Any) -> Floats:
        """Minus the distance, float64 [n]: 0 for a verbatim copy."""
        pool = fitted(self.generated_, "nearest_distance")
        rows = self.embed_.transform(as_images(images))
        search = build(INDEXES, self.index, "index", notes=self.notes_)
        distances = search(rows, pool, self.k)[0]
        self.scored_ = rows, distances
        return np.asarray(-distances.mean(axis=1))

    @property
    def grows(self) -> bool:
        """Whether the space stays what it is, and nothing is left out of the search."""
        return not is_learned(self.space) and self.index != "ivf"

    def score_more(self, more: Images) -> Floats:
        """Scores [n] of the images scored last, had `more` been generated as well."""
        rows, distances = fitted(self.scored_, "nearest_distance")
        near = nearest_and(rows, self.embed_.transform(more), distances, self.k)
        return np.asarray(-near.mean(axis=1))

    def nearest(self, images: Any, k: int) -> tuple[Floats, Ints]:
        """Minus distances [n, k] and rows [n, k] of the nearest generated images."""
        pool = fitted(self.generated_, "nearest_distance")
        distances, rows = nearest(self.embed_.transform(as_images(images)), pool, k)
        return -distances, rows
