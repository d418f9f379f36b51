"""Options of protocols: addressed to a protocol, or to the detector that it runs."""

from collections.abc import Sequence

from vestige.protocols import PROTOCOLS
from vestige.scoring.plan import Options, parse_options


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
    return parse_options(texts, "PROTOCOL", detector_of)
