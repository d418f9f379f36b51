"""`vestige inspect`: what is seen of one file, and nothing that names a person."""

import hashlib
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from story.world import call
from vestige.images.frame import NOBODY
from vestige.images.grey_rule import GreyRule
from vestige.images.readers import read_file
from vestige.images.window import apply_window

from .picture import dicom, grey, save

LEVELS = np.arange(480, dtype=np.int16).reshape(24, 20) * 4 - 1000
PERSON = "Ysolde^Zzyzx"


def rule_of(path: Path, window: tuple[float, float] | None = None) -> GreyRule | None:
    return read_file(path, window)[0].rule


@pytest.mark.parametrize(
    ("tags", "window", "code", "low", "high"),
    [
        ({"RescaleIntercept": -1024}, None, "lung window", -1350, 149),
        ({"WindowCenter": 40, "WindowWidth": 400}, None, "window of the file", -160, 239),
        (
            {"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "LINEAR_EXACT"},
            None,
            "window of the file",
            -160,
            240,
        ),
        (
            {"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "SIGMOID"},
            None,
            "sigmoid of the file",
            -160,
            240,
        ),
        ({"WindowCenter": 40, "WindowWidth": 400}, (0, 101), "window of the user", -50.5, 49.5),
        ({"Modality": "MR", "BitsStored": 12}, None, "range of the type", -2048, 2047),
    ],
)
def test_dicom_names_the_row_that_applied(
    tmp_path: Path, tags: dict[str, Any], window: Any, code: str, low: float, high: float
) -> None:
    path = dicom(tmp_path / "a.dcm", LEVELS, **tags)
    assert rule_of(path, window) == GreyRule(code, low, high)  # type: ignore[arg-type]
    dicom(tmp_path / "b.dcm", LEVELS, **tags, PresentationLUTShape="INVERSE")
    assert rule_of(tmp_path / "b.dcm", window) == GreyRule(code, low, high, True)  # type: ignore[arg-type]


def test_the_ends_of_a_window_are_black_and_white() -> None:
    from vestige.images.window import ends

    for function in ("LINEAR", "LINEAR_EXACT"):
        low, high = ends(40, 400, function)
        shown = apply_window(np.array([low, (low + high) / 2, high]), 40, 400, function)
        np.testing.assert_allclose(shown, [0, 0.5, 1], atol=1e-6)


@pytest.mark.parametrize(
    ("values", "header", "code", "low", "high"),
    [
        (np.arange(256).astype(np.uint8), {}, "range of the type", 0, 255),
        (np.arange(256).astype(np.int16), {"cal_max": 200}, "display range of the file", 0, 200),
        (np.arange(256).astype(np.int16), {}, "percentiles", 2.55, 252.45),
        (np.arange(256).astype(np.int16) * 5 - 1000, {}, "lung window", -1350, 149),
    ],
)
def test_nifti_names_the_row_that_applied(
    tmp_path: Path,
    values: np.ndarray[Any, Any],
    header: dict[str, float],
    code: str,
    low: float,
    high: float,
) -> None:
    image = nib.Nifti1Image(values.reshape(8, 8, 4), np.eye(4))
    for name, value in header.items():
        image.header[name] = value
    nib.save(image, tmp_path / "a.nii")
    rule = rule_of(tmp_path / "a.nii")
    assert rule is not None and rule.code == code
    assert (rule.low, rule.high) == pytest.approx((low, high))


@pytest.mark.parametrize(
    ("levels", "high"),
    [(grey(), 255), (grey().astype(np.uint16) * 257, 65535), (grey() > 99, 1)],
    ids=["8 bit", "16 bit", "1 bit"],
)
def test_pictures_go_by_the_levels_of_their_type(
    tmp_path: Path, levels: np.ndarray[Any, Any], high: float
) -> None:
    assert rule_of(save(tmp_path, "a.png", levels)) == GreyRule("levels of the type", 0, high)


def test_floats_say_where_black_lies(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.linspace(0, 1, 400).reshape(20, 20))
    np.save(tmp_path / "b.npy", np.linspace(-1, 1, 400).reshape(20, 20))
    assert rule_of(tmp_path / "a.npy") == GreyRule("floats from 0 to 1", 0, 1)
    assert rule_of(tmp_path / "b.npy") == GreyRule("floats from 0 to 1", -1, 1)


def test_one_file_is_told_in_words_and_as_json(tmp_path: Path, capsys: Any) -> None:
    path = dicom(
        tmp_path / "a.dcm",
        np.stack([LEVELS, LEVELS + 1, LEVELS + 2]),
        PatientID=PERSON,
        PatientName=PERSON,
        SeriesInstanceUID="1.2.3.4.5",
        BitsStored=12,
        HighBit=11,
        RescaleIntercept=-1024,
        WindowCenter=[40, 80],
        WindowWidth=[400, 500],
    )
    said = call(capsys, "inspect", path)
    assert (said.code, said.err) == (0, "")
    for told in (
        "dicom (CT Image Storage, Explicit VR Little Endian)",
        "3 of 24 x 20 (height x width)",
        "12 of 16 bits, signed, MONOCHROME2",
        "level x 1 - 1024",
        "centre 40, width 400, LINEAR",
        "window of the file: -160 to 239 is black to white",
        hashlib.sha256(PERSON.encode()).hexdigest(),
    ):
        assert told in said.out
    assert PERSON not in said.out and "1.2.3.4.5" not in said.out
    [seen] = json.loads(call(capsys, "inspect", path, "--json").out)
    assert (seen["images"], seen["shape"], seen["format"]) == (3, [24, 20], "dicom")
    assert seen["header"]["bits_stored"] == 12 and seen["header"]["is_signed"]
    assert seen["rule"]["code"] == "window of the file"
    assert seen["series"] == read_file(path)[0].series
    assert PERSON not in json.dumps(seen)


def test_a_volume_is_told_whole_and_by_its_slices(tmp_path: Path, capsys: Any) -> None:
    values = np.arange(5 * 6 * 7, dtype=np.uint8).reshape(5, 6, 7)
    nib.save(nib.Nifti1Image(values, np.diag([1.0, 2.0, 2.5, 1.0])), tmp_path / "a.nii.gz")
    nib.save(nib.Nifti1Image(values[..., None].repeat(2, 3), np.eye(4)), tmp_path / "4d.nii")
    nib.save(nib.Nifti1Image(values[:, :, :3], np.eye(4)), tmp_path / "flat.nii")
    one, several, flat = (
        call(capsys, "inspect", tmp_path / name).out for name in ("a.nii.gz", "4d.nii", "flat.nii")
    )
    assert "7 of 6 x 5 (height x width)" in one
    assert "1 volume of 7 x 6 x 5 (slices x height x width), voxels of 2.5 x 2 x 1 mm" in one
    assert "stored as RAS" in one
    assert "14 of 6 x 5" in several and "no volume: holds 2 volumes" in several
    assert "3 of 6 x 5" in flat and "no volume: " in flat


def test_an_array_of_volumes_is_told_as_volumes(tmp_path: Path, capsys: Any) -> None:
    values = np.random.default_rng(0).integers(0, 256, (3, 9, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "a.npy", values)
    said = call(capsys, "inspect", tmp_path / "a.npy", "--out", tmp_path / "out")
    assert said.code == 0 and "27 of 8 x 8" in said.out and "3 volumes of 9 x 8 x 8" in said.out
    assert len(list((tmp_path / "out").iterdir())) == 1
    np.save(tmp_path / "pictures.npy", values[0])
    assert "whole" not in call(capsys, "inspect", tmp_path / "pictures.npy").out


def test_what_a_header_says_in_its_own_words_is_not_repeated(tmp_path: Path, capsys: Any) -> None:
    path = dicom(
        tmp_path / "a.dcm",
        LEVELS,
        SOPClassUID="1.2.826.0.1.19640229",
        VOILUTFunction="YSOLDE",
        WindowCenter=1,
        WindowWidth=9,
        PatientID="anonymous",
    )
    said = call(capsys, "inspect", path)
    assert "unknown, Explicit VR" in said.out and "width 9, unknown" in said.out
    assert "19640229" not in said.out and "YSOLDE" not in said.out
    assert "a placeholder" in said.out and NOBODY not in said.out
    assert "window tags cannot be used" in said.out


def test_thumbnails_have_the_digest_as_their_name(tmp_path: Path, capsys: Any) -> None:
    path = save(tmp_path, f"{PERSON}.png", grey(300, 200))
    out = tmp_path / "out"
    assert call(capsys, "inspect", path, tmp_path / "absent.png", "--out", out).code == 0
    [picture] = out.iterdir()
    [seen, absent] = json.loads(
        call(capsys, "inspect", path, tmp_path / "absent.png", "--json").out
    )
    assert picture.name == f"{seen['sha256']}.png"
    with Image.open(picture) as image:
        assert image.size == (128, 128) and not image.info
    assert absent["images"] == 0 and absent["problems"][0]["severity"] == "error"


def test_a_file_that_is_not_judged_says_so(tmp_path: Path, capsys: Any) -> None:
    path = dicom(tmp_path / "a.dcm", LEVELS, Modality="SEG")
    said = call(capsys, "inspect", path)
    assert said.code == 0 and "is a segmentation, which shows no patient; not judged" in said.out


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.png", b"", "is empty (0 bytes)"),
        ("a.txt", b"words", "is not an image"),
        ("a.fits", b"SIMPLE  = T", "FITS, which is not read"),
        ("a\x1b[2J.png", b"\x89PNG\r\n\x1a\n", "of no image that is read"),
    ],
    ids=["empty", "text", "fits", "codes in the name"],
)
def test_without_one_image_the_exit_code_is_two(
    tmp_path: Path, capsys: Any, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    said = call(capsys, "inspect", tmp_path / name)
    assert said.code == 2 and told in said.out and "\x1b" not in said.out
    assert json.loads(call(capsys, "inspect", tmp_path / name, "--json").out)[0]["images"] == 0


def test_a_folder_is_no_file(tmp_path: Path, capsys: Any) -> None:
    said = call(capsys, "inspect", tmp_path)
    assert (
        said.code == 2 and said.err.count("\n") == 1 and "is a folder: name the files" in said.err
    )


def test_thumbnails_do_not_go_where_the_files_are(tmp_path: Path, capsys: Any) -> None:
    path = save(tmp_path, "a.png", grey())
    said = call(capsys, "inspect", path, "--out", path)
    assert said.code == 2 and said.err.count("\n") == 1
    assert path.read_bytes().startswith(b"\x89PNG")
