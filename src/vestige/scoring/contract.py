"""What an audit sees of the contract of a detector that is no part of vestige, while it scores."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.images.kinds import grey_only
from vestige.registry.contract import no_other_error, require
from vestige.registry.origin import thing
from vestige.scoring.plan import Column
from vestige.types import Floats, Images

MOST_AGAIN = 16
"""Images scored again in another order and number, where each is scored by itself."""
TOLERANCE = 1e-5
"""Relative to the largest score: what another order of float32 sums can do."""


def same_scores(found: Floats, wanted: Floats) -> bool:
    """Whether scores are equal up to what another order of float32 sums can do."""
    scale = max(float(np.abs(wanted).max(initial=0)), 1e-6)
    return np.allclose(found, wanted, rtol=TOLERANCE, atol=TOLERANCE * scale)


def form_of(scores: Any) -> str:
    """The type and shape of what should be scores, for messages."""
    if not isinstance(scores, np.ndarray):
        return f"it gave a {type(scores).__name__}"
    return f"it gave {scores.dtype} {list(scores.shape)}"


def is_scores(scores: Any, n: int) -> bool:
    """Whether this is float64 [n]."""
    right = isinstance(scores, np.ndarray) and scores.dtype == np.float64
    return right and scores.shape == (n,)


class Watched:
    """One column under the contract; detectors of vestige itself are tested and not watched."""

    def __init__(self, column: Column) -> None:
        origin = column.choice.origin
        self.foreign, self.takes = origin is not None, column.choice.takes
        self.what = thing("detector", column.name, origin)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Name the contract when a foreign detector raises an error that is no InputError."""
        if not self.foreign:
            yield
            return
        with no_other_error(self.what, "D2"):
            yield

    def lend(self, array: npt.NDArray[Any] | None) -> Any:
        """The same images, which a foreign detector cannot change; of colour what it takes."""
        if array is None:
            return None
        if self.takes == "grey":
            array = grey_only(array)
        if not self.foreign:
            return array
        lent = np.asarray(array).view()
        lent.flags.writeable = False
        return lent

    def fitted(self, made: Any, detector: Any) -> None:
        """Check what `fit` returned."""
        if self.foreign:
            require(made is detector, self.what, "D2", "fit returned something else")

    def form(self, scores: Any, n: int) -> Floats:
        """The scores, which are finite float64 [n]."""
        if self.foreign:
            require(is_scores(scores, n), self.what, "D3", form_of(scores))
            lost = int((~np.isfinite(scores)).sum())
            require(lost == 0, self.what, "D3", f"{lost} of {n} scores are not finite")
        found: Floats = scores
        return found

    def order(self, score: Callable[[Images], Any], images: Images, scores: Floats) -> None:
        """Score a few of the images again by themselves, backwards."""
        if self.foreign:
            few = self.lend(images[:MOST_AGAIN][::-1])
            again = self.form(score(few), len(few))
            same = same_scores(again[::-1], scores[:MOST_AGAIN])
            require(same, self.what, "D4", "scored again by themselves, images score otherwise")

    def order_of_bag(
        self, score: Callable[..., Any], images: Images, groups: npt.NDArray[Any], scores: Floats
    ) -> None:
        """Score the whole cohort again, backwards."""
        if self.foreign:
            again = self.form(score(self.lend(images[::-1]), groups[::-1]), len(images))
            same = same_scores(again[::-1], scores)
            require(same, self.what, "D5", "in the reverse order, images score otherwise")
