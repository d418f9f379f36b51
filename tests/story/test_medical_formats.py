"""The same pixels as DICOM series, NIfTI volumes and 16-bit PNG give the same answer."""

import hashlib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vestige
from story.world import FILES, call, load, sixteen, write
from vestige.worlds.copier import Copier
from vestige.worlds.phantom import chest_phantoms

PATIENTS, SLICES, SIZE = 24, 3, 64
SLOPE, INTERCEPT = 0.5, -1024.0
CENTRE, WIDTH = 65535 * SLOPE / 2 + INTERCEPT, 65535 * SLOPE  # level v is shown as v / 65535


@dataclass(frozen=True)
class Levels:
    """16-bit levels: used, unused [patient, slice, h, w] and generated [n, h, w]."""

    used: np.ndarray[Any, Any]
    unused: np.ndarray[Any, Any]
    generated: np.ndarray[Any, Any]


@cache
def levels() -> Levels:
    n = PATIENTS * SLICES
    images, _ = chest_phantoms(2 * n + 40, SIZE, seed=4, slices_per_patient=SLICES)
    used, unused, strangers = np.split(images, (n, 2 * n))
    copier = Copier(share=0.5).fit(used, strangers=strangers)
    shape = (PATIENTS, SLICES, SIZE, SIZE)
    return Levels(
        sixteen(used).reshape(shape),
        sixteen(unused).reshape(shape),
        sixteen(copier.sample_with_sources(144, 0)[0]),
    )


def write_dicom(path: Path, stored: np.ndarray[Any, Any], patient: str, k: int) -> None:
    """One slice of a CT series with rescale and an exact window."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    uid = generate_uid(entropy_srcs=[patient])
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[patient, str(k)])
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.SeriesInstanceUID = uid
    dataset.PatientID, dataset.PatientName = patient, f"Ysolde^{patient}"
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, k], [1, 0, 0, 0, 1, 0]
    dataset.Modality, dataset.PhotometricInterpretation = "CT", "MONOCHROME2"
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.RescaleSlope, dataset.RescaleIntercept = SLOPE, INTERCEPT
    dataset.WindowCenter, dataset.WindowWidth = CENTRE, WIDTH
    dataset.VOILUTFunction = "LINEAR_EXACT"
    dataset.PixelData = stored.astype("<u2").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


def write_nifti(path: Path, slices: np.ndarray[Any, Any], group_index: bool) -> None:
    """Pictures [n, h, w] as axial slices, as levels or in modality units with a display range."""
    import nibabel as nib

    volume = slices.transpose(2, 1, 0)[::-1, ::-1]  # x to the right of the picture is left, y front
    if group_index:
        volume = volume.astype(np.float32) * SLOPE + INTERCEPT
    image = nib.Nifti1Image(volume, np.eye(4))
    if group_index:
        image.header["cal_min"], image.header["cal_max"] = INTERCEPT, INTERCEPT + WIDTH
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)


def write_groups(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.write_text("id,group\n" + "".join(f"{a},{b}\n" for a, b in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def as_png(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("png")
    write(root / "generated", levels().generated)
    rows = []
    for role, patients in (("used", levels().used), ("unused", levels().unused)):
        for p, slices in enumerate(patients):
            write(root / role / f"p{p:02d}", slices, "s{}.png")
            rows += [(f"{role}/p{p:02d}/s{k}.png", f"{role} {p}") for k in range(SLICES)]
    write_groups(root / "groups.csv", rows)
    return root


@pytest.fixture(scope="module")
def as_medical(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Used: DICOM series. Unused: a NIfTI volume per patient. Generated: one NIfTI volume."""
    root = tmp_path_factory.mktemp("medical")
    write_nifti(root / "generated" / "samples.nii", levels().generated, group_index=False)
    rows = []
    for p, slices in enumerate(levels().used):
        for k, stored in enumerate(slices):
            write_dicom(root / "used" / f"p{p:02d}" / f"s{k}.dcm", stored, f"MRN-77{p:02d}", k)
            rows.append((f"used/p{p:02d}/s{k}.dcm", f"used {p}"))
    for p, slices in enumerate(levels().unused):
        suffix = ".nii.gz" if p % 2 else ".nii"
        write_nifti(root / "unused" / f"p{p:02d}{suffix}", slices, group_index=True)
        rows.append((f"unused/p{p:02d}{suffix}", f"unused {p}"))
    write_groups(root / "groups.csv", rows)
    return root


def test_dicom_and_nifti_say_what_png_says(as_png: Path, as_medical: Path) -> None:
    results = []
    for root in (as_png, as_medical):
        roles = {role: root / role for role in ("generated", "used", "unused")}
        results.append(vestige.audit(**roles, groups=root / "groups.csv", dimensions="2d"))
    png, medical = results
    assert not png.problems
    assert not medical.problems
    assert png.question == medical.question
    assert png.question.groups == 2 * PATIENTS
    assert png.question.counts["unused"] == PATIENTS * SLICES
    assert png.decision.text == medical.decision.text
    assert png.decision.gate == medical.decision.gate == "closed"
    # levels, units and windows end in floats that differ in their last digits, and processors round
    # products differently: two images that are nearly equal in a column may swap their ranks
    ours, theirs = png.set_test, medical.set_test
    assert ours is not None
    assert theirs is not None
    loose = {"minimum_detectable_auc": 0.0, "detectors": ()}
    assert replace(ours, **loose) == replace(theirs, **loose)
    assert ours.minimum_detectable_auc == pytest.approx(theirs.minimum_detectable_auc, abs=1e-5)
    for one, other in zip(ours.detectors, theirs.detectors, strict=True):
        assert one.name == other.name
        assert one.weight == pytest.approx(other.weight, abs=2e-3)
        assert one.auc == pytest.approx(other.auc, abs=2e-3)
        assert one.p_value == pytest.approx(other.p_value, abs=0.01)
    by_id = {f.id: f for f in medical.findings}
    assert len(by_id) == len(png.findings) == PATIENTS * SLICES
    for finding in png.findings:
        twin = by_id[finding.id.replace(".png", ".dcm")]
        assert twin.group == finding.group
        assert twin.verdict == finding.verdict
        assert twin.p_value == pytest.approx(finding.p_value, abs=0.01)
        assert twin.q_value == pytest.approx(finding.q_value, abs=0.02)
        assert twin.score == pytest.approx(finding.score, abs=5e-3)
        for name, value in finding.columns.items():
            assert twin.columns[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name
        nearest = [f"samples.nii#{int(e.generated[:3])}" for e in finding.evidence]
        assert [e.generated for e in twin.evidence] == nearest
    shared = (png.calibration, medical.calibration)
    assert np.allclose(*(sorted(c.scores) for c in shared), atol=5e-3)


@pytest.mark.slow
def test_a_window_that_is_given_replaces_the_tags(as_medical: Path) -> None:
    roles = {role: as_medical / role for role in ("used", "unused", "generated")}
    asked: dict[str, Any] = {**roles, "groups": as_medical / "groups.csv", "dimensions": "2d"}
    narrow = vestige.audit(**asked, window=(15000.0, 40000.0), detectors=["nearest_distance"])
    plain = vestige.audit(**asked, detectors=["nearest_distance"])
    assert narrow.manifest.options["window"] == [15000.0, 40000.0]
    assert narrow.manifest.inputs_sha256["used"] != plain.manifest.inputs_sha256["used"]


def test_patients_of_dicom_files_group_and_stay_unnamed(
    as_medical: Path, as_png: Path, tmp_path: Path, capsys: Any
) -> None:
    for p, slices in enumerate(levels().unused):
        for k, stored in enumerate(slices):
            write_dicom(
                tmp_path / "unused" / f"p{p:02d}" / f"s{k}.dcm", stored, f"MRN-99{p:02d}", k
            )
    out = tmp_path / "out"
    said = call(
        capsys,
        "audit",
        *("--generated", as_png / "generated", "--used", as_medical / "used"),
        *("--unused", tmp_path / "unused", "--out", out),
    )
    assert said.code == 0
    result = load(out)
    assert result.question.groups_from == "DICOM patient ids: 144 images in 48 groups"
    assert result.decision.gate == "closed"
    by_folder: dict[str, set[str]] = {}
    for finding in result.findings:
        by_folder.setdefault(finding.id.split("/")[0], set()).add(finding.group)
    assert all(len(groups) == 1 for groups in by_folder.values())
    assert len(set.union(*by_folder.values())) == PATIENTS
    secrets = ["MRN-", "Ysolde", "1.2.826"]
    for number in [f"MRN-77{p:02d}" for p in range(PATIENTS)] + ["MRN-9900"]:
        for text in (number, f"Ysolde^{number}"):
            for name in ("sha256", "sha1", "md5"):
                secrets.append(hashlib.new(name, text.encode()).hexdigest()[:16])
    written = "".join((out / file).read_text(encoding="utf-8") for file in FILES) + said.out
    assert not [secret for secret in secrets if secret.lower() in written.lower()]
