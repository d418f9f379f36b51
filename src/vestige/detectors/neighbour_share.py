"""Share of generated images among the neighbours of x (Data Plagiarism Index)."""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from vestige.detectors.inputs import fitted, groups_of, reference_of
from vestige.features.pca import PCA
from vestige.features.pixels import as_held, as_images
from vestige.features.rows import held_rows
from vestige.registry.rules import at_least
from vestige.stats.neighbours import nearest, nearest_outside_group, rows_outside_group
from vestige.types import Float32s, Floats, Images, Ints

SAME = 1e-5
"""Distances that differ by less are equal: float32 rounding, below one grey level in one pixel."""


@dataclass
class NeighbourShare:
    """Log odds of generated to unused among the `k` nearest of x, less those of the two sets.

    ``log((n_S + .5) / (n_R + .5)) - log(m / |R|)``, n_S + n_R = k, Euclidean in
    principal-component space. Images at one distance that compete for the last places share
    them, whichever set they are of.

    Source: Ward, Wang, Cheng, Data Plagiarism Index, arXiv:2406.13012 (2024); docs/methods.md 2.8.
    The released score sigmoid(n_S / (n_R + 1e-20)) is 1 wherever no unused image is near, and
    rounds to 1 before; the order is the same otherwise.

    Parameters
    ----------
    k : int
        Neighbours, 20 as released; all images where there are fewer.
    dims : int
        Components at `size` px, fitted on the generated set and the reference with equal weight.
    """

    k: int = 5
    dims: int = 16
    size: int = 16
    generated_: Images | None = field(init=False, default=None, repr=False, compare=False)
    reference_: Images | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        at_least(1, self, "k", "dims", of="neighbour_share: ")

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Keep the generated set and the reference; `used` is ignored."""
        self.generated_ = as_held(generated)
        self.reference_ = None if unused is None else as_images(unused)
        return self

    def score_samples(self, images: Any) -> Floats:
        """Score against the reference of `fit`, float64 [n]."""
        generated = fitted(self.generated_, "neighbour_share")
        reference = reference_of(self.reference_, "neighbour_share")
        embed = PCA(self.dims, self.size).fit_pair(generated, reference)
        rows = embed.transform(as_images(images))
        usual = nearest(rows, embed.transform(reference), self.k)[0]
        near = nearest(rows, held_rows(embed, generated), self.k)[0]
        return self._log_odds(near, usual, len(generated), np.full(len(rows), len(reference)))

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """Score one cohort; each image's reference is the rest of the cohort without its group."""
        generated = fitted(self.generated_, "neighbour_share")
        cohort = as_images(pool)
        embed = PCA(self.dims, self.size).fit_pair(generated, cohort)
        rows: Float32s = embed.transform(cohort)
        labels = groups_of(groups, len(cohort))
        outside = rows_outside_group(labels, "neighbour_share")
        usual = nearest_outside_group(rows, labels, self.k)
        # where fewer than k are there, the farthest is repeated: it counts once
        usual[np.arange(self.k) >= outside[:, None]] = np.inf
        near = nearest(rows, held_rows(embed, generated), self.k)[0]
        return self._log_odds(near, usual, len(generated), outside)

    def _log_odds(self, near: Floats, usual: Floats, m: int, n_reference: Ints) -> Floats:
        """From ascending distances to both sets, infinite where there is no further image."""
        both = np.sort(np.hstack([near, usual]), axis=1)
        places = np.minimum(self.k, np.isfinite(both).sum(axis=1))
        last = np.take_along_axis(both, places[:, None] - 1, axis=1)
        inside = np.array([(d < last - SAME).sum(axis=1) for d in (near, usual)])
        tied = np.array([(np.abs(d - last) <= SAME).sum(axis=1) for d in (near, usual)])
        n_s, n_r = inside + tied * (places - inside.sum(axis=0)) / tied.sum(axis=0)
        return np.asarray(np.log((n_s + 0.5) / (n_r + 0.5)) - np.log(m / n_reference))
