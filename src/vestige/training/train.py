"""From folders of labelled images to a trained detector in a file; read it from top to bottom."""

import inspect
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from vestige.detectors import DETECTORS
from vestige.detectors.pair_network import need_torch
from vestige.detectors.saving import model_path, need_safetensors
from vestige.images.choosing import COLOUR, Chosen, ColourChoice, choose_kind
from vestige.images.given_groups import Groups, by_name, told_groups
from vestige.images.groups import assign_groups
from vestige.images.imageset import ImageSet
from vestige.images.kinds import grey_only
from vestige.images.listing import Source, listed, peek_size
from vestige.images.reading import Wanted, read_images
from vestige.judging.cohort import check_roles
from vestige.registry.entries import InputError, choose, create
from vestige.registry.options import split_options, typed_options
from vestige.registry.rules import SEED
from vestige.schema.records import Problem
from vestige.scoring.plan import Column, weights_digests, weights_missing
from vestige.training.models import patients_learned_from, pool_digest
from vestige.types import Images, LearningDetector, Progress, quiet

CHECKPOINTS = ("checkpoint.safetensors", "loss.csv")


@dataclass(frozen=True)
class Trained:
    """A fitted detector, what it learned from, and what was noticed on the way."""

    detector: LearningDetector
    training: dict[str, Any]
    figures: Mapping[str, Any]
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class TrainingOptions:
    """Everything that a training is told beside its images; each is a keyword of `train`.

    Raises
    ------
    InputError
        A negative seed, an unknown choice of colour; options are checked when the training begins.
    """

    groups: Groups | None = field(default=None, hash=False)
    group_regex: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    window: tuple[float, float] | None = None
    colour: ColourChoice = "auto"
    out: str | os.PathLike[str] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        SEED.check(self.seed)
        COLOUR.check(self.colour)


def train(
    detector: str,
    generated: Source,
    used: Source,
    unused: Source,
    *,
    groups: Groups | None = None,
    group_regex: str | None = None,
    options: Mapping[str, Any] | None = None,
    window: tuple[float, float] | None = None,
    colour: ColourChoice = "auto",
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    progress: Progress = quiet,
) -> LearningDetector:
    """Train a detector on real images whose status is known.

    Parameters
    ----------
    detector : str
        A name of `vestige.detectors.DETECTORS` that learns from labels.
    generated, used, unused, groups, group_regex, window, colour
        As for `vestige.audit`. Images of one group are never both learned from and held out.
    options : mapping, optional
        Of the detector, such as ``{"backbone": "squeezenet1_1", "weights": "squeezenet.pt"}``.
    out : path, optional
        MODEL.safetensors; its card MODEL.json stands beside it. Checkpoints are kept in
        MODEL.training/ until the model is written: a killed training goes on from there.
    seed : int
        Of splits, draws and weights.
    progress : callable, optional
        Called as progress(stage, done, total).

    Returns
    -------
    LearningDetector
        Fitted. Unreadable images are left out with a warning.

    Raises
    ------
    InputError
        Anything the user can mend; the message says how.
    """
    asked = TrainingOptions(groups, group_regex, options or {}, window, colour, out, seed)
    found = run_training(detector, generated, used, unused, asked, progress)
    for problem in found.problems:
        warnings.warn(f"{problem.path}: {problem.what}", stacklevel=2)
    return found.detector


def run_training(
    detector: str,
    generated: Source,
    used: Source,
    unused: Source,
    asked: TrainingOptions,
    progress: Progress = quiet,
) -> Trained:
    """As `train`, with all that is to be told."""
    started = monotonic()
    made = _plan(detector, asked.options, asked.seed)
    regex, window, out = asked.group_regex, asked.window, asked.out
    if out is not None:
        need_safetensors(detector)
    with _checkpoints(out) as folder:
        # 1. folders -> images of one working size
        sources = _listed({"generated": generated, "used": used, "unused": unused})
        groups = by_name(told_groups(asked.groups), sources)
        chosen, sets = _read(sources, getattr(made, "size", 1), asked, progress)
        problems = [*chosen.problems]
        problems += [problem for images in sets.values() for problem in images.problems]
        problems += check_roles(sets, "release")

        # 2. patients (or near-duplicate clusters): the unit of what is held out
        reals = {role: images for role, images in sets.items() if role != "generated"}
        grouping = assign_groups(reals, csv=groups, regex=regex)
        problems += [*grouping.problems, *_on_both_sides(grouping.labels)]
        learned_from = sorted({sha for images in reals.values() for sha in images.sha256})

        # 3. learn
        resumable: dict[str, Any] = {}
        if "folder" in inspect.signature(made.fit).parameters:
            resumable["folder"] = folder
        made.fit(
            *(_lent(sets[role].pixels, detector) for role in sources),
            groups_used=np.array(grouping.labels["used"]),
            groups_unused=np.array(grouping.labels["unused"]),
            progress=progress,
            **resumable,
        )

        # 4. model and card
        named = "CSV" if groups is not None else "regular expression" if regex else None
        training = {
            "seed": asked.seed,
            "seconds": round(monotonic() - started, 1),
            "counts": {role: len(images) for role, images in sets.items()},
            "groups": len({label for labels in grouping.labels.values() for label in labels}),
            "groups_from": named or grouping.told_by,
            "problems": len(problems),
            "kind": chosen.kind,
            "working_size": int(sets["generated"].pixels.shape[1]),
            "window": list(window) if window else None,
            "weights_sha256": _weights(detector, made),
            "generated_sha256": pool_digest(sets["generated"]),
            "learned_from": learned_from,
            "patients_learned_from": patients_learned_from(grouping, learned_from),
        }
        if out is not None:
            made.save(out, training)
    figures = dict(getattr(made, "figures", {}))
    return Trained(made, training, figures, tuple(problems))


def parse_options(detector: str, texts: Sequence[str]) -> dict[str, Any]:
    """Options such as "epochs=5" in the types that the detector declares.

    Raises
    ------
    InputError
        For an unknown detector or option, one that does not learn, and a value of another type.
    """
    check_learner(detector)
    made = create(DETECTORS, detector, "detector")
    return typed_options(made, split_options(texts), "detector", detector)


def check_learner(detector: str) -> None:
    """Refuse an unknown detector, and one that has nothing to learn."""
    if not choose(DETECTORS, detector, "detector").needs_labels:
        raise InputError(
            f"{detector} learns nothing from labels: use it in an audit (--detector {detector})."
        )


def checkpoint_folder(out: str | os.PathLike[str]) -> Path:
    """Where a training keeps its checkpoints until MODEL.safetensors is written."""
    return Path(out).with_suffix(".training")


def _plan(name: str, options: Mapping[str, Any], seed: int) -> Any:
    """The detector as asked for, unfitted; refuses before any image is read."""
    check_learner(name)
    if "seed" in options:
        raise InputError("the seed is an argument of its own, not an option: --seed N.")
    made = create(DETECTORS, name, "detector", **{**options, "seed": seed})
    for option in weights_missing(DETECTORS[name], made):
        raise InputError(
            f"{name} needs the weights of its network: --option {option}=FILE (safetensors or a "
            f"state dict), or --option {option}=imagenet to download them."
        )
    if DETECTORS[name].extra == "deep":
        need_torch(name)
    return made


def _weights(name: str, made: Any) -> dict[str, str]:
    options = {option: getattr(made, option) for option in DETECTORS[name].weights}
    return weights_digests([Column(name, name, options, 1.0, pool=False, learns=True)])


def _listed(sources: Mapping[str, Source]) -> dict[str, Source]:
    for role, source in sources.items():
        if source is None:
            raise InputError(f"no {role} images were given: training needs --{role} DIR.")
    return {role: listed(source) for role, source in sources.items()}


def _read(
    found: Mapping[str, Source],
    required_resolution: int,
    asked: TrainingOptions,
    progress: Progress,
) -> tuple[Chosen, dict[str, ImageSet]]:
    size = peek_size(found.values(), required_resolution)
    chosen = choose_kind(found, asked.colour, asked.window)
    wanted = Wanted(kind=chosen.kind, background=chosen.background)
    return chosen, {
        role: read_images(
            source, role=role, size=size, window=asked.window, wanted=wanted,
            progress=partial(progress, f"reading {role}"),
        )
        for role, source in found.items()
    }  # fmt: skip


def _lent(images: Images, detector: str) -> Images:
    """The images, or the luma of colour for a detector that compares grey ones."""
    return grey_only(images) if DETECTORS[detector].takes == "grey" else images


def _on_both_sides(labels: Mapping[str, Sequence[str]]) -> list[Problem]:
    shared = set(labels["used"]) & set(labels["unused"])
    if not shared:
        return []
    what = f"{len(shared)} group(s) (patients or near-duplicate clusters) are used as well"
    return [Problem("unused", f"{what}: little can be learned from their images", "warning")]


@contextmanager
def _checkpoints(out: str | os.PathLike[str] | None) -> Iterator[Path | None]:
    """A folder for checkpoints, made at once: an unwritable place is refused before hours of work.

    It goes when the training is done; after an error it stays if a checkpoint is in it.
    """
    if out is None:
        yield None
        return
    target, folder = model_path(out), checkpoint_folder(out)
    if target.is_dir():
        raise InputError(f"cannot write {target}: it is a folder.")
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ".vestige-probe").touch()
            (folder / ".vestige-probe").unlink()
        except OSError as error:
            raise InputError(f"cannot write {target}: {error.strerror or error}") from error
        yield folder
        for name in CHECKPOINTS:
            for file in (folder / name, *folder.glob(f".{name}.*.tmp")):  # left by a killed run
                file.unlink(missing_ok=True)
    finally:
        with suppress(OSError):  # a checkpoint, or a file that is not ours
            for place in dict.fromkeys([folder, *made]):
                place.rmdir()
