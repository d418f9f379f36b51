"""How often was this asked before? One small file per run in the cache folder, and what it costs.

Whoever audits the same images again with other detectors, options or seeds looks again, and the
smallest of many p-values is small by luck. Whoever asks again about those images alone that scored
high chooses by the answer, and no correction helps. The cache remembers each run by hashes of
content and options and by salted digests of its target images, with its columns and its p-value: no
name of a file or a patient, no digest of a picture. Nothing is written anywhere else, so without a
cache earlier runs are unknown. A record is sealed with the key of the cache and listed in its index
(`vestige.cache.owner`): a file that somebody put there is no run.
"""

import json
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b, sha256
from math import expm1, log1p
from typing import Any

from vestige.cache.owner import ADOPTED, Owned, entries_like, open_cache, unwritable
from vestige.cache.shelves import SHELVES
from vestige.files.regular import open_regular
from vestige.files.strict_json import parse_json
from vestige.files.whole import whole
from vestige.registry.entries import InputError
from vestige.schema.decode import decode
from vestige.schema.records import Problem, RunHistory

_HEX = 24
_RECORD_BYTES = 2**28
_SALT, _MARK = 16, 8
"""Bytes of a record's salt, and of the salted digest of one target image."""


@dataclass(frozen=True)
class Run:
    """One audit: digests of what was asked and of the options, and what came out.

    question : of mode, generated and target images
    beside : of mode and generated images alone; "" in records of earlier versions
    p_value : of the set test, whatever the checks say
    vetoed : a check took back what the test says
    salt, judged : salted digests of the target images whose answer was open; each record has a salt
        of its own, so that two records cannot be compared without the images
    part_of : target images of the largest earlier run that this one may be a selection from
    """

    question: str
    options: str
    seed: int
    columns: tuple[str, ...]
    p_value: float | None
    beside: str = ""
    vetoed: bool = False
    salt: str = ""
    judged: tuple[str, ...] = ()
    part_of: int = 0

    @property
    def file(self) -> str:
        """Its name in the cache: the same for an identical run."""
        shelf, own = self.question, [self.options, self.seed]  # as earlier versions wrote it
        if self.beside:
            shelf, own = self.beside, [self.question, *own]
        return f"run-{shelf[:_HEX]}-{digest(own)[:_HEX]}.json"


def digest(value: Any) -> str:
    """SHA-256 of plain values (mappings in any order), in hexadecimal."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=str)
    return sha256(text.encode()).hexdigest()


def contents(digests: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """One digest per role of the pixels of its images, whatever their names and order."""
    return {role: digest(sorted(each)) for role, each in digests.items()}


def corrected(p_value: float, runs: int) -> float:
    """1 - (1 - p)^runs: the p-value of the best of so many runs (Sidak; docs/methods.md 4.5)."""
    return 1.0 if p_value >= 1.0 else -expm1(runs * log1p(-p_value))


def marks(pixels: Iterable[str], salt: str) -> frozenset[str]:
    """Salted digests of images, given the digests of their pixels."""
    key = salt.encode()[: blake2b.MAX_KEY_SIZE]
    return frozenset(
        blake2b(one.encode(), key=key, digest_size=_MARK).hexdigest() for one in pixels
    )


def record_run(
    run: Run, judged: Iterable[str], cache: str | os.PathLike[str] | None
) -> tuple[RunHistory, list[Problem]]:
    """Note a run in the cache and say what was tried before, with other options, seed or images.

    Other runs count if they asked about one of the same images, beside the same generated set and
    in the same mode. If one of them also asked about images that are missing here, these may have
    been chosen by its answer (`RunHistory.part_of`); the same run again is what it was the first
    time.

    The run is written first and the others are read then, so of two runs at once at least one
    knows of the other. A run without a set test (`p_value` None) asks nothing and is not noted. A
    damaged file still counts as a run.

    Parameters
    ----------
    run : Run
        Its salt and what depends on it are filled in here.
    judged : digests
        Of the pixels of the target images whose answer is open. They are not written.
    cache : folder or None
        None: earlier runs are unknown.

    Raises
    ------
    InputError
        When the cache cannot be written.
    """
    if cache is None:
        return RunHistory(None, 1, len(set(run.columns)), None, None), []
    owner, mine = open_cache(cache), frozenset(judged)
    noted = _read(owner, run.file, owner.listed())
    if noted is None:
        salt = secrets.token_hex(_SALT)
        noted = replace(run, salt=salt, judged=tuple(sorted(marks(mine, salt))))
        again = False
    else:
        noted, again = replace(noted, p_value=run.p_value, vetoed=run.vetoed), True
    if run.p_value is not None:
        _write(owner, noted)
    others, problems = _others(owner, run, mine)
    known = [other for other in others if other is not None]
    if not again:
        noted = replace(noted, part_of=max((_held_more(other, mine) for other in known), default=0))
        if run.p_value is not None and noted.part_of:
            _write(owner, noted)
    small = [
        other.p_value
        for other in known
        if other.p_value is not None and not other.vetoed and not other.part_of
    ]
    damaged = len(others) - len(known)
    run_history = RunHistory(
        runs_before=len(others),
        option_sets=len({run.options, *(other.options for other in known)}) + damaged,
        columns=len({*run.columns, *(name for other in known for name in other.columns)}),
        p_adjusted=None if run.p_value is None else corrected(run.p_value, len(others) + 1),
        smallest_before=min(small, default=None),
        part_of=noted.part_of,
    )
    return run_history, problems


def _others(owner: Owned, run: Run, mine: frozenset[str]) -> tuple[list[Run | None], list[Problem]]:
    """Other runs that asked about one of these images, None for a damaged file."""
    found: list[Run | None] = []
    problems = []
    there = entries_like(owner, (SHELVES, "run-"))
    listed = owner.listed()  # read after the folder: what is made meanwhile is no stranger's
    asked = {run.beside, run.question}  # the latter for records of earlier versions
    starts = tuple(f"run-{one[:_HEX]}-" for one in asked)
    names = {name.removeprefix(ADOPTED) for name in listed}
    own = {name.removeprefix(ADOPTED).partition("/")[0] for name in listed}
    foreign = sum(name not in own for name in there)
    for name in sorted(name for name in names if name.startswith(starts) and name != run.file):
        if not (owner.folder / name).exists():
            continue  # not written yet, or removed by the user
        other = _read(owner, name, listed)
        if other is None and name not in listed:  # it was there before, and is no record
            foreign += 1
            continue
        if other is None:
            what = "the record of an earlier audit is damaged: it counts as one with other options"
            problems.append(Problem(f"cache/{name}", what, "warning"))
        elif not _shares(other, run, mine):
            continue
        found.append(other)
    if foreign:
        what = (
            f"{foreign} file(s) or folders in the cache were not made by it (but by an earlier "
            "version, or by somebody else): they are not read, and never deleted"
        )
        problems.append(Problem("cache", what, "warning"))
    return found, problems


def _shares(other: Run, run: Run, mine: frozenset[str]) -> bool:
    """Whether another run asked about one of these images."""
    return other.question == run.question or not marks(mine, other.salt).isdisjoint(other.judged)


def _held_more(other: Run, mine: frozenset[str]) -> int:
    """Images of another run if it asked about some that are missing here, else 0."""
    theirs = frozenset(other.judged)
    return len(theirs) if theirs - marks(mine, other.salt) else 0


def _read(owner: Owned, name: str, listed: Mapping[str, int]) -> Run | None:
    """A record that this cache has made, or that an earlier version left before there was a key."""
    adopted = f"{ADOPTED}{name}" in listed
    if not adopted and name not in listed:
        return None
    try:
        with open_regular(owner.folder / name, _RECORD_BYTES) as file:
            raw = parse_json(file.read().decode())
        seal = raw.pop("seal", None)
        if isinstance(raw, dict) and "beside" not in raw:  # of an earlier version
            raw = {"beside": "", "vetoed": False, "salt": "", "judged": [], "part_of": 0, **raw}
        run: Run = decode(Run, raw, "run")
    except (OSError, ValueError, AttributeError, TypeError, RecursionError, InputError):
        return None
    sound = run.file == name and (run.p_value is None or 0.0 <= run.p_value <= 1.0)
    return run if sound and (adopted or seal == _seal(owner, run)) else None


def _seal(owner: Owned, run: Run) -> str:
    return owner.seal(run.file, json.dumps(asdict(run), sort_keys=True))


def _write(owner: Owned, run: Run) -> None:
    text = json.dumps({**asdict(run), "seal": _seal(owner, run)})
    try:
        owner.add(run.file)
        with whole(owner.folder / run.file) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise unwritable(owner.folder, error) from error
