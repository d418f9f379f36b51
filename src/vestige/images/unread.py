"""How many files of a source were read, and why the others were not."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["no image", "damaged", "hidden", "named as a document"]


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
