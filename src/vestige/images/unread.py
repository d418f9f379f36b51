"""How many files of a source were read, and why the others were not."""

from dataclasses import dataclass
from typing import Literal, get_args

from vestige.schema.records import Problem

Kind = Literal[
    "no image",
    "format not read",
    "damaged",
    "not judged",
    "hidden",
    "named as a document",
    "part of another file",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class FileFault(Problem):
    """Why one listed file gave no image; its path is the id."""

    kind: Kind = "damaged"


def fault_of(identifier: str, what: str, kind: Kind) -> FileFault:
    """The row of a file; an error only where there was an image to read."""
    is_error = kind in ("damaged", "format not read")
    return FileFault(identifier, what, "error" if is_error else "warning", kind)


@dataclass(frozen=True)
class FilesRead:
    """Files of one source; all zero for an array, which has none.

    files : files listed, and files left out by their name whose content is an image
    unread : those of them that gave no image
    first : id of the first of these, "" if there is none
    kinds : why they were not read, and how many of each
    """

    files: int = 0
    unread: int = 0
    first: str = ""
    kinds: tuple[tuple[Kind, int], ...] = ()

    @property
    def read(self) -> int:
        """Files that gave at least one image."""
        return self.files - self.unread

    @property
    def share(self) -> float:
        """Of the files, those that were not read, 0..1."""
        return self.unread / self.files if self.files else 0.0
