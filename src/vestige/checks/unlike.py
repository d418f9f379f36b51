"""Have the generated images the polarity, the grey range and the colours of the reals?

Where they are inverted, or shown in another window, nothing that compares pixels finds a copy. Of a
generator it is expected that its images are smoother, noisier, or more alike than the reals; but
whatever it learned, the mean of its images is close to that of the reals. So what is compared is
how strongly each image shows the mean real image, its contrast and its mean grey.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np

from vestige.decision.records import Unlike
from vestige.images.imageset import ImageSet
from vestige.images.kinds import in_grey, planes_of
from vestige.images.passes import fold_blocks, in_order, listed
from vestige.images.preprocess import area_average, coverage, shrink_cubes
from vestige.schema.records import Problem
from vestige.stats.exact import on_grid
from vestige.stats.kolmogorov import kolmogorov_distances
from vestige.types import Bools, Float32s, Floats, Images

MIN_IMAGES = 10
"""Images on each side; with fewer nothing is said."""
WEAK, STRONG = 0.1, 0.4
"""Correlation with their mean image that three quarters of the reals reach: below the first it
tells no polarity, from the second on it tells that of single images well."""
INVERTED_SHARE, INVERTED_SHARE_STRONG, INVERTED_MEAN = 0.4, 0.25, -0.2
"""Estimated share of inverted images from which the set is called inverted, by that correlation;
and the multiple of the mean real image, shown on average, from which downwards it is."""
LESS, MORE, CONTRAST_DISTANCE = 0.65, 1.25, 0.5
"""Contrast, relative to the reals, of single images and of the mean image, both below or both
above; and the Kolmogorov distance that it takes."""
SHIFT, SHIFT_SPREADS, SHIFT_DISTANCE = 0.15, 2.5, 0.75
"""Grey levels (of 1), standard deviations of the reals, and Kolmogorov distance by which the mean
grey must differ: all three."""
CAST = 0.06
"""The same for the mean of a chroma plane, of which saturated colours reach .5."""
_MAD = 1.4826  # of a normal distribution, its standard deviation in medians of deviations
_SIDE, _CUBE = 16, 8  # coarse pixels along a side, of pictures and of volumes
_LEAST_PART = 0.1


def find_unlike(sets: Mapping[str, ImageSet]) -> Unlike | None:
    """Compare the generated images with all reals together.

    Inverted: a quarter or more of the generated images (two fifths where the reals have little
    structure in common) show the inverse of the mean real image. Other range: single images and
    their mean image both have less than .65 or more than 1.25 of the contrast of the reals, at a
    Kolmogorov distance of .5; or the mean grey differs by .15, by 2.5 standard deviations of the
    reals and by a Kolmogorov distance of .75. Other colours: the mean of a chroma plane differs by
    .06 and as much, as it does where red and blue are exchanged.

    Parameters
    ----------
    sets : role -> ImageSet
        "generated" and reals of any roles, as read: before any common preparation.

    Returns
    -------
    Unlike or None
        None where they are alike, and where there are fewer than 10 images on a side.

    Notes
    -----
    Not noticed: a window around the two levels of images that have hardly more; a window or range
    that makes images of too little contrast look ordinary; inverted images where the reals have
    nothing in common and are mid-grey.
    """
    found = _other_colours(sets) if sets["generated"].kind == "colour" else None
    sets = {role: _coarse_cubes(images) for role, images in sets.items()}
    generated = sets["generated"]
    reals = [images for role, images in sets.items() if role != "generated"]
    if len(generated) < MIN_IMAGES or sum(map(len, reals)) < MIN_IMAGES:
        return None
    inside = _inside([generated, *reals])
    if inside.mean() < _LEAST_PART:
        return None
    total = sum(_sum_of(images, inside) for images in reals)
    pattern = np.asarray(total / sum(map(len, reals)))
    pattern -= pattern.mean()
    ours = _greys(generated, inside, pattern)
    theirs = np.concatenate([_greys(images, inside, pattern) for images in reals])
    return _inverted(ours, theirs) or _other_range(ours, theirs) or found


def unlike_problems(found: Unlike | None) -> list[Problem]:
    """The row for `problems`, if there is something to say."""
    if found is None:
        return []
    told = f"median {found.statistic} {found.generated:.3g}, of the reals {found.reals:.3g}"
    if found.code == "inverted":
        what = (
            f"about {found.share or 0:.0%} of the generated images look inverted ({told}). Save "
            "all sets with the same polarity"
        )
    elif found.code == "other colours":
        what = (
            f"the generated images have other colours ({told}). Save all sets with red, green and "
            "blue in this order and with one white balance"
        )
    else:
        what = (
            f"the generated images have another window or grey range ({told}). Window and scale "
            "all sets by the same rule"
        )
    return [Problem("generated", what, "warning")]


_MEAN, _SPREAD, _SHOWN, _CORRELATION = range(4)


def _inverted(ours: Floats, theirs: Floats) -> Unlike | None:
    """Inverted images exchange a correlation with the pattern for its opposite."""
    generated, reals = ours[:, _CORRELATION], theirs[:, _CORRELATION]
    usual = float(np.quantile(reals, 0.25))
    if usual < WEAK:
        return None
    by_nature = float(np.mean(reals <= -usual))
    once_inverted = float(np.mean(reals >= usual))
    share = (float(np.mean(generated <= -usual)) - by_nature) / (once_inverted - by_nature)
    of_mean = float(np.mean(ours[:, _SHOWN]))
    if of_mean <= INVERTED_MEAN:
        share = max(share, (1 - of_mean) / 2)
    if share < (INVERTED_SHARE if usual < STRONG else INVERTED_SHARE_STRONG):
        return None
    name = "correlation with the mean real image"
    return _unlike("inverted", name, generated, reals, min(share, 1.0))


def _other_range(ours: Floats, theirs: Floats) -> Unlike | None:
    of_single = float(np.median(ours[:, _SPREAD]) / max(np.median(theirs[:, _SPREAD]), 1e-9))
    # the mean of the reals' own is 1
    of_mean = float(np.mean(ours[:, _SHOWN]))
    if max(of_single, of_mean) < LESS or min(of_single, of_mean) > MORE:
        found = _unlike("other range", "contrast", ours[:, _SPREAD], theirs[:, _SPREAD])
        if found.distance >= CONTRAST_DISTANCE:
            return found
    found = _unlike("other range", "mean grey", ours[:, _MEAN], theirs[:, _MEAN])
    return found if _is_far(found, theirs[:, _MEAN], SHIFT) else None


def _other_colours(sets: Mapping[str, ImageSet]) -> Unlike | None:
    """The chroma plane whose mean differs most, if it differs enough."""
    ours = _casts(sets["generated"])
    theirs = np.concatenate([_casts(one) for role, one in sets.items() if role != "generated"])
    both = [
        (_unlike("other colours", name, ours[:, k], theirs[:, k]), theirs[:, k])
        for k, name in enumerate(("blue less luma", "red less luma"))
    ]
    far = [found for found, reals in both if _is_far(found, reals, CAST)]
    return max(far, key=lambda one: abs(one.generated - one.reals), default=None)


def _casts(images: ImageSet) -> Floats:
    """Mean of both chroma planes of each image, [n, 2]."""
    parts = fold_blocks(images.pixels, partial(listed, _cast), in_order)
    return np.concatenate(parts).astype(np.float64)


def _cast(images: Images) -> Float32s:
    return np.asarray(planes_of(images)[1].mean(axis=(2, 3)))


def _is_far(found: Unlike, reals: Floats, least: float) -> bool:
    """Whether the medians lie apart in units, in standard deviations of the reals and in ranks."""
    spread = _MAD * float(np.median(np.abs(reals - found.reals)))
    shift = abs(found.generated - found.reals)
    return shift >= least and shift >= SHIFT_SPREADS * spread and found.distance >= SHIFT_DISTANCE


def _unlike(
    code: Literal["inverted", "other range", "other colours"],
    statistic: str,
    generated: Floats,
    reals: Floats,
    share: float | None = None,
) -> Unlike:
    both = np.concatenate([generated, reals])[:, None]
    distance = kolmogorov_distances(both, np.arange(len(both)) < len(generated))[0]
    medians = float(np.median(generated)), float(np.median(reals))
    return Unlike(code, statistic, *medians, float(distance), share)


def _inside(sets: Sequence[ImageSet]) -> Bools:
    """Coarse pixels [k * k] that every image fills: padding has no grey of its own.

    Of volumes coarse voxels [k * k * k] that are not black in a whole set.
    """
    if sets[0].kind == "volume":
        shown = [fold_blocks(images.pixels, _brightest, np.maximum) > 0 for images in sets]
        return np.asarray(np.logical_and.reduce(shown).ravel())
    size = sets[0].pixels.shape[1]
    shapes = {record.shape for images in sets for record in images.records}
    filled = np.stack([coverage(shape, size) for shape in sorted(shapes)])
    return np.asarray(_coarse(filled).min(axis=0) > 1 - 1e-6)


def _coarse_cubes(images: ImageSet) -> ImageSet:
    """Volumes with coarse voxels, as gone through once; pictures as they are."""
    if images.kind != "volume":
        return images
    cubes = fold_blocks(images.pixels, partial(listed, partial(shrink_cubes, size=_CUBE)), in_order)
    return replace(images, pixels=np.concatenate(cubes))


def _coarse(images: Images) -> Float32s:
    """Images as rows of coarse pixels, in which noise and sharpness hardly show; colour as luma."""
    images = in_grey(images)
    size = images.shape[1]
    if images.ndim == 3 and size > _SIDE and size % _SIDE == 0:
        images = area_average(images, size // _SIDE)
    return images.reshape(len(images), -1)


def _sum_of(images: ImageSet, inside: Bools) -> Floats:
    """Sum of all images, within [k]."""
    return fold_blocks(images.pixels, partial(_summed, inside), np.add)


def _summed(inside: Bools, total: Floats | None, start: int, images: Images) -> Floats:
    found = on_grid(_coarse(images)[:, inside].sum(axis=0, dtype=np.float64))
    return found if total is None else total + found


def _brightest(state: Float32s | None, start: int, images: Images) -> Float32s:
    found = np.asarray(images.max(axis=0))
    return found if state is None else np.maximum(state, found)


def _greys(images: ImageSet, inside: Bools, pattern: Floats) -> Floats:
    """Mean and standard deviation of each image, and how strongly it shows the pattern, [n, 4].

    The latter as a multiple of the pattern, and as a correlation: 0 where one of the two is flat.
    """
    look = partial(_greys_of, inside, pattern)
    return np.concatenate(fold_blocks(images.pixels, partial(listed, look), in_order))


def _greys_of(inside: Bools, pattern: Floats, images: Images) -> Floats:
    energy = float(pattern @ pattern)
    flat = _coarse(images)[:, inside].astype(np.float64)
    mean = flat.mean(axis=1)
    flat -= mean[:, None]
    spread = np.sqrt(np.square(flat).mean(axis=1))
    along = flat @ pattern
    length = spread * np.sqrt(energy * flat.shape[1])
    correlation = np.divide(along, length, out=np.zeros(len(flat)), where=length > 1e-9)
    shown = along / energy if energy > 1e-12 else np.ones(len(flat))
    return np.stack([mean, spread, shown, correlation], axis=1)
