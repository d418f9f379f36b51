"""Detectors that have learned already, from the files `vestige train` wrote, in an audit."""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vestige.detectors import DETECTORS
from vestige.detectors.saving import Card, read_card
from vestige.images.groups import Grouping
from vestige.images.imageset import ImageSet
from vestige.images.kinds import NAMES
from vestige.registry.entries import InputError, create
from vestige.schema.records import Problem
from vestige.scoring.plan import Column
from vestige.types import LearningDetector

ASKED = ("query", "used", "unused")
_SALT_BYTES = 16


@dataclass(frozen=True)
class Model:
    """A fitted detector, the column it gives, and what its card says of its training."""

    path: str
    column: Column
    detector: LearningDetector
    training: Mapping[str, Any]
    sha256: str


def load_model(path: str | os.PathLike[str]) -> tuple[LearningDetector, Card]:
    """The detector that MODEL.safetensors holds, and its card.

    ``card.training["learned_from"]`` are the digests (`ImageSet.sha256`) of the reals it learned
    from, which must not calibrate it.

    Raises
    ------
    InputError
        Missing, damaged, or of a detector that this version does not know.
    """
    card = read_card(path)
    if card.detector not in DETECTORS or not DETECTORS[card.detector].needs_labels:
        raise InputError(
            f"{path} holds a model of {card.detector[:60]!r}, which this version does not know: "
            "train it again."
        )
    detector: Any = type(create(DETECTORS, card.detector, "detector"))
    return detector.load(path), card


def open_models(paths: Sequence[str | os.PathLike[str]]) -> tuple[Model, ...]:
    """Load models; the columns are named after their detectors: siamese_model, siamese_model_2."""
    found: dict[str, Model] = {}
    for path in paths:
        detector, card = load_model(path)
        if "learned_from" not in card.training or "generated_sha256" not in card.training:
            raise InputError(
                f"{os.fspath(path)} does not say what it learned from: make it with vestige train."
            )
        _check_guard(os.fspath(path), card.training)
        name = f"{card.detector}_model"
        number = sum(column.startswith(name) for column in found) + 1
        name += f"_{number}" if number > 1 else ""
        size = int(getattr(detector, "size", 1))
        column = Column(
            name, card.detector, dict(card.options), 1.0, pool=False, required_resolution=size
        )
        found[name] = Model(os.fspath(path), column, detector, card.training, card.sha256)
    return tuple(found.values())


def _check_guard(path: str, training: Mapping[str, Any]) -> None:
    """Refuse a card whose list of learned images is none: it would let every image pass."""
    learned = training["learned_from"]
    sound = isinstance(learned, list) and all(_is_digest(one) for one in learned) and learned
    if not sound or not _is_digest(training["generated_sha256"]):
        raise InputError(f"the card of {path} is damaged: train it again.")


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) is not None


def check_models(models: Sequence[Model], sets: Mapping[str, ImageSet]) -> None:
    """Refuse a model that compares with other generated images, or judges what it learned from.

    Raises
    ------
    InputError
    """
    for model in models:
        kind, seen = model.training.get("kind", "grey"), sets["generated"].kind
        if kind != seen:
            raise InputError(
                f"{model.path} was trained on {NAMES.get(kind, 'other images')}, and "
                f"{NAMES[seen]} are compared here: train it on those, or give --colour."
            )
        if model.training["generated_sha256"] != pool_digest(sets["generated"]):
            raise InputError(
                f"{model.path} was trained beside other generated images than these, and compares "
                "with those: train it with the ones to be audited."
            )
        learned = set(model.training["learned_from"])
        for role in ASKED:
            known = sum(sha in learned for sha in sets[role].sha256) if role in sets else 0
            if known:
                raise InputError(
                    f"{model.path} learned from {known} of the {role} images, so that its scores "
                    f"say nothing of them: give {role} images of other patients."
                )


def check_patients(models: Sequence[Model], grouping: Grouping) -> list[Problem]:
    """Refuse a model that learned from other images of target or unused patients.

    Returns
    -------
    list of Problem
        A warning for each model of which that cannot be known.

    Raises
    ------
    InputError
    """
    problems = []
    for model in models:
        salt, learned = _patients_of(model)
        if learned and all(grouping.names_in(role) for role in ASKED if role in grouping.labels):
            for role in ASKED:
                known = len(learned & digest_patients(grouping.names_in(role), salt))
                if known:
                    raise InputError(
                        f"{model.path} learned from other images of {known} of the {role} patients "
                        f"(or DICOM studies): give {role} images of other patients."
                    )
            continue
        why = "nothing names the patients of this audit" if learned else "its card names no patient"
        what = (
            f"whether the model {model.column.name} learned from other images of these patients "
            f"cannot be checked: {why}. If it did, its scores say nothing of them"
        )
        problems.append(Problem("model", what, "warning"))
    return problems


def patients_learned_from(grouping: Grouping, learned_from: Iterable[str]) -> dict[str, Any]:
    """What a card keeps of patients: salted digests, because names can be guessed.

    The salt is of the images it learned from: another for every set, the same for the same.
    """
    salt = hashlib.sha256("\n".join(learned_from).encode()).digest()[:_SALT_BYTES]
    names = grouping.names_in(*grouping.labels)
    return {"salt": salt.hex(), "digests": sorted(digest_patients(names, salt))}


def digest_patients(names: Iterable[str], salt: bytes) -> set[str]:
    """Keyed digests of patients, which cannot be looked up in a list made beforehand."""
    return {
        hashlib.blake2b(name.encode(), key=salt, digest_size=_SALT_BYTES).hexdigest()
        for name in names
    }


def _patients_of(model: Model) -> tuple[bytes, set[str]]:
    """Salt and digests of the card; none of a model that was trained by an older version."""
    told = model.training.get("patients_learned_from")
    if told is None:
        return b"", set()
    try:
        salt, digests = bytes.fromhex(told["salt"]), {str(one) for one in told["digests"]}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the card of {model.path} is damaged: train it again.") from error
    if not 0 < len(salt) <= hashlib.blake2b.MAX_KEY_SIZE:
        raise InputError(f"the card of {model.path} is damaged: train it again.")
    return salt, digests


def pool_digest(images: ImageSet) -> str:
    """One digest of the pictures of a set, whatever their names and order."""
    return hashlib.sha256("\n".join(sorted(images.sha256)).encode()).hexdigest()
