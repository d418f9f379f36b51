"""Matrix products by torch on a device, in whole single or double precision."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import ref

import numpy as np
import torch
from torch import Tensor

from vestige.products.product import Matrix
from vestige.registry.entries import InputError

HELD_BYTES = 2**31
"""What stays takes no more of the device, unless it is one array."""
PROBE = 64
"""Side of the first product, which is known."""
Place = tuple[int, tuple[int, ...], tuple[int, ...]]
"""Of a part in an array: offset, shape and strides in bytes."""


class OnDevice:
    """Makes products (`vestige.products.product.Maker`); may be asked by many threads at once.

    An array that stays is known by its identity, and is let go with the array itself.
    """

    def __init__(self, device: torch.device) -> None:
        self.name = device.type
        self._device = device
        self._held: dict[int, tuple[ref[Matrix], dict[Place, Tensor]]] = {}

    def product(self, left: Matrix, right: Matrix, stays: Matrix | None) -> Matrix:
        """Left [n, d] times right [d, m] -> [n, m].

        Raises
        ------
        InputError
            When the memory of the device is full, or the device fails.
        """
        try:
            return self._product(left, right, stays)
        except torch.OutOfMemoryError as error:
            raise _full() from error
        except torch.AcceleratorError as error:
            raise InputError(
                f"the CUDA device failed ({_first_line(error)}): start again, or choose "
                "--engine local."
            ) from error

    def check(self) -> None:
        """Refuse a device that cannot compute, or rounds more than single precision does.

        The exact searches rest on that (`vestige.stats.top`).

        Raises
        ------
        InputError
        """
        numbers = np.random.default_rng(0).random((PROBE, PROBE), np.float32) + 1
        try:
            found = self._product(numbers, np.eye(PROBE, dtype=np.float32), None)
        except torch.OutOfMemoryError as error:
            raise _full() from error
        except RuntimeError as error:
            raise InputError(
                f"torch {torch.__version__} cannot compute on the CUDA device "
                f"({_first_line(error)}): install a torch that is built for it, or choose "
                "--engine local."
            ) from error
        if not np.array_equal(found, numbers):
            raise InputError(
                "the CUDA device multiplies in less than single precision: take settings such as "
                "NVIDIA_TF32_OVERRIDE out of the environment, or choose --engine local."
            )

    def release(self) -> None:
        """Let go of all that stays."""
        self._held.clear()
        torch.cuda.empty_cache()  # nothing where CUDA was not used

    def _product(self, left: Matrix, right: Matrix, stays: Matrix | None) -> Matrix:
        one, other = self._sent(left, stays), self._sent(right, stays)
        kind = torch.promote_types(one.dtype, other.dtype)
        return np.asarray(torch.matmul(one.to(kind), other.to(kind)).cpu().numpy())

    def _sent(self, part: Matrix, stays: Matrix | None) -> Tensor:
        if stays is None or not np.may_share_memory(part, stays):
            return self._copied(part)
        key = id(stays)
        known = self._held.get(key)
        if known is None:
            # no lock: an array may be dropped, and its copies with it, at any moment
            known = self._held[key] = ref(stays, lambda _: self._held.pop(key, None)), {}
        place: Place = (_address(part) - _address(stays), part.shape, part.strides)
        tensor = known[1].get(place)
        if tensor is None:
            tensor = known[1][place] = self._copied(part)
            self._make_room(key)
        return tensor

    def _copied(self, part: Matrix) -> Tensor:
        return torch.asarray(part, device=self._device, copy=True)

    def _make_room(self, key: int) -> None:
        """Let go of what came first, but for what is asked for now."""
        sizes = {k: _bytes(tensors) for k, (_, tensors) in tuple(self._held.items())}
        for other in [k for k in sizes if k != key]:
            if sum(sizes.values()) <= HELD_BYTES:
                return
            del sizes[other]
            self._held.pop(other, None)


@contextmanager
def open_device(name: str) -> Iterator[OnDevice]:
    """The device that torch calls so: "cuda", "cuda:1"; "cpu" for tests.

    Within this torch multiplies single precision as such, on every device and in all threads.

    Raises
    ------
    InputError
        When it is not there, or does not compute as it should.
    """
    device = torch.device(name)
    if device.type == "cuda":
        _find(device)
    maker, settings = OnDevice(device), torch.backends.cuda.matmul
    before = settings.fp32_precision
    settings.fp32_precision = "ieee"
    try:
        maker.check()
        yield maker
    finally:
        settings.fp32_precision = before
        maker.release()


def _find(device: torch.device) -> None:
    with warnings.catch_warnings():  # an old driver is warned of, and said below
        warnings.simplefilter("ignore")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        raise InputError(
            f"engine cuda finds no CUDA device that torch {torch.__version__} can use: it needs an "
            "NVIDIA GPU, a driver as new as this torch asks for, and a torch built for CUDA. Or "
            "choose --engine local."
        )
    if device.index is not None and device.index >= count:
        raise InputError(
            f"engine cuda:N needs the number of a device from 0 to {count - 1}, not {device.index}."
        )


def _full() -> InputError:
    return InputError(
        "the memory of the CUDA device is full: end what else uses it, or choose --engine local."
    )


def _bytes(tensors: dict[Place, Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tuple(tensors.values()))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__


def _address(array: Matrix) -> int:
    return int(array.__array_interface__["data"][0])
