"""Were the sets prepared alike? Statistics of the images as stored, set against set (METHODS 6.5).

A set that was resized, compressed or windowed in its own way can be told apart by that alone, and
a detector that separates it proves nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from vestige.bag import JUDGED, Bag, Mode
from vestige.images.conformity import STATISTICS, stored_statistics
from vestige.images.imageset import ImageSet
from vestige.result import Control, Difference, Likeness, Problem
from vestige.stats.kolmogorov import kolmogorov_distances, kolmogorov_tests
from vestige.types import Bools, Floats, Images

if TYPE_CHECKING:
    from vestige.controls import Comparison

LIMIT = 0.01
"""The p-value below which sets count as prepared differently (METHODS 6.5)."""
NAMED = 3
"""Statistics reported for two sets: the most different."""
AS_STORED: Final = "as stored"
PREPARED: Final = "prepared"

_SCALE = "another window or grey scale (contrast, clipping)"
_KERNEL = "another resize or reconstruction kernel, smoothing or noise"
_FIELD = "another field of view, cropping, padding or scanner table"
_LEVELS = "palette quantisation, or grey levels stretched after rounding"
_PACKED = "files written by another program or with other settings"
CAUSES: dict[str, str] = {
    "height": "images of another size",
    "width": "images of another size",
    "mode": "files of another kind (grey, palette, colour)",
    "distinct levels": _LEVELS,
    "histogram comb": _LEVELS,
    "lowest level": _SCALE,
    "1 % quantile": _SCALE,
    "median grey": _SCALE,
    "99 % quantile": _SCALE,
    "share of black": _SCALE,
    "share of highest level": _SCALE,
    "mean grey": _SCALE,
    "spread of grey": _SCALE,
    "entropy": _SCALE,
    "sharpness": _KERNEL,
    "fine noise": _KERNEL,
    "spectral slope": _KERNEL,
    "high-frequency share": _KERNEL,
    "blockiness": "JPEG compression, of this file or of one it was made from",
    "checkerboard": "upsampling, as in a generator, or resizing by a factor",
    "border rows": _FIELD,
    "border columns": _FIELD,
    "bytes per pixel": _PACKED,
    "body area": _FIELD,
    "vertical centre": _FIELD,
    "horizontal centre": _FIELD,
    "bit depth": "files of another bit depth",
    "coding": "another file format, or JPEG of another quality or encoder",
}
"""What is compared, and what a difference usually comes from: the 26 statistics of METHODS 6.5,
then two facts of the files."""
_FIELDS = ("mode", "bit depth", "coding")
_OF_FILES = ("mode", "bit depth", "coding", "bytes per pixel")
# of two statistics that differ as much, the one with the narrower cause comes first
_VAGUE = ("bytes per pixel", *(name for name, cause in CAUSES.items() if cause == _SCALE))


@dataclass(frozen=True)
class Facts:
    """What is known of the preparation of n images: numbers [n] and words [n] by name."""

    numbers: dict[str, Floats]
    words: dict[str, npt.NDArray[Any]]
    sha256: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.sha256)

    def take(self, rows: npt.NDArray[Any]) -> "Facts":
        """The facts of some images."""
        return Facts(
            {name: values[rows] for name, values in self.numbers.items()},
            {name: values[rows] for name, values in self.words.items()},
            self.sha256[rows],
        )

    @property
    def sizes(self) -> set[tuple[float, float]]:
        """Height and width of the images that occur."""
        return set(zip(self.numbers["height"], self.numbers["width"], strict=True))


def facts_of(images: ImageSet) -> Facts:
    """Facts of images as stored; those of files only where all images come from files."""
    records = images.records
    table = np.array([record.statistics for record in records])
    numbers = dict(zip(STATISTICS, table.T, strict=True))
    words: dict[str, npt.NDArray[Any]] = {}
    if images.arrays is None:
        numbers["bytes per pixel"] = np.array([record.bytes_per_pixel for record in records])
        words = {
            "mode": np.array([record.mode for record in records]),
            "bit depth": np.array([str(record.bits) for record in records]),
            "coding": np.array([record.coding for record in records]),
        }
    return Facts(numbers, words, np.array(images.sha256))


def facts_of_pixels(images: Images, sha256: Sequence[str] | None = None) -> Facts:
    """Facts of images [n, h, w] that come from no file."""
    numbers = dict(zip(STATISTICS, stored_statistics(images).T, strict=True))
    keys = sha256 if sha256 is not None else [f"{k:09d}" for k in range(len(images))]
    return Facts(numbers, {}, np.array(keys))


def compare_sets(
    sets: Mapping[str, ImageSet],
    groups: Mapping[str, Sequence[str]],
    bag: Bag,
    suspects: Bools,
    mode: Mode,
    prepared: bool = False,
    seed: int = 0,
) -> tuple[Likeness, ...]:
    """Compare the sets that must not differ, then reals with generated images, which will.

    Suspects against controls comes first, as the rows [n] of the bag say; in forensic mode used
    against unused; reference against unused. Images of a patient on both sides are left out.

    Parameters
    ----------
    prepared : bool
        The pixels of the sets have been through `vestige.images.preparation`; then all is
        compared twice, first as stored and then as prepared.
    """
    stages: list[tuple[Literal["as stored", "prepared"], dict[str, Facts]]]
    stages = [(AS_STORED, {role: facts_of(images) for role, images in sets.items()})]
    if prepared:
        after = {role: facts_of_pixels(x.pixels, x.sha256) for role, x in sets.items()}
        stages.insert(0, (PREPARED, after))
    found = []
    for stage, facts in stages:
        sides = _sides(facts, groups, bag, suspects, mode)
        for (first, second), (one, other, of_one, of_other) in sides.items():
            labels = np.concatenate([of_one, of_other])
            tested = first != "generated"
            made = compare(one, other, labels if tested else None, (first, second), seed, tested)
            found.append(replace(made, stage=stage))
    return tuple(found)


_Side = tuple[Facts, Facts, npt.NDArray[Any], npt.NDArray[Any]]


def _sides(
    facts: Mapping[str, Facts],
    groups: Mapping[str, Sequence[str]],
    bag: Bag,
    suspects: Bools,
    mode: Mode,
) -> dict[tuple[str, str], _Side]:
    judged = JUDGED[mode]
    chosen = {judged: bag.index[suspects], "unused": bag.index[bag.control]}
    pairs = [(judged, "unused"), ("reference", "unused")]
    if mode == "forensic":
        chosen["used"] = bag.index[bag.known_used]
        pairs.insert(1, ("used", "unused"))
    sides: dict[tuple[str, str], _Side] = {}
    for first, second in pairs:
        if first not in facts or second not in facts:
            continue
        rows = [chosen.get(role, np.arange(len(facts[role]))) for role in (first, second)]
        labels = [np.asarray(groups[r])[k] for r, k in zip((first, second), rows, strict=True)]
        alone = [~np.isin(labels[0], labels[1]), ~np.isin(labels[1], labels[0])]
        if not all(mask.any() for mask in alone):
            continue
        one, other = (
            facts[role].take(k[mask])
            for role, k, mask in zip((first, second), rows, alone, strict=True)
        )
        sides[first, second] = (one, other, labels[0][alone[0]], labels[1][alone[1]])
    generated, reals = facts["generated"], facts[judged]
    own = np.arange(len(generated)), np.arange(len(reals)) + len(generated)
    sides["generated", judged] = (generated, reals, *own)
    return sides


def compare(
    first: Facts,
    second: Facts,
    groups: npt.NDArray[Any] | None,
    names: tuple[str, str],
    seed: int = 0,
    tested: bool = True,
) -> Likeness:
    """Compare two sets by Kolmogorov-Smirnov distances, by group permutation with max-T.

    Parameters
    ----------
    groups : labels [n1 + n2] or None
        Patients, those of the first set before those of the second; none in both.
    names : two roles
    tested : bool
        Else the distances are only told, and nothing passes or fails.

    Returns
    -------
    Likeness
        The result does not depend on the order of the images.
    """
    # random relabellings meet the groups in an order that the names of files do not choose
    keys = np.concatenate([first.sha256, second.sha256])
    order = np.argsort(keys, kind="stable")
    columns, is_first = _columns(first, second), np.arange(len(keys)) < len(first)
    table, flags = np.stack(list(columns.values()), axis=1)[order], is_first[order]
    labels = _in_order_of_appearance(np.arange(len(keys)) if groups is None else groups[order])
    if tested:
        test = kolmogorov_tests(table, flags, labels, seed=seed, limit=LIMIT)
        distances, adjusted = test.distances, test.p_adjusted
    else:
        distances = kolmogorov_distances(table, flags, labels)
        adjusted = np.ones(len(distances))
    split = _separating(first, second)
    listed = list(columns)
    vague = np.isin(listed, _VAGUE)
    first_named = ~np.isin(listed, [*split, *(("height", "width") if "size" in split else ())])
    first_named |= distances == 0
    best = np.lexsort((vague, -distances, adjusted, first_named))[:NAMED]
    p_value = float(adjusted.min()) if tested else None
    return Likeness(
        first=names[0],
        second=names[1],
        stage=AS_STORED,
        p_value=p_value,
        passed=p_value is None or p_value >= LIMIT,
        separated_by=split,
        differences=tuple(
            Difference(
                statistic=listed[k],
                first=_typical(first, listed[k]),
                second=_typical(second, listed[k]),
                distance=float(np.clip(distances[k], 0, 1)),
                p_adjusted=float(adjusted[k]) if tested else None,
                cause=CAUSES[listed[k]],
            )
            for k in best
        ),
    )


def _columns(first: Facts, second: Facts) -> dict[str, Floats]:
    """Numbers and words of both sets as columns; what only one of them has is left out."""
    columns = {}
    for name in CAUSES:
        if name in first.numbers and name in second.numbers:
            columns[name] = np.concatenate([first.numbers[name], second.numbers[name]])
        elif name in first.words and name in second.words:
            both = np.concatenate([first.words[name], second.words[name]])
            columns[name] = np.unique(both, return_inverse=True)[1].astype(np.float64)
    return columns


def _separating(first: Facts, second: Facts) -> tuple[str, ...]:
    """Fields of which the two sets share no value: each separates them perfectly."""
    known = [name for name in _FIELDS if name in first.words and name in second.words]
    apart = [
        name for name in known if not np.intersect1d(first.words[name], second.words[name]).size
    ]
    return (*(() if first.sizes & second.sizes else ("size",)), *apart)


def _typical(facts: Facts, name: str) -> str:
    if name in facts.numbers:
        return f"{np.median(facts.numbers[name]):.4g}"
    counts = Counter(facts.words[name].tolist())
    return str(min(counts, key=lambda word: (-counts[word], word)))


def _in_order_of_appearance(labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    _, first, codes = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[codes]


def suspects_and_controls(found: Sequence[Likeness], mode: Mode) -> Likeness | None:
    """The comparison that the control judges: the last preparation, where there was one."""
    asked = (JUDGED[mode], "unused")
    return next((one for one in found if (one.first, one.second) == asked), None)


def mismatch_problems(found: Sequence[Likeness], mode: Mode) -> list[Problem]:
    """A warning for each other two sets that should be alike and are not."""
    last = found[0].stage if found else AS_STORED
    return [
        Problem(
            one.first,
            f"{one.first} and {one.second} were not prepared alike: {what_differs(one)}. "
            "Prepare all sets by the same steps",
            "warning",
        )
        for one in found
        if one.first != JUDGED[mode] and one.stage == last and not one.passed
    ]


def what_differs(found: Likeness) -> str:
    """The field or statistic that gives the difference away, with the usual cause."""
    worst = found.differences[0]
    told = f"{worst.first} in {found.first}, {worst.second} in {found.second}: {worst.cause}"
    if found.separated_by:
        return (
            f"{' and '.join(found.separated_by)} alone tell them apart ({worst.statistic} {told})"
        )
    others = " and ".join(d.statistic for d in found.differences[1:] if (d.p_adjusted or 0) < LIMIT)
    also = f"; then {others}" if others else ""
    return f"{worst.statistic} differs most (median {told}){also}"


def conformity_control(comparison: "Comparison") -> Control:
    """Suspects against controls; fails below p = .01, and then vetoes any verdict."""
    found = comparison.likeness
    if found is None:
        suspect, groups = comparison.is_suspect, comparison.groups
        sides = [facts_of_pixels(comparison.images[rows]) for rows in (suspect, ~suspect)]
        both = np.concatenate([groups[suspect], groups[~suspect]])
        found = compare(sides[0], sides[1], both, ("suspects", "controls"), comparison.seed)
    vetoes = (
        f"none: what differs most ({found.differences[0].statistic}) is within chance"
        if found.passed
        else f"any verdict: {found.first} and {found.second} were not prepared alike; "
        f"{what_differs(found)}"
    )
    return Control("conformity", None, found.p_value, found.passed, vetoes)
