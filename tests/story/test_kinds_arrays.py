"""Whole audits of colour images and of volumes that a program holds: copies are named, or none."""

from typing import Any

import numpy as np
import pytest

import vestige
from image_sets import of_kind
from vestige.images.kinds import Kind
from vestige.registry.entries import InputError
from vestige.release.repeat import check_result
from vestige.testing.phantoms import PHANTOMS

SIDES: dict[Kind, int] = {"colour": 32, "volume": 16}
COPIES = 8


def world(kind: Kind, copies: int) -> dict[str, Any]:
    """60 used, 60 unused and 200 generated images, of which the first may be noisy copies."""
    rng, side = np.random.default_rng([0, 5]), SIDES[kind]
    used, unused, generated = (PHANTOMS[kind](n, rng, side) for n in (60, 60, 200))
    if copies:
        generated[:copies] = used[:copies] + rng.normal(0, 4 / 255, used[:copies].shape)
    sets = {"generated": np.clip(generated, 0, 1), "used": used, "unused": unused}
    return {
        role: of_kind(images, [f"{role}{k:03d}" for k in range(len(images))])
        for role, images in sets.items()
    }


@pytest.mark.parametrize("kind", SIDES)
def test_copies_are_named_and_carry_the_answer(kind: Kind) -> None:
    result = vestige.audit(**world(kind, COPIES), effort="low")
    named = {(copy.generated, copy.real) for copy in result.copies}
    assert named == {(f"generated{k:03d}", f"used{k:03d}") for k in range(COPIES)}
    assert result.set_test is not None and result.set_test.p_value <= 0.05
    assert result.decision.codes == ("copies",)
    assert result.manifest.kind == kind
    assert {check.name for check in result.checks if check.state == "failed"} <= {"smooth"}
    again = vestige.AuditResult.from_json(result.to_json())
    assert again == result
    check_result(again)  # scrub repeats it: no column is strange to this version


@pytest.mark.parametrize("kind", SIDES)
def test_nothing_is_found_where_nothing_was_copied(kind: Kind) -> None:
    result = vestige.audit(**world(kind, 0), effort="low", release_curve=True)
    assert result.copies == ()
    assert result.set_test is not None and result.set_test.p_value > 0.05
    assert not [check.name for check in result.checks if check.state == "failed"]
    assert len(result.set_measures) == 3
    assert all(measure.value is not None for measure in result.set_measures)
    assert result.release_curve is not None


def test_images_of_two_kinds_are_refused_in_one_line() -> None:
    colour, volume = world("colour", 0), world("volume", 0)
    with pytest.raises(InputError, match="read all as one kind") as error:
        vestige.audit(volume["generated"], colour["used"], colour["unused"])
    assert "\n" not in str(error.value)


def test_a_detector_of_pictures_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="ssim_rerank compares grey images.*3-D volumes were"):
        vestige.audit(**world("volume", 0), detectors=["ssim_rerank"])
