"""Image sets as they are after reading, without files: ids, patients and files as a test says."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vestige.images.imageset import ImageSet
from vestige.images.reading import read_images
from vestige.types import Images


def as_read(pixels: Images, ids: Sequence[str], paths: Sequence[str] | None = None) -> ImageSet:
    """Images [n, s, s] under these ids, in 256 levels; those of one path are slices of one file."""
    levels = np.rint(np.clip(np.asarray(pixels, np.float32), 0, 1) * 255)
    found = read_images(levels.astype(np.uint8), role="images", size=levels.shape[1])
    records = tuple(
        replace(record, id=id_, path=path)
        for record, id_, path in zip(found.records, ids, paths or ids, strict=True)
    )
    return replace(found, records=records)


def of_kind(pixels: Images, ids: Sequence[str]) -> ImageSet:
    """Images of any kind under these ids, unchanged; equal digests stand for equal pixels."""
    flat = np.rint(pixels.reshape(*pixels.shape[:2], -1) * 65535).astype(np.uint16)
    found = read_images(flat, role="images", size=8)
    shape = pixels.shape[1:3]
    records = tuple(
        replace(record, id=id_, path=id_, shape=shape)
        for record, id_ in zip(found.records, ids, strict=True)
    )
    return replace(found, records=records, pixels=pixels, arrays=None)


def with_tags(images: ImageSet, patients: Sequence[str], studies: Sequence[str]) -> ImageSet:
    """The same as DICOM files with these patients and studies (digests)."""
    records = tuple(
        replace(record, patient=patient, **({"study": study} if study else {}))
        for record, patient, study in zip(images.records, patients, studies, strict=True)
    )
    return replace(images, records=records)
