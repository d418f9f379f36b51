"""The release curve: rises on a copier, stays flat where nothing is there, reads no label."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

import vestige
from reference_worlds import reference_world
from vestige.images.reading import read_images
from vestige.judging.release_curve import largest_below, part_sizes, random_order
from vestige.report import redact
from vestige.result import AuditResult
from vestige.schema.records import CurvePoint, Estimate
from vestige.stats.intervals import auc_interval

DETECTORS = ["nearest_distance"]


def curve_of(generated: Any, world: Any, **asked: Any) -> AuditResult:
    return vestige.audit(
        generated, world.used, world.unused, detectors=DETECTORS, release_curve=True, **asked
    )


def test_the_curve_of_a_copier_rises_with_what_is_released() -> None:
    """One near-copy of each of 100 used images: 6 of them touch 6 people, all touch all."""
    world = reference_world("copy", 0)
    rng = np.random.default_rng(0)
    copies = np.clip(world.used + rng.normal(0, 4 / 255, world.used.shape), 0, 1)
    result = curve_of(copies.astype(np.float32), world, max_auc=0.7)
    curve = result.release_curve
    assert curve is not None and curve.limit == 0.7
    assert [p.n for p in curve.points] == [6, 12, 25, 50, 100]
    values = [p.auc.value for p in curve.points]
    assert values[-1] > 0.95 and values[-1] > values[-2] + 0.1 > values[0] + 0.2
    assert curve.points[-1].p_value <= 0.001
    assert curve.largest in (6, 12, 25)  # half of the copies: AUC about .75
    assert AuditResult.from_json(result.to_json()) == result
    assert redact(result).release_curve == curve  # numbers only
    assert "If fewer images were released" in vestige.report.render_html(result)


def test_the_curve_of_nothing_stays_below_the_limit() -> None:
    """Null world, 100 + 100 images, standard error .041: the upper bound reaches .75 only with an
    AUC above .67, four standard errors (5 dependent parts: false failure < 2e-4 before the seed was
    fixed).
    """
    world = reference_world("null", 1)
    curve = curve_of(world.generated, world, max_auc=0.75).release_curve
    assert curve is not None
    assert [p.n for p in curve.points] == [31, 62, 125, 250, 500]
    assert curve.largest == 500
    assert max(p.auc.value for p in curve.points) < 0.67


@pytest.mark.slow
def test_it_is_off_unless_asked_for_and_changes_nothing_else() -> None:
    world = reference_world("null", 1)
    with_curve = curve_of(world.generated[:40], world)
    without = vestige.audit(world.generated[:40], world.used, world.unused, detectors=DETECTORS)
    assert without.release_curve is None
    assert with_curve.findings == without.findings
    assert with_curve.set_test == without.set_test


def test_parts_are_nested_and_know_no_name_and_no_order() -> None:
    images = reference_world("null", 0).generated[:64]
    given = read_images(images, role="generated", size=32)
    turned = read_images(images[::-1].copy(), role="generated", size=32)
    order, other = random_order(given, 3), random_order(turned, 3)
    for n in part_sizes(64):
        part = {given.sha256[i] for i in order[:n]}
        assert part == {turned.sha256[i] for i in other[:n]}
    assert list(random_order(given, 4)) != list(order)
    assert part_sizes(64) == [4, 8, 16, 32, 64]
    assert part_sizes(2) == [2]
    assert part_sizes(10) == [2, 5, 10]


def point(n: int, high: float) -> CurvePoint:
    return CurvePoint(n, Estimate(0.5, 0.4, high, 9), 0.5)


def test_the_largest_part_ends_at_the_first_that_fails() -> None:
    points = [point(1, 0.55), point(2, 0.59), point(4, 0.7), point(8, 0.58)]
    assert largest_below(points, 0.6) == 2
    assert largest_below(points, 0.59) == 1  # reaching the limit is not below
    assert largest_below(points, 0.5) is None
    assert largest_below(points, 0.8) == 8


def test_looking_at_five_parts_costs_nothing() -> None:
    """Every part leaks just the limit, independently: any is named in 2.5 % of worlds.

    1,000 worlds (and .2 % for the interval's own error): more than 4.8 % is false with probability
    < 1e-4. Taking any part below the limit, the naive reading, names one in 10 %.
    """
    named = naive = 0
    shift = 0.3583  # AUC .6
    rng = np.random.default_rng(5)
    for _ in range(1000):
        points = []
        for n in (1, 2, 4, 8, 16):
            area = auc_interval(rng.normal(shift, 1, 60), rng.normal(0, 1, 60))
            points.append(CurvePoint(n, area, 0.5))
        named += largest_below(points, 0.6) is not None
        naive += any(p.auc.high < 0.6 for p in points)
    assert named <= binom.ppf(1 - 1e-4, 1000, 0.027)
    assert naive > 60


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"query": "q"}, "used="),
        ({"unused": None}, "unused="),
        ({"max_auc": 0.5}, "above .5"),
        ({"max_auc": 1.1}, "above .5"),
        ({"max_auc": float("nan")}, "above .5"),
        ({"max_auc": 0.5, "release_curve": False}, "above .5"),
    ],
)
def test_a_curve_that_says_nothing_is_refused_before_reading(
    asked: dict[str, Any], said: str
) -> None:
    given = {"used": "nowhere", "unused": "nowhere", "release_curve": True} | asked
    with pytest.raises(vestige.InputError, match=said):
        vestige.audit("nowhere", **given)
