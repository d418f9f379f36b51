"""Were the unused images used too? Then everything looks alike, and a leak stays hidden.

Calibration images that the generator saw are closer to the generated set than other unused images
are. The reference, which no p-value compares with, shows that.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vestige.cache.feature_rows import array_sha256
from vestige.checks.rerun import AuditRerun
from vestige.judging.cohort import Cohort
from vestige.judging.combination import answer_question, combine_again
from vestige.registry.entries import InputError
from vestige.schema.records import Check
from vestige.types import Bools, Images

if TYPE_CHECKING:
    from vestige.checks import Comparison

ALPHA = 0.01
"""The p-value below which the check fails (docs/methods.md 5)."""
MIN_GROUPS = 20
"""Reference groups that are needed: one half is compared with, detectors learn from the other."""
MAX_GROUPS = 500
"""Reference groups that are compared with."""


def clean_calibration_check(comparison: "Comparison") -> Check:
    """Judge the calibration images as if they were candidates, against reference images.

    Columns of low effort, computed again, by the audit's own set test. One half of the reference
    groups is compared with, the other stands in for the reference. Fails below p = .01, and then
    takes back only that nothing was found: calibration images that were used can hide a leak, but
    not make one up.

    Raises
    ------
    InputError
        Without a reference of `MIN_GROUPS` groups of its own.
    """
    rerun, seed = comparison.audited, comparison.seed
    reference, compared, rest = _halves(rerun, np.random.default_rng([seed, 41]))
    theirs = rerun.reference_groups[compared]
    cohort = calibration_against(rerun.cohort, reference[compared], theirs)
    candidates = cohort.targets
    columns = rerun.score(rerun.generated, cohort, reference[rest], reference[compared])
    plan = rerun.cheap_plan
    p_value = answer_question(columns, plan, cohort, candidates, seed).p_value
    auc = combine_again(columns, plan, cohort, candidates, seed, 0).auc(seed)
    passed = p_value >= ALPHA
    vetoes = (
        "none: unused images are no closer to the generated images than reference images are"
        if passed
        else "that nothing was found: unused images are closer to the generated images than "
        "reference images are, so some may have been used"
    )
    return Check("clean_calibration", auc, p_value, passed, vetoes)


def _halves(rerun: AuditRerun, rng: np.random.Generator) -> tuple[Images, Bools, Bools]:
    """The reference [r], the part of it that is compared with, and the other one, by groups."""
    reference, theirs = rerun.reference, rerun.reference_groups
    if reference is None:
        raise InputError("a reference is needed (--reference: further images that were not used).")
    own = ~np.isin(theirs, rerun.cohort.groups)
    first = np.sort(np.unique(theirs[own], return_index=True)[1])  # by pixels: no name moves it
    names = rng.permutation(theirs[own][first])
    if len(names) < MIN_GROUPS:
        raise InputError(f"a reference of {MIN_GROUPS} groups is needed, found {len(names)}.")
    compared = own & np.isin(theirs, names[: min(len(names) // 2, MAX_GROUPS)])
    return reference, compared, ~compared


def calibration_against(cohort: Cohort, reference: Images, theirs: npt.NDArray[Any]) -> Cohort:
    """A cohort whose targets are the calibration images, with reference images to calibrate.

    In an order of pixels alone, as in the cohort of an audit: folds go by it, and must not know
    sides.
    """
    mine = np.flatnonzero(cohort.calibration)
    images = np.concatenate([cohort.images[mine], reference])
    order = np.array(sorted(range(len(images)), key=lambda i: array_sha256(images[i])))
    # numbers: the names of groups may be anything
    codes = cohort.group_index.max() + 1 + np.unique(theirs, return_inverse=True)[1]
    groups = np.concatenate([cohort.group_index[mine], codes])[order]
    targets = order < len(mine)
    return Cohort(
        images[order],
        tuple(map(str, order)),
        order,
        np.where(targets, "query", "unused"),
        groups,
        targets,
        ~targets,
        np.zeros(len(order), np.bool_),
        {},
    )
