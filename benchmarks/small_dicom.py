"""Small DICOM files for benchmarks."""

from pathlib import Path
from typing import Any

import numpy as np


def write_dicom(place: Path, levels: np.ndarray[Any, Any], patient: str, series: str) -> None:
    """Write 8-bit grey levels [h, w] as an uncompressed secondary capture."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(str(place), {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID = SecondaryCaptureImageStorage
    file.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    file.PatientID = patient
    file.StudyInstanceUID = f"{series}.1"
    file.SeriesInstanceUID = f"{series}.2"
    file.Modality = "OT"
    file.Rows, file.Columns = levels.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated = file.BitsStored = 8
    file.HighBit, file.PixelRepresentation = 7, 0
    file.PixelData = levels.tobytes()
    file.save_as(place, enforce_file_format=True)
