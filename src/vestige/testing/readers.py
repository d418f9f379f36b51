"""The contract of readers of image files: rules R1 to R4."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.images.frame import Frame
from vestige.images.readers import Reader
from vestige.registry.contract import ContractError, no_other_error, require
from vestige.registry.origin import name_of, thing
from vestige.testing.phantoms import phantoms

Write = Callable[[Path, npt.NDArray[np.uint8]], object]
"""Writes one grey picture, uint8 [h, w], to a file."""


def check_reader(
    reader: Reader,
    write: Write,
    *,
    suffix: str,
    name: str | None = None,
    tolerance: float = 0.0,
) -> None:
    """Check rules R1 to R4 on a phantom image of 48 x 64 pixels.

    Parameters
    ----------
    reader : callable
        (path, window) -> list of `vestige.images.frame.Frame`.
    write : callable
        Writes a picture in the format: (path, uint8 [h, w]).
    suffix : str
        Of the files, such as ".png".
    name : str, optional
        What messages call it; default: the name of the function.
    tolerance : float
        Largest difference of a grey level in 0..1 between the picture and what is read; more than
        0 for formats that lose some.

    Raises
    ------
    ContractError
        Names the reader and the first rule that it breaks.
    """
    what = thing("reader", name or name_of(reader))
    picture = np.rint(phantoms(1, np.random.default_rng(0), 64)[0, 8:56] * 255).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"picture{suffix}"
        write(path, picture)
        stored = path.read_bytes()
        frames = _read(reader, path, what)
        pixels = frames[0].pixels
        right = pixels.shape == picture.shape
        require(right, what, "R2", f"it gave {list(pixels.shape)} for {list(picture.shape)}")
        worst = float(np.abs(pixels - picture / np.float32(255)).max())
        require(worst <= tolerance + 1e-6, what, "R2", f"a level is {worst:.3f} from the picture")
        again = _read(reader, path, what)
        same = len(again) == len(frames) and all(
            np.array_equal(one.stored, other.stored)
            for one, other in zip(frames, again, strict=True)
        )
        require(same, what, "R3", "reading twice gave two pictures")
        require(path.read_bytes() == stored, what, "R3", "it changed the file")
        for damaged in (b"", stored[: len(stored) // 2], stored[:20], b"no image" * 20):
            _survives(reader, path, damaged, what)


def _read(reader: Reader, path: Path, what: str) -> list[Frame]:
    with no_other_error(what, "R1"):
        frames = reader(path, None)
    _check_form(frames, what)
    return frames


def _check_form(frames: Any, what: str) -> None:
    whole = isinstance(frames, list) and all(isinstance(frame, Frame) for frame in frames)
    require(whole and len(frames) > 0, what, "R1", f"it gave {frames!r:.60}")
    for frame in frames:
        found = f"it stored {frame.stored.dtype} {list(frame.stored.shape)}"
        kind = frame.stored.dtype in (np.uint8, np.uint16, np.float32)
        require(kind and frame.stored.ndim == 2, what, "R1", found)
        pixels = frame.pixels
        inside = bool(pixels.size and pixels.min() >= 0 and pixels.max() <= 1)  # false for NaN
        require(inside, what, "R1", "grey levels do not lie in 0..1")


def _survives(reader: Reader, path: Path, damaged: bytes, what: str) -> None:
    """A damaged file is refused with an exception, or read as some picture."""
    path.write_bytes(damaged)
    try:
        frames = reader(path, None)
    except Exception:
        return
    except BaseException as error:
        raise ContractError(what, "R4", f"it raised {type(error).__name__}") from error
    if frames:
        _check_form(frames, what)
