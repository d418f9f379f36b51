"""How two sets of images compare in statistics of their preparation (docs/methods.md 6.5)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vestige.checks.kind_statistics import AXES, CENTRES, STEPS, kind_statistics
from vestige.images.flags import GUESSED_SCALE
from vestige.images.imageset import ImageSet, Record
from vestige.images.kinds import in_grey, kind_of, pictures_of
from vestige.images.spool import take
from vestige.images.stored_statistics import STATISTICS, stored_statistics
from vestige.schema.records import PreparationComparison, PreparationDifference
from vestige.stats.kolmogorov import kolmogorov_distances, kolmogorov_tests
from vestige.types import Floats, Images

ALPHA = 0.01
"""The p-value below which sets count as prepared differently (docs/methods.md 6.5)."""
MAX_NAMED = 3
"""Statistics reported for two sets: the most different, and the `TRACES` that differ as well."""
TRACES = (
    *("blockiness", "checkerboard", "histogram comb", "spectral slope", "high-frequency share"),
    *("chroma detail", *STEPS),
)
"""Statistics with a cause of their own, which may move others as well: JPEG and an overshooting
resize kernel change the grey levels too."""
AS_STORED: Final = "as stored"
PREPARED: Final = "prepared"

_SCALE = "another window or grey scale (contrast, clipping)"
_KERNEL = "another resize or reconstruction kernel, smoothing or noise"
_FIELD = "another field of view, cropping, padding or scanner table"
_LEVELS = "palette quantisation, or grey levels stretched after rounding"
_PACKED = "files written by another program or with other settings"
_BALANCE = "another white balance, colour profile or order of the channels"
_VOXELS = "another slice thickness, voxel size or reconstruction"
_GRID, _SPACING, _EXTENT = (
    tuple(f"{what} {axis}" for axis in AXES) for what in ("voxels", "spacing", "field of view")
)
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
    **dict.fromkeys(("mean red", "mean green", "mean blue", "white balance"), _BALANCE),
    "saturation": _BALANCE,
    "chroma detail": "JPEG with chroma at half the side, of this file or one it was made from",
    **dict.fromkeys(_GRID, "volumes of another size"),
    **dict.fromkeys((*_SPACING, *STEPS), _VOXELS),
    **dict.fromkeys((*_EXTENT, "share of background", *CENTRES), _FIELD),
    "orientation": "files that store their axes in another order or direction",
    "bit depth": "files of another bit depth",
    "coding": "another file format, or JPEG of another quality or encoder",
    "grey scale": "files that do not say their grey scale, which was guessed and flagged",
}
"""What is compared, and what a difference usually comes from: the 26 statistics of docs/methods.md
6.5, what only colour images and volumes have, then facts of the files."""
_SIDES = ("height", "width", *_GRID)
_FIELDS = ("mode", "bit depth", "coding", "orientation")
_FLAT = (
    *("height", "width", "vertical centre", "horizontal centre"),
    *("distinct levels", "histogram comb", "share of highest level"),
)
"""Statistics of pictures that say nothing of a volume on its working grid."""
_GUESSED = "grey scale"
"""Only there where an image of one of the two sets has such a flag."""
_AS_TOLD = "as told"
OF_FILES = (*_FIELDS, "bytes per pixel", _GUESSED)
"""Facts that no detector can see; they are told, but only pixels make two sets differ."""
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
    def sizes(self) -> set[tuple[float, ...]]:
        """Lengths of the sides of the images that occur."""
        sides = [self.numbers[name] for name in _SIDES if name in self.numbers]
        return set(zip(*sides, strict=True))


def facts_of(images: ImageSet, most: int | None = None) -> Facts:
    """Facts of images as stored; those of files only where all images come from files.

    Of a large generated set only a part was measured (`vestige.images.reading`); of volumes, which
    are measured here on the working grid, `most` of them, which their pixels choose.
    """
    if images.kind == "volume":
        rows = np.sort(np.argsort(images.sha256, kind="stable")[:most])
        records = [images.records[k] for k in rows]
        words, numbers = _of_records(records), _of_pixels(take(images.pixels, rows))
        numbers |= _in_space(records)
    else:
        rows = np.flatnonzero([bool(record.statistics) for record in images.records])
        records, words = [images.records[k] for k in rows], {}
        table = np.array([record.statistics for record in records])
        numbers = dict(zip(STATISTICS, table.T, strict=True))
        if images.kind == "colour":
            numbers |= kind_statistics(take(images.pixels, rows))
    if images.arrays is None:
        numbers["bytes per pixel"] = np.array([record.bytes_per_pixel for record in records])
        words |= {
            "mode": np.array([record.mode for record in records]),
            "bit depth": np.array([str(record.bits) for record in records]),
            "coding": np.array([record.coding for record in records]),
        }
        guessed = [" and ".join(f for f in r.flags if f in GUESSED_SCALE) for r in records]
        if any(guessed):
            words[_GUESSED] = np.array([flags or _AS_TOLD for flags in guessed])
    return Facts(numbers, words, np.array([record.sha256 for record in records]))


def _in_space(records: Sequence[Record]) -> dict[str, Floats]:
    """Voxels, spacing in mm and field of view in mm of volumes, as far as all records know them."""
    numbers: dict[str, Floats] = {}
    shapes = np.array([record.shape for record in records], np.float64)
    spacings = [getattr(record, "spacing", None) for record in records]
    if shapes.shape[1:] != (3,):
        return numbers
    numbers |= dict(zip(_GRID, shapes.T, strict=True))
    if all(spacings):
        lengths = np.array(spacings, np.float64)
        numbers |= dict(zip(_SPACING, lengths.T, strict=True))
        numbers |= dict(zip(_EXTENT, (shapes * lengths).T, strict=True))
    return numbers


def _of_records(records: Sequence[Record]) -> dict[str, npt.NDArray[Any]]:
    """The order and direction of the axes in the files of volumes, where all records know it."""
    words = [getattr(record, "orientation", "") for record in records]
    return {"orientation": np.array(words)} if all(words) else {}


def facts_of_pixels(images: Images, sha256: Sequence[str] | None = None) -> Facts:
    """Facts of images [n, ...] of any kind that come from no file."""
    numbers = _of_pixels(images)
    keys = sha256 if sha256 is not None else [f"{k:09d}" for k in range(len(images))]
    return Facts(numbers, {}, np.array(keys))


def _of_pixels(images: Images) -> dict[str, Floats]:
    """The statistics of luma and, of colour images, those of their kind.

    Of volumes the mean statistics of the three middle planes in 256 levels (the working grid keeps
    none of those of the file), and what there is in space instead of size and centre.
    """
    own = kind_statistics(images)
    if kind_of(images.shape) != "volume":
        return dict(zip(STATISTICS, stored_statistics(in_grey(images)).T, strict=True)) | own
    planes = np.rint(255 * np.clip(pictures_of(images), 0, 1)).astype(np.uint8)
    table = stored_statistics(planes.reshape(-1, *planes.shape[2:]))
    means = table.reshape(len(images), -1, len(STATISTICS)).mean(axis=1)
    flat = dict(zip(STATISTICS, means.T, strict=True))
    return {name: flat[name] for name in STATISTICS if name not in _FLAT} | own


def compare(
    first: Facts,
    second: Facts,
    groups: npt.NDArray[Any] | None,
    names: tuple[str, str],
    seed: int = 0,
    tested: bool = True,
) -> PreparationComparison:
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
    PreparationComparison
        The result does not depend on the order of the images. Its p-value is that of the statistics
        of pixels: DICOM against PNG is told, and no fault while the pixels are alike.
    """
    # random relabellings meet the groups in an order that the names of files do not choose
    keys = np.concatenate([first.sha256, second.sha256])
    order = np.argsort(keys, kind="stable")
    columns, is_first = _columns(first, second), np.arange(len(keys)) < len(first)
    table, flags = np.stack(list(columns.values()), axis=1)[order], is_first[order]
    labels = _in_order_of_appearance(np.arange(len(keys)) if groups is None else groups[order])
    if tested:
        test = kolmogorov_tests(table, flags, labels, seed=seed, limit=ALPHA)
        distances, adjusted = test.distances, test.p_adjusted
    else:
        distances = kolmogorov_distances(table, flags, labels)
        adjusted = np.ones(len(distances))
    split = _separating(first, second)
    listed = list(columns)
    vague = np.isin(listed, _VAGUE)
    first_named = ~np.isin(listed, [*split, *(_SIDES if "size" in split else ())])
    first_named |= distances == 0
    best = np.lexsort((vague, -distances, adjusted, first_named))
    traced = [k for k in best[MAX_NAMED:] if listed[k] in TRACES and adjusted[k] < ALPHA]
    seen = ~np.isin(listed, OF_FILES)
    p_value = float(adjusted[seen].min()) if tested else None
    return PreparationComparison(
        first=names[0],
        second=names[1],
        stage=AS_STORED,
        p_value=p_value,
        passed=p_value is None or p_value >= ALPHA,
        separated_by=split,
        differences=tuple(
            PreparationDifference(
                statistic=listed[k],
                first=_typical(first, listed[k]),
                second=_typical(second, listed[k]),
                distance=float(np.clip(distances[k], 0, 1)),
                p_adjusted=float(adjusted[k]) if tested else None,
                cause=CAUSES[listed[k]],
            )
            for k in (*best[:MAX_NAMED], *traced)
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
        elif name == _GUESSED and (name in first.words or name in second.words):
            both = np.concatenate([_guessed(first), _guessed(second)])
            columns[name] = np.unique(both, return_inverse=True)[1].astype(np.float64)
    return columns


def _guessed(facts: Facts) -> npt.NDArray[Any]:
    return facts.words.get(_GUESSED, np.full(len(facts), _AS_TOLD))


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
    counts = Counter((_guessed(facts) if name == _GUESSED else facts.words[name]).tolist())
    return str(min(counts, key=lambda word: (-counts[word], word)))


def _in_order_of_appearance(labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    _, first, codes = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[codes]


def what_differs(found: PreparationComparison) -> str:
    """The field or statistic that gives the difference away, with the usual cause."""
    worst = found.differences[0]
    told = f"{worst.first} in {found.first}, {worst.second} in {found.second}: {worst.cause}"
    if found.separated_by:
        named = " and ".join(found.separated_by)
        return f"{named} alone tells them apart ({worst.statistic} {told})"
    others = [d for d in found.differences[1:] if (d.p_adjusted or 0) < ALPHA]
    telling = (worst, *(d for d in others if d.statistic in TRACES))
    first_with = {d.cause: d for d in reversed(telling)}  # each cause is told once
    names = [
        f"{d.statistic} ({d.cause})" if first_with.get(d.cause) is d else d.statistic
        for d in others
    ]
    also = f"; also {', '.join(names)}" if names else ""
    return f"{worst.statistic} differs most (median {told}){also}"
