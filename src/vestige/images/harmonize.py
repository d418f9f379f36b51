"""One common preparation for all sets alike, to wash out traces of unlike ones (methods.md 6.3).

It is one rule for every image. The rule depends on the reals through all of them together, never
on who is judged and who is a calibration image, so p-values keep their guarantee.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from vestige.images.imageset import ImageSet
from vestige.images.kinds import in_grey
from vestige.images.spool import blocks, spooled
from vestige.images.stored_statistics import GREY, STATISTICS, border_runs, grey_statistics
from vestige.types import Floats, Images, Ints

SIGMA = 0.7
_BLOCK = 256  # images treated at once
_RARE = 0.05
"""A share of images that may not set the rule for all others: blank or odd ones."""
_FEWEST_LEVELS = 2
_MOST_BORDER = 0.25  # of a side: more would cut into what is to be compared


@dataclass(frozen=True)
class Preparation:
    """Window, grey levels, smoothing and field of view, at the working size.

    In colour every channel is treated alike. Volumes are smoothed along all three axes.

    low, high : greys 0..1 that become 0 and 1, the same for every image
    levels : number of grey levels, evenly spaced
    sigma : of a Gaussian, pixels
    top, bottom, left, right : rows and columns set to black, of a volume in all its slices
    first, last : slices of a volume set to black
    """

    low: float
    high: float
    levels: int
    sigma: float
    top: int
    bottom: int
    left: int
    right: int
    first: int = 0
    last: int = 0

    def apply(self, images: ImageSet) -> ImageSet:
        """The set with prepared pixels; its records stay those of the files."""
        parts = (self.prepared(part) for part in blocks(images.pixels, _BLOCK))
        return replace(images, pixels=spooled(parts, images.pixels.shape[1:]))

    def prepared(self, images: Images) -> Images:
        """Images of any kind, prepared."""
        from scipy.ndimage import gaussian_filter

        span, top = np.float32(self.high - self.low), np.float32(self.levels - 1)
        grey = np.clip((images - np.float32(self.low)) / span, 0, 1)
        grey = np.rint(grey * top) / top
        smooth = gaussian_filter(grey, self.sigma, mode="nearest", axes=axes_of(images))
        smooth = np.clip(smooth, 0, 1)  # the kernel sums to 1 only nearly
        for axis, (start, stop) in zip(axes_of(images), self._cuts(images), strict=True):
            along = np.moveaxis(smooth, axis, 0)
            along[:start] = along[len(along) - stop :] = 0
        return np.asarray(smooth, np.float32)

    def _cuts(self, images: Images) -> list[tuple[int, int]]:
        """What is set to black at both ends of each of `axes_of` the images."""
        within = [(self.top, self.bottom), (self.left, self.right)]
        return [(self.first, self.last), *within] if len(axes_of(images)) == 3 else within


def find_preparation(sets: Mapping[str, ImageSet]) -> Preparation:
    """The rule under which the coarsest, narrowest and most cropped images set the scale.

    All reals count as one set and the generated images as another, and the stricter of the two
    sets each part: the number of levels that all but 5 % of its images reach; the window, between
    the upper quartile of the images' 1 % levels and the lower quartile of their 99 % levels; the
    constant borders that all but 5 % stay within, up to a quarter of a side. A set that makes up
    less than that of the reals does not set the rule.

    In colour these are the levels and borders of the luma. Volumes are looked at on the working
    grid, where borders are slices, rows and columns.

    Parameters
    ----------
    sets : role -> ImageSet
        "generated" is one side, everything else the other.
    """
    sides = [[images for role, images in sets.items() if (role == "generated") is generated]
             for generated in (True, False)]  # fmt: skip
    tables = [np.concatenate([_levels_of(s) for s in side]) for side in sides if side]
    borders = [np.concatenate([_borders(s.pixels) for s in side]) for side in sides if side]
    levels = min(_at(table, "distinct levels", _RARE) for table in tables)
    low = max(_at(table, "1 % quantile", 0.75) for table in tables)
    high = min(_at(table, "99 % quantile", 0.25) for table in tables)
    if high - low < 1 / 255:
        low, high = 0.0, 1.0
    cut = np.max([np.quantile(b, 1 - _RARE, axis=0, method="lower") for b in borders], axis=0)
    most = int(_MOST_BORDER * next(iter(sets.values())).pixels.shape[1])
    *through, top, bottom, left, right = (min(int(c), most) for c in cut)
    count = int(np.clip(levels, _FEWEST_LEVELS, 256))
    return Preparation(low, high, count, SIGMA, top, bottom, left, right, *through)


def axes_of(images: Images) -> tuple[int, ...]:
    """Axes of images of any kind along which pixels follow one another."""
    return tuple(range(1, in_grey(images[:1]).ndim))


def _levels_of(images: ImageSet) -> Floats:
    """The statistics of `GREY` of images as stored; of volumes on the working grid."""
    if images.kind == "volume":
        return np.concatenate([grey_statistics(part) for part in blocks(images.pixels)])
    start = STATISTICS.index(GREY[0])
    table = np.array([r.statistics for r in images.records if r.statistics])
    return table[:, start : start + len(GREY)]


def _at(table: Floats, name: str, share: float) -> float:
    return float(np.quantile(table[:, GREY.index(name)], share, method="lower"))


def _borders(images: Images) -> Ints:
    """Constant rows and columns at the edges [n, 4], of volumes [n, 6]; none for a blank image."""
    runs = np.concatenate([border_runs(in_grey(part)) for part in blocks(images)])
    runs[runs[:, 0] == images.shape[1]] = 0
    return runs
