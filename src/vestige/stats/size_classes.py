"""Classes of patients with about as many images, within which labels may be exchanged.

A patient with many images has a higher best image and a steadier mean. Whoever has ten images is
no fair calibration image of whoever has one; so labels move within classes of like size only, and
inside a class every patient counts by as many images as the smallest has.
"""

import itertools
import math

import numpy as np

from vestige.types import Bools, Floats, Ints

LEAST = 2
"""Patients of either side in a class, if there are that many."""
DRAWS = 10
"""Draws of images where a patient has more than their class counts."""
LAW, ORDERS = 50_000, 50
"""Draws that tell the law of a sum, and random permutations behind them, at least."""


def size_classes(sizes: Ints, status: Bools, least: int = LEAST) -> tuple[Ints, Ints]:
    """Class and number of counted images of each group.

    From the largest groups down, a class takes in all groups of the next size until it holds
    `least` of either side. What is left over joins the last class.

    Parameters
    ----------
    sizes : [G], images of each group, 1 or more
    status : [G], whether a group is candidate
    least : int

    Returns
    -------
    classes : [G], 0 = the largest groups
    keep : [G], images that count: those of the smallest group of the class
    """
    classes = np.zeros(len(sizes), np.int64)
    number, taken = 0, np.zeros(len(sizes), np.bool_)
    for size in np.unique(sizes)[::-1]:
        inside = (sizes >= size) & ~taken
        classes[inside] = number
        if min(status[inside].sum(), (~status[inside]).sum()) >= least:
            taken |= inside
            number += 1
    if number:
        classes[~taken] = number - 1
    smallest = np.full(int(classes.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(smallest, classes, sizes)
    return classes, smallest[classes]


def draw_images(order: Ints, index: Ints, keep: Ints, rng: np.random.Generator) -> Ints:
    """Rows of `keep[g]` images of each group g, drawn at random without replacement.

    Parameters
    ----------
    order : [n], the rows in an order that does not depend on how they came
    index : [n], group of each row
    keep : [G]
    """
    drawn = order[rng.permutation(len(order))]
    drawn = drawn[np.argsort(index[drawn], kind="stable")]
    sizes = np.bincount(index)
    place = np.arange(len(drawn)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.asarray(np.sort(drawn[place < keep[index[drawn]]]))


def relabel_within(
    status: Bools, classes: Ints, n_permutations: int, seed: int, enumerate_all: bool = True
) -> tuple[Bools, bool]:
    """Relabellings [B, G] within classes; all there are, if no more than n_permutations + 1.

    Returns
    -------
    rows : [B, G]
    exact : whether these are all, the given one among them
    """
    members = [np.flatnonzero(classes == c) for c in np.unique(classes)]
    counts = [(len(at), int(status[at].sum())) for at in members]
    if enumerate_all and math.prod(math.comb(*c) for c in counts) <= n_permutations + 1:
        every = [itertools.combinations(at, k) for at, (_, k) in zip(members, counts, strict=True)]
        chosen = [list(itertools.chain(*one)) for one in itertools.product(*every)]
        rows = np.zeros((len(chosen), len(status)), np.bool_)
        np.put_along_axis(rows, np.array(chosen, np.int64), True, axis=1)
        return rows, True
    rows = np.broadcast_to(status, (n_permutations, len(status))).copy()
    rng = np.random.default_rng(seed)
    for at in members:
        rows[:, at] = rng.permuted(rows[:, at], axis=1)
    return rows, False


def law_of_sum(
    values: Floats, status: Bools, classes: Ints, rng: np.random.Generator, draws: int
) -> Floats:
    """Sums over random candidates, about `draws` of them, drawn within classes.

    Windows of random permutations: neighbours share most members, but each is a fair draw.

    Parameters
    ----------
    values, status, classes : [G]
    """
    members = [np.flatnonzero(classes == c) for c in np.unique(classes)]
    longest = max(map(len, members))
    found = np.zeros((math.ceil(draws / longest), longest))
    for at in members:
        k, n = int(status[at].sum()), len(at)
        orders = rng.permuted(np.broadcast_to(values[at], (len(found), n)), axis=1)
        upto = np.concatenate([np.zeros((len(found), 1)), np.cumsum(np.tile(orders, 2), axis=1)], 1)
        windows = upto[:, k : k + n] - upto[:, :n]
        found += windows[:, np.arange(longest) % n]
    return np.asarray(found.ravel())
