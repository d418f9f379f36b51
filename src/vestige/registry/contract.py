"""What detectors, generators and readers promise, rule by rule, and the error that names a rule.

Each rule stands here once: `vestige.testing` checks them all, an audit checks those that it can
see while it runs plug-ins, and the documentation lists them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from vestige.registry.entries import InputError

RULES = {
    "D1": "it is a dataclass with fit and score_samples that can be imported, and its fields are "
    "its options, all with defaults",
    "D2": "fit(generated, used, unused) returns the detector, and nothing raises another error "
    "than InputError, or RuntimeError before fit",
    "D3": "a score is one finite float64 per image, shape [n]",
    "D4": "score_samples does not depend on the order or on the number of the other images",
    "D5": "score_pool does not depend on the order of the images or on the names of their groups",
    "D6": "the order of the generated, unused and used images does not matter",
    "D7": "the same input gives the same bytes",
    "D8": "fit forgets an earlier fit, and looks at used images only if it learns from labels",
    "D9": "the images that it is given stay as they are",
    "D10": "making it only stores the options: equal options are equal detectors before and after "
    "fit, and a pickled copy gives the same scores",
    "D11": "images of another size, arrays that are no images, missing labels and scores before "
    "fit are refused",
    "D12": "a higher score means more likely used: copied images score higher than others, and "
    "where nothing was copied neither side does",
    "G1": "it is a dataclass with fit, sample and figures that can be imported, and its fields "
    "are its options, all with defaults",
    "G2": "fit(images, seed, strangers=, folder=, progress=) returns the generator, and nothing "
    "raises another error than InputError",
    "G3": "sample(m, seed) gives m images of the shape of the training images, float32, finite, "
    "in 0..1",
    "G4": "the seeds of fit and sample determine the images to the byte, and another seed of "
    "sample gives other images",
    "G5": "the images that it is given stay as they are",
    "G6": "figures holds finite numbers and texts by name",
    "G7": "a pickled copy samples the same images",
    "R1": "reader(path, window) gives a list of at least one Frame, each uint8, uint16 or float32 "
    "[h, w] with grey levels in 0..1",
    "R2": "the picture that was written is the picture that is read",
    "R3": "reading twice gives the same picture, and the file stays as it is",
    "R4": "a damaged or empty file ends in an exception or in images that keep rule R1",
}


class ContractError(InputError):
    """Something does not keep the contract of its kind.

    Parameters
    ----------
    thing : str
        What it is, as a user knows it: "detector 'mine' of some-package 1.0".
    rule : str
        The number of the broken rule in `RULES`.
    found : str
        What was found instead.
    """

    def __init__(self, thing: str, rule: str, found: str) -> None:
        super().__init__(f"{thing} breaks rule {rule} of its contract ({RULES[rule]}): {found}.")
        self.thing, self.rule, self.found = thing, rule, found

    def __reduce__(self) -> tuple[type["ContractError"], tuple[str, str, str]]:
        return type(self), (self.thing, self.rule, self.found)


def require(holds: bool, thing: str, rule: str, found: str) -> None:
    """Raise a ContractError unless the rule holds."""
    if not holds:
        raise ContractError(thing, rule, found)


@contextmanager
def no_other_error(thing: str, rule: str) -> Iterator[None]:
    """Turn any error but an InputError into one line that names the rule."""
    try:
        yield
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # a plug-in may not end the program either
        raise ContractError(thing, rule, shown(error)) from error


def shown(error: BaseException) -> str:
    """The type of an error and its message, on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".rstrip(": .")
