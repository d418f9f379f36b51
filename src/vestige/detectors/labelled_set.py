"""Both labelled sets of a detector that learns from them, or one line that says what is missing."""

from typing import Any

import numpy as np

from vestige.features.pixels import as_pictures
from vestige.registry.entries import InputError
from vestige.stats.groups import Labels
from vestige.types import Images


def labelled(
    used: Any, unused: Any, detector: str, required_resolution: int = 64
) -> tuple[Images, Images]:
    """Used and unused images, float32 [n, h, w] or [n, h, w, 3].

    `required_resolution` as in `as_pictures`.

    Raises
    ------
    InputError
        When one of them is missing.
    """
    for role, images in (("used", used), ("unused", unused)):
        if images is None:
            raise InputError(
                f"{detector} learns from labelled images and got no {role} ones: "
                "give both --used and --unused, fit(generated, used, unused)."
            )
    return as_pictures(used, required_resolution), as_pictures(unused, required_resolution)


def groups_from(images: Any, groups: Labels | None) -> Labels | None:
    """The given groups, else the patients an ImageSet knows of, else None."""
    if groups is not None:
        return groups
    records = getattr(images, "records", ())
    if not any(record.patient for record in records):
        return None
    return np.array([record.patient or f"image {record.id}" for record in records])
