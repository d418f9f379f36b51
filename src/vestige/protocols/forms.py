"""A detector in its published and in its default form, and the networks it runs with."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vestige.detectors import DETECTORS
from vestige.files.whole import file_sha256
from vestige.registry.entries import InputError, create
from vestige.scoring.plan import weights_missing

NETWORKS = {"backbone": "weights", "backbones": "weights", "cnn": "weights", "vit": "vit_weights"}
"""Option that names a network -> option that names its weights."""
Options = Mapping[str, Any]


def default_form(name: str, options: Options) -> Any:
    """The detector as we would run it, unfitted; the user's options on top."""
    return create(DETECTORS, name, "detector", **options)


def published_form(name: str, options: Options) -> Any:
    """The detector as its paper ran it, unfitted; the user's options on top."""
    made = default_form(name, options)
    paper = getattr(type(made), "paper", None)
    return made if paper is None else paper(**options)


def changed_options(name: str, made: Any) -> dict[str, Any]:
    """The options of `made` that differ from the detector's defaults."""
    plain = create(DETECTORS, name, "detector")
    told = {f.name: getattr(made, f.name) for f in fields(made) if f.init}
    return {option: value for option, value in told.items() if value != getattr(plain, option)}


def check_form(system: str, name: str, made: Any) -> None:
    """Refuse what cannot run, before hours of work.

    Raises
    ------
    InputError
        No torch, or weights that are not named or not there.
    """
    if DETECTORS[name].extra == "deep" and find_spec("torch") is None:
        raise InputError(f"{system} needs torch and torchvision: pip install 'vestige[deep]'.")
    for option in weights_missing(DETECTORS[name], made):
        raise InputError(
            f"{system} needs the weights of its network: --option {name}.{option}=FILE "
            f"(safetensors or a state dict), or {name}.{option}=imagenet to download them."
        )
    networks(made)  # reads the files


def networks(made: Any) -> tuple[str, ...]:
    """Its networks with their weights, in words; random weights are called so.

    Raises
    ------
    InputError
        When a file of weights cannot be read.
    """
    pairs = [
        pair
        for network, weights in NETWORKS.items()
        if hasattr(made, network)
        for pair in zip(_named(made, network), _named(made, weights), strict=False)
    ]
    return tuple(f"{network}, {_weights(weights, made.seed)}" for network, weights in pairs)


def _named(made: Any, option: str) -> Sequence[str]:
    value: str | Sequence[str] = getattr(made, option)
    return [value] if isinstance(value, str) else value


def _weights(weights: str, seed: int) -> str:
    known = {"none": f"random weights (seed {seed})", "imagenet": "ImageNet weights (downloaded)"}
    if weights in known:
        return known[weights]
    return f"weights {Path(weights).name} (sha256 {file_sha256(weights)[:12]})"
