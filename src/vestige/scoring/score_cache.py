"""What an audit computed, kept in the cache: a killed one goes on, a second one is quick."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from vestige.cache.shelves import Entry, Shelf, open_shelf
from vestige.packages import installed, source_sha256
from vestige.schema.decode import decode
from vestige.types import Floats

if TYPE_CHECKING:
    import os

    from vestige.scoring.plan import Column

T = TypeVar("T")
FORMAT = 4
COMPUTED_BY = ("numpy", "scipy", "PyWavelets", "torch", "timm")


@dataclass(frozen=True)
class KeptScores:
    """What was computed for one question: all that determines it, but for the column or name."""

    shelf: Shelf
    question: str

    def find(self, column: "Column") -> Floats | None:
        """The scores of a column, None where they are not kept."""
        return self.array(name_of(column))

    def keep(self, column: "Column", scores: Floats) -> None:
        """Keep the scores of a column."""
        self.keep_array(name_of(column), scores)

    def about(self, *more: str) -> "KeptScores":
        """The same for a question that has something more to it."""
        return KeptScores(self.shelf, repr((self.question, more)))

    def array(self, name: str) -> npt.NDArray[Any] | None:
        """What was kept by this name."""
        entry = self.shelf.find([key := self._digest(name)]).get(key)
        return None if entry is None else np.array(entry.rows[0])

    def keep_array(self, name: str, array: npt.NDArray[Any]) -> None:
        """Keep an array that the question and the name determine."""
        self.shelf.keep([Entry(self._digest(name), array[np.newaxis])])

    def sealed(self, name: str, content: bytes) -> bytes:
        """Bytes that only who asks the same question can read; sealed again they are themselves.

        Rows of a result may name files and patients. The seal cannot be had from the key of an
        entry.
        """
        asked = ("seal", self.question, name)
        seal = hashlib.shake_256(repr(asked).encode("utf-8", "surrogateescape"))
        mask = np.frombuffer(seal.digest(len(content)), np.uint8)
        return (np.frombuffer(content, np.uint8) ^ mask).tobytes()

    def _digest(self, name: str) -> str:
        return hashlib.sha256(repr((self.question, name)).encode()).hexdigest()


def name_of(column: "Column") -> str:
    """What determines the scores of a column beside the question."""
    return repr((column.detector, sorted(column.options.items()), column.pool, column.learns))


def open_kept_scores(folder: "str | os.PathLike[str]", question: str) -> KeptScores:
    """What the cache folder has for a question."""
    told = repr(("scores", FORMAT, source_sha256(), installed(*COMPUTED_BY)))
    return KeptScores(open_shelf(folder, told), question)


def array_of(
    kept: KeptScores | None, name: str, make: Callable[[], npt.NDArray[Any]]
) -> npt.NDArray[Any]:
    """An array that the question and the name determine: kept, or made now."""
    found = None if kept is None else kept.array(name)
    if found is None:
        found = make()
        if kept is not None:
            kept.keep_array(name, found)
    return found


def rows_of(
    kept: KeptScores | None, kind: type[T], name: str, make: Callable[[], tuple[T, ...]]
) -> tuple[T, ...]:
    """The same for rows of a result, such as checks; `kind` is their dataclass."""
    if kept is None:
        return make()

    def told() -> npt.NDArray[Any]:
        text = json.dumps([asdict(row) for row in make()])  # type: ignore[call-overload]
        return np.frombuffer(kept.sealed(name, text.encode()), np.uint8)

    rows = json.loads(kept.sealed(name, array_of(kept, name, told).tobytes()))
    return tuple(decode(kind, row, name) for row in rows)
