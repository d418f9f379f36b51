"""Distance to the nearest generated image (GAN-Leaks, full black box)."""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from vestige.detectors.inputs import fitted
from vestige.detectors.viewed_space import ViewedSpace, viewed_space
from vestige.features import SPACES, fit_space, is_learned
from vestige.features.index import INDEXES
from vestige.features.pixels import as_held, as_images
from vestige.features.rows import Rows, rows_of
from vestige.registry.entries import choose, create
from vestige.registry.rules import at_least, check_words
from vestige.symmetries import Views
from vestige.types import Float32s, Floats, Images, Ints


@dataclass
class NearestDistance:
    """Minus the mean distance to the `k` nearest generated images.

    Attacker: holds the released set only. Source: Chen et al., GAN-Leaks, CCS 2020,
    arXiv:1909.03935; docs/methods.md 2.3. Uses -d, never exp(-d^2), which underflows to ties.

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
    views : "none", "mirror" or "all"
        Symmetries in which a generated image may copy: its distance is that of the nearest view.
    """

    k: int = 1
    space: str = "pixels"
    size: int = 32
    dims: int = 64
    index: str = "exact"
    views: Views = "mirror"
    notes_: list[str] = field(init=False, default_factory=list, repr=False, compare=False)
    space_: ViewedSpace = field(init=False, repr=False, compare=False)
    generated_: Rows | None = field(init=False, default=None, repr=False, compare=False)
    scored_: tuple[Float32s, Floats] | None = field(
        init=False, default=None, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        choose(SPACES, self.space, "space")
        create(INDEXES, self.index, "index")
        check_words(self)
        at_least(1, self, "dims", of="nearest_distance: ")

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Embed the generated set; `used` is ignored."""
        images = as_held(generated)
        reference = None if unused is None else as_images(unused)
        embed = fit_space(self.space, self.size, self.dims, images, reference)
        self.space_ = viewed_space(self.views, embed, self.space, self.size, images.shape)
        self.generated_, self.scored_ = rows_of(self.space_.embed, images), None
        return self

    def score_samples(self, images: Any) -> Floats:
        """Minus the distance, float64 [n]: 0 for a verbatim copy."""
        pool = fitted(self.generated_, "nearest_distance")
        rows = self.space_.rows(as_images(images))
        search = None
        if self.index != "exact":
            search = create(INDEXES, self.index, "index", notes=self.notes_)
        distances = self.space_.nearest(rows, pool, self.k, search)[0]
        self.scored_ = rows, distances
        return np.asarray(-distances.mean(axis=1))

    @property
    def grows(self) -> bool:
        """Whether the space stays what it is, and nothing is left out of the search."""
        return not is_learned(self.space) and self.index != "ivf"

    def score_more(self, more: Images) -> Floats:
        """Scores [n] of the images scored last, had `more` been generated as well."""
        rows, distances = fitted(self.scored_, "nearest_distance")
        near = self.space_.nearest_and(rows, self.space_.embed.transform(more), distances, self.k)
        return np.asarray(-near.mean(axis=1))

    def nearest(self, images: Any, k: int) -> tuple[Floats, Ints, Ints]:
        """Minus distances, rows and symmetries of the nearest generated images, [n, k] each.

        A symmetry is a row of ``VIEWS[views]``: how the generated image must be seen.
        """
        pool = fitted(self.generated_, "nearest_distance")
        rows = self.space_.rows(as_images(images))
        distances, near, symmetries = self.space_.nearest(rows, pool, k)
        return -distances, near, symmetries
