"""How often was this asked before? One small file per run in the cache folder, and what it costs.

Whoever audits the same images again with other detectors, options or seeds looks again, and the
smallest of many p-values is small by luck. The cache remembers each run by hashes of content and
options, with its columns and its p-value: no name of a file or a patient. Nothing is written
anywhere else, so without a cache earlier runs are unknown.
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import expm1, log1p
from pathlib import Path
from typing import Any

from vestige.choices import InputError
from vestige.decode import decode
from vestige.records import Problem, Tried

_HEX = 24


@dataclass(frozen=True)
class Run:
    """One audit: digests of the question (generated and judged images, mode) and of the options.

    p_value : of the set test; None when a control failed, or there was no test
    """

    question: str
    options: str
    seed: int
    columns: tuple[str, ...]
    p_value: float | None

    @property
    def file(self) -> str:
        """Its name in the cache: the same for an identical run."""
        own = digest([self.options, self.seed])
        return f"run-{self.question[:_HEX]}-{own[:_HEX]}.json"


def digest(value: Any) -> str:
    """SHA-256 of plain values (mappings in any order), in hexadecimal."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=str)
    return sha256(text.encode()).hexdigest()


def contents(digests: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """One digest per role of the pixels of its images, whatever their names and order."""
    return {role: digest(sorted(each)) for role, each in digests.items()}


def corrected(p_value: float, runs: int) -> float:
    """1 - (1 - p)^runs: the p-value of the best of so many runs (Sidak; METHODS 4.5)."""
    return 1.0 if p_value >= 1.0 else -expm1(runs * log1p(-p_value))


def record_run(
    run: Run, p_value: float | None, cache: str | os.PathLike[str] | None
) -> tuple[Tried, list[Problem]]:
    """Note a run in the cache and say what was tried before, with other options or another seed.

    The run is written first and the others are read then, so of two runs at once at least one
    knows of the other. A run without a set test (`p_value` None) asks nothing and is not noted. A
    damaged file still counts as a run.

    Parameters
    ----------
    run : Run
    p_value : float or None
        Of the set test, also where a control failed and ``run.p_value`` is None.
    cache : folder or None
        None: earlier runs are unknown.

    Raises
    ------
    InputError
        When the cache cannot be written.
    """
    if cache is None:
        return Tried(None, 1, len(set(run.columns)), None, None), []
    folder = Path(cache)
    if p_value is not None:
        _write(folder / run.file, json.dumps(asdict(run)))
    others, problems = _others(folder, run)
    known = [other for other in others if other is not None]
    small = [other.p_value for other in known if other.p_value is not None]
    damaged = len(others) - len(known)
    tried = Tried(
        runs_before=len(others),
        option_sets=len({run.options, *(other.options for other in known)}) + damaged,
        columns=len({*run.columns, *(name for other in known for name in other.columns)}),
        p_adjusted=None if p_value is None else corrected(p_value, len(others) + 1),
        smallest_before=min(small, default=None),
    )
    return tried, problems


def _others(folder: Path, run: Run) -> tuple[list[Run | None], list[Problem]]:
    """Other runs of the same question, None for a damaged file."""
    found: list[Run | None] = []
    problems = []
    for path in sorted(folder.glob(f"run-{run.question[:_HEX]}-*.json")):
        if path.name == run.file:
            continue
        other = _read(path)
        found.append(other)
        if other is None:
            what = "the record of an earlier audit is damaged: it counts as one with other options"
            problems.append(Problem(f"cache/{path.name}", what, "warning"))
    return found, problems


def _read(path: Path) -> Run | None:
    try:
        run: Run = decode(Run, json.loads(path.read_text(encoding="utf-8")), "run")
    except (OSError, ValueError, RecursionError, InputError):
        return None
    sound = run.file == path.name and (run.p_value is None or 0.0 <= run.p_value <= 1.0)
    return run if sound else None


def _write(place: Path, text: str) -> None:
    """Whole or not at all, also when two runs write the same file at once."""
    partial = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(".tmp", ".run-", place.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(partial, place)
    except OSError as error:
        if partial is not None:
            Path(partial).unlink(missing_ok=True)
        raise InputError(f"cannot write to the cache {place.parent}: {error.strerror}") from error
