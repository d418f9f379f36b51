"""Several DICOM files that are one volume, in the place of one path."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Series(os.PathLike[str]):
    """The files of one DICOM series in natural order; as a path it is the first of them."""

    paths: tuple[str, ...]

    def __fspath__(self) -> str:
        return self.paths[0]

    def __str__(self) -> str:
        return self.paths[0]


def paths_of(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The files that an entry of a listing stands for: of a series all, else the one."""
    return path.paths if isinstance(path, Series) else (os.fspath(path),)
