"""Trained models as safetensors with a JSON card beside them. Nothing is unpickled."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from vestige.choices import InputError
from vestige.files import write_together
from vestige.version import __version__

SCHEMA = 1


def write_model(
    path: str | os.PathLike[str],
    detector: str,
    options: Mapping[str, Any],
    tensors: Mapping[str, Any],
    figures: Mapping[str, Any],
) -> None:
    """Write tensors, arrays and numbers to MODEL.safetensors, then MODEL.json, the card."""
    target = _checked(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    # shared tensors are stored once each: safetensors refuses two names for one memory
    own = {k: torch.as_tensor(v).detach().cpu().contiguous().clone() for k, v in tensors.items()}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        save_file(own, partial)
        sha256 = _digest(partial)
        partial.replace(target)
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot write {target}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    card = {
        "schema": SCHEMA,
        "detector": detector,
        "options": dict(options),
        "figures": dict(figures),
        "vestige": __version__,
        "sha256": sha256,
    }
    text = json.dumps(card, indent=2, sort_keys=True) + "\n"
    write_together({target.with_suffix(".json"): text})


def read_model(
    path: str | os.PathLike[str], detector: str
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Tensor]]:
    """Options, figures and tensors of a model of that detector.

    Raises
    ------
    InputError
        Missing, damaged, of another detector, or changed after it was written.
    """
    target = _checked(path)
    side = target.with_suffix(".json")
    for file in (target, side):
        if not file.is_file():
            raise InputError(f"{file} not found: a model is a .safetensors and a .json file.")
    try:
        card = json.loads(side.read_text(encoding="utf-8"))
        found, options, figures = card["detector"], dict(card["options"]), dict(card["figures"])
        known, sha256 = card["schema"] == SCHEMA, card["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{side} is not the card of a model: train it again.") from error
    if found != detector or not known:
        raise InputError(f"{side} describes a model of {str(found)[:60]!r}, not of {detector!r}.")
    if _digest(target) != sha256:
        raise InputError(f"{target} is damaged or not the file {side.name} describes.")
    try:
        return options, figures, load_file(target)
    except SafetensorError as error:
        raise InputError(f"{target} is damaged: {error}") from error


def put(module: Any, tensors: Mapping[str, Tensor], prefix: str) -> None:
    """Load the tensors under `prefix` into a module."""
    own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    try:
        module.load_state_dict(own)
    except RuntimeError as error:
        raise InputError("the model does not fit its options: train it again.") from error


def _checked(path: str | os.PathLike[str]) -> Path:
    target = Path(path)
    if target.suffix != ".safetensors":
        raise InputError(f"a model is named *.safetensors, not {target.name}.")
    return target


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
