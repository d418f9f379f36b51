"""What every detector checks before it works."""

from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.features.pixels import as_images
from vestige.registry.entries import InputError
from vestige.types import Images


def reference_of(unused: Any, detector: str) -> Images:
    """The reference images, or an error that says what to give."""
    if unused is None:
        raise InputError(
            f"{detector} compares with unused real images of the same source: call "
            "fit(generated, unused=...), or score_pool(...) to use the target images as reference."
        )
    return as_images(unused)


def groups_of(groups: npt.NDArray[Any] | None, n: int) -> npt.NDArray[Any]:
    """Group labels of a cohort; every image its own group when none are given."""
    if groups is None:
        return np.arange(n)
    if len(groups) != n:
        raise InputError(f"{n} images but {len(groups)} group labels.")
    return np.asarray(groups)


def fitted(value: Any, detector: str) -> Any:
    """The fitted state, or an error that names the missing call."""
    if value is None:
        raise RuntimeError(f"{detector}: call fit(generated) before scoring")
    return value
