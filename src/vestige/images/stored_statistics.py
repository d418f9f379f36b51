"""Statistics of one image as its file stores it, which tell how the image was prepared.

They are taken before anything is resized, because resizing hides the traces: docs/methods.md 6.5.
All are of the decoded levels, so that palette, colour and grey files of one picture agree; whatever
has 8 bits counts as 8 bits, as in `vestige.images.imageset.pixel_digest`.
"""

from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from vestige.types import Floats

STATISTICS: Final = (
    *("height", "width", "distinct levels", "histogram comb", "lowest level"),
    *("1 % quantile", "median grey", "99 % quantile", "share of black", "share of highest level"),
    *("mean grey", "spread of grey", "entropy"),
    *("sharpness", "fine noise", "spectral slope", "high-frequency share"),
    *("blockiness", "checkerboard", "border rows", "border columns"),
    *("body area", "vertical centre", "horizontal centre"),
)
"""The 24 of the 26 statistics that pixels show; the file tells mode and bytes per pixel."""

GREY: Final = STATISTICS[2:13]
"""Those that do not ask where a level stands."""
Levels = npt.NDArray[Any]
_BLOCK = 2**18  # pixels treated at once: they stay in the cache
_TILE = 64
_LOW, _HIGH, _TOP = 0.05, 0.35, 0.45  # cycles per pixel
_MAD = 0.6744897501960817  # median of |z| for a standard normal z
_TINY = 1e-6


def stored_statistics(images: Levels) -> Floats:
    """The statistics of images of one shape, one row each, in the order of `STATISTICS`.

    Parameters
    ----------
    images : uint8, uint16 or float32 in 0..1, [n, h, w]
        As `vestige.images.frame.Frame.stored`.

    Returns
    -------
    Floats, shape (n, 24)
        Always finite; a statistic that an image is too small or too plain for has its resting
        value (0; blockiness 1). Height and width in pixels; greys 0..1; distinct levels a count;
        histogram comb: share of empty levels between lowest and highest; entropy in bits of 256
        levels; sharpness: variance of the 5-point Laplacian, in squared grey; fine noise: median
        |Haar HH| / .6745; spectral slope: log power against log frequency, .05 to .45
        cycles/pixel, of Hann-windowed tiles of 64 px (Welch 1967, doi:10.1109/TAU.1967.1161901);
        high-frequency share: power above .35 of that above .05; blockiness: mean step across
        multiples of 8 px over the mean other step; checkerboard: share of HH in the energy of the
        2 x 2 Haar details; border: share of constant rows and columns at the edges; body: what
        lies above Otsu's threshold (1979, doi:10.1109/TSMC.1979.4310076), its centre as a share
        of the image from the middle.
    """
    images = _as_levels(images)
    n, height, width = images.shape
    if images.dtype == np.uint16:
        eight = ~(images % 257).reshape(n, -1).any(axis=1)
        if eight.any():
            rows = np.empty((n, len(STATISTICS)))
            rows[eight] = stored_statistics((images[eight] // 257).astype(np.uint8))
            if not eight.all():
                rows[~eight] = stored_statistics(images[~eight])
            return rows
    step = max(1, _BLOCK // (height * width))
    parts = [_block(images[k : k + step]) for k in range(0, n, step)]
    return np.concatenate(parts) if parts else np.empty((0, len(STATISTICS)))


def grey_statistics(images: Levels) -> Floats:
    """What the grey levels alone tell of images: the statistics of `GREY`, one row each.

    Parameters
    ----------
    images : uint8, uint16 or float32 in 0..1, [n, h, w] or volumes [n, d, h, w]

    Returns
    -------
    Floats, shape (n, 11)
    """
    flat = images.reshape(len(images), -1, images.shape[-1])
    return np.stack(_grey(_histograms(_as_levels(flat))), axis=1)


def _as_levels(images: Levels) -> Levels:
    if images.dtype.kind == "f":
        return np.rint(images * np.float32(65535)).astype(np.uint16)
    return images


def _block(levels: Levels) -> Floats:
    n, height, width = levels.shape
    signed = levels.astype(np.int16 if levels.dtype == np.uint8 else np.int32)
    full = float(np.iinfo(levels.dtype).max)
    counts = _histograms(levels)
    threshold = _otsu(_coarse(counts))
    columns = [
        np.full(n, float(height)),
        np.full(n, float(width)),
        *_grey(counts),
        _sharpness(signed) / full**2,
        *_haar(signed, full),
        *_spectrum(signed, full),
        _blockiness(signed, full),
        *_borders(levels),
        *_body(levels, threshold),
    ]
    noise = columns.pop(STATISTICS.index("fine noise") + 1)  # HH share, made beside the noise
    columns.insert(STATISTICS.index("checkerboard"), noise)
    return np.stack(columns, axis=1)


def _histograms(levels: Levels) -> npt.NDArray[np.int64]:
    """Counts [n, 256 or 65536] of every level."""
    if levels.dtype == np.uint8:  # Pillow counts bytes as they are, three times as fast
        levels = np.ascontiguousarray(levels)
        return np.array([Image.fromarray(image).histogram() for image in levels], np.int64)
    bins = int(np.iinfo(levels.dtype).max) + 1
    return np.stack([np.bincount(image.ravel(), minlength=bins) for image in levels])


def _coarse(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Counts of 256 levels."""
    return np.asarray(counts.reshape(len(counts), 256, -1).sum(axis=2))


def _grey(counts: npt.NDArray[np.int64]) -> list[Floats]:
    """Everything that the histogram alone tells."""
    bins = counts.shape[1]
    total = int(counts[0].sum())
    grid = np.arange(bins) / (bins - 1)
    present = counts > 0
    distinct = present.sum(axis=1)
    first = present.argmax(axis=1)
    last = bins - 1 - present[:, ::-1].argmax(axis=1)
    cumulative = counts.cumsum(axis=1)
    quantiles = [(cumulative < q * total).sum(axis=1) / (bins - 1) for q in (0.01, 0.5, 0.99)]
    mean = (counts * grid).sum(axis=1) / total
    spread = np.sqrt((counts * (grid - mean[:, None]) ** 2).sum(axis=1) / total)
    share = _coarse(counts) / total
    entropy = -(share * np.log2(np.where(share > 0, share, 1))).sum(axis=1)
    return [
        distinct.astype(np.float64),
        1 - distinct / (last - first + 1),
        first / (bins - 1),
        *quantiles,
        counts[:, 0] / total,
        counts[np.arange(len(counts)), last] / total,
        mean,
        spread,
        entropy,
    ]


def _sharpness(signed: Levels) -> Floats:
    n, height, width = signed.shape
    if min(height, width) < 3:
        return np.zeros(n)
    laplacian = signed[:, 1:-1, 1:-1] * signed.dtype.type(4)
    for part in (signed[:, :-2, 1:-1], signed[:, 2:, 1:-1], signed[:, 1:-1, :-2]):
        laplacian -= part
    laplacian -= signed[:, 1:-1, 2:]
    flat = laplacian.reshape(n, -1).astype(np.float64)
    # sums of integers below 2^53: exact in any order, so the same on every machine
    squares = np.array([row @ row for row in flat])
    mean = flat.sum(axis=1) / flat.shape[1]
    return np.asarray(np.maximum(squares / flat.shape[1] - mean**2, 0))


def _haar(signed: Levels, full: float) -> list[Floats]:
    """Fine noise, and the share of HH in the energy of the details."""
    n, height, width = signed.shape
    if min(height, width) < 2:
        return [np.zeros(n), np.zeros(n)]
    even = signed[:, : height // 2 * 2, : width // 2 * 2]
    down = even[:, ::2] - even[:, 1::2]
    both = even[:, ::2] + even[:, 1::2]
    diagonal = (down[:, :, ::2] - down[:, :, 1::2]).reshape(n, -1)
    vertical = (down[:, :, ::2] + down[:, :, 1::2]).reshape(n, -1).astype(np.float64)
    horizontal = (both[:, :, ::2] - both[:, :, 1::2]).reshape(n, -1).astype(np.float64)
    noise = _median(np.abs(diagonal)) / (2 * _MAD * full)
    diagonal = diagonal.astype(np.float64)
    energy = [np.array([row @ row for row in d]) for d in (vertical, horizontal, diagonal)]
    return [noise, energy[2] / np.maximum(sum(energy), 1)]


def _median(values: Levels) -> Floats:
    """Lower median of each row."""
    middle = (values.shape[1] - 1) // 2
    return np.partition(values, middle, axis=1)[:, middle].astype(np.float64)


def _spectrum(signed: Levels, full: float) -> list[Floats]:
    """Slope of the spectrum, and its share above .35 cycles per pixel."""
    from scipy.fft import rfft2

    n, height, width = signed.shape
    side = min(_TILE, 1 << (min(height, width).bit_length() - 1))
    if side < 8:
        return [np.zeros(n), np.zeros(n)]
    window, slope, band, high = _filters(side)
    down, across = height // side, width // side
    found = np.zeros((2, n))
    # image by image: in one call, rounding would depend on the company of an image
    for k, image in enumerate(signed[:, : down * side, : across * side]):
        tiles = image.reshape(down, side, across, side).swapaxes(1, 2)
        greys = np.ascontiguousarray(tiles, np.float32).reshape(-1, side, side)
        greys -= greys.mean(axis=(1, 2), keepdims=True)
        greys *= window / np.float32(full)
        waves = rfft2(greys)  # SciPy's: six times as fast as NumPy's on small tiles
        power = (waves.real**2 + waves.imag**2).mean(axis=0).ravel().astype(np.float64)
        total = power @ band
        found[:, k] = np.log(power + 1e-9) @ slope, power @ high / total if total > 1e-9 else 0
    return list(found)


@lru_cache
def _filters(side: int) -> tuple[npt.NDArray[np.float32], Floats, Floats, Floats]:
    """Hann window; weights over the frequencies for the slope, the band and its high part."""
    hann = np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2
    columns = np.fft.rfftfreq(side)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], columns).ravel()
    twice = np.broadcast_to(
        np.where((columns > 0) & (columns < 0.5), 2.0, 1.0), (side, side // 2 + 1)
    )
    band = twice.ravel() * (frequency >= _LOW)
    fitted = (frequency >= _LOW) & (frequency <= _TOP)
    x = np.log(np.where(fitted, frequency, 1))
    x = np.where(fitted, x - x[fitted].mean(), 0)
    window = np.outer(hann, hann).astype(np.float32)
    return window, x / (x @ x), band, band * (frequency > _HIGH)


def _blockiness(signed: Levels, full: float) -> Floats:
    n, height, width = signed.shape
    wide = np.int64 if signed.dtype == np.int32 else np.int32
    edge, other = np.zeros((2, n)), np.zeros((2, n))
    for k, axis in enumerate((1, 2)):
        size = signed.shape[axis]
        if size < 2:
            continue
        ahead = signed[:, 1:] if axis == 1 else signed[:, :, 1:]
        behind = signed[:, :-1] if axis == 1 else signed[:, :, :-1]
        steps = np.abs(ahead - behind).sum(axis=3 - axis, dtype=wide)
        at_edge = np.arange(1, size) % 8 == 0
        for out, where in ((edge, at_edge), (other, ~at_edge)):
            if where.any():
                out[k] = steps[:, where].mean(axis=1) / (signed.shape[3 - axis] * full)
    if height <= 8 and width <= 8:
        return np.ones(n)
    return np.asarray((edge.sum(axis=0) + _TINY) / (other.sum(axis=0) + _TINY))


def border_runs(images: Levels) -> npt.NDArray[np.int64]:
    """Constant rows at top and bottom, columns at left and right [n, 4]; all-constant: all first.

    Of volumes constant slices at both ends, then rows and columns that are in all slices [n, 6].

    Parameters
    ----------
    images : [n, h, w] or [n, d, h, w]
    """
    runs = []
    axes = tuple(range(1, images.ndim))
    for axis in axes:
        others = tuple(other for other in axes if other != axis)
        plain = images.max(axis=others) == images.min(axis=others)
        whole = plain.all(axis=1)
        runs.append(np.where(whole, plain.shape[1], (~plain).argmax(axis=1)))
        runs.append(np.where(whole, 0, (~plain[:, ::-1]).argmax(axis=1)))
    return np.stack(runs, axis=1)


def _borders(levels: Levels) -> list[Floats]:
    """Shares of constant rows and constant columns at the edges."""
    runs = border_runs(levels)
    return [
        (runs[:, 0] + runs[:, 1]) / levels.shape[1],
        (runs[:, 2] + runs[:, 3]) / levels.shape[2],
    ]


def _otsu(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The lowest of 256 levels that splits each histogram best; the body lies above it."""
    total = counts.sum(axis=1, keepdims=True)
    below = counts.cumsum(axis=1)
    moment = (counts * np.arange(256)).cumsum(axis=1)
    gap = moment[:, -1:] / total * below - moment
    product = below * (total - below).astype(np.float64)
    between = np.divide(gap**2, product, out=np.zeros(gap.shape), where=product > 0)
    split = between.argmax(axis=1)
    # one level only: nothing lies above the highest
    return np.where(between.max(axis=1) > 0, split, 255)


def _body(levels: Levels, threshold: npt.NDArray[np.int64]) -> list[Floats]:
    """Share of the image above the threshold, and the centre of it."""
    _, height, width = levels.shape
    per_level = (int(np.iinfo(levels.dtype).max) + 1) // 256
    highest_below = ((threshold + 1) * per_level - 1).astype(levels.dtype)
    body = (levels > highest_below[:, None, None]).astype(np.float32)
    across = np.stack([np.ones(width), np.arange(width)], axis=1).astype(np.float32)
    rows = (body @ across).astype(np.float64)  # whole numbers below 2^24: exact
    area, sideways = rows.sum(axis=1).T
    down = rows[:, :, 0] @ np.arange(height, dtype=np.float64)
    some = np.maximum(area, 1)
    there = area > 0
    return [
        area / (height * width),
        np.where(there, (down / some + 0.5) / height - 0.5, 0),
        np.where(there, (sideways / some + 0.5) / width - 0.5, 0),
    ]
