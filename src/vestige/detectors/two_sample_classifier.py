"""A classifier of generated against unused images, asked about x (LOGAN, black box)."""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from vestige.detectors.inputs import fitted, reference_of
from vestige.features.pca import PCA
from vestige.features.pixels import as_grey
from vestige.registry.rules import above_zero, at_least
from vestige.stats.logistic import fit_logistic, logits
from vestige.types import Floats, Images

NOISE = 1e-6
"""Components with a smaller share of the largest variance are rounding; they are left out."""


@dataclass
class TwoSampleClassifier:
    """Logit of an L2 logistic regression of the generated set (1) against unused reals (0).

    On standardised principal components, both sets with the same weight. It mostly learns what
    tells generated from real images: a value means nothing by itself, only its rank among images
    of one source. Source: the black-box form of LOGAN (Hayes et al., arXiv:1705.07663) as
    simplified in DOMIAS (arXiv:2302.12580) and TAPAS (arXiv:2211.06550); docs/methods.md 2.10. The
    published effort depends on the number of queries; here nothing does.

    In a cohort every image is an example of the reference class while it is scored. That is the
    same for all of them, so the score stays symmetric; and it helps, because an image that was
    not copied is pulled away from the generated set with nothing to hold it there. Mean AUC of
    the reference worlds, copy / blend / null: .768 / .794 / .496, against .741 / .765 / .498 with
    five folds of the cohort held out (which would also compare scores of five models).

    Parameters
    ----------
    dims : int
        Components at `size` px, fitted on both sets with equal weight.
    strength : float
        C of the regression, above 0: larger trusts the components more.
    """

    dims: int = 64
    size: int = 32
    strength: float = 0.01
    generated_: Images | None = field(init=False, default=None, repr=False, compare=False)
    reference_: Images | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        at_least(1, self, "dims", of="two_sample_classifier: ")
        above_zero(self, "strength", of="two_sample_classifier: ")

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Keep the generated set and the reference; `used` is ignored."""
        self.generated_ = as_grey(generated)
        self.reference_ = None if unused is None else as_grey(unused)
        return self

    def score_samples(self, images: Any) -> Floats:
        """Logits of the classifier of generated set and reference, float64 [n]."""
        generated = fitted(self.generated_, "two_sample_classifier")
        reference = reference_of(self.reference_, "two_sample_classifier")
        return self._logits(generated, reference, as_grey(images))

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """Logits of one classifier of the generated set and the cohort (groups not needed)."""
        cohort = as_grey(pool)
        return self._logits(fitted(self.generated_, "two_sample_classifier"), cohort, cohort)

    def _logits(self, generated: Images, reference: Images, images: Images) -> Floats:
        embed = PCA(self.dims, self.size).fit_pair(generated, reference)
        kept = embed.values_ > NOISE * embed.values_[0]
        # of two sets that count equally the components have mean 0 and these variances
        deviation = np.sqrt(embed.values_[kept])

        def standardised(some: Images) -> Floats:
            return np.asarray(embed.transform(some)[:, kept] / deviation)

        rows = np.concatenate([standardised(generated), standardised(reference)])
        model = fit_logistic(rows, np.arange(len(rows)) < len(generated), self.strength)
        return logits(model, standardised(images))
