"""From DICOM folders with private tags to the page for the board: no trace of the inputs."""

import base64
import re
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest

from story.world import call, sixteen, write
from vestige.worlds.copier import Copier
from vestige.worlds.phantom import chest_phantoms

FORENAMES = ("Ylva", "Quirin", "Zdenka", "Xaver", "Wiebke", "Jurij")
PRIVATE = "Klinikum Unterwössen, Bett 7"


def write_dicom(path: Path, stored: np.ndarray[Any, Any], patient: str, k: int) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    uid = f"1.2.826.0.1.4711.{crc32(patient.encode()) % 10**6}.{k}"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = uid
    dataset.SeriesInstanceUID = uid + ".9"
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientID, dataset.PatientName = f"MRN-{patient}", f"Vogelsang^{patient}"
    dataset.PatientBirthDate, dataset.AccessionNumber = "19610304", "ACC-90210"
    dataset.InstitutionName, dataset.StationName = "Privatklinik Eibsee", "GANTRY-3"
    block = dataset.private_block(0x0011, "ACME SECRET 1.0", create=True)
    block.add_new(0x01, "LO", PRIVATE)
    dataset.Modality, dataset.PhotometricInterpretation = "CT", "MONOCHROME2"
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.WindowCenter, dataset.WindowWidth = 32767.5, 65535
    dataset.VOILUTFunction = "LINEAR_EXACT"
    dataset.PixelData = stored.astype("<u2").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The redacted page, and all that the audit itself said (which does hold names)."""
    root = tmp_path_factory.mktemp("Radiologie Eibsee")
    images, _ = chest_phantoms(24 * 2 + 30, 32, seed=4)
    used, unused, strangers = np.split(images, (24, 48))
    generated = Copier(share=0.3).fit(used, strangers=strangers).sample(80, 0)
    write(root / "synthetisch", sixteen(generated), "Erzeugt_{:03d}.png")
    for role, pixels in (("Trainingsbilder", used), ("Rückhalt", unused)):
        for k, picture in enumerate(sixteen(pixels)):
            patient = f"{FORENAMES[k % 6]}{role[0]}{k}"
            folder = root / role / f"Vogelsang {FORENAMES[k % 6]} *1961"
            write_dicom(folder / f"Thorax_{k}_{FORENAMES[k % 6]}.dcm", picture, patient, k)
    (root / "Trainingsbilder" / "Vogelsang defekt Ylva.dcm").write_text("DICM kaputt Vogelsang")
    # a verbatim copy of a training image
    write(root / "synthetisch", sixteen(used[:1]), "Kopie Ylva {}.png")
    return audit_and_redact(root)


def audit_and_redact(root: Path) -> tuple[str, str]:
    from vestige.cli.main import main

    asked = ["audit", "--generated", root / "synthetisch", "--used", root / "Trainingsbilder",
             "--unused", root / "Rückhalt", "--quiet", "--out", root / "audit",
             "--cache", root / "cache"]  # fmt: skip
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in asked])
    assert not end.value.code
    result, board = root / "audit" / "result.json", root / "board.html"
    with pytest.raises(SystemExit) as end:
        main(["report", str(result), "--redact", "--out", str(board)])
    assert not end.value.code
    written = "".join(
        (root / "audit" / name).read_text(encoding="utf-8")
        for name in ("result.json", "findings.csv", "report.html")
    )
    return board.read_text(encoding="utf-8"), written


def test_no_name_folder_or_tag_is_left(page: tuple[str, str]) -> None:
    board, written = page
    in_audit = ("Vogelsang", "Thorax_", "Erzeugt_", "Kopie", *FORENAMES)
    assert all(secret in written for secret in in_audit)  # there was something to hide
    of_tags = ("MRN-", "Eibsee", "GANTRY", "ACC-90210", "19610304", "1961", "1.2.826", "ACME",
               "Unterwössen", "Klinik")  # fmt: skip
    of_paths = ("Trainingsbilder", "Rückhalt", "synthetisch", "Radiologie", ".dcm", ".png")
    for secret in (*in_audit, *of_tags, *of_paths):
        assert secret.lower() not in board.lower(), secret
    assert 'id="findings"' in board
    problems = board[board.index('id="problems"') :].partition("</table>")[0]
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in problems.split("<tr")]
    told = {re.sub("<[^>]*>", "", row[2]).strip() for row in rows if len(row) == 3}
    assert told == {
        "is no DICOM file [removed]",
        "1 generated image(s) have exactly the pixels of a used image [removed]",
    }


def test_no_pixel_is_left(page: tuple[str, str]) -> None:
    board, written = page
    assert "data:image/png;base64," in written
    assert "<img" not in board
    assert "base64" not in board
    assert base64.b64encode(b"\x89PNG").decode()[:5] not in board


def test_nothing_of_the_patients_groups_is_left(page: tuple[str, str], tmp_path: Path,
                                                capsys: Any) -> None:  # fmt: skip
    """The labels of DICOM groups (patient-0001, numbered by file) are hashed as well."""
    board, written = page
    assert "DICOM patient ids" in board
    assert "patient-0" in written
    assert "patient-0" not in board
    said = call(capsys, "report", tmp_path / "none.json", "--redact", "--out", tmp_path / "x.html")
    assert said.code == 2
