"""Which low-rank model reconstructs x better: that of the generated set, or of unused reals?"""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from vestige.detectors.inputs import fitted, reference_of
from vestige.features.pca import PCA
from vestige.features.pixels import Pixels, as_held, as_images
from vestige.stats.neighbours import same_width
from vestige.types import Floats, Images

FLOOR = 1e-12


@dataclass
class ReconstructionRatio:
    """log e_R(x) - log e_S(x), e the squared residual of a rank-`dims` PCA. docs/methods.md 2.16.

    Parameters
    ----------
    dims : int
        Rank, at most half of the smaller set.
    """

    dims: int = 32
    size: int = 32
    generated_: Images | None = field(init=False, default=None, repr=False, compare=False)
    reference_: Images | None = field(init=False, default=None, repr=False, compare=False)

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Keep the generated set and the reference; `used` is ignored."""
        self.generated_ = as_held(generated)
        self.reference_ = None if unused is None else as_images(unused)
        return self

    def score_samples(self, images: Any) -> Floats:
        """Score against the reference of `fit`, float64 [n]."""
        generated = fitted(self.generated_, "reconstruction_ratio")
        reference = reference_of(self.reference_, "reconstruction_ratio")
        return self._score(generated, reference, as_images(images))

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """Score one cohort against the low-rank model of all of it (symmetric in its members)."""
        cohort = as_images(pool)
        return self._score(fitted(self.generated_, "reconstruction_ratio"), cohort, cohort)

    def _score(self, generated: Images, reference: Images, images: Images) -> Floats:
        dims = max(1, min(self.dims, len(reference) // 2, len(generated) // 2))
        usual = PCA(dims, self.size).fit(reference)
        model = PCA(dims, self.size).fit(generated)
        ratio = (_residual(usual, images) + FLOOR) / (_residual(model, images) + FLOOR)
        return np.asarray(np.log(ratio))


def _residual(pca: PCA, images: Images) -> Floats:
    rows = Pixels(pca.size).transform(images)
    same_width(rows.shape[1], len(pca.mean_))
    centred = rows.astype(np.float64) - pca.mean_
    missing: Floats = centred - (centred @ pca.components_) @ pca.components_.T
    return np.asarray(np.einsum("ij,ij->i", missing, missing))
