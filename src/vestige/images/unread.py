"""The ledger of a source: what became of each of its entries."""

from dataclasses import dataclass
from typing import Literal, get_args

from vestige.schema.records import Problem

FaultKind = Literal[
    "no image",
    "format not read",
    "damaged",
    "not judged",
    "not reached",
    "read in part",
    "hidden",
    "named as a document",
    "unknown content",
    "part of another file",
]
"""Why a file is unread; a part of another file is ignored."""
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
Ignored = Literal[
    "document", "hidden", "link to a folder read elsewhere", "not judged", "part of another file"
]


@dataclass(frozen=True)
class FileFault(Problem):
    """Why one listed file gave no image; its path is the id."""

    kind: FaultKind = "damaged"


def fault_of(identifier: str, what: str, kind: FaultKind) -> FileFault:
    """The row of a file; an error only where there was an image to read."""
    is_error = kind in ("damaged", "format not read", "not reached")
    return FileFault(identifier, what, "error" if is_error else "warning", kind)


@dataclass(frozen=True)
class Ledger:
    """What became of each entry of one source; all zero for an array, which has none.

    files : files listed, and files left out by their name that may be images all the same
    unread : those of them that gave no image, or only some of theirs
    first : id of the first of these, "" if there is none
    kinds : why they were not read, and how many of each
    left_aside : those of them that no reader knows or was given; a picture may be in each
    ignored : other entries, by the reason, and how many of each
    """

    files: int = 0
    unread: int = 0
    first: str = ""
    kinds: tuple[tuple[FaultKind, int], ...] = ()
    left_aside: int = 0
    ignored: tuple[tuple[Ignored, int], ...] = ()

    @property
    def read(self) -> int:
        """Files whose images were all read."""
        return self.files - self.unread

    @property
    def entries(self) -> int:
        """All entries of the source: read, unread or ignored."""
        return self.files + sum(count for _, count in self.ignored)

    @property
    def share(self) -> float:
        """Of the files, those that were not read, 0..1."""
        return self.unread / self.files if self.files else 0.0
