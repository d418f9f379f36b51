"""Networks as arrays by name, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vestige.registry.entries import InputError

Arrays = Mapping[str, npt.NDArray[Any]]


def state(module: Any, prefix: str) -> dict[str, npt.NDArray[Any]]:
    """The state dict of a module as arrays, their names after `prefix`."""
    return {
        prefix + name: np.array(value.detach().cpu().contiguous().numpy())
        for name, value in module.state_dict().items()
    }


def load_state(module: Any, arrays: Arrays, prefix: str) -> None:
    """Load what `state` gave into a module of the same shape.

    Raises
    ------
    InputError
        When a name or a shape differs.
    """
    own = {k.removeprefix(prefix): tensor(v) for k, v in arrays.items() if k.startswith(prefix)}
    try:
        module.load_state_dict(own)
    except RuntimeError as error:
        raise InputError("the model does not fit its options: train it again.") from error


def tensor(array: npt.NDArray[Any]) -> Tensor:
    """The array as a tensor on the CPU."""
    return torch.from_numpy(array)
