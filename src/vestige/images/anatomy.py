"""Slices and volumes that show the same anatomy of one patient, as far as pixels tell."""

import numpy as np

from vestige.images.duplicates import content_order
from vestige.images.kinds import in_grey, inside
from vestige.images.preprocess import area_average, shrink_cubes, to_working
from vestige.images.spool import step_of
from vestige.stats.slices import slices
from vestige.types import Float32s, Floats, Images, Ints

SIDE = 32
CUBE_SIDE = 16
"""Of volumes, voxels: as many as 64 x 64 pixels."""
LEAST = 0.75
"""Cosine below which no two images are joined: aligned MR crops of two patients reach .74."""
TIMES = 2.0
"""Of the most opposite pair: unrelated images lie about 0, and as far above it as below."""
_RIDGE = 0.05
_BLOCK_FLOATS = 2**24
"""Similarities held at once: 64 MB."""


def anatomy_clusters(pixels: Images) -> Ints:
    """Label images so that those of one patient share a label, as far as their structure shows it.

    These are neighbouring slices, and volumes that lie upon each other, such as two visits after
    registration. The two sides of one person, or a head in another position, look unlike: of 171
    persons' hippocampi (`shared/data/hippocampus_msd`) no two volumes are joined, rightly or not.

    The mean image is subtracted and all spatial frequencies are brought to the same mean power, so
    that common anatomy counts little and fine structure much. Two images are joined if the cosine
    of what is left reaches both `LEAST` and `TIMES` the size of the most negative one: between
    unrelated images it is about as often below zero as above. What hangs together through others
    is joined as well. Of colour images the luma is looked at; volumes are looked at as a whole, at
    16 x 16 x 16 voxels.

    Parameters
    ----------
    pixels : float32 [n, s, s], colour [n, s, s, 3] or volumes [n, s, s, s], 0..1
        Without blank images.

    Returns
    -------
    Ints, shape (n,)
        The partition depends on the set of images only, not on their order.
    """
    firsts, copies = content_order(pixels)
    steps = slices(len(firsts), step_of(pixels))
    rows = _fine_structure(np.concatenate([_small(in_grey(pixels[firsts[k]])) for k in steps]))
    labels = np.arange(len(rows))
    parts = list(slices(len(rows), max(1, _BLOCK_FLOATS // max(len(rows), 1))))
    lowest = min((float((rows[part] @ rows.T).min()) for part in parts), default=0.0)
    line = max(LEAST, -TIMES * lowest)
    for part in parts:
        left, right = np.nonzero(rows[part] @ rows.T >= line)
        labels = _linked(labels, left + part.start, right)
    return np.asarray(labels[copies], np.int64)


def _small(images: Images) -> Images:
    """Grey images and volumes at the size at which they are compared."""
    side = images.shape[1]
    if images.ndim == 4:
        return shrink_cubes(images, CUBE_SIDE)
    if side <= SIDE:
        return images
    if side % SIDE == 0:
        return area_average(images, side // SIDE)
    return np.stack([to_working(image, SIDE) for image in images])


def _fine_structure(images: Images) -> Float32s:
    """Rows [n, d] of length 1, whitened by the mean power at each spatial frequency."""
    side, axes = images.shape[1], inside(images)
    spectra = np.fft.fftn(images - images.mean(axis=0, dtype=np.float64), axes=axes)
    power = (np.abs(spectra) ** 2).mean(axis=0)
    wave = np.fft.fftfreq(side) * side
    frequency = np.sqrt(sum(along**2 for along in np.ix_(*[wave] * len(axes))))
    ring = frequency.astype(np.int64)
    power = (np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel()))[ring]
    scale = np.sqrt(power + _RIDGE * power.mean())
    scale[scale == 0] = 1.0  # all images are the same
    rows: Floats = np.fft.ifftn(spectra / scale, axes=axes).real.reshape(len(images), -1)
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, norm, out=np.zeros_like(rows), where=norm > 1e-9)
    return np.asarray(rows, np.float32)


def _linked(labels: Ints, left: Ints, right: Ints) -> Ints:
    """Labels [n] once these pairs of images share theirs."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.concatenate([left, np.arange(len(labels))]), np.concatenate([right, labels])
    links = coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(len(labels),) * 2)
    return np.asarray(connected_components(links, directed=False)[1], np.int64)
