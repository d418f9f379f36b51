"""The 19 texture maps of one grey image: binary patterns, co-occurrence, Gabor, Sobel, entropy.

GAN-ISI (CEUR-WS 3497, pp. 1588-1595) names none of its descriptors; this choice is docs/methods.md
1.5. Every map has one value per pixel. Edges are mirrored (and repeated), so that a map of a
picture turned by 90 degrees is the turned map.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy import ndimage

from vestige.types import Float32s, Floats, Ints

Levels = npt.NDArray[np.uint8]

PATTERNS = ((8, 1), (16, 2))
"""(neighbours, radius) of the binary patterns."""
PATTERN_CODES = tuple(points + 2 for points, _ in PATTERNS)
FREQUENCIES = (0.1, 0.2, 0.4)
"""Cycles per pixel."""
ANGLES = (0, 45, 90, 135)
"""Degrees, of the direction in which the wave runs: 0 along a row, 90 down a column."""
WINDOW = 15
DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
ENTROPY_RADIUS = 5
GREYS = 16
"""Grey levels of co-occurrence and entropy."""

NAMES = (
    *(f"pattern_{points}_{radius}" for points, radius in PATTERNS),
    *("contrast", "homogeneity", "correlation"),
    *(f"gabor_{frequency:g}_{angle}" for frequency in FREQUENCIES for angle in ANGLES),
    *("sobel", "entropy"),
)


def to_levels(image: Float32s) -> Levels:
    """Grey 0..1 -> 0..255, to the nearest.

    Averages of 2 x 2 pixels lie halfway between two levels often: they go down, whatever the
    last bit says.
    """
    level = np.floor(np.clip(image, 0, 1) * np.float32(255) + np.float32(0.499))
    return np.asarray(level, np.uint8)


def texture_maps(levels: Levels) -> tuple[Levels, Float32s]:
    """All maps of one image.

    Parameters
    ----------
    levels : uint8 [h, w]

    Returns
    -------
    patterns : uint8 [2, h, w]
        Codes 0..9 and 0..17; unchanged by every strictly increasing map of the grey levels.
    others : float32 [17, h, w]
        contrast 0..225, homogeneity 0..1, correlation -1..1 (on 16 grey levels); the 12 Gabor
        amplitudes and the Sobel slope per pixel, in units of the full grey range; entropy in bits.
    """
    patterns = np.stack([binary_pattern(levels, *kind) for kind in PATTERNS])
    greys = levels // (256 // GREYS)
    grey = levels.astype(np.float32) / np.float32(255)
    return patterns, np.concatenate(
        [co_occurrence(greys), gabor(grey), sobel(grey)[None], local_entropy(greys)[None]]
    )


def binary_pattern(levels: Levels, points: int, radius: int) -> Levels:
    """Uniform local binary pattern, codes 0..points + 1 (Ojala et al. 2002).

    The neighbours are the pixels nearest to the circle, not values interpolated between pixels:
    only so do the codes ignore every increasing change of the grey levels.
    """
    angle = 2 * np.pi * np.arange(points) / points
    down = np.rint(radius * np.sin(angle)).astype(int)
    right = np.rint(radius * np.cos(angle)).astype(int)
    h, w = levels.shape
    padded = _mirrored(levels, radius)
    not_darker = np.stack(
        [
            padded[radius + i : radius + i + h, radius + j : radius + j + w] >= levels
            for i, j in zip(down, right, strict=True)
        ]
    )
    ones = not_darker.sum(axis=0, dtype=np.uint8)
    changes = (not_darker != np.roll(not_darker, 1, axis=0)).sum(axis=0, dtype=np.uint8)
    return np.where(changes <= 2, ones, np.uint8(points + 1))


def co_occurrence(greys: Levels, window: int = WINDOW) -> Float32s:
    """Contrast, homogeneity and correlation in a window around each pixel, [3, h, w].

    Mean over four directions of the statistics of all pairs of neighbours inside the window
    (Haralick 1973). Sums of integers are exact, so no order of summation can move a value.
    """
    return np.asarray(
        np.mean([_pair_statistics(greys, step, window) for step in DIRECTIONS], axis=0), np.float32
    )


def _pair_statistics(greys: Levels, step: tuple[int, int], window: int) -> Floats:
    """The three statistics for pairs one `step` apart, float64 [3, h, w]."""
    half = window // 2
    padded = _mirrored(greys, half).astype(np.int32)
    down, right = step
    start = max(0, -right)
    height, width = padded.shape[0] - down, padded.shape[1] - abs(right)
    a = padded[:height, start : start + width]
    b = padded[down:, start + right : start + right + width]
    rows, columns = window - down, window - abs(right)
    sums = _box(np.stack([a, b, a * a, b * b, a * b]), rows, columns).astype(np.float64)
    n = rows * columns
    mean_a, mean_b, square_a, square_b, product = sums / n
    gap = np.arange(GREYS)
    closeness = (1 / (1 + gap**2))[np.abs(a - b)]
    var_a, var_b = square_a - mean_a**2, square_b - mean_b**2
    flat = (var_a < 1e-6) | (var_b < 1e-6)
    spread = np.sqrt(np.where(flat, 1.0, var_a * var_b))
    return np.stack(
        [
            square_a + square_b - 2 * product,
            _box(closeness[None], rows, columns)[0] / n,
            np.where(flat, 1.0, (product - mean_a * mean_b) / spread),
        ]
    )


def _box(values: npt.NDArray[Any], rows: int, columns: int) -> npt.NDArray[Any]:
    """Sums over every rows x columns block of [k, h, w] that lies inside."""
    total = np.zeros((len(values), values.shape[1] + 1, values.shape[2] + 1), values.dtype)
    np.cumsum(values, axis=1, out=total[:, 1:, 1:])
    np.cumsum(total[:, 1:, 1:], axis=2, out=total[:, 1:, 1:])
    tall = total[:, rows:] - total[:, :-rows]
    return np.asarray(tall[:, :, columns:] - tall[:, :, :-columns])


def gabor(grey: Float32s) -> Float32s:
    """Amplitude of the wave of each frequency and angle, [12, h, w]; bandwidth one octave."""
    margin = 16
    padded = _mirrored(grey, margin)
    spectrum = scipy.fft.fft2(padded)
    waves = scipy.fft.ifft2(spectrum * _gabor_filters(padded.shape), overwrite_x=True)
    return np.asarray(np.abs(waves[:, margin:-margin, margin:-margin]), np.float32)


@lru_cache(maxsize=4)
def _gabor_filters(shape: tuple[int, int]) -> Float32s:
    """Transfer functions [12, h, w]: Gaussians in the frequency plane, 2 at their centre.

    A wave of amplitude 1 gives 1. The constant part and the frequency of half a cycle, which has
    no sign, pass nothing.
    """
    down, right = np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None]
    filters = []
    for frequency in FREQUENCIES:
        # half-power points one octave apart
        sigma = np.sqrt(np.log(2) / 2) / np.pi * 3 / frequency
        for angle in np.deg2rad(ANGLES):
            u, v = right - frequency * np.cos(angle), down - frequency * np.sin(angle)
            filters.append(2 * np.exp(-2 * (np.pi * sigma) ** 2 * (u**2 + v**2)))
    stack = np.stack(filters)
    stack[:, 0, 0] = 0
    stack[:, np.broadcast_to((down == -0.5) | (right == -0.5), shape)] = 0
    return stack.astype(np.float32)


def sobel(grey: Float32s) -> Float32s:
    """Slope per pixel, [h, w]."""
    down, right = (ndimage.sobel(grey, axis=axis, mode="reflect") for axis in (0, 1))
    return np.asarray(np.hypot(down, right) / np.float32(8), np.float32)


def local_entropy(greys: Levels, radius: int = ENTROPY_RADIUS) -> Float32s:
    """Entropy in bits of the grey levels in a disk around each pixel, [h, w]."""
    h, w = greys.shape
    padded = _mirrored(greys, radius)
    running = np.zeros((GREYS, h + 2 * radius, w + 2 * radius + 1), np.int16)
    np.cumsum(padded == np.arange(GREYS)[:, None, None], axis=2, out=running[:, :, 1:])
    counts = np.zeros((GREYS, h, w), np.int16)
    size = 0
    for offset in range(-radius, radius + 1):
        reach = int(np.sqrt(radius**2 - offset**2))
        rows = running[:, radius + offset : radius + offset + h]
        counts += rows[:, :, radius + reach + 1 : radius + reach + 1 + w]
        counts -= rows[:, :, radius - reach : radius - reach + w]
        size += 2 * reach + 1
    share = np.arange(1, size + 1) / size
    bits = np.append(0.0, -share * np.log2(share))
    return np.asarray(bits[counts].sum(axis=0), np.float32)


def _mirrored(image: npt.NDArray[Any], margin: int) -> npt.NDArray[Any]:
    """The image with mirrored edges: `numpy.pad` in mode "symmetric", without its overhead."""
    rows, columns = (_mirrored_places(n, margin) for n in image.shape)
    return np.asarray(image[rows][:, columns])


@lru_cache(maxsize=64)
def _mirrored_places(n: int, margin: int) -> Ints:
    return np.pad(np.arange(n), margin, mode="symmetric")


def body_mask(levels: Levels, air: int) -> npt.NDArray[np.bool_]:
    """The largest connected part brighter than `air`, [h, w]; everything when nothing is."""
    parts, n = ndimage.label(levels > air)
    if n == 0:
        return np.ones(levels.shape, np.bool_)
    return np.asarray(parts == 1 + np.bincount(parts.ravel())[1:].argmax())
