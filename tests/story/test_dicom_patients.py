"""DICOM folders as archives send them: odd files are rows, and change no patient and no answer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import vestige
from images.picture import dicom
from vestige.result import AuditResult
from vestige.types import Images

PATIENTS, SLICES, SIDE = 24, 3, 32
STORAGE = "1.2.840.10008.5.1.4.1.1."
DERIVED: dict[str, dict[str, Any]] = {
    "segmentation": {"SOPClassUID": STORAGE + "66.4", "Modality": "SEG"},
    "dose grid": {"SOPClassUID": STORAGE + "481.2", "Modality": "RTDOSE"},
    "localiser": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
}


def fields(n: int, rng: np.random.Generator) -> Images:
    smooth = gaussian_filter(rng.normal(size=(n, SIDE, SIDE)), (0, 2, 2))
    return np.asarray(smooth / smooth.std(axis=(1, 2), keepdims=True), np.float32)


def levels(images: Images) -> np.ndarray[Any, Any]:
    return np.uint16(np.rint(4095 * np.clip(0.5 + images / 7, 0, 1)))


def write(folder: Path, is_odd: bool) -> None:
    """141 slices of 48 patients; odd: ids that are lost, and three files that are no slices."""
    rng = np.random.default_rng(5)
    for role, letter in (("used", "P"), ("unused", "Q")):
        (folder / role).mkdir(parents=True)
        base = fields(PATIENTS, rng)
        for i in range(PATIENTS):
            own = fields(SLICES, rng)
            for k in range(SLICES - (i < 1 or (role == "used" and i == 1))):
                tags: dict[str, Any] = {
                    "PatientID": f"{letter}{i}",
                    "StudyInstanceUID": f"1.2.{len(role)}.{i}",
                    "SeriesInstanceUID": f"1.2.{len(role)}.{i}.1",
                    "WindowCenter": 2048,
                    "WindowWidth": 4096,
                    "Modality": "MR",
                }
                if is_odd and (role, i, k) == ("unused", 0, 0):
                    tags["PatientID"] = ""
                if is_odd and (role, i, k) == ("used", 5, 1):
                    tags["PatientID"] = "Anonymized"
                if is_odd and (role, i, k) == ("unused", 7, 2):
                    tags |= {"SeriesInstanceUID": "1.2.9.1", "StudyInstanceUID": "1.2.9"}
                stored = levels(0.8 * base[i] + 0.6 * own[k])
                dicom(folder / role / f"{i:02d}_{k}.dcm", stored, **tags)
    if is_odd:
        extra = levels(fields(3, np.random.default_rng(6)))
        for stored, (name, tags) in zip(extra, DERIVED.items(), strict=True):
            patient = {"PatientID": "P3", "StudyInstanceUID": "1.2.4.3", "SeriesInstanceUID": "1.3"}
            dicom(folder / "used" / f"{name}.dcm", stored, **patient, **tags)
    (folder / "generated").mkdir()
    made = np.uint8(levels(fields(80, rng)) // 16)
    np.save(folder / "generated" / "made.npy", made[:, None])


def audited(folder: Path) -> AuditResult:
    return vestige.audit(
        folder / "generated", folder / "used", folder / "unused", seed=1, release_curve=False,
        detectors=["nearest_distance_contrast"],
    )  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[AuditResult, AuditResult]:
    """As it should be, and as it came."""
    folder = tmp_path_factory.mktemp("dicom")
    for name in ("tidy", "odd"):
        write(folder / name, name == "odd")
    assert sum(1 for _ in (folder / "odd").rglob("*.dcm")) == 144
    return audited(folder / "tidy"), audited(folder / "odd")


def test_odd_files_change_no_patient_and_no_answer(
    results: tuple[AuditResult, AuditResult],
) -> None:
    tidy, odd = results
    assert len({f.group for f in odd.findings} | {*odd.calibration.groups}) == 48
    assert odd.question.patient_ids
    assert odd.to_csv() == tidy.to_csv()
    assert odd.decision == tidy.decision
    assert odd.set_test == tidy.set_test


def test_each_odd_file_is_told(results: tuple[AuditResult, AuditResult]) -> None:
    tidy, odd = results
    assert tidy.problems == ()
    rows = {problem.path: problem.what for problem in odd.problems}
    assert {f"used/{name}.dcm" for name in DERIVED} < rows.keys()
    assert all(rows[f"used/{name}.dcm"].endswith("; not judged") for name in DERIVED)
    lost = [what for what in rows.values() if what.startswith("2 of 141 images have no DICOM")]
    assert len(lost) == 1 and "(1: the placeholder ANONYMIZED)" in lost[0]
    assert len(odd.problems) == 4
