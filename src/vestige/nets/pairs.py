"""Which real image meets which synthetic one, and how often. No torch in here."""

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vestige.registry.entries import InputError
from vestige.stats.groups import Labels, group_index
from vestige.stats.splits import group_folds
from vestige.types import Bools, Floats, Images, Ints

Pairing = Literal["nearest", "random"]
Aggregate = Literal["mean", "max", "top3"]
AGGREGATES = ("mean", "max", "top3")
FOLDS = 5  # one of five is held out: the paper's 80/20


@dataclass(frozen=True)
class LabelledSet:
    """Labelled real images in an order that depends on their content alone."""

    images: Images
    labels: Ints
    """1 used, 0 unused."""
    held_out: Bools
    """Whole groups; they stop the training and learn nothing."""


def known(
    used: Images,
    unused: Images,
    groups_used: Labels | None,
    groups_unused: Labels | None,
    seed: int,
) -> LabelledSet:
    """Put both sets together and hold a fifth of the groups out.

    Without groups every image is its own, and equal images are one.

    Raises
    ------
    InputError
        A set holds a single group, or the sets differ in size.
    """
    if used.shape[1:] != unused.shape[1:]:
        raise InputError("used and unused images have different sizes: bring them to one size.")
    orders = [content_order(images) for images in (unused, used)]
    images = np.concatenate([unused[orders[0]], used[orders[1]]])
    status = np.repeat([0, 1], [len(unused), len(used)])
    words = np.where(status == 1, "used", "unused")
    groups = [_names(unused, groups_unused)[orders[0]], _names(used, groups_used)[orders[1]]]
    index, _ = group_index(np.concatenate(groups), len(images))
    fewest = min(len(np.unique(index[status == label])) for label in (0, 1))
    fold = group_folds(index, max(2, min(FOLDS, fewest)), seed, words)
    return LabelledSet(images, status, np.asarray(fold == 0))


def same_size(known: LabelledSet, generated: Images) -> None:
    """Refuse generated images that are larger or smaller than the real ones."""
    if generated.shape[1:] != known.images.shape[1:]:
        raise InputError(
            "generated and real images have different sizes: bring them to one working size."
        )


def content_order(images: Images) -> Ints:
    """An order of images [n, h, w] that depends on their pixels, not on how they were given."""
    digests = _digests(images)
    return np.asarray(sorted(range(len(images)), key=digests.__getitem__), np.int64)


def split_generated(m: int, seed: int) -> tuple[Ints, Ints]:
    """Rows for training and for validation, 80/20; all rows on both sides when m is below 5."""
    if m < FOLDS:
        return np.arange(m), np.arange(m)
    rows = np.random.default_rng(seed).permutation(m)
    cut = m - m // FOLDS
    return np.sort(rows[:cut]), np.sort(rows[cut:])


def class_weights(labels: Ints) -> Floats:
    """Chance [n] of drawing each image: inverse to the frequency of its class, sum 1."""
    counts = np.bincount(labels, minlength=2)
    weights = 1.0 / counts[labels]
    return np.asarray(weights / weights.sum())


def aggregate(values: Floats, how: str) -> Floats:
    """Logits [n, k] of the pairs of n real images -> one score [n] each."""
    check_aggregate(how)
    if how == "mean":
        return np.asarray(values.mean(axis=1))
    best = -np.sort(-values, axis=1)
    return np.asarray(best[:, : 1 if how == "max" else 3].mean(axis=1))


def check_aggregate(how: str) -> None:
    """Refuse an unknown way to put the pairs of one image together."""
    if how not in AGGREGATES:
        raise InputError(f"unknown aggregate {how!r}. Known: {', '.join(AGGREGATES)}.")


def _names(images: Images, groups: Labels | None) -> npt.NDArray[Any]:
    if groups is None:
        return np.array(_digests(images))
    group_index(groups, len(images))
    return np.asarray(groups).astype(str)


def _digests(images: Images) -> list[str]:
    return [hashlib.sha256(np.ascontiguousarray(image).data).hexdigest() for image in images]
