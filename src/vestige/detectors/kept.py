"""Scores kept in the cache, so that a killed audit does not compute a column twice."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vestige.packages import installed
from vestige.store import Entry, Shelf, open_shelf
from vestige.types import Floats
from vestige.version import __version__

if TYPE_CHECKING:
    import os

    from vestige.detectors.columns import Column

FORMAT = 2
COMPUTED_BY = ("numpy", "scipy", "scikit-image", "PyWavelets", "scikit-learn", "torch", "timm")


@dataclass(frozen=True)
class KeptScores:
    """Scores [n] of columns for one question: everything but the column that determines them."""

    shelf: Shelf
    question: str

    def find(self, column: "Column") -> Floats | None:
        """The scores of a column, None where they are not kept."""
        entry = self.shelf.find([key := self._key(column)]).get(key)
        return None if entry is None else np.array(entry.rows[0], np.float64)

    def keep(self, column: "Column", scores: Floats) -> None:
        """Keep the scores of a column."""
        self.shelf.keep([Entry(self._key(column), scores[np.newaxis])])

    def about(self, *more: str) -> "KeptScores":
        """The same for a question that has something more to it."""
        return KeptScores(self.shelf, repr((self.question, more)))

    def _key(self, column: "Column") -> str:
        own = (column.detector, sorted(column.options.items()), column.pool, column.learns)
        return hashlib.sha256(repr((self.question, own)).encode()).hexdigest()


def open_kept_scores(folder: "str | os.PathLike[str]", question: str) -> KeptScores:
    """What the cache folder has for a question."""
    told = repr(("scores", FORMAT, __version__, installed(*COMPUTED_BY)))
    return KeptScores(open_shelf(folder, told), question)
