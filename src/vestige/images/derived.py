"""What lies in a study and is no image of the patient: known by its header or its few levels."""

from typing import Any

import numpy as np
import numpy.typing as npt

SEGMENTATION = "segmentation"
DOSE = "dose grid"
LOCALISER = "localiser"
SCREEN = "screen capture"
LABELS = "label map"
DOCUMENT = "document"
KINDS = {
    SEGMENTATION: "a segmentation, which shows no patient",
    DOSE: "a dose grid, which shows no patient",
    LOCALISER: "a localiser, which is no slice of the series",
    SCREEN: "a screen capture with text in its pixels",
    LABELS: "a label map (few whole numbers), which shows no patient",
    DOCUMENT: "a DICOM document (report, structure set, plan or display settings)",
}
"""Flags of images that are not judged unless it is asked for, each with what the file is."""

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_CLASSES = {
    **dict.fromkeys(("66.4", "66.5", "66.7"), SEGMENTATION),
    "481.2": DOSE,
    **dict.fromkeys(("481.3", "481.4", "481.5", "481.6", "481.7", "481.8", "481.9"), DOCUMENT),
    **dict.fromkeys(("66", "66.1", "66.2", "66.3", "67"), DOCUMENT),
}
_FAMILIES = ("11.", "88.", "104.", "9.")
"""Display settings, reports, documents in a DICOM cover, curves of a signal."""
_CAPTURE = ("7", "7.1", "7.2", "7.3", "7.4")
_MODALITIES = {
    "SEG": SEGMENTATION,
    "RTDOSE": DOSE,
    **dict.fromkeys(("RTSTRUCT", "RTPLAN", "SR", "PR", "KO", "DOC", "REG"), DOCUMENT),
}
_IMAGE_TYPES = {
    **dict.fromkeys(("LOCALIZER", "LOCALISER", "SCOUT"), LOCALISER),
    **dict.fromkeys(("SCREEN SAVE", "SCREENSAVE", "SCREENSHOT", "SCREEN", "DOSE_INFO"), SCREEN),
}
_MOST_LABELS, _FEWEST_VOXELS = 32, 16
_FEW, _FEWEST_PIXELS = 4, 256
"""Grey levels of what may be a mask, and pixels of an image that is looked at."""


def kind_of_dicom(dataset: Any) -> str:
    """The flag of a DICOM file that is no image of the patient; "" for one that may be.

    By SOP class, then modality, then image type. A secondary capture is one only if it says that
    text is burned in, because many archives keep plain radiographs so.
    """
    name = str(dataset.get("SOPClassUID") or "")
    own = name.removeprefix(_STORAGE) if name.startswith(_STORAGE) else ""
    if own in _CLASSES:
        return _CLASSES[own]
    if own.startswith(_FAMILIES):
        return DOCUMENT
    modality = str(dataset.get("Modality") or "").strip().upper()
    if modality in _MODALITIES:
        return _MODALITIES[modality]
    told = dataset.get("ImageType") or ()
    values = [told] if isinstance(told, str) else list(told)
    for value in values:
        kind = _IMAGE_TYPES.get(str(value).strip().upper())
        if kind:
            return kind
    burned = str(dataset.get("BurnedInAnnotation") or "").strip().upper() == "YES"
    return SCREEN if burned and own in _CAPTURE else ""


def has_few_levels(stored: npt.NDArray[Any]) -> bool:
    """Whether an image has 2 to 4 grey levels, each on many pixels, as masks have."""
    if stored.size < _FEWEST_PIXELS:
        return False
    sample = stored.reshape(-1)[:: max(1, stored.size // 1024)]
    if any(len(set(some.tolist())) > _FEW for some in (sample[::16], sample)):
        return False  # nearly all images end here
    levels, counts = np.unique(stored, return_counts=True)
    return bool(2 <= len(levels) <= _FEW and counts.min() >= _FEWEST_VOXELS)


def is_label_map(values: npt.NDArray[np.float32]) -> bool:
    """Whether a volume holds 2 to 32 whole numbers from 0 on, each on many voxels."""
    sample = values.reshape(-1)[:: max(1, values.size // 4096)]
    if len(np.unique(sample)) > _MOST_LABELS:  # nearly all volumes end here
        return False
    levels = np.unique(values)
    return bool(
        2 <= len(levels) <= _MOST_LABELS
        and values.size >= _FEWEST_VOXELS * len(levels)
        and levels[0] >= 0
        and (levels == np.rint(levels)).all()
    )
