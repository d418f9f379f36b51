"""A map laid over the image that it is about, in colours that everybody tells apart."""

import numpy as np

from vestige.images.kinds import luma_of
from vestige.types import Float32s

LOW = np.array([0.0, 0.447, 0.698], np.float32)
HIGH = np.array([0.941, 0.894, 0.259], np.float32)
"""Blue and yellow of Okabe and Ito (2008): they differ in brightness as well as in colour."""
OPAQUE = 0.8
"""How much of the image the strongest place covers."""
DIMMED = 0.75
"""Brightness of the image below, so that yellow is seen on white."""


def enlarged(places: Float32s, side: int) -> Float32s:
    """A map [s, s] or [s, s, s] at another side, by interpolation between the middles of places."""
    at = (np.arange(side) + 0.5) * len(places) / side - 0.5
    numbers = np.arange(len(places))
    weights = np.array([np.interp(at, numbers, one) for one in np.eye(len(places))], np.float32)
    for k in range(places.ndim):
        places = np.moveaxis(np.moveaxis(places, k, -1) @ weights, -1, k)
    return np.asarray(places)


def laid_over(picture: Float32s, places: Float32s) -> Float32s:
    """A picture [h, w] or [h, w, 3] in grey, with a map [h, w] in 0..1 over it in colour.

    Returns
    -------
    float32 [h, w, 3]
        Nothing over the image where the map is 0; from blue to yellow where it is larger.
    """
    grey = luma_of(picture) if picture.ndim == 3 else picture
    strength = np.clip(places, 0, 1)[..., np.newaxis]
    tint = LOW + (HIGH - LOW) * strength
    cover = np.float32(OPAQUE) * np.sqrt(strength)
    below = np.float32(DIMMED) * grey[..., np.newaxis]
    return np.asarray((1 - cover) * below + cover * tint, np.float32)
