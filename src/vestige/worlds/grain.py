"""Random fields: smooth texture of tissue, and the noise of a reconstruction."""

import functools
import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from vestige.types import Float32s

Spectrum: TypeAlias = npt.NDArray[np.complex64]


def field(
    rng: np.random.Generator, size: int, pixel: float, scale: float, phase: float
) -> Float32s:
    """Smooth Gaussian texture of unit variance, float32 [size, size].

    `scale` is the standard deviation of its blob in mm. `phase` (radians) turns one field slowly
    into another, so that neighbouring slices look alike.
    """
    one, other = _white(rng, size), _white(rng, size)
    spectrum = math.cos(phase) * one + math.sin(phase) * other
    row, column = _frequencies(size)
    sharp = -2 * (math.pi * scale / pixel) ** 2
    return _unit(spectrum * (np.exp(sharp * row**2) * np.exp(sharp * column**2)), size)


def reconstruction_noise(rng: np.random.Generator, size: int, softness: float) -> Float32s:
    """Noise of filtered back-projection, unit variance, float32 [size, size].

    The ramp filter removes its low frequencies, the kernel (`softness`, pixels) its high ones.
    """
    row, column = _frequencies(size)
    square = row**2 + column**2
    response = np.sqrt(np.sqrt(square)) * np.exp(-2 * (math.pi * softness) ** 2 * square)
    return _unit(_white(rng, size) * response, size)


def streaks(rng: np.random.Generator, size: int) -> Float32s:
    """Streaks from side to side, as shoulders cause them; unit variance, float32 [size, size]."""
    row, column = _frequencies(size)
    response = np.exp(-((column * size / 5) ** 2)) * np.abs(row) * np.exp(-((row / 0.25) ** 2))
    return _unit(_white(rng, size) * response, size)


def _white(rng: np.random.Generator, size: int) -> Spectrum:
    pairs = rng.standard_normal((size, size // 2 + 1, 2), np.float32)
    return pairs.view(np.complex64)[..., 0]


def _unit(spectrum: Spectrum, size: int) -> Float32s:
    out = np.fft.irfft2(spectrum, s=(size, size))
    return np.asarray(out / out.std(), np.float32)


@functools.lru_cache(maxsize=8)
def _frequencies(size: int) -> tuple[Float32s, Float32s]:
    row = np.fft.fftfreq(size).astype(np.float32)[:, None]
    return row, np.fft.rfftfreq(size).astype(np.float32)[None, :]
