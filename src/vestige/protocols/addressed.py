"""Options of protocols: addressed to a protocol, or to the detector that it runs."""

from collections.abc import Sequence
from typing import Any

from vestige.detectors.plugins import find_detector
from vestige.protocols import PROTOCOLS
from vestige.registry.entries import InputError, create
from vestige.registry.options import split_options, typed_options
from vestige.scoring.plan import Options


def detector_of(owner: str) -> str:
    """The detector of a protocol; any other name is one itself."""
    return PROTOCOLS[owner].factory().detector if owner in PROTOCOLS else owner


def parse_protocol_options(texts: Sequence[str]) -> Options:
    """Texts such as "scope.epochs=3" or "siamese.epochs=3" in the types that the detectors declare.

    Returns
    -------
    protocol or detector -> its options

    Raises
    ------
    InputError
        For an unknown name or option, and for a value of another type.
    """
    given: dict[str, dict[str, str]] = {}
    for option, value in split_options(texts).items():
        owner, dot, name = option.partition(".")
        if not dot:
            raise InputError(f"--option takes PROTOCOL.NAME=VALUE, not {option!r}.")
        given.setdefault(owner, {})[name] = value
    found: dict[str, dict[str, Any]] = {}
    for owner, own in given.items():
        detector = detector_of(owner)
        made = create({detector: find_detector(detector)}, detector, "detector")
        found[owner] = typed_options(made, own, "detector", detector)
    return found
