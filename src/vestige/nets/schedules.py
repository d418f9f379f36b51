"""How learning rate and weight decay go with the share of the training that is done (0..1)."""

import math


def cosine_rate(done: float, start: float = 1e-4, end: float = 5e-6) -> float:
    """Learning rate: half a cosine from `start` down to `end` (docs/methods.md 1.4 d6)."""
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


def linear_decay(done: float, start: float = 1e-4, end: float = 1e-3) -> float:
    """Weight decay: grows in a straight line (docs/methods.md 1.4 d6)."""
    return start + (end - start) * done
