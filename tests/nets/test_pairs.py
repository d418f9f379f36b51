"""Which images meet: held-out groups, sampling weights, order. No torch needed."""

import numpy as np
import pytest

from vestige.nets import pairs
from vestige.registry.entries import InputError


def images(n: int, seed: int = 0) -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(seed).random((n, 8, 8), dtype=np.float32)


def test_held_out_images_share_no_group_with_the_others() -> None:
    used, unused = images(30), images(20, 1)
    groups = np.arange(30) // 3, 100 + np.arange(20) // 2
    found = pairs.known(used, unused, *groups, 0)
    every = np.concatenate([unused, used])
    names = np.concatenate([groups[1], groups[0]])
    where = [int(np.flatnonzero((every == x).all(axis=(1, 2)))[0]) for x in found.images]
    labels = names[where]
    assert not set(labels[found.held_out]) & set(labels[~found.held_out])
    assert 0.1 <= found.held_out.mean() <= 0.3
    assert set(found.labels[found.held_out]) == set(found.labels[~found.held_out]) == {0, 1}
    np.testing.assert_array_equal(found.labels, np.repeat([0, 1], [20, 30])[where])


def test_the_order_of_the_images_does_not_matter() -> None:
    used, unused = images(9), images(9, 1)
    first = pairs.known(used, unused, None, None, 0)
    second = pairs.known(used[::-1].copy(), unused[::-1].copy(), None, None, 0)
    for a, b in zip(vars(first).values(), vars(second).values(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_same_image_twice_is_one_group() -> None:
    used = np.repeat(images(6), 2, axis=0)
    found = pairs.known(used, images(6, 1), None, None, 0)
    held = {x.tobytes() for x in found.images[found.held_out]}
    assert held and not held & {x.tobytes() for x in found.images[~found.held_out]}


def test_one_group_cannot_be_held_out() -> None:
    with pytest.raises(InputError, match="stratum used has a single group"):
        pairs.known(images(4), images(4, 1), np.zeros(4), np.arange(4) + 1, 0)


def test_sets_of_two_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="different sizes"):
        pairs.known(images(4), images(4)[:, :4, :4], None, None, 0)


def test_the_sampler_does_nothing_to_equal_classes_and_balances_others() -> None:
    np.testing.assert_allclose(pairs.class_weights(np.array([0, 1, 1, 0])), 0.25)
    weights = pairs.class_weights(np.array([0, 1, 1, 1]))
    np.testing.assert_allclose(weights, [1 / 2, 1 / 6, 1 / 6, 1 / 6])


def test_synthetic_images_are_split_in_four_and_one() -> None:
    ours, theirs = pairs.split_generated(100, 0)
    assert (len(ours), len(theirs)) == (80, 20)
    assert sorted([*ours, *theirs]) == list(range(100))
    assert [len(part) for part in pairs.split_generated(1, 0)] == [1, 1]


def test_ways_to_put_pairs_together() -> None:
    values = np.array([[1.0, 5.0, 3.0, -9.0]])
    assert pairs.aggregate(values, "mean")[0] == 0
    assert pairs.aggregate(values, "max")[0] == 5
    assert pairs.aggregate(values, "top3")[0] == 3
    assert pairs.aggregate(values[:, :1], "top3")[0] == 1
    with pytest.raises(InputError, match="unknown aggregate 'min'. Known: mean, max, top3"):
        pairs.aggregate(values, "min")
