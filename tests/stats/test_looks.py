"""Alpha spending over relabellings: the promise holds for each of them, not only on average."""

import numpy as np
import pytest

from vestige.stats.looks import Crossed, common_height, no_looks, spent_share
from vestige.types import Floats

TOTAL, LOOKS = 2000, 40


def correlated(seed: int, keep: float = 0.95) -> Floats:
    """Heights [looks, TOTAL] that drift slowly from look to look."""
    rng = np.random.default_rng(seed)
    height = rng.normal(size=TOTAL)
    found = []
    for _ in range(LOOKS):
        height = keep * height + np.sqrt(1 - keep**2) * rng.normal(size=TOTAL)
        found.append(height)
    return np.array(found)


def p_values(crossed: Crossed) -> Floats:
    return np.array([crossed.p_value(b) for b in range(crossed.rows.shape[1])])


@pytest.mark.parametrize("keep", [0.0, 0.95, 1.0])
@pytest.mark.parametrize("planned", [None, LOOKS])
def test_of_all_relabellings_at_most_the_level_ever_reach_it(
    keep: float, planned: int | None
) -> None:
    crossed = no_looks(TOTAL, 0.05)
    for height in correlated(1, keep):
        crossed = crossed.after(height, planned)
    p = p_values(crossed)
    for level in crossed.levels / TOTAL:
        share = float((p <= level).mean())
        assert share <= level + 1e-12
    spent = 0.05 * spent_share(LOOKS, planned)
    assert spent - 0.01 < (p <= 0.05).mean() <= spent + 1e-12  # little is left unused


def test_looks_that_are_not_counted_err_far_more_often() -> None:
    height = correlated(2, keep=0.8)
    line = np.quantile(height, 0.95, axis=1)
    assert (height > line[:, np.newaxis]).any(axis=0).mean() > 0.4


def test_the_p_value_never_rises_and_falls_when_one_stands_out() -> None:
    crossed, told = no_looks(TOTAL, 0.05), []
    for look, height in enumerate(correlated(3)):
        crossed = crossed.after(height + 9 * (look >= 10) * (np.arange(TOTAL) == 7))
        told.append(crossed.p_value(7))
    assert told == sorted(told, reverse=True)
    assert told[9] > 0.05
    # look 11 spends 20 / (30 * 31) of a level, of which one relabelling at most must fit
    assert told[10] <= 1.1 * 30 * 31 / 20 / TOTAL


def test_equal_relabellings_cross_together_or_not_at_all() -> None:
    crossed = no_looks(TOTAL, 0.05).after(np.zeros(TOTAL), planned=1)
    assert not crossed.rows[crossed.levels < TOTAL].any()
    heights = np.repeat([1.0, 0.0], [150, TOTAL - 150])
    crossed = no_looks(TOTAL, 0.05).after(heights, planned=1)
    assert crossed.p_value(0) >= 150 / TOTAL
    assert crossed.p_value(0) < 0.1
    assert crossed.p_value(TOTAL - 1) == 1


def test_after_the_planned_looks_nothing_changes() -> None:
    heights = correlated(4)
    crossed = no_looks(TOTAL, 0.05)
    for height in heights[:3]:
        crossed = crossed.after(height, planned=3)
    again = crossed.after(np.random.default_rng(1).normal(size=TOTAL), planned=3)
    np.testing.assert_array_equal(again.rows, crossed.rows)
    assert again.looks == 4


def test_spending_rises_to_one() -> None:
    assert [spent_share(k, 4) for k in range(6)] == [0, 0.25, 0.5, 0.75, 1, 1]
    shares = [spent_share(k) for k in range(1000)]
    assert shares == sorted(shares)
    assert shares[20] == 0.5
    assert shares[-1] < 1


def test_heights_treat_all_relabellings_alike_and_let_an_outlier_stand_alone() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(TOTAL, 3))
    values[3, 1] = 60
    counts = np.array([1.0, 0.25, 0.25])
    height = common_height(values, counts)
    order = rng.permutation(TOTAL)
    np.testing.assert_allclose(common_height(values[order], counts), height[order])
    assert height.argmax() == 3
    assert height[3] > np.log(TOTAL) + 5  # ranks alone would leave it beside the others
    alone = common_height(values[:, :1], counts[:1])
    assert (np.diff(alone[np.argsort(values[:, 0])]) >= 0).all()


def test_few_relabellings_have_heights_by_rank() -> None:
    np.testing.assert_allclose(
        common_height(np.array([[2.0], [1.0], [1.0], [5.0]]), np.ones(1)),
        -np.log([0.5, 1, 1, 0.25]),
    )
