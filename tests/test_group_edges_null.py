"""Nothing was used, and the set test says so, where groups are what users leave out (A4, A7).

A world in which nothing leaks has p <= .01 with a probability of .01 or less. A test fails where
more than 2 of 6 do, by chance once in 50,000 runs, or 4 of 20, once in 800,000 (binomial); the seed
is fixed.
"""

import numpy as np
import pytest

import vestige
from image_sets import as_read
from reference_worlds import population
from vestige.types import Images

LEVEL = 0.01
MOST = {6: 2, 20: 4}
"""Worlds -> how many of them may reach the level."""
sizes = pytest.mark.parametrize("worlds", [6, pytest.param(20, marks=pytest.mark.slow)])


def small(n: int, rng: np.random.Generator) -> Images:
    images = population(n, rng)[0]
    return images.reshape(n, 16, 2, 16, 2).mean(axis=(2, 4), dtype=np.float32)


def slices(faces: Images, each: int, rng: np.random.Generator) -> Images:
    """`each` images of every face: alike, but no near copies for the noise."""
    noise = rng.normal(0, 0.08, (len(faces) * each, 16, 16))
    return np.asarray(np.repeat(faces, each, axis=0) + noise, np.float32)


def p_value(result: vestige.AuditResult) -> float:
    assert result.set_test is not None and result.set_test.p_value is not None
    return result.set_test.p_value


def volumes_without_ids(seed: int) -> float:
    """A7: 8 volumes of 10 slices on each side, and nobody told the patients."""
    rng = np.random.default_rng([3, seed])
    sets = {}
    for role in ("used", "unused"):
        ids = [f"{role}{k // 10}.nii#{k % 10}" for k in range(80)]
        images = slices(small(8, rng), 10, rng)
        sets[role] = as_read(images, ids, [i.partition("#")[0] for i in ids])
    made = as_read(slices(small(40, rng), 1, rng), [f"{k}.png" for k in range(40)])
    return p_value(
        vestige.audit(
            made, sets["used"], sets["unused"], detectors=["nearest_distance_contrast"],
            checks=False, seed=seed, false_alarm_rate=0.2,
        )
    )  # fmt: skip


def reference_of_unused_patients(seed: int) -> tuple[float, list[str]]:
    """A4: reference images are other images of the unused patients, and of 40 others."""
    rng = np.random.default_rng([4, seed])
    used, unused, others = small(40, rng), small(40, rng), small(40, rng)
    noise = rng.normal(0, 0.02, (3, 40, 16, 16)).astype(np.float32)
    sets = {
        "used": as_read(used + noise[0], [f"u{k}-0" for k in range(40)]),
        "unused": as_read(unused + noise[1], [f"n{k}-0" for k in range(40)]),
    }
    names = [f"n{k}-1" for k in range(40)] + [f"r{k}-0" for k in range(40)]
    reference = as_read(np.concatenate([unused + noise[2], others]), names)
    result = vestige.audit(
        as_read(small(80, rng), [f"{k}.png" for k in range(80)]), sets["used"], sets["unused"],
        reference=reference, group_regex=r"^(\w+)-", detectors=["calibrated_distance"],
        checks=False, seed=seed,
    )  # fmt: skip
    return p_value(result), [problem.what for problem in result.problems]


def plain_on_both_sides(seed: int) -> vestige.AuditResult:
    """Two fifths of the images of each side are black."""
    rng = np.random.default_rng([5, seed])
    sets = {}
    for role in ("query", "unused"):
        images = slices(small(40, rng), 1, rng)
        images[rng.random(40) < 0.4] = 0
        sets[role] = as_read(images, [f"{role}{k}-0" for k in range(40)])
    return vestige.audit(
        as_read(small(100, rng), [f"{k}.png" for k in range(100)]), group_regex="(.+)-",
        detectors=["nearest_distance_contrast", "matched_filter_pool"], checks=False, seed=seed,
        **sets,
    )  # fmt: skip


def mirrored_reference(seed: int) -> vestige.AuditResult:
    """A4: the reference is made of the unused images, mirrored, and of 40 others."""
    rng = np.random.default_rng([6, seed])
    query, unused, others = (slices(small(40, rng), 1, rng) for _ in range(3))
    names = [f"r{k}-0" for k in range(80)]
    return vestige.audit(
        as_read(small(80, rng), [f"{k}.png" for k in range(80)]),
        query=as_read(query, [f"q{k}-0" for k in range(40)]),
        unused=as_read(unused, [f"n{k}-0" for k in range(40)]),
        reference=as_read(np.concatenate([unused[:, :, ::-1], others]), names),
        group_regex="(.+)-", detectors=["calibrated_distance"], checks=False, seed=seed,
    )  # fmt: skip


@pytest.mark.slow
@sizes
def test_plain_images_on_both_sides_take_no_part(worlds: int) -> None:
    results = [plain_on_both_sides(seed) for seed in range(worlds)]
    p_values = np.array([p_value(result) for result in results])
    assert (p_values <= LEVEL).sum() <= MOST[worlds], np.sort(p_values)
    for result in results:
        plain = [f for f in result.findings if f.p_value is None]
        lost = len(plain) + 40 - len(result.calibration.ids)
        assert plain and {(f.word, f.q_value) for f in plain} == {("no evidence", None)}
        [row] = [p for p in result.problems if " plain " in p.what]
        assert row.what.startswith(f"{lost} images are plain ({len(plain)} query, ")
        assert not any("its status is known" in p.what for p in result.problems)


@pytest.mark.slow
@sizes
def test_a_mirrored_reference_of_unused_patients_is_left_out(worlds: int) -> None:
    results = [mirrored_reference(seed) for seed in range(worlds)]
    p_values = np.array([p_value(result) for result in results])
    assert (p_values <= LEVEL).sum() <= MOST[worlds], np.sort(p_values)
    for result in results:
        [row] = [p.what for p in result.problems if "reference image(s) belong" in p.what]
        assert row.startswith("40 of 80 reference")


@pytest.mark.slow
@sizes
def test_volumes_without_ids_are_no_crowd_of_patients(worlds: int) -> None:
    p_values = np.array([volumes_without_ids(seed) for seed in range(worlds)])
    assert (p_values <= LEVEL).sum() <= MOST[worlds], np.sort(p_values)


@sizes
def test_a_reference_of_unused_patients_makes_nobody_look_used(worlds: int) -> None:
    found = [reference_of_unused_patients(seed) for seed in range(worlds)]
    p_values = np.array([p for p, _ in found])
    assert (p_values <= LEVEL).sum() <= MOST[worlds], np.sort(p_values)
    for _, told in found:
        [row] = [what for what in told if "reference image(s) belong" in what]
        assert row.startswith("40 of 80 reference image(s) belong to a group")
        assert row.endswith("left out: the others stay")


def test_a_detector_without_its_reference_is_one_line() -> None:
    images = small(80, np.random.default_rng(5))
    names = [f"{k}-0" for k in range(40)]
    sets = {"used": as_read(images[:20], names[:20]), "unused": as_read(images[20:40], names[20:])}
    reference = as_read(images[40:60], [f"{k}-1" for k in range(20, 40)])
    with pytest.raises(vestige.InputError, match="none remain.*matched_filter needs a reference"):
        vestige.audit(
            as_read(images[60:], names[:20]), sets["used"], sets["unused"], reference=reference,
            group_regex=r"^(\d+)-", detectors=["matched_filter"],
        )  # fmt: skip
