"""What the adapters share: samples that leave the training as it was, and a state to save."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from vestige.registry.entries import InputError
from vestige.registry.rules import Within
from vestige.watch.watch import FEWEST, Watch

Told = Mapping[str, float]
COUNT = Within(f"n {{}} is too small: a look needs {FEWEST} generated images or more.", FEWEST)
INTERVAL = Within("the interval {} is not a number of epochs, 1 or more.", least=1)


@dataclass(frozen=True)
class Looker:
    """How a loop looks at its model.

    Parameters
    ----------
    watch : Watch
    sample : callable
        ``sample(model, n)`` gives n generated images, as `Watch` takes them. It runs in evaluation
        mode, without gradients, and with random numbers of its own that the step decides.
    n : int
        Images of a look.
    interval : int
        Epochs from look to look.
    stop_when : callable, optional
        Takes what a look tells; True ends the training. None: nothing does.
    """

    watch: Watch
    sample: Callable[[Any, int], Any]
    n: int
    interval: int
    stop_when: Callable[[Told], bool] | None

    def __post_init__(self) -> None:
        if not callable(self.sample):
            raise InputError(
                "a look needs a sampler: give a function sample(model, n) that returns images."
            )
        if self.stop_when is not None and not callable(self.stop_when):
            raise InputError("stop_when must be a function of what a look tells, or None.")
        COUNT.check(self.n)
        INTERVAL.check(self.interval)

    def look(self, model: nn.Module, step: int) -> tuple[dict[str, float], bool]:
        """What the look at a step tells, and whether the training shall end."""
        seed = int(np.random.default_rng([self.watch.seed, step]).integers(2**31))
        with undisturbed(model, seed):
            images = self.sample(model, self.n)
        told = self.watch(images, step)
        return told, self.stop_when is not None and bool(self.stop_when(told))

    def state_dict(self) -> dict[str, Any]:
        """The looks so far."""
        return plain_state(self.watch)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from such a state."""
        self.watch.load_state_dict(state)


@contextmanager
def undisturbed(model: nn.Module, seed: int) -> Iterator[None]:
    """Evaluation mode, no gradients, random numbers of a seed; afterwards all is as it was."""
    modes = [(module, module.training) for module in model.modules()]
    devices = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda"})
    model.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def plain_state(watch: Watch) -> dict[str, Any]:
    """`Watch.state_dict` as torch saves and loads it without pickle (`weights_only=True`)."""
    return {
        name: value
        if isinstance(value, str)
        else value.tolist()
        if value.dtype.kind == "U"
        else torch.from_numpy(value)
        for name, value in watch.state_dict().items()
    }
