"""Which generated images carry the evidence against which real ones?

A pair (real x, generated g) is looked at as if g were the nearest that x has left: it carries
evidence when x, by this pair alone, would still score higher than the calibration images may at the
asked rate. Taking out all such generated images is exactly what brings x back among the calibration
images in that column, however many copies of x there are; and a generated image near to nobody in
particular is left alone.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from vestige.detectors.matched_filter import MatchedFilterPool
from vestige.detectors.nearest_distance import NearestDistance
from vestige.types import Bools, Floats, Images, Ints

Space = Literal["whitened cosine", "distance"]
SIZE = 32
NEIGHBOURS = 32
NEIGHBOURS = 5  # neighbours among the other reals, by which a distance is measured
FLOOR = 1e-9


@dataclass(frozen=True)
class Pairs:
    """The nearest generated images of every real image, best first, in one space.

    values : [n, k], higher = nearer
    rows : [n, k], rows of the generated set
    line : what a pair must exceed to carry evidence at the asked rate
    spread : standard deviation of the calibration images' best values, the unit of excess
    """

    name: Space
    values: Floats
    rows: Ints
    line: float
    spread: float

    @property
    def excess(self) -> Floats:
        """How far each pair lies above the line, [n, k], in deviations of unused images."""
        return (self.values - self.line) / self.spread


def nearest_pairs(
    cohort: Images,
    group_index: npt.NDArray[np.int64],
    calibration: Bools,
    generated: Images,
    rate: float,
) -> tuple[Pairs, Pairs]:
    """Pairs by the whitened cosine of the matched filter, and by plain distance.

    The distance is that of `calibrated_distance` with contrast made equal: an ordinary image is
    near to everything, so each is measured by its distance to the other reals.

    Parameters
    ----------
    cohort, group_index : [n, s, s] and [n]
        The reals of an audit and their groups.
    calibration : [n]
        Those that calibrate, at least one.
    generated : [m, s, s]
    rate : float
        Share of calibration images whose best pair may lie above the line, at most.
    """
    cosines, at, _ = MatchedFilterPool(size=SIZE).fit(generated).nearest_pool(cohort, NEIGHBOURS)
    plain = NearestDistance(space="contrast", size=SIZE).fit(generated)
    distances, near, _ = plain.nearest(cohort, NEIGHBOURS)
    usual = plain.space_.nearest_outside_group(
        plain.space_.rows(cohort), group_index, NEIGHBOURS
    ).mean(axis=1)
    ratios = np.log(usual + FLOOR)[:, None] - np.log(FLOOR - distances)
    return (
        _pairs("whitened cosine", cosines, at, calibration, rate),
        _pairs("distance", ratios, near, calibration, rate),
    )


def _pairs(name: Space, values: Floats, rows: Ints, calibration: Bools, rate: float) -> Pairs:
    best = np.sort(values[calibration, 0])[::-1]
    k = int(np.floor(rate * (len(best) + 1) + 1e-9))
    spread = float(best.std())
    return Pairs(name, values, rows, float(best[max(k, 1) - 1]), spread if spread > 0 else 1.0)
