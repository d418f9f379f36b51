"""Do two parts of the candidates differ as much as candidates and calibration images do?

If they do, so can any two parts of one source, and the difference says nothing of training.
"""

from collections.abc import Iterator
from math import log10
from typing import TYPE_CHECKING

import numpy as np

from vestige.checks.blind import image_statistics
from vestige.checks.rerun import AuditRerun, not_needed
from vestige.images.names import natural_key
from vestige.judging.combination import Combined
from vestige.registry.entries import InputError
from vestige.schema.records import Check, Estimate
from vestige.stats.groups import group_means
from vestige.stats.permutation import set_tests
from vestige.types import Bools, Floats, Images

if TYPE_CHECKING:
    from vestige.checks import Comparison

SPLITS = 20
"""Random splits of each side (docs/methods.md 5)."""
MIN_GROUPS = 20
"""Groups of a side that can be split in two."""
SEPARATES = 0.05
"""p-value at which what orders the images separates candidates from calibration images too."""


def member_only_check(comparison: "Comparison") -> Check:
    """Split the candidates, and the calibration images, in two: at random, and by what orders them.

    Passes if the audit's figure exceeds the 95th percentile of that of random splits, and that
    of every split by a property (the order of the files, the first principal component of the image
    statistics) which separates candidates from calibration images as well. The figure is the AUC
    or, where a few stand out (the tail carries the set test), the p-value of the set test of the
    combined score: a handful of copied patients moves no AUC, and one half of the candidates may
    hold them all, so that properties split the calibration images alone. AUC: of the random splits,
    with the range that holds 95 % of them; p-value: the share of random splits that reach the
    audit's figure.
    """
    rerun, seed = comparison.audited, comparison.seed
    if not rerun.positive:
        return not_needed("member_only")
    masks = {"candidates": rerun.candidates, "calibration images": rerun.cohort.calibration}
    sides = {name: m for name, m in masks.items() if _count(rerun, m) >= MIN_GROUPS}
    if not sides:
        raise InputError(
            f"neither candidates nor calibration images are of {MIN_GROUPS} groups or more."
        )
    rng = np.random.default_rng([seed, 11])
    drawn = [
        rerun.split(half, side & ~half, seed)
        for side in sides.values()
        for half in _random_halves(rerun, side, rng)
    ]
    few = rerun.carried_by == "tail"

    def figure(parts: Combined) -> float:
        return -log10(parts.few_p_value(seed)) if few else parts.area()

    own = rerun.auc
    if few:
        own = figure(rerun.split(masks["candidates"], masks["calibration images"], seed))
    figures = np.array([figure(parts) for parts in drawn])
    low, middle, high = np.quantile([parts.area() for parts in drawn], [0.025, 0.5, 0.975])
    details, rivals = {}, {"random parts": float(np.quantile(figures, 0.95))}
    for what, values in _orders(rerun).items():
        also = _separates(rerun, values, seed)
        for name, side in sides.items():
            half = _upper_half(rerun, side, values)
            if not half.any() or (side & ~half).sum() == 0:
                continue
            parts = [(half, side & ~half), (side & ~half, half)]
            found = max((rerun.split(*p, seed) for p in parts), key=figure)
            details[f"{name}, halves by {what}"] = found.auc(seed)
            if also and not (few and name == "candidates" and "calibration images" in sides):
                rivals[f"halves of the {name} by {what}"] = figure(found)
    strongest = max(rivals, key=rivals.__getitem__)
    passed = own > rivals[strongest]
    theirs = f"{strongest} reach {_told(rivals[strongest], few)}"
    vetoes = (
        f"none: {theirs}, candidates and calibration images {_told(own, few)}"
        if passed
        else f"a finding: {theirs}, which is not weaker than the {_told(own, few)} of candidates "
        "and calibration images"
    )
    n = sum(int(side.sum()) for side in sides.values())
    reached = (1 + int((figures >= own).sum())) / (1 + len(figures))
    auc = Estimate(float(middle), float(low), float(high), n)
    return Check("member_only", auc, reached, passed, vetoes, details=details)


def _told(figure: float, few: bool) -> str:
    return f"p = {10**-figure:.2g}" if few else f"an AUC of {figure:.2f}"


def _count(rerun: AuditRerun, side: Bools) -> int:
    return len(np.unique(rerun.cohort.group_index[side]))


def _random_halves(rerun: AuditRerun, side: Bools, rng: np.random.Generator) -> Iterator[Bools]:
    group_index = np.unique(rerun.cohort.group_index[side])
    for _ in range(SPLITS):
        chosen = rng.permutation(group_index)[: len(group_index) // 2]
        yield side & np.isin(rerun.cohort.group_index, chosen)


def _upper_half(rerun: AuditRerun, side: Bools, values: Floats) -> Bools:
    """Groups of the side whose mean value lies above the median of the groups."""
    group_index, index = np.unique(rerun.cohort.group_index[side], return_inverse=True)
    means = group_means(values[side], index, len(group_index))
    return side & np.isin(rerun.cohort.group_index, group_index[means > np.median(means)])


def _orders(rerun: AuditRerun) -> dict[str, Floats]:
    """What may order the images [n] without the generated set."""
    keys = [natural_key(id_) for id_ in rerun.cohort.ids]
    rank = {key: float(i) for i, key in enumerate(sorted(set(keys)))}
    return {
        "order of the files": np.array([rank[key] for key in keys]),
        "image statistics": _first_component(rerun.cohort.images),
    }


def _first_component(images: Images) -> Floats:
    values = np.stack(list(image_statistics(images).values()), axis=1)
    values = values - values.mean(axis=0)
    spread = values.std(axis=0)
    values = values / np.where(spread > 1e-12, spread, 1.0)
    _, _, axes = np.linalg.svd(values, full_matrices=False)
    return np.asarray(values @ axes[0])


def _separates(rerun: AuditRerun, values: Floats, seed: int) -> bool:
    rows = rerun.candidates | rerun.cohort.calibration
    both = np.column_stack([values, -values])[rows]
    adjusted = set_tests(both, rerun.candidates[rows], rerun.cohort.group_index[rows], seed=seed)[1]
    return bool(adjusted.min() <= SEPARATES)
