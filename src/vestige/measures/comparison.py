"""The two sets that a published measure compares, and their features."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.engine.threads import one_core
from vestige.features.pca import PCA
from vestige.images.kinds import Kind, kind_of
from vestige.measures.set_measures import FeatureSets
from vestige.types import Bools, Images

MAX_GENERATED = 5_000
"""Generated images compared in an audit: the measures are means over them."""
N_PERMUTATIONS = 999
DIMS = 64
SIZES: dict[Kind, int] = {"grey": 32, "colour": 32, "volume": 12}
"""Side at which images of each kind are compared."""


@dataclass(frozen=True)
class SetComparison:
    """What a measure gets: generated images, candidates, calibration images, groups, the seed.

    n_generated : size of the generated set, when `generated` is a part of it
    """

    generated: Images
    images: Images
    is_candidate: Bools
    groups: npt.NDArray[Any]
    seed: int
    n_generated: int = 0

    @cached_property
    def features(self) -> FeatureSets:
        """64 principal components of both sets, which count equally (methods.md 2.11).

        Of images at 32 px, of volumes at 12 voxels a side.
        """
        with one_core():  # matrices so small only wait for a second thread
            size = SIZES[kind_of(self.generated.shape)]
            space = PCA(dims=DIMS, size=size).fit_pair(self.generated, self.images)
            # float32 products of equal images may differ in the last digits; here they are equal
            generated, reals = (
                np.asarray(space.transform(images), dtype=np.float64).round(5)
                for images in (self.generated, self.images)
            )
        return FeatureSets(generated, reals, self.is_candidate, self.groups)
