"""Chance that repeats: torch's global generator, borrowed and given back."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import torch

_ONE_AT_A_TIME = RLock()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, weights and dropout are drawn from `seed`; afterwards chance goes on as before.

    Detectors may be fitted in threads side by side, and all share the one generator: the lock
    keeps a second network from drawing in between.
    """
    with _ONE_AT_A_TIME, torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
