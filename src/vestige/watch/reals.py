"""The real images of a watch: prepared once, the same at every look."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.copies.pairs import PLAIN, Comparison, compare_by_reals
from vestige.detectors.prepared_pool import PreparedPool, prepare_pool
from vestige.images.duplicates import content_clusters
from vestige.images.given_groups import told_groups
from vestige.images.kinds import inside
from vestige.registry.entries import InputError
from vestige.stats.groups import Labels, group_index, refuse_shared
from vestige.stats.looks import HALFWAY, spent_share
from vestige.stats.size_classes import relabel_within, size_classes
from vestige.symmetries import Views
from vestige.types import Bools, Images, Ints
from vestige.watch.pictures import at_side, pictures_of

LEAST_SIDE = 32
"""Copies are looked for at this side, whatever the side at which images are scored."""
RELABELLINGS = 9999
Groups = Labels | tuple[Labels, Labels] | Mapping[str, Labels]


@dataclass(frozen=True, eq=False)
class Reals:
    """Used and unused images in one row, and the relabellings of their patients.

    images : [n, s, s] or [n, s, s, 3]
    used : [n]
    patients : [n], 0 to G - 1
    pool : scores them beside a generated set
    comparison : finds their copies in a generated set
    status, keep : [G], used, and images that count in the set test
    relabellings : bool [B, G], the true labelling in row `truth`
    digest : of all of this, hexadecimal
    """

    images: Images
    used: Bools
    patients: Ints
    pool: PreparedPool
    comparison: Comparison
    status: Bools
    keep: Ints
    relabellings: Bools
    truth: int
    digest: str

    @property
    def side(self) -> int:
        """In pixels."""
        return int(self.images.shape[1])


def prepare_reals(
    used: Any, unused: Any, groups: Groups | None, size: int, views: Views, seed: int
) -> Reals:
    """Bring the reals to one side, whiten them, and draw the relabellings.

    Raises
    ------
    InputError
        For images that cannot be read or compared, and patients or pixels on both sides.
    """
    sides = pictures_of(used, "used images"), pictures_of(unused, "unused images")
    if sides[0].ndim != sides[1].ndim:
        raise InputError("used and unused images must be of one kind: all grey, or all in colour.")
    side = min(max(size, LEAST_SIDE), *(max(images.shape[1:3]) for images in sides))
    images = np.concatenate([at_side(one, side) for one in sides])
    is_used = np.arange(len(images)) < len(sides[0])
    patients = _patients(groups, images, is_used)
    sizes = np.bincount(patients)
    status = np.bincount(patients, weights=is_used) > 0
    classes, keep = size_classes(sizes, status)
    rows, exact = relabel_within(status, classes, RELABELLINGS, seed)
    rows = rows if exact else np.concatenate([status[np.newaxis], rows])
    told = hashlib.sha256(np.packbits(rows).tobytes())
    for part in (images, is_used, patients):
        told.update(np.ascontiguousarray(part).tobytes())
    return Reals(
        images=images,
        used=is_used,
        patients=patients,
        pool=prepare_pool(images, patients, min(size, side), views),
        comparison=compare_by_reals(images, patients, views),
        status=status,
        keep=keep,
        relabellings=rows,
        truth=int(np.flatnonzero((rows == status).all(axis=1))[0]),
        digest=told.hexdigest(),
    )


def refuse_if_silent(reals: Reals, level: float, planned: int | None) -> None:
    """Refuse so few patients that no look could raise the alarm, however clear the leak."""
    total = len(reals.relabellings)
    if level * total * spent_share(planned or HALFWAY, planned) < 1:
        used = int(reals.status.sum())
        raise InputError(
            f"{used} used and {len(reals.status) - used} unused patients can be relabelled in "
            f"{total} ways only: no alarm at level {level:g} is possible. Give more patients."
        )


def _patients(groups: Groups | None, images: Images, used: Bools) -> Ints:
    """Numbers of the patients [n]; equal pixels belong to one patient."""
    n, n_used = len(images), int(used.sum())
    labels = _labels(groups, n_used, n)
    if labels is not None:
        refuse_shared(labels[:n_used], labels[n_used:], ("among the used", "the unused images"))
    told, _ = group_index(labels, n)
    pixels = content_clusters([hashlib.sha256(image.tobytes()).hexdigest() for image in images])
    # blank images of two patients are equal, too
    blank = images.std(axis=inside(images)) < PLAIN
    pixels = np.where(blank, n + np.arange(n), pixels)
    both = np.intersect1d(pixels[used], pixels[~used])
    if len(both):
        at = np.flatnonzero(pixels == both[0])
        raise InputError(
            f"{len(both)} images stand among used and unused ones alike (such as used "
            f"{at[0]} and unused {at[-1] - n_used}, counted from 0). Leave one side of each out."
        )
    return _joined(told, pixels)


def _labels(groups: Groups | None, n_used: int, n: int) -> npt.NDArray[Any] | None:
    """The patient of each image as a text, [n], or None where nobody told them."""
    if groups is None:
        return None
    if isinstance(groups, Mapping):
        if set(groups) != {"used", "unused"}:
            raise InputError(
                "groups of a watch are one list, or a dict with the groups of 'used' and of "
                f"'unused', found a dict of {', '.join(repr(key)[:20] for key in [*groups][:5])}."
            )
        groups = groups["used"], groups["unused"]
    if isinstance(groups, tuple) and len(groups) == 2 and not isinstance(groups[0], str | int):
        own, other = map(_column, groups)
        if (own.shape, other.shape) != ((n_used,), (n - n_used,)):
            raise InputError(
                f"groups need one label per image: {n_used} used and {n - n_used} unused, found "
                f"{own.shape} and {other.shape}."
            )
        return np.array([*told_groups(own), *told_groups(other)])
    labels = _column(groups)
    if labels.shape != (n,):
        raise InputError(
            f"groups need one label per image: {n} images, labels of shape {labels.shape}. Give "
            "one group for each image, as a list."
        )
    return np.array(told_groups(labels))


def _column(labels: Any) -> npt.NDArray[Any]:
    try:
        return np.asarray(labels)
    except ValueError as error:
        raise InputError("groups need one label per image: found lists within lists.") from error


def _joined(told: Ints, pixels: Ints) -> Ints:
    """Groups that hang together by equal pixels become one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    at = np.unique(pixels, return_inverse=True)[1] + told.max() + 1
    nodes = int(at.max()) + 1
    edges = coo_array((np.ones(len(told)), (told, at)), shape=(nodes, nodes))
    component = connected_components(edges, directed=False)[1]
    return np.unique(component[told], return_inverse=True)[1].astype(np.int64)
