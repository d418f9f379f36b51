"""What a negative may say: bounds with 95 % confidence, made of what the audit has seen."""

from collections.abc import Sequence

import numpy as np

from vestige.decision.decide import TARGET_ROLES, levels_missed
from vestige.decision.records import Bounds, Chance, CopiedShare, Copy, Epsilon
from vestige.judging.cohort import Cohort, Mode
from vestige.judging.combination import Combined
from vestige.judging.judge import Judgement
from vestige.registry.entries import InputError
from vestige.schema.records import PlantedLevel, SetTest
from vestige.scoring.plan import Column
from vestige.stats.bounds import (
    auc_upper_bound,
    copied_share_bound,
    exposed_share,
    patient_worth,
    patients_for_bound,
)
from vestige.stats.chance import explained_by_chance, patients_called
from vestige.stats.epsilon import epsilon_lower_bounds
from vestige.types import Bools


def bound_negative(
    combined: Combined,
    test: SetTest,
    cohort: Cohort,
    candidates: Bools,
    copies: Sequence[Copy],
    levels: Sequence[PlantedLevel],
    max_auc: float,
) -> Bounds:
    """Upper bounds of the AUC and of the shares of patients who are exposed or copied.

    Parameters
    ----------
    combined : of candidates and calibration images, as tested
    copies : all that were named
    levels : planted copies by degradation level
    max_auc : the limit that the upper bound should stay below
    """
    used, unused = combined.sides
    groups = combined.groups[combined.is_candidate], combined.groups[~combined.is_candidate]
    folds = None if combined.folds is None else combined.folds[combined.is_candidate]
    other_folds = None if combined.folds is None else combined.folds[~combined.is_candidate]
    worth = patient_worth(combined.scores, combined.groups)
    return Bounds(
        auc_upper=auc_upper_bound(used, unused, *groups, folds, other_folds),
        exposed_share=exposed_share(test.minimum_detectable_auc),
        copied_shares=tuple(_copied_shares(cohort, candidates, copies, levels)),
        patients_needed=patients_for_bound(max_auc, worth) if max_auc < 1 else None,
    )


def _copied_shares(
    cohort: Cohort, candidates: Bools, copies: Sequence[Copy], levels: Sequence[PlantedLevel]
) -> list[CopiedShare]:
    """The largest share of target patients whose copies of a level may be there, where seen."""
    above = {copy.group for copy in copies if copy.role in TARGET_ROLES}
    beyond = {copy.group for copy in copies if copy.role == "unused"}
    targets = set(map(str, cohort.groups[candidates]))
    calibration = set(map(str, cohort.groups[cohort.calibration]))
    missed = levels_missed(levels)
    found = []
    for one in levels:
        if one.level in missed:
            continue
        share = copied_share_bound(
            len(above & targets), len(targets), len(beyond & calibration), len(calibration),
            one.named, one.sources,
        )  # fmt: skip
        if share is not None:
            found.append(CopiedShare(one.level, share))
    return found


def by_chance(
    judgement: Judgement, cohort: Cohort, candidates: Bools, rate: float
) -> Chance | None:
    """Target patients that stand out, and how many chance explains; None without p-values."""
    if judgement.p_values is None:
        return None
    tested = candidates[cohort.targets]
    groups = cohort.group_index[cohort.targets][tested]
    if not len(groups):
        return None
    return Chance(
        patients=patients_called(judgement.p_values[tested], groups, rate),
        most=explained_by_chance(
            len(np.unique(groups)), cohort.group_index[cohort.calibration], rate
        ),
    )


def check_lot(mode: Mode, has_unused: bool, plan: Sequence[Column]) -> None:
    """Refuse bounds of epsilon that could not be made, before any image is read.

    Raises
    ------
    InputError
        In forensic mode, without unused images, or if every detector learns from the labels.
    """
    if mode == "forensic" or not has_unused:
        raise InputError(
            "--assigned-by-lot compares used with unused patients: give --used and --unused, and "
            "no --query."
        )
    if all(column.learns for column in plan):
        raise InputError(
            "--assigned-by-lot needs a score that learned nothing from the labels: name another "
            "detector too, such as --detector matched_filter_pool."
        )


def bound_epsilon(fixed: Combined, seed: int) -> Epsilon:
    """Lower bounds of epsilon, where used and unused patients were drawn by lot.

    `fixed` is the rank average with fixed weights: it learned nothing from the labels.
    """
    used, unused = fixed.sides
    groups = fixed.groups[fixed.is_candidate], fixed.groups[~fixed.is_candidate]
    found = epsilon_lower_bounds(used, unused, *groups, seed=seed)
    return Epsilon(found.from_auc, found.certified, found.pairs, found.right, found.delta)
