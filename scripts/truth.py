"""Compare what vestige reads with what other libraries decode: truth.py FOLDER... [--table FILE].

Every file below the folders is read twice. vestige reads in a process of its own that cannot see
GDCM and imagecodecs; the other libraries decode here, and the grey values are made from the
formulas of the standards (truth_dicom.py, truth_pictures.py). Printed are every file with a pixel
that differs by more than one level of 255, and every file that only one of the two reads. Exit code
1 if a difference is silent: no row in `problems` says why.

Headers are parsed by the same libraries on both sides (pydicom, nibabel, tifffile), and Pillow is
the only other decoder of some formats; the table counts these files apart.

Needs: pip install "vestige[medical,truth]"
"""

import argparse
import logging
import multiprocessing
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import truth_dicom
import truth_pictures as pictures

HIDDEN = ("gdcm", "imagecodecs")
"""Packages that vestige must do without here, because the other side uses them."""
SHARED = "Pillow"
"""The decoder of vestige itself: it counts only where no other one reads a file."""
LEVEL = 1 / 255 + 1e-6
NO_IMAGE = ("no image", "not judged", "part of another file")
COLUMNS = (
    *("equal", "equal, with a row", "equal to Pillow alone", "different, told", "refused"),
    *("no image", "no reference", "silent"),
)


@dataclass(frozen=True)
class Answer:
    """What vestige says of one file.

    kind : format by content, else by name
    why : kind of the fault where it was not read, "" where it was
    explained : whether a flag says that the grey scale was guessed or that levels were cut
    rows : flags that become rows in `problems`, or the text of the one row
    """

    kind: str
    why: str = ""
    images: list[Any] = field(default_factory=list)
    rules: list[Any] = field(default_factory=list)
    rows: tuple[str, ...] = ()
    explained: bool = False


def hide() -> None:
    """Make packages as if they were not installed, before anything is imported."""
    sys.modules.update(dict.fromkeys(HIDDEN))  # type: ignore[arg-type]  # None: not importable


def quiet() -> None:
    """Nothing of what decoders say beside their answers."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")


def ours(path: str) -> Answer:
    """What vestige reads, in the process without the other decoders."""
    from vestige.images import flags
    from vestige.images.cage import caged
    from vestige.images.derived import KINDS
    from vestige.images.formats import format_of_content, format_of_name
    from vestige.images.frame import Unreadable
    from vestige.images.readers import read_file

    kind = ""
    try:
        kind = format_of_content(path) or format_of_name(path)
        frames = caged(read_file, path)
    except Unreadable as error:
        return Answer(kind, error.kind, rows=(str(error),))
    except OSError as error:
        return Answer(kind, "not reached", rows=(str(error.strerror),))
    found = dict.fromkeys(flag for one in frames for flag in one.flags)
    rows = [f for f in found if f in flags.FLAG_WARNINGS or f in KINDS or f.startswith("decoder: ")]
    explaining = {*flags.GUESSED_SCALE, flags.CUT_TO_EIGHT, flags.NAN_BACKGROUND}
    return Answer(
        kind,
        images=[one.stored for one in frames],
        rules=[one.rule for one in frames],
        rows=tuple(rows),
        explained=not explaining.isdisjoint(found),
    )


def references(path: str, answer: Answer) -> Iterator[tuple[str, Callable[[], list[Any]]]]:
    """Names of other decoders of a format, each with the work to be done."""
    if answer.kind == "dicom":
        for name in truth_dicom.DECODERS:
            yield name, partial(truth_dicom.read, path, answer.rules, name)
    elif answer.kind == "nifti" or path.lower().endswith((".mgh", ".mgz")):
        yield "nibabel", lambda: pictures.by_nibabel(path, answer.rules)
    elif answer.kind == "tiff":
        yield "tifffile", lambda: pictures.by_tifffile(path)
        yield "Pillow", lambda: pictures.by_pillow(path)
    elif answer.kind in ("npy", "npz"):
        yield "NumPy", lambda: pictures.by_numpy(path)
    elif answer.kind:
        yield "imagecodecs", lambda: pictures.by_imagecodecs(path)
        yield "Pillow", lambda: pictures.by_pillow(path)


def difference(one: list[Any], other: list[Any]) -> str:
    """What differs between two lists of images, "" if nothing does by more than a level."""
    if len(one) != len(other):
        return f"{len(one)} images here, {len(other)} there"
    for k, (mine, theirs) in enumerate(zip(one, other, strict=True)):
        if mine.shape != theirs.shape:
            return f"image {k} is {mine.shape} here, {theirs.shape} there"
        full = 1.0 if mine.dtype.kind == "f" else float(np.iinfo(mine.dtype).max)
        apart = np.abs(mine / full - theirs)
        if not apart.max() <= LEVEL:
            share, most = 100 * float((apart > LEVEL).mean()), 255 * float(apart.max())
            return f"image {k}: {share:.3g} % of the pixels, by up to {most:.3g} of 255"
    return ""


def compare(path: str, answer: Answer, without_gdcm: bool = False) -> tuple[str, str]:
    """The column of a file, and what to say of it ("" for nothing)."""
    if without_gdcm:
        sys.modules["gdcm"] = None  # type: ignore[assignment]  # not importable
    decoded: dict[str, list[Any]] = {}
    failed: list[str] = []
    for name, decode in references(path, answer):
        try:
            found = decode()
        except Exception as error:
            failed.append(f"{name}: {' '.join(str(error).split())[:120]}")
            continue
        if found:
            decoded[name] = found
    if answer.why in NO_IMAGE:
        return "no image", ""
    if answer.why:
        who = f"only {' and '.join(decoded)} reads it; " if decoded else ""
        return "refused", f"{who}vestige: {answer.rows[0]}"
    if not decoded:
        return "no reference", f"only vestige reads it; {'; '.join(failed)}"
    apart = {name: difference(answer.images, found) for name, found in decoded.items()}
    shares = [name for name in decoded if name != SHARED] or [SHARED]  # with vestige, a decoder
    if not all(apart[name] for name in shares):
        agrees = next(name for name in shares if not apart[name])
        doubt = "; ".join(f"{name} differs ({what})" for name, what in apart.items() if what)
        column = "equal, with a row" if answer.rows else "equal"
        column = "equal to Pillow alone" if shares == [SHARED] else column
        return column, f"{agrees} agrees; {doubt}" if doubt else ""
    what = "; ".join(f"{name}: {text or 'no difference'}" for name, text in apart.items())
    rule = answer.rules[0].code if answer.rules and answer.rules[0] else "-"
    return (
        "different, told" if answer.explained else "silent",
        f"{what} [{rule}; {'; '.join(answer.rows)}]",
    )


def listed(folder: Path) -> list[Path]:
    """Files that vestige would open: documents and hidden files are left out by their names."""
    from vestige.images.names import may_be_image

    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in files if may_be_image(path.relative_to(folder).as_posix())]


class Worker:
    """One process at a time, started anew after a library has ended it."""

    def __init__(self, first: Callable[[], None], seconds: float) -> None:
        self._first, self._seconds = first, seconds
        self._pool: ProcessPoolExecutor | None = None

    def __call__(self, work: Callable[..., Any], *given: Any) -> Any:
        """What the work gives, in the process.

        Raises
        ------
        BrokenProcessPool
            When the process ended over it, or did not end.
        """
        if self._pool is None:
            spawned = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, mp_context=spawned, initializer=self._first)
        try:
            return self._pool.submit(work, *given).result(self._seconds)
        except (BrokenProcessPool, TimeoutError) as error:
            for process in list(self._pool._processes.values()):
                process.kill()
            self.close()
            raise BrokenProcessPool from error

    def close(self) -> None:
        """End the process."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None


def examine(folders: list[Path]) -> dict[str, Counter[str]]:
    """Counts of each folder; what is to be said of a file is printed."""
    counts: dict[str, Counter[str]] = {}
    reader, others = Worker(hide, 60), Worker(quiet, 15)
    for folder in folders:
        own = counts[folder.name] = Counter()
        for path in listed(folder):
            answer = reader(ours, str(path))
            if not answer.kind and (answer.why in NO_IMAGE or not path.stat().st_size):
                continue  # sources of programs and the like
            column, said = judged(others, str(path), answer)
            own[column] += 1
            if said:
                print(f"{column:<21}  {folder.name}/{path.relative_to(folder)}  {said}", flush=True)
    reader.close()
    others.close()
    return counts


def judged(others: Worker, path: str, answer: Answer) -> tuple[str, str]:
    """`compare` in the other process; without GDCM where that ended the process."""
    for without_gdcm in (False, True):
        try:
            column, said = others(compare, path, answer, without_gdcm)
        except BrokenProcessPool:
            continue
        return column, said
    return ("refused", answer.rows[0]) if answer.why else ("no reference", "the others crash on it")


def table(counts: dict[str, Counter[str]]) -> str:
    """The counts as Markdown."""
    rows = [*counts.items(), ("all", sum(counts.values(), Counter()))]
    lines = [f"| folder | files | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 2) + "|"]
    for name, own in rows:
        cells = [name, str(own.total()), *(str(own[column]) for column in COLUMNS)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Read the arguments, compare, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--table", type=Path, metavar="FILE", help="also write the table here")
    given = parser.parse_args()
    counts = examine([folder.resolve() for folder in given.folders])
    text = table(counts)
    print(text, end="")
    if given.table is not None:
        given.table.write_text(text, encoding="utf-8")
    return int(any(own["silent"] for own in counts.values()))


if __name__ == "__main__":
    sys.exit(main())
