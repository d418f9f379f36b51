"""Structural similarity of pairs of images as one tensor operation."""

import torch
from torch import Tensor

SIGMA, RADIUS = 1.5, 5
C1, C2 = 0.01**2, 0.03**2


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Mean structural similarity [n] of images [n, h, w], 0..1, pair by pair.

    Gaussian window of 11 x 11, sigma 1.5, population covariance, mean over the places where the
    window fits whole; on images of less than 11 px the largest odd window that fits. Source: Wang
    et al., IEEE TIP 2004, doi:10.1109/TIP.2003.819861; equals scikit-image's with
    gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.
    """
    rows, columns = (_blur(side, first) for side in first.shape[1:])
    maps = torch.stack([first, second, first**2, second**2, first * second])
    mean_a, mean_b, aa, bb, ab = rows @ maps @ columns.T
    covariance = 2 * (ab - mean_a * mean_b) + C2
    variances = aa - mean_a**2 + bb - mean_b**2 + C2
    likeness = (2 * mean_a * mean_b + C1) * covariance
    likeness = likeness / ((mean_a**2 + mean_b**2 + C1) * variances)
    return torch.as_tensor(likeness.mean(dim=(1, 2)))


def _blur(side: int, like: Tensor) -> Tensor:
    """The window along one axis as a matrix [places, side]."""
    radius = min(RADIUS, (side - 1) // 2)
    at = torch.arange(-radius, radius + 1, dtype=torch.float64)
    window = torch.exp(-(at**2) / (2 * SIGMA**2))
    window /= window.sum()
    places = side - 2 * radius
    matrix = torch.zeros(places, side, dtype=torch.float64)
    for place in range(places):
        matrix[place, place : place + 2 * radius + 1] = window
    return matrix.to(like)
