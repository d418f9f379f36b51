"""Trained detectors as safetensors with a JSON card beside them. Nothing is unpickled."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.files.regular import read_text
from vestige.files.strict_json import parse_json
from vestige.files.whole import SHARED, created, file_sha256
from vestige.registry.entries import InputError
from vestige.version import __version__

SCHEMA = 1
CARD_BYTES = 2**28
Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Card:
    """What MODEL.json says of MODEL.safetensors; names no patient, no image and no folder.

    Parameters
    ----------
    detector : str
        Its name in DETECTORS.
    options : mapping
        Of the detector. Of weights only the name of the file: the model holds what it needs.
    figures : mapping
        What the training took, and what held-out images said.
    training : mapping
        What it learned from, empty if nobody kept it; see `vestige.train`.
    sha256 : str
        Of MODEL.safetensors.
    vestige : str
        The version that wrote it.
    """

    detector: str
    options: Mapping[str, Any]
    figures: Mapping[str, Any]
    sha256: str
    training: Mapping[str, Any] = field(default_factory=dict)
    vestige: str = __version__
    schema: int = SCHEMA


def write_model(
    path: str | os.PathLike[str],
    detector: str,
    options: Mapping[str, Any],
    arrays: Arrays,
    figures: Mapping[str, Any],
    training: Mapping[str, Any] | None = None,
) -> None:
    """Write MODEL.safetensors and MODEL.json, both whole or neither.

    Raises
    ------
    InputError
        When they cannot be written.
    """
    target = model_path(path)
    if target.is_dir():
        raise InputError(f"cannot write {target}: it is a folder.")
    need_safetensors(detector)
    from safetensors.numpy import save

    card = target.with_suffix(".json")
    partial: dict[Path, Path] = {}
    begun = False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial |= {t: created(t, SHARED) for t in (target, card)}
        # C order without making scalars one-dimensional, which np.ascontiguousarray does
        own = {name: np.asarray(value, order="C") for name, value in arrays.items()}
        partial[target].write_bytes(save(own))  # save_file would hide it from the group
        found = Card(
            detector, _public(options), dict(figures), file_sha256(partial[target]),
            dict(training or {}),
        )  # fmt: skip
        text = json.dumps(asdict(found), indent=2, sort_keys=True) + "\n"
        partial[card].write_text(text, encoding="utf-8")
        card.unlink(missing_ok=True)  # an older card never stands beside newer weights
        begun = True
        partial[target].replace(target)
        partial[card].replace(card)
        begun = False
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        for leftover in [*partial.values(), *([target] if begun else [])]:
            leftover.unlink(missing_ok=True)


def read_model(
    path: str | os.PathLike[str], detector: str
) -> tuple[Card, dict[str, npt.NDArray[Any]]]:
    """Card and arrays of a model of that detector.

    Raises
    ------
    InputError
        Missing, damaged, of another detector, or changed after it was written.
    """
    card = read_card(path)
    target = model_path(path)
    if card.detector != detector:
        raise InputError(f"{target} holds a model of {card.detector!r}, not of {detector!r}.")
    need_safetensors(detector)
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return card, load_file(target)
    except SafetensorError as error:
        raise InputError(f"{target} is damaged: train it again.") from error


def read_card(path: str | os.PathLike[str]) -> Card:
    """The card of MODEL.safetensors, which is checked to be the file that the card describes."""
    target = model_path(path)
    side = target.with_suffix(".json")
    for file in (target, side):
        if not file.is_file():
            raise InputError(f"{file} not found: a model is a .safetensors and a .json file.")
    try:
        card = Card(**parse_json(read_text(side, CARD_BYTES)))
        parts = (card.options, card.figures, card.training)
        intact = all(isinstance(part, dict) for part in parts)
        intact &= isinstance(card.detector, str) and isinstance(card.sha256, str)
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{side} is not the card of a model: train it again.") from error
    if not intact or card.schema != SCHEMA:
        raise InputError(f"{side} is not the card of a model of this version: train it again.")
    if file_sha256(target) != card.sha256:
        raise InputError(f"{target} is damaged or not the file {side.name} describes.")
    return card


def model_path(path: str | os.PathLike[str]) -> Path:
    """The path, if it is named as a model is."""
    target = Path(path)
    if target.suffix != ".safetensors":
        raise InputError(f"a model is named *.safetensors, not {target.name}.")
    return target


def need_safetensors(detector: str) -> None:
    """One line for users without the extra."""
    try:
        import safetensors  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"models of {detector} are kept as safetensors: pip install 'vestige[deep]'."
        ) from error


def _public(options: Mapping[str, Any]) -> dict[str, Any]:
    """Without folders: they can hold names of people."""
    told = {k: Path(v).name if k.endswith("weights") else v for k, v in options.items()}
    return told | {"cache": None} if "cache" in told else told
