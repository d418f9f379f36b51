"""What x would add to the density of unused reals where generated images lie (GenLRA)."""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from vestige.detectors.density_ratio import shared_components
from vestige.detectors.inputs import fitted, groups_of, reference_of
from vestige.features.pixels import as_images
from vestige.registry.rules import at_least
from vestige.stats.density import BLOCK_BYTES, GaussianKDE
from vestige.stats.neighbours import nearest, rows_outside_group
from vestige.types import Float32s, Floats, Images, Ints


@dataclass
class GenLRA:
    """Sum of log p_{R+x}(g) - log p_R(g) over the `k` generated images g nearest to x.

    With the kernel K_H of R kept for R + x, n = |R|, each term is
    ``log[(n p_R(g) + K_H(g - x)) / ((n + 1) p_R(g))]``: never below log(n / (n + 1)), which is
    what an x far from every g gets `k` times. Gaussian kernels, Scott's factor, full covariance,
    in principal-component space, always in logarithms.

    Source: Ward, Wang, Cheng, arXiv:2508.21146 (2025); docs/methods.md 2.7. The authors take k =
    200, Silverman's factor, and fit the density anew for every x.

    Parameters
    ----------
    k : int
        Generated images per query, all of them where there are fewer.
    dims : int
        Components at `size` px; at most a fifth of the smaller set, at least 2.
    refit : bool
        Fit covariance and bandwidth (Silverman) of R + x anew for each x, as published. One
        density per image: for comparison, not for large sets.
    """

    k: int = 20
    dims: int = 16
    refit: bool = False
    size: int = 16
    generated_: Images | None = field(init=False, default=None, repr=False, compare=False)
    reference_: Images | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        at_least(1, self, "k", of="gen_lra: ")
        at_least(2, self, "dims", of="gen_lra: ")

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Keep the generated set and the reference; `used` is ignored."""
        self.generated_ = as_images(generated)
        self.reference_ = None if unused is None else as_images(unused)
        return self

    def score_samples(self, images: Any) -> Floats:
        """Score against the reference of `fit`, float64 [n]."""
        generated = fitted(self.generated_, "gen_lra")
        reference = reference_of(self.reference_, "gen_lra")
        embed, pool = shared_components(generated, reference, self.dims, self.size)
        rows, usual = embed.transform(as_images(images)), embed.transform(reference)
        near = nearest(rows, pool, self.k)[1]
        if self.refit:
            return _refit(rows, pool, near, usual)
        kde = GaussianKDE(usual)
        met, place = np.unique(near, return_inverse=True)
        before_of = kde.log_density(pool[met])[place.reshape(near.shape)]
        return _closed_form(kde, rows, pool, near, before_of, np.full(len(rows), len(usual)))

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """Score one cohort; each image's reference is the rest of the cohort without its group.

        Space and (closed form) kernel are those of the whole cohort.
        """
        cohort = as_images(pool)
        generated = fitted(self.generated_, "gen_lra")
        embed, made = shared_components(generated, cohort, self.dims, self.size)
        rows, labels = embed.transform(cohort), groups_of(groups, len(cohort))
        outside = rows_outside_group(labels, "gen_lra")
        near = nearest(rows, made, self.k)[1]
        if self.refit:
            return _refit(rows, made, near, rows, labels)
        kde = GaussianKDE(rows)
        before = np.empty(near.shape)
        step = max(1, BLOCK_BYTES // (8 * near.shape[1] * rows.shape[1]))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            own = np.repeat(labels[part], near.shape[1])
            seen = kde.log_density_outside_group(labels, made[near[part].ravel()], own)
            before[part] = seen.reshape(-1, near.shape[1])
        return _closed_form(kde, rows, made, near, before, outside)


def _closed_form(
    kde: GaussianKDE, rows: Float32s, pool: Float32s, near: Ints, before: Floats, n: Ints
) -> Floats:
    """The sum over the columns of `near`; `before` is log p_R there, `n` [rows] the size of R."""
    total, log_n = np.zeros(len(rows)), np.log(n)
    for g, log_p in zip(near.T, before.T, strict=True):
        total += np.logaddexp(log_n, kde.log_kernel(pool[g], rows) - log_p) - np.log1p(n)
    return total


def _refit(
    rows: Float32s,
    pool: Float32s,
    near: Ints,
    reference: Float32s,
    labels: npt.NDArray[Any] | None = None,
) -> Floats:
    """The sum with two densities per row; with `labels` the rows are their own reference."""
    scores = np.empty(len(rows))
    for i, (x, g) in enumerate(zip(rows, pool[near], strict=True)):
        others = reference if labels is None else reference[labels != labels[i]]
        joined = np.concatenate([others, x[None]])
        before, after = (GaussianKDE(r, "silverman").log_density(g) for r in (others, joined))
        scores[i] = (after - before).sum()
    return scores
