"""Do two parts of the suspects differ as much as suspects and controls do?

If they do, so can any two parts of one source, and the difference says nothing of training.
"""

from collections.abc import Iterator
from math import log10
from typing import TYPE_CHECKING

import numpy as np

from vestige.controls.blind import image_statistics
from vestige.controls.pipeline import Pipeline, not_needed
from vestige.images.listing import natural_key
from vestige.judging.combination import Combined
from vestige.registry.choices import InputError
from vestige.schema.records import Control, Estimate
from vestige.stats.groups import group_means
from vestige.stats.permutation import set_tests
from vestige.types import Bools, Floats, Images

if TYPE_CHECKING:
    from vestige.controls import Comparison

SPLITS = 20
"""Random splits of each side (METHODS 5)."""
FEWEST = 20
"""Groups of a side that can be split in two."""
SEPARATES = 0.05
"""p-value at which a property that orders the images also separates suspects from controls."""


def member_only_control(comparison: "Comparison") -> Control:
    """Split the suspects, and the controls, in two by group, at random and by what orders them.

    Passes if the audit's figure exceeds the 95th percentile of that of random splits, and that
    of every split by a property (the order of the files, the first principal component of the image
    statistics) which separates suspects from controls as well. The figure is the AUC or, where a
    few stand out (the tail carries the set test), the p-value of the set test of the combined
    score: a handful of copied patients moves no AUC, and one half of the suspects may hold them
    all, so that properties split the controls alone. AUC: of the random splits, with the range that
    holds 95 % of them; p-value: the share of random splits that reach the audit's figure.
    """
    pipeline, seed = comparison.audited, comparison.seed
    if not pipeline.positive:
        return not_needed("member_only")
    masks = {"suspects": pipeline.suspects, "controls": pipeline.bag.control}
    sides = {name: m for name, m in masks.items() if _count(pipeline, m) >= FEWEST}
    if not sides:
        raise InputError(f"neither suspects nor controls are of {FEWEST} groups or more.")
    rng = np.random.default_rng([seed, 11])
    drawn = [
        pipeline.split(half, side & ~half, seed)
        for side in sides.values()
        for half in _random_halves(pipeline, side, rng)
    ]
    few = pipeline.carried_by == "tail"

    def figure(parts: Combined) -> float:
        return -log10(parts.few_p_value(seed)) if few else parts.area()

    own = pipeline.auc
    if few:
        own = figure(pipeline.split(masks["suspects"], masks["controls"], seed))
    figures = np.array([figure(parts) for parts in drawn])
    low, middle, high = np.quantile([parts.area() for parts in drawn], [0.025, 0.5, 0.975])
    details, rivals = {}, {"random parts": float(np.quantile(figures, 0.95))}
    for what, values in _orders(pipeline).items():
        also = _separates(pipeline, values, seed)
        for name, side in sides.items():
            half = _upper_half(pipeline, side, values)
            if not half.any() or (side & ~half).sum() == 0:
                continue
            parts = [(half, side & ~half), (side & ~half, half)]
            found = max((pipeline.split(*p, seed) for p in parts), key=figure)
            details[f"{name}, halves by {what}"] = found.auc(seed)
            if also and not (few and name == "suspects" and "controls" in sides):
                rivals[f"halves of the {name} by {what}"] = figure(found)
    strongest = max(rivals, key=rivals.__getitem__)
    passed = own > rivals[strongest]
    theirs = f"{strongest} reach {_told(rivals[strongest], few)}"
    vetoes = (
        f"none: {theirs}, suspects and controls {_told(own, few)}"
        if passed
        else f"a finding: {theirs}, which is not weaker than the {_told(own, few)} of suspects and "
        "controls"
    )
    n = sum(int(side.sum()) for side in sides.values())
    reached = (1 + int((figures >= own).sum())) / (1 + len(figures))
    auc = Estimate(float(middle), float(low), float(high), n)
    return Control("member_only", auc, reached, passed, vetoes, details=details)


def _told(figure: float, few: bool) -> str:
    return f"p = {10**-figure:.2g}" if few else f"an AUC of {figure:.2f}"


def _count(pipeline: Pipeline, side: Bools) -> int:
    return len(np.unique(pipeline.bag.units[side]))


def _random_halves(pipeline: Pipeline, side: Bools, rng: np.random.Generator) -> Iterator[Bools]:
    units = np.unique(pipeline.bag.units[side])
    for _ in range(SPLITS):
        chosen = rng.permutation(units)[: len(units) // 2]
        yield side & np.isin(pipeline.bag.units, chosen)


def _upper_half(pipeline: Pipeline, side: Bools, values: Floats) -> Bools:
    """Groups of the side whose mean value lies above the median of the groups."""
    units, index = np.unique(pipeline.bag.units[side], return_inverse=True)
    means = group_means(values[side], index, len(units))
    return side & np.isin(pipeline.bag.units, units[means > np.median(means)])


def _orders(pipeline: Pipeline) -> dict[str, Floats]:
    """What may order the images [n] without the generated set."""
    keys = [natural_key(id_) for id_ in pipeline.bag.ids]
    rank = {key: float(i) for i, key in enumerate(sorted(set(keys)))}
    return {
        "order of the files": np.array([rank[key] for key in keys]),
        "image statistics": _first_component(pipeline.bag.images),
    }


def _first_component(images: Images) -> Floats:
    values = np.stack(list(image_statistics(images).values()), axis=1)
    values = values - values.mean(axis=0)
    spread = values.std(axis=0)
    values = values / np.where(spread > 1e-12, spread, 1.0)
    _, _, axes = np.linalg.svd(values, full_matrices=False)
    return np.asarray(values @ axes[0])


def _separates(pipeline: Pipeline, values: Floats, seed: int) -> bool:
    rows = pipeline.suspects | pipeline.bag.control
    both = np.column_stack([values, -values])[rows]
    adjusted = set_tests(both, pipeline.suspects[rows], pipeline.bag.units[rows], seed=seed)[1]
    return bool(adjusted.min() <= SEPARATES)
