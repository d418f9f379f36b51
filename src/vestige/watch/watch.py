"""Is my generator starting to memorise? A look at its samples at any step of its training."""

import hashlib
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vestige.engine.threads import one_core
from vestige.files.whole import whole
from vestige.registry.entries import InputError
from vestige.registry.rules import SEED, OneOf, Within, real_number, whole_number
from vestige.stats.copy_line import COPY_ALPHA
from vestige.stats.looks import Crossed, no_looks, share_of_look
from vestige.symmetries import VIEWS, Views
from vestige.types import Bools, Images
from vestige.watch.looking import Seen, copied_rows, look
from vestige.watch.pictures import at_side, pictures_of
from vestige.watch.reals import Groups, prepare_reals, refuse_if_silent

NAMES = (
    "auc",
    "auc_low",
    "auc_high",
    "p_value",
    "n_copies",
    "n_copies_unused",
    "max_similarity",
    "minimum_detectable_auc",
    "alarm",
    "looks",
)
"""What a look tells, each after "vestige/"."""
FEWEST = 20
"""Generated images of a look."""
LEVEL = Within("level {} is not between 0 and 1.", above=0, below=1)
SIZE = Within("size {} is not between 8 and 256 pixels.", least=8, most=256)
PLANNED = Within("{} looks cannot be planned: give 1 or more, or None.", least=1)
STEP = Within("step {} is not a number of training steps, 0 or more.", least=0, below=2**63)


@dataclass(eq=False)
class _Past:
    """The looks so far: their steps, the digests of their images, what they told."""

    crossed: Crossed
    steps: list[int] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    told: list[dict[str, float]] = field(default_factory=list)


class Watch:
    """Looks at samples of a generator while it trains, and accounts for having looked often.

    The reals are prepared once. A look scores them by the primary column of an audit
    (`matched_filter_pool`), compares used with unused ones by mean rank and tail under the same
    relabellings of patients at each look (`vestige.stats.looks`), and counts near copies.

    Parameters
    ----------
    used, unused : arrays, tensors, or lists of either or of Pillow images
        [n, h, w], [n, h, w, c] or [n, c, h, w]; uint8, uint16, or floats in 0..1 or -1..1. The
        generator trains on the used ones; the unused ones are like them, drawn by patient.
    groups : labels, optional
        Patients of the used, then of the unused images; or a tuple of both lists, or the dict
        {"used": ..., "unused": ...} of an audit. None: each image is a patient.
    size : int
        Side in pixels at which images are scored, 8 to 256.
    level : float
        Chance of ever raising the alarm, over all looks, if the generator tells nothing of the
        split. It holds for any number of looks and whatever ties one to the next, as long as the
        training does not react to what earlier looks told.
    seed : int
        Of the relabellings; of what a look draws together with its step.
    looks : int, optional
        How many are planned: each spends the same part of the level, and after the last one the
        p-value stands. None: look k has spent k / (k + 20) of it (Lan and DeMets 1983).
    views : "none", "mirror" or "all"
        Symmetries in which an image may have been copied.

    Raises
    ------
    InputError
        For images that cannot be read, patients or pixels on both sides, and so few patients that
        no alarm is possible.

    Examples
    --------
    >>> import numpy as np
    >>> from vestige import Watch
    >>> from vestige.testing.phantoms import phantoms
    >>> images = phantoms(90, np.random.default_rng(0))
    >>> watch = Watch(used=images[:30], unused=images[30:60], size=16)
    >>> watch(images[60:], step=100)["vestige/alarm"]
    0.0
    >>> watch(images[:30], step=200)["vestige/alarm"]
    1.0
    """

    def __init__(
        self,
        used: Any,
        unused: Any,
        groups: Groups | None = None,
        size: int = 32,
        *,
        level: float = 0.05,
        seed: int = 0,
        looks: int | None = None,
        views: Views = "mirror",
    ) -> None:
        size, seed = whole_number("size", size), whole_number("seed", seed)
        level, looks = real_number("level", level), _planned(looks)
        for rule, value in ((SIZE, size), (LEVEL, level), (SEED, seed)):
            rule.check(value)
        OneOf("views", VIEWS).check(views)
        self.level, self.seed, self.planned, self.views = level, seed, looks, views
        with one_core():
            self.reals = prepare_reals(used, unused, groups, size, views, seed)
        refuse_if_silent(self.reals, level, looks)
        self._past = _Past(no_looks(len(self.reals.relabellings), level))

    def __call__(self, images: Any, step: int) -> dict[str, float]:
        """Look at generated images, 20 or more, that were made at a step of the training.

        The same images at the same step are one look, however often they are asked about: the
        answer of the first time comes back. Other images at the same step are another look.

        Returns
        -------
        dict of str to float
            "vestige/auc", "vestige/auc_low", "vestige/auc_high" : AUC of used against unused images
            and its 95 % interval, of this look alone.
            "vestige/p_value" : of all looks so far together; it never rises.
            "vestige/n_copies", "vestige/n_copies_unused" : generated images that are near copies of
            used images, and of unused ones (about 0, else the roles are wrong).
            "vestige/max_similarity" : largest filtered cosine with a used image, -1..1.
            "vestige/minimum_detectable_auc" : what this look finds with 80 % power; 1 if nothing.
            "vestige/alarm" : 1 if the p-value is at most the level, else 0.
            "vestige/looks" : looks so far.

        Raises
        ------
        InputError
            For too few images, images that cannot be read or are of another kind than the reals.
        """
        step = whole_number("step", step)
        STEP.check(step)
        made = self.pictures(images)
        if len(made) < FEWEST:
            raise InputError(f"a look needs {FEWEST} generated images or more, found {len(made)}.")
        digest = hashlib.sha256(made.tobytes()).hexdigest()
        past = self._past
        for old, known, told in zip(past.steps, past.digests, past.told, strict=True):
            if (old, known) == (step, digest):
                return dict(told)
        number = past.crossed.looks + 1
        alpha = self.level * share_of_look(number, self.planned)
        # copies are counted beyond a planned number of looks, too
        copy_alpha = COPY_ALPHA * share_of_look(number)
        seed = int(np.random.default_rng([self.seed, step]).integers(2**31))
        with one_core():
            seen = look(self.reals, made, self.views, alpha, copy_alpha, seed)
        crossed = past.crossed.after(seen.height, self.planned)
        told = _told(seen, crossed, self.reals.truth, self.level)
        past.crossed = crossed
        past.steps.append(step)
        past.digests.append(digest)
        past.told.append(told)
        return dict(told)

    def copies(self, images: Any) -> Bools:
        """Which of some generated images, one or more, are near copies of used ones, bool [m].

        By the rule of an audit, on these images alone: at 32 pixels and more at most 1 % of calls
        without a copy name any (docs/training-loops.md). It counts as no look.
        """
        with one_core():
            return copied_rows(self.reals, self.pictures(images), self.views)

    def pictures(self, images: Any) -> Images:
        """Generated images as they are looked at: float32 [m, s, s] or [m, s, s, 3], 0..1.

        To collect batches in little memory; what comes back may be given to a look.
        """
        made = pictures_of(images, "generated images")
        if made.ndim != self.reals.images.ndim:
            kinds = {3: "grey", 4: "in colour"}
            raise InputError(
                f"the generated images are {kinds[made.ndim]}, the real ones "
                f"{kinds[self.reals.images.ndim]}: give all in one kind."
            )
        return at_side(made, self.reals.side)

    @property
    def history(self) -> list[dict[str, float]]:
        """What each look told, with its "step", in the order of the looks."""
        past = self._past
        return [{"step": step, **told} for step, told in zip(past.steps, past.told, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """The looks so far as numbers, texts and arrays; the reals are not among them."""
        past = self._past
        return {
            "question": self._question(),
            "crossed": np.packbits(past.crossed.rows, axis=1),
            "steps": np.array(past.steps, np.int64),
            "digests": np.array(past.digests, "U64"),
            "told": np.array([list(told.values()) for told in past.told]).reshape(-1, len(NAMES)),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`; its looks stay counted.

        Raises
        ------
        InputError
            For the state of another watch (other reals, patients, level, seed or plan), or none.
        """
        try:
            question = str(state["question"])
            packed, told = (np.asarray(state[name]) for name in ("crossed", "told"))
            steps, digests = (np.asarray(state[name]).tolist() for name in ("steps", "digests"))
        except (KeyError, TypeError) as error:
            raise InputError(
                "this is no state of a watch: give what state_dict returned."
            ) from error
        if question != self._question():
            raise InputError(
                "the state belongs to another watch: give the same reals, patients, size, level, "
                "seed, looks and views, or begin anew without it."
            )
        fresh = no_looks(len(self.reals.relabellings), self.level)
        total = fresh.rows.shape[1]
        if packed.shape != (len(fresh.levels), -(-total // 8)) or told.shape != (
            len(steps),
            len(NAMES),
        ):
            raise InputError("the state of the watch is damaged. Begin anew without it.")
        rows = np.unpackbits(packed.astype(np.uint8), axis=1, count=total).astype(np.bool_)
        self._past = _Past(
            Crossed(fresh.levels, rows, len(steps)),
            steps,
            digests,
            [dict(zip(_full_names(), row, strict=True)) for row in told.tolist()],
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state to an .npz file, whole or not at all.

        Raises
        ------
        InputError
            When it cannot be written, as in a folder that is missing.
        """
        try:
            with whole(Path(path)) as partial, partial.open("wb") as file:
                np.savez_compressed(file, **self.state_dict())
        except OSError as error:
            what = error.strerror or error
            raise InputError(f"cannot write {os.fspath(path)}: {what}.") from error

    def load(self, path: str | os.PathLike[str]) -> None:
        """Go on from a file that `save` wrote. Nothing is unpickled."""
        try:
            with np.load(path, allow_pickle=False) as archive:
                state = {name: archive[name] for name in archive.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(f"{os.fspath(path)} is no saved state of a watch.") from error
        self.load_state_dict(state)

    def _question(self) -> str:
        """What must be the same for looks to be counted together."""
        reals = self.reals
        asked = (
            reals.digest,
            reals.pool.options.size,
            self.level,
            self.seed,
            self.planned,
            self.views,
        )
        return hashlib.sha256(repr(asked).encode()).hexdigest()


def _planned(looks: Any) -> int | None:
    if looks is None:
        return None
    planned = whole_number("looks", looks)
    PLANNED.check(planned)
    return planned


def _full_names() -> list[str]:
    return [f"vestige/{name}" for name in NAMES]


def _told(seen: Seen, crossed: Crossed, truth: int, level: float) -> dict[str, float]:
    p_value = crossed.p_value(truth)
    values = (
        *(seen.auc.value, seen.auc.low, seen.auc.high),
        p_value,
        *(seen.copied.sum(), seen.copied_unused.sum()),
        seen.max_similarity,
        seen.minimum_detectable_auc,
        p_value <= level,
        crossed.looks,
    )
    return dict(zip(_full_names(), map(float, values), strict=True))
