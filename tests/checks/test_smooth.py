"""A difference of distribution is told from one of single images."""

from dataclasses import replace

import numpy as np
import pytest

from reference_worlds import reference_world
from small_audits import small, small_audit, small_world, strangers
from vestige.checks import Comparison
from vestige.checks.smooth import smooth_check
from vestige.types import Images


def marked(n: int, seed: int) -> Images:
    """Images of another class: with a bright patch."""
    images = strangers(n, seed)
    images[:, 5:9, 8:12] += 0.25
    return np.minimum(images, 1)


def class_mix(seed: int) -> Comparison:
    """All of the used and generated images are of one class, and 40 % of the unused ones.

    The generator is perfect: its images are drawn from the class, and know no image.
    """
    plain, other = strangers(344, 100 + seed), marked(36, 200 + seed)
    noise = np.random.default_rng(seed).normal(0, 4 / 255, (260, 16, 16))
    generated = np.clip(plain[84:] + noise, 0, 1).astype(np.float32)
    reference = np.concatenate([strangers(40, 300 + seed), marked(60, 400 + seed)])
    return small_audit(plain[:60], np.concatenate([plain[60:84], other]), generated, reference)


@pytest.mark.parametrize("seed", range(3))
def test_a_class_that_the_generator_has_more_of_is_a_difference_of_distribution(seed: int) -> None:
    """A null world (A11)."""
    comparison = class_mix(seed)
    assert comparison.audited.positive
    row = smooth_check(comparison)
    assert row.state == "failed"
    assert "a difference of distribution, not of single images" in row.vetoes


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["copy", "part", "blend"])
def test_single_images_are_not_a_difference_of_distribution(name: str, seed: int) -> None:
    world = reference_world(name, seed)
    parts = world.used[:60], world.unused[:60], world.generated[:300], world.reference[:100]
    comparison = small_audit(*map(small, parts))
    assert comparison.audited.positive
    row = smooth_check(comparison)
    assert row.state == "passed"
    assert row.auc is not None
    assert row.details["the given set, by the same columns"].value >= row.auc.value + 0.05


def test_without_a_finding_there_is_nothing_to_qualify() -> None:
    null = small_world("null")
    row = smooth_check(replace(null, rerun=replace(null.audited, positive=False)))
    assert row.state == "not needed"
