"""scripts/truth.py finds what differs, and nothing where vestige reads what is stored.

GDCM and imagecodecs (extra `truth`) are not needed here: the bytes of the files, NumPy, nibabel,
tifffile and Pillow are enough for what these tests make.
"""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from .picture import dicom, grey, save

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
LEVELS = np.arange(480, dtype=np.int16).reshape(24, 20) * 4 - 1000
RGB = np.stack([grey(seed=k) for k in range(3)], axis=-1)


@pytest.fixture(name="truth")
def the_script() -> Iterator[Any]:
    sys.path.insert(0, str(SCRIPTS))
    try:
        import truth

        yield truth
    finally:
        sys.path.remove(str(SCRIPTS))


def volume(path: Path, values: np.ndarray[Any, Any], **header: float) -> Path:
    image = nib.Nifti1Image(values, np.diag([-1, 1, 2, 1]))
    for name, value in header.items():
        image.header[name] = value
    nib.save(image, path)
    return path


def inverse(path: Path) -> Path:
    return dicom(
        path, LEVELS, PhotometricInterpretation="MONOCHROME1", WindowCenter=40, WindowWidth=400
    )


def runs(path: Path) -> Path:
    from pydicom import dcmread
    from pydicom.uid import RLELossless

    dataset = dcmread(dicom(path, np.stack([LEVELS, LEVELS + 7]), RescaleIntercept=-24))
    dataset.compress(RLELossless)
    dataset.save_as(path)
    return path


def array(path: Path) -> Path:
    np.save(path, np.stack([RGB, RGB[::-1]]))
    return path


def palette(path: Path) -> Path:
    Image.fromarray(RGB).quantize(7).save(path)
    return path


def turned(path: Path) -> Path:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB).save(path, exif=exif)
    return path


def tiff(path: Path) -> Path:
    tifffile.imwrite(path, 255 - grey(), photometric="miniswhite")
    return path


EQUAL = {
    "hounsfield.dcm": lambda p: dicom(p, LEVELS),
    "rle.dcm": runs,
    "inverse.dcm": inverse,
    "sigmoid.dcm": lambda p: dicom(
        p, LEVELS, VOILUTFunction="SIGMOID", WindowCenter=40, WindowWidth=300
    ),
    "twelve_bits.dcm": lambda p: dicom(p, LEVELS, Modality="MR", BitsStored=12, HighBit=11),
    "uint8.nii.gz": lambda p: volume(p, np.stack([grey(), grey(seed=1)], axis=-1)),
    "display.nii": lambda p: volume(p, LEVELS[..., None], cal_min=-900, cal_max=800),
    "grey.png": lambda p: save(p.parent, p.name, grey()),
    "sixteen.png": lambda p: save(p.parent, p.name, grey().astype(np.uint16) * 257),
    "white_is_zero.tif": tiff,
}
WITH_A_ROW = {
    "colour.npy": array,
    "palette.png": palette,
    "turned.png": turned,
    "percentiles.nii": lambda p: volume(p, LEVELS[..., None] // 100 + 500),
}


@pytest.mark.parametrize("name", [*EQUAL, *WITH_A_ROW])
def test_what_vestige_reads_is_what_is_stored(tmp_path: Path, truth: Any, name: str) -> None:
    path = str({**EQUAL, **WITH_A_ROW}[name](tmp_path / name))
    answer = truth.ours(path)
    expected = "equal" if name in EQUAL else "equal, with a row"
    if find_spec("imagecodecs") is None and name.endswith(".png"):
        expected = "equal to Pillow alone"
    assert truth.compare(path, answer) == (expected, "")


@pytest.mark.parametrize("name", EQUAL)
def test_a_difference_of_two_levels_is_found(tmp_path: Path, truth: Any, name: str) -> None:
    path = str(EQUAL[name](tmp_path / name))
    answer = truth.ours(path)
    levels = answer.images[0] / (
        1 if answer.images[0].dtype.kind == "f" else np.iinfo(answer.images[0].dtype).max
    )
    levels[3, 4] += 2 / 255 if levels[3, 4] < 0.5 else -2 / 255
    column, said = truth.compare(path, replace(answer, images=[levels, *answer.images[1:]]))
    assert column == "silent" and "by up to 2 of 255" in said
    column, _ = truth.compare(
        path, replace(answer, images=[levels, *answer.images[1:]], explained=True)
    )
    assert column == "different, told"
    column, said = truth.compare(path, replace(answer, images=answer.images[1:]))
    assert column == "silent" and "images here" in said


def test_a_file_that_only_one_reads_is_listed(tmp_path: Path, truth: Any) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4, 8, 8), np.uint8))
    answer = truth.ours(str(tmp_path / "a.npy"))
    assert truth.compare(str(tmp_path / "a.npy"), answer)[0] == "refused"
    path = str(save(tmp_path, "b.png", grey()))
    only = truth.compare(path, replace(truth.ours(path), kind="no such kind at all"[:0]))
    assert only[0] == "no reference" and only[1].startswith("only vestige reads it")


@pytest.mark.slow
def test_the_script_prints_a_table(tmp_path: Path) -> None:
    for name, make in EQUAL.items():
        make(tmp_path / name)
    (tmp_path / "module.py").write_text("pass\n")
    done = subprocess.run(
        [sys.executable, SCRIPTS / "truth.py", tmp_path, "--table", tmp_path / "table.txt"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"| all | {len(EQUAL)} |" in done.stdout
    assert "| 0 | 0 | 0 | 0 | 0 |" in done.stdout.splitlines()[-1]
    assert (tmp_path / "table.txt").read_text() in done.stdout
