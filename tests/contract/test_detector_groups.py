"""In a cohort, images of one's own patient are neither reference nor rival."""

from typing import Any

import numpy as np
import pytest

from reference_worlds import reference_world
from vestige.detectors import DETECTORS
from vestige.registry.entries import InputError
from vestige.types import Images

EXACT: list[tuple[str, dict[str, Any]]] = [
    ("calibrated_distance", {}),
    ("calibrated_distance", {"form": "difference", "k": 2}),
    ("retrieval_count", {}),
    ("mean_rank", {"summary": "mean"}),
    ("mean_rank", {"summary": "log"}),
]
# These fit their space on the whole cohort, so that one image more moves every score a little.
NEARLY: list[tuple[str, dict[str, Any]]] = [
    ("calibrated_distance_pca", {}),
    ("density_ratio", {"estimator": "knn"}),
    ("density_ratio", {"estimator": "kde"}),
    ("gen_lra", {}),
]


def with_a_near_copy(name: str, options: dict[str, Any], n: int) -> tuple[float, float, float]:
    """Score of image 0 in its cohort; with a near copy of its own patient; of a stranger."""
    world = reference_world("copy", 0)
    cohort: Images = np.concatenate([world.used[:n], world.unused[:n]])
    near = np.clip(cohort[:1] + 1 / 255, 0, 1).astype(np.float32)
    groups = np.arange(2 * n)
    detector = DETECTORS[name].factory(**options).fit(world.generated[:100])
    more = np.concatenate([cohort, near])
    return (
        float(detector.score_pool(cohort, groups)[0]),  # type: ignore[attr-defined]
        float(detector.score_pool(more, np.append(groups, 0))[0]),  # type: ignore[attr-defined]
        float(detector.score_pool(more, np.append(groups, 2 * n))[0]),  # type: ignore[attr-defined]
    )


@pytest.mark.parametrize(("name", "options"), EXACT)
def test_a_near_copy_of_the_same_patient_changes_nothing(
    name: str, options: dict[str, Any]
) -> None:
    alone, same, stranger = with_a_near_copy(name, options, n=20)
    assert same == pytest.approx(alone, rel=1e-6)
    assert stranger < alone - 1e-3  # a rival that is nearly as close


@pytest.mark.parametrize(("name", "options"), NEARLY)
def test_a_near_copy_of_the_same_patient_changes_next_to_nothing(
    name: str, options: dict[str, Any]
) -> None:
    alone, same, stranger = with_a_near_copy(name, options, n=100)
    assert stranger < alone
    assert abs(same - alone) < 0.2 * (alone - stranger)


@pytest.mark.parametrize(
    "name", ["calibrated_distance", "density_ratio", "gen_lra", "neighbour_share"]
)
def test_a_bag_of_one_patient_has_no_reference(name: str) -> None:
    world = reference_world("null", 0)
    detector = DETECTORS[name].factory().fit(world.generated[:50])
    with pytest.raises(InputError, match="at least two groups"):
        detector.score_pool(world.used[:8], np.zeros(8))  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["calibrated_distance", "density_ratio", "retrieval_count"])
def test_every_image_needs_a_group(name: str) -> None:
    world = reference_world("null", 0)
    detector = DETECTORS[name].factory().fit(world.generated[:50])
    with pytest.raises(InputError, match="8 images but 7 group labels"):
        detector.score_pool(world.used[:8], np.zeros(7))  # type: ignore[attr-defined]
