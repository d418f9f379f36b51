"""Monte-Carlo ball: how much of the generated set falls close to a real image."""

from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from vestige.detectors.inputs import fitted, reference_of
from vestige.features.pca import PCA
from vestige.features.pixels import as_held, as_images
from vestige.features.rows import held_rows
from vestige.registry.rules import at_least, check_words
from vestige.stats.neighbours import nearest
from vestige.types import Float32s, Floats, Images

FLOOR = 1e-9
SLACK = 1e-6


@dataclass
class MonteCarloBall:
    """Generated images inside a ball around x, weighted by log(radius / distance).

    Source: Hilprecht, Haerterich, Bernau, PoPETs 2019(4):232-249; docs/methods.md 2.5.

    Parameters
    ----------
    dims : int
        Principal components at `size` px (16 hold them as well as 32 do), fitted on the generated
        set and the reference with equal weight.
    quantile : float, 0..1
        The radius is this quantile of the reference's distances to the generated set.
    pool_quantile : float, 0..1
        The same for a cohort that serves as its own reference. It is the paper's median, because a
        cohort may be half members: a low quantile would be the distance of a copy and leave most
        copies outside the ball.
    form : "log" (mean of log(radius / d)) or "count" (share of generated images inside)
    """

    dims: int = 16
    size: int = 16
    quantile: float = 0.05
    pool_quantile: float = 0.5
    form: Literal["log", "count"] = "log"
    generated_: Images | None = field(init=False, default=None, repr=False, compare=False)
    reference_: Images | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_words(self)
        at_least(1, self, "dims", of="mc_ball: ")

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Keep the generated set and the reference; `used` is ignored."""
        self.generated_ = as_held(generated)
        self.reference_ = None if unused is None else as_images(unused)
        return self

    def score_samples(self, images: Any) -> Floats:
        """Score against a radius from the reference of `fit`, float64 [n]."""
        generated = fitted(self.generated_, "mc_ball")
        reference = reference_of(self.reference_, "mc_ball")
        embed, pool = self._space(generated, reference)
        usual = nearest(embed.transform(reference), pool)[0][:, 0]
        rows = embed.transform(as_images(images))
        return self._inside(rows, pool, float(np.quantile(usual, self.quantile)))

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """Score one cohort with a radius from the cohort itself."""
        cohort = as_images(pool)
        embed, generated = self._space(fitted(self.generated_, "mc_ball"), cohort)
        rows = embed.transform(cohort)
        usual = nearest(rows, generated)[0][:, 0]
        return self._inside(rows, generated, float(np.quantile(usual, self.pool_quantile)))

    def _space(self, generated: Images, reference: Images) -> tuple[PCA, Float32s]:
        embed = PCA(dims=self.dims, size=self.size).fit_pair(generated, reference)
        return embed, held_rows(embed, generated)

    def _inside(self, rows: Float32s, pool: Float32s, radius: float) -> Floats:
        """Find the ball by products, then measure exactly by subtraction inside it."""
        scores = np.empty(len(rows))
        points = pool.astype(np.float64)
        half_norms = 0.5 * np.einsum("ij,ij->i", points, points)
        for i, row in enumerate(rows.astype(np.float64)):
            edge = 0.5 * (row @ row - radius**2 * (1 + SLACK))
            near = np.flatnonzero(points @ row - half_norms >= edge)
            inside = np.sqrt(((points[near] - row) ** 2).sum(axis=1))
            inside = inside[inside < radius]
            if self.form == "log":
                scores[i] = np.log(radius / np.maximum(inside, FLOOR)).sum() / len(pool)
            else:
                scores[i] = len(inside) / len(pool)
        return scores
