"""What the pair networks minimise (docs/methods.md 1.2, 1.4)."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vestige.types import Floats

EDGE = 1e-6  # cosines stay this far inside -1..1: the angle's gradient is infinite at the ends


def bce(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of logits [n] against labels 0 or 1 [n]."""
    return functional.binary_cross_entropy_with_logits(logits.float(), labels.float())


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of rows [n, d] and [n, d], float32 [n]; 0 where a row is zero."""
    a, b = (functional.normalize(rows.float(), dim=1) for rows in (a, b))
    return (a * b).sum(dim=1).clamp(-1 + EDGE, 1 - EDGE)


def angular(cosines: Tensor, labels: Tensor, margin: float = 0.2) -> Tensor:
    """Mean of y (1 - cos) + (1 - y) max(0, cos - margin), from cosines [n] and labels [n].

    Source: Kalinathan et al. 2026, doi:10.1038/s41598-026-57331-6, as quoted in docs/methods.md
    1.2.
    """
    labels = labels.float()
    return (labels * (1 - cosines) + (1 - labels) * (cosines - margin).clamp_min(0)).mean()


def info_nce(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Two views [n, d] of n images find each other in the batch, both ways (arXiv:1807.03748)."""
    first, second = (functional.normalize(view.float(), dim=1) for view in (first, second))
    likeness = first @ second.T / temperature
    own = torch.arange(len(first), device=first.device)
    forth = functional.cross_entropy(likeness, own)
    return (forth + functional.cross_entropy(likeness.T, own)) / 2


def contrastive_temperature(done: float, start: float = 0.07, end: float = 0.05) -> float:
    """Temperature when the share `done` (0..1) of the training is over: linear."""
    return end + (start - end) * (1 - done)


def fgsm_step(features: Tensor, gradient: Tensor, size: float) -> Tensor:
    """Features [..., d] moved by `size` per coordinate of their unit vector, up the gradient."""
    length = features.detach().norm(dim=-1, keepdim=True)
    moved: Tensor = features + size * length * gradient.detach().sign()
    return moved


def fit_temperature(logits: Floats, labels: Floats) -> float:
    """The T > 0 for which sigmoid(logit / T) has the least cross-entropy.

    T is kept within .05..20: on a fold that is told apart without error it would run off to 0.
    Source: Guo et al. 2017, arXiv:1706.04599.
    """
    from scipy.optimize import minimize_scalar

    sign = np.where(np.asarray(labels) > 0.5, 1.0, -1.0)

    def loss(log_t: float) -> float:
        return float(np.logaddexp(0.0, -sign * logits * np.exp(-log_t)).mean())

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return float(np.exp(found.x))


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Each of the 2n views [n, d], [n, d] finds its partner among all others; mean cross-entropy.

    Source: Chen et al. 2020, SimCLR, arXiv:2002.05709, equation 1.
    """
    n = len(first)
    rows = functional.normalize(torch.cat([first, second]).float(), dim=1)
    likeness = rows @ rows.T / temperature
    likeness = likeness.masked_fill(
        torch.eye(2 * n, dtype=torch.bool, device=rows.device), -torch.inf
    )
    partner = (torch.arange(2 * n, device=rows.device) + n) % (2 * n)
    return functional.cross_entropy(likeness, partner)
