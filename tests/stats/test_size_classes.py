"""Classes of like size, draws within them, and the law of a sum over random groups."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vestige.stats.size_classes import draw_images, law_of_sum, relabel_within, size_classes

SIDES = st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=2, max_size=30)


def test_equal_sizes_are_one_class_and_nothing_is_cut() -> None:
    classes, keep = size_classes(np.full(9, 4), np.arange(9) < 1)
    assert not classes.any()
    assert (keep == 4).all()


def test_ten_against_one_counts_one_image_each() -> None:
    sizes = np.repeat([10, 1], 20)
    classes, keep = size_classes(sizes, sizes == 10)
    assert not classes.any()
    assert (keep == 1).all()


def test_sizes_of_both_sides_stay_whole() -> None:
    sizes = np.tile([1, 2, 3], 10)
    status = np.arange(30) < 15
    classes, keep = size_classes(sizes, status)
    np.testing.assert_array_equal(keep, sizes)
    np.testing.assert_array_equal(classes, 3 - sizes)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(SIDES)
def test_a_class_holds_both_sides_and_as_many_images_of_each_patient(
    groups: list[tuple[int, bool]],
) -> None:
    sizes, status = np.array([s for s, _ in groups]), np.array([b for _, b in groups])
    classes, keep = size_classes(sizes, status, least=2)
    enough = min(status.sum(), (~status).sum()) >= 2
    for c in np.unique(classes):
        inside = classes == c
        assert (keep[inside] == sizes[inside].min()).all()
        if enough:
            assert min(status[inside].sum(), (~status[inside]).sum()) >= 2
    for size in np.unique(sizes):
        assert len(np.unique(classes[sizes == size])) == 1


@settings(deadline=None, derandomize=True, max_examples=50)
@given(SIDES, st.integers(0, 100))
def test_a_draw_holds_what_counts_whatever_the_order(
    groups: list[tuple[int, bool]], seed: int
) -> None:
    sizes, status = np.array([s for s, _ in groups]), np.array([b for _, b in groups])
    _, keep = size_classes(sizes, status)
    index = np.repeat(np.arange(len(sizes)), sizes)
    values = np.random.default_rng(seed).normal(size=len(index))
    rows = draw_images(np.argsort(values), index, keep, np.random.default_rng(seed))
    np.testing.assert_array_equal(np.bincount(index[rows], minlength=len(sizes)), keep)
    order = np.random.default_rng(seed + 1).permutation(len(index))
    moved = draw_images(np.argsort(values[order]), index[order], keep, np.random.default_rng(seed))
    assert set(order[moved]) == set(rows)


def test_relabellings_keep_the_suspects_of_each_class() -> None:
    status, classes = np.arange(8) % 2 == 0, np.array([0, 0, 0, 0, 1, 1, 1, 1])
    rows, exact = relabel_within(status, classes, 100, 0)
    assert exact
    assert len({tuple(row) for row in rows}) == len(rows) == 36
    assert any((row == status).all() for row in rows)
    drawn, exact = relabel_within(status, classes, 30, 0)
    assert not exact
    assert drawn.shape == (30, 8)
    for some in (rows, drawn):
        assert (some[:, :4].sum(axis=1) == 2).all()
        assert (some[:, 4:].sum(axis=1) == 2).all()


def test_the_law_of_a_sum_is_that_of_all_relabellings() -> None:
    values = np.array([9.0, 1.0, 4.0, 2.0, 7.0, 30.0])
    status, classes = np.array([1, 0, 0, 1, 0, 1], bool), np.array([0, 0, 0, 1, 1, 1])
    every = [
        values[a] + values[b] + values[c]
        for a in range(3)
        for b, c in itertools.combinations((3, 4, 5), 2)
    ]
    drawn = law_of_sum(values, status, classes, np.random.default_rng(0), 30_000)
    assert set(np.round(drawn, 9)) == set(every)
    # nine equal shares; windows of one permutation hang together, so a generous limit of .02:
    # 10 standard errors for 10,000 independent permutations
    for value in every:
        assert (np.isclose(drawn, value)).mean() == pytest.approx(every.count(value) / 9, abs=0.02)
