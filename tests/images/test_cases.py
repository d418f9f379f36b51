"""Odd files as they come: each is right, or one clear row. The files lie beside the repository."""

from pathlib import Path

import numpy as np
import pytest

from vestige.images.flags import (
    COLOUR,
    FIRST_PICTURE,
    LUT_NOT_USED,
    NO_HOUNSFIELD,
    NO_NEGATIVE,
    NO_PHOTOMETRIC,
    OWN_SCALE,
    PERCENTILES,
    ROUNDED,
    TRANSPARENT,
)
from vestige.images.frame import Unreadable
from vestige.images.readers import read_file

CASES = Path(__file__).resolve().parents[3] / "shared/cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the odd files are not here")

READ: dict[str, tuple[int, float, tuple[str, ...]]] = {
    "ct_without_hounsfield/d24a_ct_raw_no_rescale.dcm": (1, 0.309, (NO_HOUNSFIELD,)),
    "ct_without_hounsfield/d24b_ct_sc_8bit.dcm": (1, 0.307, (NO_HOUNSFIELD,)),
    "dicom_palette/ok_16bit.dcm": (1, 0.508, (COLOUR,)),
    "dicom_palette/big_endian.dcm": (1, 0.508, (COLOUR,)),
    "dicom_palette/eight_bit_in_16.dcm": (1, 0.508, (COLOUR,)),
    "dicom_palette/eight_bit_in_words.dcm": (1, 0.508, (COLOUR,)),
    "image_called_no_image/img.gif": (1, 0.310, ()),
    "image_called_no_image/img.jp2": (1, 0.310, ()),
    "image_called_no_image/img.mha": (1, 0.310, ()),
    "image_called_no_image/img.nrrd": (1, 0.310, ()),
    "image_called_no_image/img.pgm": (1, 0.310, ()),
    "image_called_no_image/pair.hdr": (12, 0.139, ()),
    "jpeg_mpo/mpo_full.jpg": (1, 0.354, (COLOUR, FIRST_PICTURE)),
    "jpeg_mpo/mpo_second_lost.jpg": (1, 0.354, (COLOUR, FIRST_PICTURE)),
    "mask_volume/label_0_3.nii.gz": (12, 0.001, ("label map",)),
    "modality_lut/m1_mlut8.dcm": (1, 0.306, ()),
    "modality_lut/m3_mlut_empty_item.dcm": (1, 0.307, (LUT_NOT_USED,)),
    "nifti_mr_below_minus_200/mr_int16.nii.gz": (12, 0.170, (PERCENTILES,)),
    "nifti_mr_below_minus_200/mr_phase.nii.gz": (12, 0.170, (PERCENTILES,)),
    "nifti_mr_below_minus_200/mr_spline_ringing.nii.gz": (12, 0.229, (PERCENTILES,)),
    "nifti_unsigned_16/ct_u16_inter.nii.gz": (12, 0.346, ()),
    "nifti_unsigned_16/u16_mr.nii.gz": (12, 0.170, (PERCENTILES,)),
    "no_preamble/n1_bare_implicit.dcm": (1, 0.309, ()),
    "no_preamble/n1_bare_implicit_nosuffix": (1, 0.309, ()),
    "no_preamble/n2_bare_explicit.dcm": (1, 0.309, ()),
    "no_preamble/n3_meta_no_syntax.dcm": (1, 0.309, ()),
    "npy_float_rounding/a.npy": (1, 0.314, (ROUNDED,)),
    "npy_shapes/h_w_1.npy": (1, 0.309, ()),
    "npy_shapes/small_h_w_3.npy": (1, 0.349, (COLOUR,)),
    "pet_top_level/accepted.dcm": (1, 0.314, (OWN_SCALE, NO_NEGATIVE)),
    "pet_top_level/refused_0.dcm": (1, 0.309, (OWN_SCALE,)),
    "pet_top_level/refused_1.dcm": (1, 0.309, (OWN_SCALE,)),
    "pet_top_level/refused_2.dcm": (1, 0.309, (OWN_SCALE, NO_NEGATIVE)),
    "seg_dose_screenshots/I00": (1, 0.172, ()),
    "seg_dose_screenshots/I00_loc": (1, 0.335, ("localiser",)),
    "seg_dose_screenshots/sc8.dcm": (1, 0.172, (NO_HOUNSFIELD,)),
    "seg_dose_screenshots/screen.dcm": (1, 0.225, ("screen capture",)),
    "seg_dose_screenshots/seg.dcm": (3, 0.192, ("segmentation",)),
    "signed_and_dark/d25_signed_positive.dcm": (1, 0.337, (PERCENTILES,)),
    "signed_and_dark/d25b_unsigned_same.dcm": (1, 0.337, (PERCENTILES,)),
    "three_samples_monochrome/d29_mono2_3samples.dcm": (1, 0.307, ()),
    "tiff_odd/no_compression_tag.tif": (1, 0.309, ()),
    "tiff_odd/no_photometric.tif": (1, 0.309, (NO_PHOTOMETRIC,)),
    "tiff_odd/packed12.tif": (1, 0.310, ()),
    "tiff_odd/rgba_premult_half.tif": (1, 0.176, (COLOUR, TRANSPARENT)),
    "tiff_preamble/IM0001": (1, 0.309, ()),
    "tiff_preamble/good.dcm": (1, 0.309, ()),
}
"""Images, mean grey of them all, and what is told."""
REFUSED = {
    "image_called_no_image/pair.img": "read by its header",
    "medmnist_npz/medmnist.npz": "medmnist.npz::train_images",
    "npy_shapes/c_h_w.npy": "three grey images, or one picture",
    "npy_shapes/h_w_slices.npy": "12 slices of 32 x 32",
    "seg_dose_screenshots/RS.dcm": "a DICOM document",
    "tiff_odd/int8_lzw.tif": "int8 values, whose range is not known",
    "tiff_preamble/cut.dcm": "truncated: 1948 of 2048 bytes",
}


@pytest.mark.parametrize("name", READ)
def test_a_file_that_is_read_is_right(name: str) -> None:
    count, mean, flags = READ[name]
    frames = read_file(CASES / name)
    assert len(frames) == count
    assert {frame.flags for frame in frames} == {flags}
    assert np.mean([frame.pixels for frame in frames]) == pytest.approx(mean, abs=0.006)


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_not_read_is_one_clear_row(name: str) -> None:
    with pytest.raises(Unreadable, match=REFUSED[name]):
        read_file(CASES / name)


def test_every_case_is_here() -> None:
    files = {p.relative_to(CASES).as_posix() for p in CASES.glob("*/*") if p.name != "README"}
    files = {name for name in files if not name.startswith("sets/")}
    assert files - READ.keys() - REFUSED.keys() <= {"nifti_unsigned_16/mr_int16.nii.gz"}
