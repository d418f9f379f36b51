"""Group labels (patients) as indices: every statistic here draws, splits or permutes whole groups.

Labels are sorted before they are numbered, so no result depends on the order of the rows.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vestige.registry.entries import InputError
from vestige.types import Bools, Floats, Ints

Labels: TypeAlias = npt.NDArray[Any] | Sequence[Any]
"""One label per image, text or numbers; images of one group share a label."""


def group_index(groups: Labels | None, n: int) -> tuple[Ints, int]:
    """Number the groups 0, 1, ... in the sorted order of their labels.

    Parameters
    ----------
    groups : labels of shape (n,), or None
        None makes every image its own group.
    n : int
        Number of images.

    Returns
    -------
    index : Ints, shape (n,)
        Group number of each image.
    n_groups : int

    Raises
    ------
    InputError
        When the number of labels is not `n`, or a label is missing or cannot be compared.
    """
    if groups is None:
        return np.arange(n, dtype=np.int64), n
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise InputError(
            f"groups need one label per image: {n} images, labels of shape {labels.shape}. "
            "Give one group for each image."
        )
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise InputError(
            f"{int(np.isnan(labels).sum())} group labels are not a number (NaN). "
            "Give every image a group."
        )
    try:
        unique, index = np.unique(labels, return_inverse=True)
    except TypeError as error:
        raise InputError(
            "group labels cannot be compared with each other. "
            "Use text for all or numbers for all, and leave none out."
        ) from error
    return index.astype(np.int64).reshape(n), len(unique)


def group_means(values: Floats, index: Ints, n_groups: int) -> Floats:
    """Mean of `values` [n] or [n, d] within each group: [n_groups] or [n_groups, d]."""
    sizes = np.bincount(index, minlength=n_groups).astype(np.float64)
    if values.ndim == 1:
        return np.asarray(np.bincount(index, weights=values, minlength=n_groups) / sizes)
    columns = [np.bincount(index, weights=c, minlength=n_groups) / sizes for c in values.T]
    return np.stack(columns, axis=1)


def refuse_shared(first: Labels | None, second: Labels | None, names: tuple[str, str]) -> None:
    """Refuse groups that stand on both sides: their images are not independent of each other.

    Raises
    ------
    InputError
        Naming up to five of the shared groups.
    """
    if first is None or second is None:
        return
    shared = np.intersect1d(np.asarray(first), np.asarray(second))
    if shared.size:
        raise InputError(
            f"{shared.size} groups have images both {names[0]} and {names[1]} "
            f"({some_names(shared.tolist())}). Leave one side of each out."
        )


def group_status(is_candidate: Bools, index: Ints, n_groups: int, groups: Labels | None) -> Bools:
    """Status of each group [n_groups]; a group with images on both sides is an InputError."""
    candidates = np.bincount(index[is_candidate], minlength=n_groups)
    sizes = np.bincount(index, minlength=n_groups)
    mixed = (candidates > 0) & (candidates < sizes)
    if mixed.any() and groups is not None:
        labels = np.asarray(groups)
        rows = np.unique(index, return_index=True)[1][mixed]
        raise InputError(
            f"{int(mixed.sum())} groups have images among candidates and calibration images "
            f"({some_names(labels[rows].tolist())}). Leave one side of each out."
        )
    return np.asarray(candidates > 0)


def finite_vector(values: npt.ArrayLike, what: str, *, least: int = 1) -> Floats:
    """`values` as float64 [n]; refuses other shapes, too few values, NaN and infinity."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise InputError(f"{what} must be one number per image, found shape {array.shape}.")
    if array.size < least:
        raise InputError(f"{what}: {array.size} given, at least {least} needed. Add images.")
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise InputError(
            f"{what}: {bad} of {array.size} values are not finite. "
            "Mend the detector that made them."
        )
    return array


def some_names(names: Sequence[Any], at_most: int = 5) -> str:
    """List the first names, and how many more there are."""
    shown = ", ".join(str(name) for name in names[:at_most])
    return f"{shown} and {len(names) - at_most} more" if len(names) > at_most else shown
