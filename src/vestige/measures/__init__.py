"""Published measures of a whole generated set; they inform and never change the verdict.

A measure is a function from a `SetComparison` to a `vestige.result.SetMeasure`. A new one is one
function and one line in `SET_MEASURES`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vestige.engine.threads import one_core
from vestige.features.pca import PCA
from vestige.registry.entries import InputError, RegistryEntry
from vestige.schema.records import SetMeasure
from vestige.types import Bools, Images

if TYPE_CHECKING:
    from vestige.measures.set_measures import FeatureSets

MOST_GENERATED = 5_000
"""Generated images compared in an audit: the measures are means over them."""
N_PERMUTATIONS = 999
DIMS, SIZE = 64, 32


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
    def features(self) -> "FeatureSets":
        """64 principal components at 32 px of both sets, which count equally (methods.md 2.11)."""
        from vestige.measures.set_measures import FeatureSets

        with one_core():  # matrices so small only wait for a second thread
            space = PCA(dims=DIMS, size=SIZE).fit_pair(self.generated, self.images)
            # float32 products of equal images may differ in the last digits; here they are equal
            generated, reals = (
                np.asarray(space.transform(images), dtype=np.float64).round(5)
                for images in (self.generated, self.images)
            )
        return FeatureSets(generated, reals, self.is_candidate, self.groups)


def _data_copying(comparison: SetComparison) -> SetMeasure:
    from vestige.measures.published import data_copying

    return data_copying(comparison)


def _authenticity(comparison: SetComparison) -> SetMeasure:
    from vestige.measures.published import authenticity

    return authenticity(comparison)


def _closest_share(comparison: SetComparison) -> SetMeasure:
    from vestige.measures.published import closest_share

    return closest_share(comparison)


SET_MEASURES: dict[str, RegistryEntry[SetMeasure]] = {
    "data_copying": RegistryEntry(
        "C_T: are generated images nearer to candidates than unused images are? (Meehan et al.)",
        _data_copying,
    ),
    "authenticity": RegistryEntry(
        "AuthPct: generated images that are no copies of a candidate, in % (Alaa et al.)",
        _authenticity,
    ),
    "closest_share": RegistryEntry(
        "DCR with hold-out: generated images nearer to a candidate than to a calibration image",
        _closest_share,
    ),
}


def measure_sets(
    comparison: SetComparison, done: Callable[[str], None] = lambda name: None
) -> tuple[SetMeasure, ...]:
    """Take every measure; one that these sets do not allow says why and has no value."""
    rows = []
    for name, choice in SET_MEASURES.items():
        try:
            rows.append(choice.factory(comparison))
        except InputError as error:
            rows.append(SetMeasure(name, None, None, f"Not possible: {error}"))
        done(name)
    return tuple(rows)
