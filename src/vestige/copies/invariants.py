"""Numbers of an image that no mirroring, turn or inversion changes, and which images are blank."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from vestige.images.blank import are_blank
from vestige.images.kinds import in_grey
from vestige.symmetries import SYMMETRIES, Symmetry, seen_as
from vestige.types import Bools, Float32s, Floats, Images, Ints

_WAVES = ((0, 0), (0, 2), (2, 2), (0, 4), (2, 4), (4, 4))
"""Half periods of cosines down and across: even ones, so that mirroring keeps them."""
_THROUGH = 3
"""Cosines from slice to slice of a volume, whose order no symmetry changes."""
_ZONES = 5
PROBE_ROUNDING = 2.0**-12
"""Of a probe of 0..1, which is a number of half precision."""
_PROBED = 64
"""Pixels compared before the whole image is, eight for each place that no symmetry moves."""


@dataclass(frozen=True, eq=False)
class Summary:
    """Of n images: numbers [n, d], probes [n, 64, channels], spread [n] and blank [n].

    Small, since those of all generated images are held together: 180 bytes of a grey one.

    numbers : no symmetry and no inversion changes them, and none differs by more between two
        images than the most different of their pixels do
    probes : some pixels or voxels, to within `PROBE_ROUNDING`; `probe_order` says where a symmetry
        moves them
    spread : standard deviation of grey
    blank : whether the image says so little that those of two patients may be equal
    """

    numbers: Float32s
    probes: npt.NDArray[np.float16]
    spread: Floats
    blank: Bools

    def take(self, which: Bools | Ints) -> "Summary":
        """That of some images."""
        return Summary(
            self.numbers[which], self.probes[which], self.spread[which], self.blank[which]
        )


def joined(parts: Sequence[Summary]) -> Summary:
    """Summaries of one image or more each, one after another."""
    return Summary(
        np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.probes for part in parts]),
        np.concatenate([part.spread for part in parts]),
        np.concatenate([part.blank for part in parts]),
    )


def summary_of(images: Images) -> Summary:
    """What is compared first, of images of any kind, 0..1.

    Each number is a seminorm of the image minus mid-grey: the size of its sum with weights whose
    sizes add up to 1, or its root mean square over a zone. The weights are the same in all eight
    symmetries, which a volume shows slice by slice. A seminorm is the same for an image and its
    inverse, and by the triangle inequality it moves by no more than the largest change of a pixel.
    Colour images have the numbers of their luma, since its weights add up to 1 as well.
    """
    n, grey = len(images), in_grey(images)
    signed, zones = _weights(grey.shape[1:])
    flat = np.ascontiguousarray(grey, np.float32).reshape(n, -1)
    probes = np.asarray(images, np.float32).reshape(n, flat.shape[1], -1)
    centred = flat - np.float32(0.5)
    sums = (centred @ signed).astype(np.float64)
    energy = (np.square(centred, out=centred) @ zones).astype(np.float64)
    # the first weights of each kind are those of the plain mean
    spread = np.sqrt(np.maximum(energy[:, 0] - sums[:, 0] ** 2, 0))
    numbers = np.concatenate([np.abs(sums), np.sqrt(energy)], axis=1).astype(np.float32)
    halves: npt.NDArray[np.float16] = probes[:, _probe_places(grey.shape[1:])].astype(np.float16)
    return Summary(numbers, halves, spread, are_blank(grey, spread))


@lru_cache
def probe_order(shape: tuple[int, ...], symmetry: Symmetry) -> Ints:
    """Which probe of an image stands at each place once a symmetry shows it, int [64].

    `shape` is that of a grey image or of a volume.
    """
    places = _probe_places(shape)
    moved = seen_as(np.arange(math.prod(shape)).reshape(shape), symmetry).ravel()[places]
    first = np.argsort(places, kind="stable")
    return np.asarray(first[np.searchsorted(places[first], moved)], np.int64)


@lru_cache
def _weights(shape: tuple[int, ...]) -> tuple[Float32s, Float32s]:
    """Signed weights [pixels, 6] whose sizes add up to 1, and zones [pixels, 6] that do.

    Of volumes signed weights [voxels, 18], and zones that are the same in all slices.
    """
    size = shape[-1]
    at = (np.arange(size) + 0.5) / size
    wave = {k: np.cos(np.pi * k * at) for k in range(5)}
    signed = [np.outer(wave[a], wave[b]) + np.outer(wave[b], wave[a]) for a, b in _WAVES]
    # squares around the middle, of equal area
    away = np.maximum(np.abs(2 * at - 1)[:, None], np.abs(2 * at - 1)[None, :])
    zone = np.minimum((away**2 * _ZONES).astype(np.int64), _ZONES - 1)
    # a small image has no pixel in some of them
    zones = [np.ones((size, size)), *((zone == k).astype(np.float64) for k in np.unique(zone))]
    if len(shape) == 3:
        signed = [np.multiply.outer(wave[k], plane) for k in range(_THROUGH) for plane in signed]
        zones = [np.multiply.outer(wave[0], plane) for plane in zones]
    return _columns(signed), _columns(zones)


def _columns(weights: Sequence[Floats]) -> Float32s:
    scaled = [weight / np.abs(weight).sum() for weight in weights]
    return np.stack(scaled, axis=-1).reshape(-1, len(scaled)).astype(np.float32)


@lru_cache
def _probe_places(shape: tuple[int, ...]) -> Ints:
    """Pixels [64] that the symmetries move among themselves: eight orbits, away from the rim.

    Those of a volume lie in eight slices.
    """
    size = shape[-1]
    half = size // 2
    inner = [(i, j) for j in range(half) for i in range(j) if i >= half // 4] or [(0, half - 1)]
    orbits = _PROBED // len(SYMMETRIES)
    chosen = np.linspace(0, len(inner) - 1, orbits).round().astype(int)
    grid = np.arange(size * size).reshape(size, size)
    places = np.array([[int(seen_as(grid, s)[inner[k]]) for s in SYMMETRIES] for k in chosen])
    if len(shape) == 3:
        depths = np.linspace(half // 4, size - 1 - half // 4, orbits).round().astype(int)
        places += size * size * depths[:, np.newaxis]
    return places.ravel().astype(np.int64)
