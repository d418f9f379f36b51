"""Were the unused images used too? Then everything looks alike, and a leak stays hidden.

Calibration images that the generator saw are closer to the generated set than other unused images
are. The reference, which no p-value compares with, shows that.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vestige.bag import Bag
from vestige.choices import InputError
from vestige.combination import answer_question, combine_again
from vestige.controls.pipeline import Pipeline
from vestige.records import Control
from vestige.types import Bools

if TYPE_CHECKING:
    from vestige.controls import Comparison

LIMIT = 0.01
"""The p-value below which the check fails (METHODS 5)."""
FEWEST = 20
"""Reference groups that are needed: one half is compared with, detectors learn from the other."""
MOST = 500
"""Reference groups that are compared with."""


def clean_calibration_control(comparison: "Comparison") -> Control:
    """Judge the calibration images as if they were suspects, against reference images.

    Columns of low effort, computed again, by the audit's own set test. One half of the reference
    groups is compared with, the other stands in for the reference. Fails below p = .01, and then
    takes back only that nothing was found: calibration images that were used can hide a leak, but
    not make one up.

    Raises
    ------
    InputError
        Without a reference of `FEWEST` groups of its own.
    """
    pipeline, seed = comparison.audited, comparison.seed
    reference, compared, rest = _halves(pipeline, np.random.default_rng([seed, 41]))
    theirs = pipeline.reference_groups[compared]
    bag = calibration_against(pipeline.bag, reference[compared], theirs)
    suspects = bag.judged
    columns = pipeline.score(pipeline.generated, bag, reference[rest], reference[compared])
    plan = pipeline.cheap_plan
    p_value = answer_question(columns, plan, bag, suspects, seed).p_value
    auc = combine_again(columns, plan, bag, suspects, seed, 0).auc(seed)
    passed = p_value >= LIMIT
    vetoes = (
        "none: unused images are no closer to the generated images than reference images are"
        if passed
        else "that nothing was found: unused images are closer to the generated images than "
        "reference images are, so some may have been used"
    )
    return Control("clean_calibration", auc, p_value, passed, vetoes)


def _halves(pipeline: Pipeline, rng: np.random.Generator) -> tuple[Any, Bools, Bools]:
    """The reference [r], the part of it that is compared with, and the other one, by groups."""
    reference, theirs = pipeline.reference, pipeline.reference_groups
    if reference is None:
        raise InputError("a reference is needed (--reference: further images that were not used).")
    own = ~np.isin(theirs, pipeline.bag.groups)
    first = np.sort(np.unique(theirs[own], return_index=True)[1])  # by pixels: no name moves it
    names = rng.permutation(theirs[own][first])
    if len(names) < FEWEST:
        raise InputError(f"a reference of {FEWEST} groups is needed, found {len(names)}.")
    compared = own & np.isin(theirs, names[: min(len(names) // 2, MOST)])
    return reference, compared, ~compared


def calibration_against(bag: Bag, reference: Any, theirs: npt.NDArray[Any]) -> Bag:
    """The calibration images of a bag as those that are judged, reference images as controls."""
    rows = np.flatnonzero(bag.control)
    n, r = len(rows), len(reference)
    judged = np.arange(n + r) < n
    codes = np.unique(theirs, return_inverse=True)[1]
    return Bag(
        np.concatenate([bag.images[rows], reference]),
        tuple(f"{i}" for i in range(n + r)),
        np.arange(n + r),
        np.where(judged, "query", "unused"),
        # numbers: the names of groups may be anything
        np.concatenate([bag.units[rows], bag.units.max() + 1 + codes]),
        judged,
        ~judged,
        np.zeros(n + r, np.bool_),
        {},
    )
