"""Conformal p-values keep their promise; q-values agree with scipy (docs/methods.md 4.1, 4.2)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from vestige.registry.entries import InputError
from vestige.stats.calibration import (
    benjamini_hochberg,
    conformal_p_value_rows,
    conformal_p_values,
    require_resolution,
    smallest_p_value,
)

CHECK = settings(deadline=None, derandomize=True)
GROUPED = st.lists(st.lists(st.integers(-3, 3), min_size=1, max_size=4), min_size=2, max_size=8)


@CHECK
@given(st.lists(st.integers(-3, 3), min_size=2, max_size=30), st.data())
def test_false_alarms_stay_within_the_promise(values: list[int], data: st.DataObject) -> None:
    scores = np.array(values, dtype=float)
    n = len(scores)
    allowed = data.draw(st.integers(0, n))
    p_values = [conformal_p_values(scores[[i]], np.delete(scores, i))[0] for i in range(n)]
    assert sum(p <= allowed / n for p in p_values) <= allowed


@CHECK
@given(GROUPED, st.data())
def test_the_promise_holds_for_one_image_of_each_group(
    patients: list[list[int]], data: st.DataObject
) -> None:
    n = len(patients)
    scores = np.concatenate([np.array(p, dtype=float) for p in patients])
    groups = np.repeat(np.arange(n), [len(p) for p in patients])
    allowed = data.draw(st.integers(0, n))
    alarms = 0.0  # expected number when one image of each patient is drawn by chance
    for patient in range(n):
        own = groups == patient
        p = conformal_p_values(scores[own], scores[~own], groups[~own])
        alarms += float((p <= allowed / n + 1e-12).mean())
    assert alarms <= allowed + 1e-9


def test_hierarchical_golden() -> None:
    calibration = np.array([0.9, 0.2, 0.8, 0.1, 0.3, 0.5])
    groups = ["a", "b", "b", "c", "c", "c"]
    assert conformal_p_values(np.array([0.6]), calibration, groups)[0] == 0.625
    rows = conformal_p_value_rows(np.array([0.6]), calibration[np.newaxis], groups)
    assert rows[0] == 0.625


@CHECK
@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 4)), min_size=1, max_size=20),
)
def test_agrees_with_the_formula_written_out(
    queries: list[int], calibration: list[tuple[int, int]]
) -> None:
    scores = np.array([c[0] for c in calibration], dtype=float)
    groups = np.array([f"p{c[1]}" for c in calibration])
    ours = conformal_p_values(np.array(queries, float), scores, groups)
    names = sorted(set(groups.tolist()))
    for query, p in zip(queries, ours, strict=True):
        shares = [np.mean([s >= query for s in scores[groups == g]]) for g in names]
        assert p == pytest.approx((1 + sum(shares)) / (1 + len(names)))
    tiled = np.tile(scores, (len(queries), 1))
    np.testing.assert_array_equal(
        conformal_p_value_rows(np.array(queries, float), tiled, groups), ours
    )


@CHECK
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=20))
def test_singletons_give_the_plain_form_to_the_bit(values: list[int]) -> None:
    calibration = np.array(values, dtype=float)
    queries = np.array([-2.0, 0.0, 3.0, 9.0])
    grouped = conformal_p_values(queries, calibration, np.arange(len(values)))
    np.testing.assert_array_equal(conformal_p_values(queries, calibration), grouped)
    assert (
        grouped[-1] == smallest_p_value(len(values)) == smallest_p_value(list(range(len(values))))
    )


def test_each_row_has_its_own_controls() -> None:
    p = conformal_p_value_rows(np.array([1.0, 1.0]), np.array([[0.0, 2.0, 1.0], [0.0, 0.0, 0.0]]))
    np.testing.assert_array_equal(p, [0.75, 0.25])


@pytest.mark.parametrize(
    ("queries", "calibration", "message"),
    [
        ([1.0], [], "at least 1 needed"),
        ([np.nan], [1.0], "query scores: 1 of 1 values are not finite"),
        ([1.0], [1.0, np.inf], "calibration scores: 1 of 2"),
        ([[1.0]], [1.0], "one number per image"),
    ],
)
def test_scores_that_give_no_p_value(queries: object, calibration: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        conformal_p_values(np.array(queries), np.array(calibration))


def test_wrong_shapes_and_groups_are_refused() -> None:
    with pytest.raises(InputError, match="one row per query"):
        conformal_p_value_rows(np.zeros(2), np.zeros((3, 4)))
    with pytest.raises(InputError, match="one label per image: 3 images"):
        conformal_p_values(np.zeros(1), np.zeros(3), ["a", "b"])
    with pytest.raises(InputError, match="not a number"):
        conformal_p_values(np.zeros(1), np.zeros(2), np.array([1.0, np.nan]))
    with pytest.raises(InputError, match="compared with each other"):
        conformal_p_values(np.zeros(1), np.zeros(2), np.array(["a", None], dtype=object))


def test_an_unreachable_rate_is_refused_with_numbers() -> None:
    with pytest.raises(InputError, match="0.01 needs 99 unused images, 50 were given"):
        require_resolution(0.01, 50)
    with pytest.raises(InputError, match="needs 19 unused groups, 0 were given. Add some.$"):
        require_resolution(0.05, 0, "groups")
    for rate in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="between 0 and 1"):
            require_resolution(rate, 100)


@pytest.mark.parametrize("n", [1, 2, 9, 19, 48, 50, 99, 199, 233, 999])
def test_the_needed_number_and_the_offered_rate_are_true(n: int) -> None:
    require_resolution(smallest_p_value(n), n)  # exactly reachable
    with pytest.raises(InputError) as caught:
        require_resolution(smallest_p_value(n), n - 1)
    assert f"needs {n} unused images" in str(caught.value)
    if n > 1:
        offered = float(str(caught.value).split("ask for ")[1].split(" or")[0])
        require_resolution(offered, n - 1)


@CHECK
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_q_values_agree_with_scipy(values: list[float]) -> None:
    p = np.array(values)
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p, method="bh"))


def test_q_values_at_the_ends() -> None:
    assert benjamini_hochberg(np.empty(0)).shape == (0,)
    np.testing.assert_allclose(benjamini_hochberg(np.array([0.01, 0.04, 0.03])), [0.03, 0.04, 0.04])
    with pytest.raises(InputError, match="lie in 0..1"):
        benjamini_hochberg(np.array([0.5, 1.5]))
