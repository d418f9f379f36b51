"""Does a smooth set with the distribution of the generated one show as much?

Then what was found need not come from single images: a generator that has learned which kinds of
images there are, and no image, gives it too, where candidates and calibration images differ in
their kinds.
"""

from typing import TYPE_CHECKING

import numpy as np

from vestige.checks.rerun import not_needed
from vestige.checks.swapped import ALPHA, GIVEN, ask_beside, gaussian_set, like, most_made
from vestige.schema.records import Check

if TYPE_CHECKING:
    from vestige.checks import Comparison

EQUAL = 0.05
"""AUCs that differ by less, and by no more than chance, are equal."""
RANK = 4
"""Principal components of the smooth set. It must not follow single images: in worlds with leaks
the AUC beside 2, 4, 8 and 16 components was .45 to .79, .48 to .90, .44 to .93 and .53 to .97, that
beside a mixture of 16 Gaussians on 16 components up to .90, and in class mixes always that beside
the generated set (docs/statistics.md)."""


def smooth_check(comparison: "Comparison") -> Check:
    """Ask again beside draws from a Gaussian that was fitted to the generated set itself.

    On its first principal components, with its spectrum and mean grey. Fails if these draws
    separate candidates from calibration images (p < .05) and the generated set does so by no more:
    the AUC is higher by less than .05, and the interval of the gap (paired bootstrap of groups)
    reaches 0. It takes nothing back; the decision quotes it.
    """
    rerun, seed = comparison.audited, comparison.seed
    if not rerun.positive:
        return not_needed("smooth")
    rng = np.random.default_rng([seed, 43])
    made = gaussian_set(rerun.generated, most_made(rerun.generated), rng, RANK)
    everyone = np.ones(len(rerun.cohort.ids), np.bool_)
    found = ask_beside(rerun, like(made, rerun), everyone, seed)
    auc, p_value = found.there.auc(seed), found.there.p_value(seed)
    passed = p_value >= ALPHA or found.low > 0 or found.gap >= EQUAL
    against = f"the given set has an AUC higher by {found.told}"
    vetoes = (
        f"none: beside a smooth set {against}"
        if passed
        else "none, but what was found may be a difference of distribution, not of single images: "
        f"a smooth set gives an AUC of {auc.value:.2f}, and {against}"
    )
    return Check("smooth", auc, p_value, passed, vetoes, details={GIVEN: found.here.auc(seed)})
