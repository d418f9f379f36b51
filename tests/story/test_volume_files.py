"""The same volumes as NIfTI, as one array and as DICOM series give the same findings."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import vestige
from images.picture import dicom
from vestige.result import AuditResult
from vestige.testing.phantoms import phantom_volumes

SIDE, REALS, COPIES = 12, 22, 5
FORMATS = ("nifti", "mirrored nifti", "array", "series")


def volumes() -> dict[str, np.ndarray]:
    """Levels [n, head, front, right] by role; the first generated ones are copies with noise."""
    rng = np.random.default_rng(4)
    made = phantom_volumes(2 * REALS + 40, rng, SIDE)
    used, unused, generated = np.split(made, [REALS, 2 * REALS])
    noisy = used[:COPIES] + rng.normal(0, 0.02, used[:COPIES].shape)
    generated[:COPIES] = np.clip(noisy, 0, 1)
    roles = {"used": used, "unused": unused, "generated": generated}
    return {role: np.round(255 * some).astype(np.uint8) for role, some in roles.items()}


def write(folder: Path, cubes: np.ndarray, form: str, role: str) -> Any:
    """A source of these volumes, in their order."""
    if form == "array":
        np.save(folder / f"{role}.npy", cubes)
        return folder / f"{role}.npy"
    place = folder / role
    place.mkdir()
    for k, cube in enumerate(cubes):
        right_front_head = cube.T[::-1, ::-1]
        if form == "series":
            inner = place / f"{k:03d}"
            inner.mkdir()
            for z, shown in enumerate(cube):
                dicom(
                    inner / f"{z}.dcm", shown, Modality="MR",
                    SeriesInstanceUID=f"1.{role_of(role)}.{k}",
                    PatientID=f"{role}{k}", ImagePositionPatient=[0.0, 0.0, float(z)],
                    ImageOrientationPatient=[1, 0, 0, 0, 1, 0], PixelSpacing=[1.0, 1.0],
                )  # fmt: skip
            continue
        affine = np.eye(4)
        if form == "mirrored nifti":
            right_front_head, affine = right_front_head[::-1], np.diag([-1.0, 1, 1, 1])
        nib.save(nib.Nifti1Image(right_front_head, affine), place / f"{k:03d}.nii.gz")
    return place


def role_of(role: str) -> int:
    return ("used", "unused", "generated").index(role) + 1


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, AuditResult]:
    found = {}
    for form in FORMATS:
        folder = tmp_path_factory.mktemp(form.replace(" ", "-"))
        sources = [
            write(folder, volumes()[role], form, role) for role in ("generated", "used", "unused")
        ]
        found[form] = vestige.audit(
            *sources, detectors=["matched_filter_pool", "nearest_distance"], checks=False
        )
    return found


def test_all_are_compared_as_volumes(results: dict[str, AuditResult]) -> None:
    for result in results.values():
        assert result.manifest.kind == "volume"
        counts = {role: n for role, n in result.question.counts.items() if n}
        assert counts == {"generated": 40, "used": REALS, "unused": REALS}


def test_the_copies_are_named_whatever_the_files(results: dict[str, AuditResult]) -> None:
    for result in results.values():
        numbers = {(number(c.generated), number(c.real)) for c in result.copies}
        assert numbers == {(k, k) for k in range(COPIES)}
        assert result.decision.codes[0] == "copies"


def test_scores_and_p_values_are_the_same(results: dict[str, AuditResult]) -> None:
    first = sorted(results["nifti"].findings, key=lambda f: number(f.id))
    assert [number(f.id) for f in first] == list(range(REALS))
    for result in results.values():
        other = sorted(result.findings, key=lambda f: number(f.id))
        assert [f.p_value for f in other] == [f.p_value for f in first]
        np.testing.assert_allclose(
            [f.score for f in other], [f.score for f in first], rtol=1e-4, atol=1e-5
        )


def number(identifier: str) -> int:
    """Of "003.nii.gz", "used.npy#3" and "003"."""
    return int(identifier.rpartition("#")[2].partition(".")[0])
