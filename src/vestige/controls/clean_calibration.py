"""Were the unused images used too? Then everything looks alike, and a leak stays hidden.

Calibration images that the generator saw are closer to the generated set than other unused images
are. The reference, which no p-value compares with, shows that.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vestige.cache.feature_rows import array_sha256
from vestige.controls.pipeline import Pipeline
from vestige.judging.cohort import Bag
from vestige.judging.combination import answer_question, combine_again
from vestige.registry.choices import InputError
from vestige.schema.records import Control
from vestige.types import Bools, Images

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


def _halves(pipeline: Pipeline, rng: np.random.Generator) -> tuple[Images, Bools, Bools]:
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


def calibration_against(bag: Bag, reference: Images, theirs: npt.NDArray[Any]) -> Bag:
    """The calibration images of a bag as those that are judged, reference images as controls.

    In an order of pixels alone, as in the bag of an audit: folds go by it, and must not know sides.
    """
    mine = np.flatnonzero(bag.control)
    images = np.concatenate([bag.images[mine], reference])
    order = np.array(sorted(range(len(images)), key=lambda i: array_sha256(images[i])))
    # numbers: the names of groups may be anything
    codes = bag.units.max() + 1 + np.unique(theirs, return_inverse=True)[1]
    groups = np.concatenate([bag.units[mine], codes])[order]
    judged = order < len(mine)
    return Bag(
        images[order],
        tuple(map(str, order)),
        order,
        np.where(judged, "query", "unused"),
        groups,
        judged,
        ~judged,
        np.zeros(len(order), np.bool_),
        {},
    )
