"""The cohort of an audit, made again from its images and its result."""

import numpy as np
import pytest

import vestige
from image_sets import as_read
from vestige.registry.entries import InputError
from vestige.release.repeat import fill_again


def test_plain_images_and_patients_on_both_sides_are_those_of_the_result() -> None:
    rng = np.random.default_rng(8)
    sets = {
        role: as_read(rng.random((n, 16, 16)) * (np.arange(n) > 0)[:, None, None], names)
        for role, n, names in (
            ("used", 24, [f"p{k}-0" for k in range(24)]),
            ("unused", 24, [f"p{k + 22}-1" for k in range(24)]),
        )
    }
    made = as_read(rng.random((8, 16, 16)), [f"{k}.png" for k in range(8)])
    result = vestige.audit(
        made, **sets, group_regex="(.+)-", detectors=["nearest_distance_contrast"], checks=False
    )  # fmt: skip
    told = [problem.what for problem in result.problems]
    assert any("2 images are plain" in what for what in told)
    assert any("1 such group(s) take no part" in what for what in told)
    cohort = fill_again(result, sets, None, "(.+)-")
    assert len(cohort.ids) == 47
    with pytest.raises(InputError, match="the groups are not those of the result"):
        fill_again(result, sets, None, "(.+)")
