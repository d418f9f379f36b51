"""The line for copies: its formula, its level in Gumbel worlds, and bystanders that are copies."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from vestige.stats.copy_line import FLOOR, SCALE, copy_line, line_of_several, tail_scale
from vestige.types import Floats

LOW = 0.12
"""A floor above the median of Gumbel values, and below what the largest of 20 come to."""


def gumbel(shape: tuple[int, ...], seed: int, loc: float = 0.06, scale: float = SCALE) -> Floats:
    return np.random.default_rng(seed).gumbel(loc, scale, shape)


@pytest.mark.parametrize(("bystanders", "targets"), [(20, 20), (20, 2000), (500, 20)])
def test_level_where_the_floor_is_low(bystanders: int, targets: int) -> None:
    """In 1,000 Gumbel worlds, against the exact probability r / (1 + 20 r): errs with 2e-5."""
    passed, ratio = 0, targets / bystanders
    for seed in range(1000):
        values = gumbel((bystanders + targets,), seed)
        line = copy_line(values[:bystanders], np.arange(bystanders), targets, targets, 0.05, LOW)
        assert line.usable
        passed += bool(values[bystanders:].max() > line.line)
    exact = ratio / (1 + ratio / 0.05)
    assert binom.ppf(1e-5, 1000, exact) <= passed <= binom.isf(1e-5, 1000, exact), passed


def test_formula() -> None:
    values = gumbel((50,), 1)
    line = copy_line(values, np.arange(50), 30, 20, 0.01, LOW)
    top = values.max()
    assert line.line == pytest.approx(top + SCALE * math.log(1 + 30 / 50 * 99))
    assert line.highest == top
    assert line.spread == pytest.approx(values.std())
    assert (line.bystanders, line.copied, line.usable) == (50, 0, True)
    assert line.beyond([line.line, line.line + line.spread]) == pytest.approx([0, 1])


@given(st.integers(0, 10**6), st.integers(1, 3000), st.integers(1, 3000), st.floats(1e-4, 0.1))
def test_the_margin_grows_with_the_targets_and_falls_with_the_level(
    seed: int, few: int, more: int, level: float
) -> None:
    values, groups = gumbel((30,), seed), np.arange(30)
    few, more = sorted((few, more))
    lines = [copy_line(values, groups, n, n, level, LOW).line for n in (few, more)]
    assert lines[0] <= lines[1]
    assert copy_line(values, groups, few, few, level / 2, LOW).line >= lines[0]
    assert copy_line(values, groups, few, few, level).line >= FLOOR


@given(st.integers(0, 10**6))
def test_order_and_repeated_images_change_nothing_but_the_number_of_images(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, groups = gumbel((40,), seed), rng.integers(0, 25, 40)
    once = copy_line(values, groups, 40, 25, floor=LOW)
    order = rng.permutation(40)
    assert copy_line(values[order], groups[order], 40, 25, floor=LOW) == once
    twice = copy_line(np.tile(values, 2), np.tile(groups, 2), 80, 25, floor=LOW)
    assert twice == once


def test_a_third_of_the_bystanders_may_be_copies() -> None:
    """The line stays where the clean ones put it, up to a share of the spread."""
    for seed in range(50):
        values = gumbel((60,), seed)
        copies = np.random.default_rng(seed).random(60) < 1 / 3
        values[copies] = np.random.default_rng(seed + 1).uniform(0.7, 0.95, copies.sum())
        line = copy_line(values, np.arange(60), 200, 200)
        assert line.usable
        assert line.copied == copies.sum()
        assert line.highest == values[~copies].max()
        assert line.line < 0.6


def test_nothing_is_named_where_most_bystanders_are_copies() -> None:
    values = gumbel((20,), 3)
    values[:15] = 0.8
    line = copy_line(values, np.arange(20), 20, 20)
    assert not line.usable
    assert line.copied == 15
    assert line.line == math.inf
    assert not (line.beyond([0.9, 1.0]) > 0).any()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_bystanders(n: int) -> None:
    line = copy_line(np.full(n, 0.1), np.arange(n), 10, 10, floor=0.5)
    assert line.line == 0.5
    assert (line.bystanders, line.usable, line.spread) == (n, True, 1.0)
    assert copy_line(np.full(n, 0.1), np.arange(n), 10**5, 10**5, floor=0.5).line > 0.5 or n == 0


def test_the_tail_is_wider_where_images_have_fewer_pixels() -> None:
    assert tail_scale(32 * 32) == tail_scale(16**3) == SCALE
    assert tail_scale(16 * 16) == pytest.approx(SCALE * math.sqrt(2))
    values = np.linspace(0.2, 0.5, 40)
    narrow, wide = (
        copy_line(values, np.arange(40), 40, 40, scale=scale).line for scale in (SCALE, 2 * SCALE)
    )
    assert wide - values[-1] == pytest.approx(2 * (narrow - values[-1]))


def test_several_groups_pass_a_lower_line_together_and_one_does_not() -> None:
    bystanders = np.linspace(0.2, 0.5, 40)
    level = 0.001
    line = copy_line(bystanders, np.arange(40), 40, 40, level / 2)
    clean = np.linspace(0.1, 0.5, 39)
    for many, lowered in ((1, False), (2, False), (6, True)):
        tops = np.append(clean[many - 1 :], np.full(many, 0.62))
        found = line_of_several(line, tops, 1.0, level, SCALE)
        assert (found.line < 0.62) == lowered
        assert found.line == line.line or lowered


def test_lower_lines_hold_their_level() -> None:
    """Tails of the formula; level .05 and 1,000 worlds, so more than 85 named: P < 2e-6."""
    n, level, named, by_several = 30, 0.05, 0, 0
    for seed in range(1000):
        values = gumbel((2 * n,), seed)
        line = copy_line(values[:n], np.arange(n), n, n, level / 2, LOW)
        found = line_of_several(line, values[n:], 1.0, level, SCALE, LOW)
        named += bool((values[n:] > found.line).any())
        by_several += found.line < line.line
    assert 0 < by_several < named <= 85
