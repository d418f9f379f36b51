"""Pictures and files that several tests of the readers share."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def grey(height: int = 24, width: int = 20, seed: int = 0) -> np.ndarray[Any, Any]:
    """An 8-bit picture that uses 0 and 255 and has no symmetry."""
    picture = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    picture[0, 0], picture[-1, -1] = 0, 255
    return picture


def save(folder: Path, name: str, levels: np.ndarray[Any, Any], **options: Any) -> Path:
    """Save an array as a picture of the format that the name says."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(levels).save(path, **options)
    return path


def dicom(path: Path, stored: np.ndarray[Any, Any], **tags: Any) -> Path:
    """Write stored levels [h, w] or [frames, h, w] (16 bit) as an uncompressed CT image."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Modality = "CT"
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.SamplesPerPixel = 1
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    if stored.ndim == 3:
        dataset.NumberOfFrames = len(stored)
    dataset.BitsAllocated = dataset.BitsStored = 8 * stored.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.PixelData = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path
