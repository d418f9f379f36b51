"""Density of the generated set over density of unused reals (DOMIAS)."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from vestige.detectors.inputs import fitted, groups_of, reference_of
from vestige.detectors.viewed_space import ViewedSpace
from vestige.features.pca import PCA
from vestige.features.pixels import as_held, as_images
from vestige.features.rows import held_rows
from vestige.registry.rules import at_least, check_words
from vestige.stats.density import GaussianKDE
from vestige.stats.neighbours import rows_outside_group
from vestige.symmetries import Views
from vestige.types import Float32s, Floats, Images, Ints

FLOOR = 1e-9


def shared_components(
    generated: Images, reference: Images, dims: int, size: int
) -> tuple[PCA, Float32s]:
    """The components of both sets, equal weights, few enough for a density; S in them [m, d].

    At most `dims` and a fifth of the smaller set, at least 2: a covariance of d dimensions is
    singular for d >= n and poor long before.
    """
    dims = max(2, min(dims, len(reference) // 5, len(generated) // 5))
    embed = PCA(dims=dims, size=size).fit_pair(generated, reference)
    return embed, held_rows(embed, generated)


@dataclass(frozen=True, eq=False)
class _Scored:
    """What was scored by neighbours: rows [views * n, d] in the components, and their distances.

    near : [n, k], to the generated set of `generated` images; usual, outside : [n], to the k-th of
    so many unused reals
    """

    seen: ViewedSpace
    rows: Float32s
    near: Floats
    generated: int
    usual: Floats
    outside: Ints


@dataclass
class DensityRatio:
    """log p_S(x) - log p_R(x) in principal-component space, always in logarithms.

    Source: van Breugel et al., DOMIAS, AISTATS 2023, arXiv:2302.12580 (the kernel-density form;
    the published normalising flow is left out); docs/methods.md 2.6. The published ratio adds 1e-20
    to a density that may be smaller than that, which turns it into a plain density.

    Parameters
    ----------
    dims : int
        Components at `size` px, 2 or more (8 to 64 make sense); at most a fifth of the smaller
        set, so that 64 take 320 images of each.
    estimator : "kde" (Gaussian, Scott factor, full covariance) or "knn" (k-nearest distances)
    views : "none", "mirror" or "all"
        Symmetries in which a generated image may copy: "knn" takes both distances in the nearest
        view. A density ("kde") looks at images as they are.
    """

    dims: int = 16
    estimator: Literal["kde", "knn"] = "kde"
    k: int = 1
    size: int = 16
    views: Views = "mirror"
    generated_: Images | None = field(init=False, default=None, repr=False, compare=False)
    reference_: Images | None = field(init=False, default=None, repr=False, compare=False)
    scored_: _Scored | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_words(self)
        at_least(1, self, "k", of="density_ratio: ")
        at_least(2, self, "dims", of="density_ratio: ")

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Keep the generated set and the reference; `used` is ignored."""
        self.generated_ = as_held(generated)
        self.reference_ = None if unused is None else as_images(unused)
        self.scored_ = None
        return self

    def score_samples(self, images: Any) -> Floats:
        """Score against the reference of `fit`, float64 [n]."""
        generated = fitted(self.generated_, "density_ratio")
        reference = reference_of(self.reference_, "density_ratio")
        embed, pool = shared_components(generated, reference, self.dims, self.size)
        queries, usual = as_images(images), embed.transform(reference)
        if self.estimator == "kde":
            rows = embed.transform(queries)
            return GaussianKDE(pool).log_density(rows) - GaussianKDE(usual).log_density(rows)
        seen = ViewedSpace(embed, self.views)
        rows = seen.rows(queries)
        distances = seen.nearest(rows, usual, self.k)[0][:, -1]
        return self._knn(seen, rows, pool, distances, np.full(len(queries), len(usual)))

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """Score one cohort; each image's reference is the rest of the cohort without its group."""
        cohort = as_images(pool)
        made = fitted(self.generated_, "density_ratio")
        embed, generated = shared_components(made, cohort, self.dims, self.size)
        labels = groups_of(groups, len(cohort))
        outside = rows_outside_group(labels, "density_ratio")
        if self.estimator == "kde":
            rows = embed.transform(cohort)
            usual = GaussianKDE(rows).log_density_outside_group(labels)
            return GaussianKDE(generated).log_density(rows) - usual
        seen = ViewedSpace(embed, self.views)
        rows = seen.rows(cohort)
        distances = seen.nearest_outside_group(rows, labels, self.k)[:, -1]
        return self._knn(seen, rows, generated, distances, outside)

    @property
    def grows(self) -> bool:
        """Whether it goes by neighbours; the components stay those of the set of `fit`."""
        return self.estimator == "knn"

    def score_more(self, more: Images) -> Floats:
        """Scores [n] of the images scored last, had `more` been generated as well.

        In the components as they are: refitted for each set that is a little larger, they would
        take a search of the whole set, and hardly move.
        """
        scored = fitted(self.scored_, "density_ratio")
        made = scored.seen.embed.transform(more)
        near = scored.seen.nearest_and(scored.rows, made, scored.near, self.k)
        return self._compare(replace(scored, near=near, generated=scored.generated + len(more)))

    def _knn(
        self, seen: ViewedSpace, rows: Float32s, pool: Float32s, usual: Floats, outside: Ints
    ) -> Floats:
        near = seen.nearest(rows, pool, self.k)[0]
        self.scored_ = _Scored(seen, rows, near, len(pool), usual, outside)
        return self._compare(self.scored_)

    def _compare(self, scored: _Scored) -> Floats:
        ratio = np.log(scored.usual + FLOOR) - np.log(scored.near[:, -1] + FLOOR)
        share = np.log(scored.outside / scored.generated)
        return np.asarray(scored.rows.shape[1] * ratio + share)
