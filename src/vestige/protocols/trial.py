"""What a protocol is given: a world with its truth, an unfitted detector; and the splits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.benchmark.arrays import WorldArrays
from vestige.files.whole import write_together
from vestige.protocols.result import PaperRun, Published
from vestige.registry.entries import InputError
from vestige.stats.splits import group_folds
from vestige.types import Bools, Floats, Ints, Progress, quiet

FIFTH = 5
"""One of five is held out: the papers' 80/20."""


@dataclass(frozen=True, eq=False)
class Reals:
    """Real images uint8 [n, h, w] with their truth [n] and groups [n]."""

    images: npt.NDArray[np.uint8]
    used: Bools
    groups: Ints

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: Bools) -> "Reals":
        """Those where `rows` [n] is True."""
        return Reals(self.images[rows], self.used[rows], self.groups[rows])


@dataclass(frozen=True, eq=False)
class Trial:
    """One world, one system.

    detector : unfitted, in its published form
    query_ids, generated_ids : names for files, in the order of the arrays
    folder : for what a protocol writes
    """

    world: WorldArrays
    detector: Any
    query_ids: tuple[str, ...]
    generated_ids: tuple[str, ...]
    folder: Path
    seed: int = 0
    progress: Progress = quiet

    @property
    def generated(self) -> npt.NDArray[np.uint8]:
        """uint8 [m, h, w]."""
        return self.world.generated

    @cached_property
    def labelled(self) -> Reals:
        """The reals in used/ and unused/."""
        return self._of_roles("used", "unused")

    @cached_property
    def queries(self) -> Reals:
        """The reals whose status the system must tell."""
        return self._of_roles("query")

    def fit(
        self,
        reals: Reals,
        generated: npt.NDArray[np.uint8] | None = None,
        by_group: bool = False,
        stage: str = "",
    ) -> Any:
        """A fresh copy of the detector, fitted on these; the groups are told `by_group` only."""
        known: dict[str, Any] = {"progress": self._within(stage)}
        if by_group:
            known["groups_used"] = reals.groups[reals.used]
            known["groups_unused"] = reals.groups[~reals.used]
        pool = self.generated if generated is None else generated
        sides = reals.images[reals.used], reals.images[~reals.used]
        return replace(self.detector).fit(pool, *sides, **known)

    def fit_label_free(self) -> Any:
        """A fresh copy of a detector that learns nothing from labels."""
        reference = self.world.roles == "reference"
        unused = self.world.reals[reference] if reference.any() else None
        return replace(self.detector).fit(self.generated, unused=unused)

    def write(self, texts: Mapping[str, str]) -> tuple[str, ...]:
        """Files by name -> their names."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write {self.folder}: {error.strerror or error}") from error
        write_together({self.folder / name: text for name, text in texts.items()})
        return tuple(texts)

    def _of_roles(self, *roles: str) -> Reals:
        rows = np.isin(self.world.roles, roles)
        reals = Reals(self.world.reals[rows], self.world.used[rows], self.world.groups[rows])
        if len(np.unique(reals.used)) < 2:
            raise InputError(
                f"this world needs images of both kinds, used and unused, in {'/ and '.join(roles)}"
                "/: build it with more --members and --unused, and a --query-share within 0..1."
            )
        return reals

    def _within(self, stage: str) -> Progress:
        return lambda name, done, total: self.progress(f"{stage}: {name}", done, total)


@dataclass(frozen=True)
class Protocol:
    """How a paper evaluated its system.

    detector : name in DETECTORS
    published : what was printed
    run : evaluates an unfitted detector on a world
    """

    detector: str
    published: Published
    run: Callable[[Trial], PaperRun]


def split_by_image(reals: Reals, seed: int) -> Bools:
    """True [n] for a fifth of each status, drawn image by image, whoever the patient is."""
    held_out = np.zeros(len(reals), bool)
    rng = np.random.default_rng(seed)
    for rows in (np.flatnonzero(reals.used), np.flatnonzero(~reals.used)):
        if len(rows) < 2:
            raise InputError("a split needs two used and two unused labelled images or more.")
        held_out[rng.permutation(rows)[: max(1, len(rows) // FIFTH)]] = True
    return held_out


def folds_by_group(reals: Reals, seed: int) -> Ints:
    """Fold [n] of each image: five folds of whole groups, fewer where there are fewer groups."""
    fewest = min(len(np.unique(reals.groups[reals.used == status])) for status in (True, False))
    return group_folds(reals.groups, max(2, min(FIFTH, fewest)), seed, reals.used)


def split_rows(n: int, seed: int) -> Bools:
    """True [n] for a fifth of n rows, drawn by lot, one or more."""
    if n < 2:
        raise InputError("a split needs two generated images or more.")
    held_out = np.zeros(n, bool)
    held_out[np.random.default_rng(seed).permutation(n)[: max(1, n // FIFTH)]] = True
    return held_out


def best_threshold(scores: Floats, used: Bools) -> float:
    """The threshold t at which the answer "score > t" has the largest kappa; the highest of equals.

    On the images it was chosen on, that kappa is flattering.
    """
    levels = np.unique(scores)[::-1]
    above = scores[None, :] >= levels[:, None]
    p, q = used.mean(), above.mean(axis=1)
    expected = p * q + (1 - p) * (1 - q)
    kappa = ((above == used).mean(axis=1) - expected) / (1 - expected)
    best = int(np.argmax(np.round(kappa, 12)))
    if best + 1 == len(levels):  # all are called used
        return float(np.nextafter(levels[best], -np.inf))
    middle = (levels[best] + levels[best + 1]) / 2
    return float(middle if middle < levels[best] else levels[best + 1])


def nested_decisions(scores: Floats, used: Bools, folds: Ints) -> Bools:
    """Each fold decided by the best threshold of the other folds, bool [n]."""
    decided = np.empty(len(scores), bool)
    for fold in np.unique(folds):
        late = folds == fold
        decided[late] = scores[late] > best_threshold(scores[~late], used[~late])
    return decided
