"""Which results can be combined: one generated set, one way to audit it, different real images."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

from vestige.decision.audited import Audited
from vestige.registry.entries import InputError
from vestige.schema.records import SetTest

OPTIONS = (
    *("detectors", "detector_options", "effort", "views", "checks", "colour", "dimensions"),
    *("window", "layout", "include_derived", "harmonize"),
)
"""What must be the same at all sites; of a common preparation only whether there is one."""
REMOVED = "[removed]"
"""What a redacted result says of an option that it does not tell."""
REALS = ("query", "used", "unused", "reference")
LONGEST = 60


@dataclass(frozen=True)
class Given:
    """The audit of one site, by the name of the site."""

    name: str
    result: Audited

    @property
    def test(self) -> SetTest:
        """Its set test, which `refuse_unlike` asks for."""
        if self.result.set_test is None:
            raise InputError(
                f"the result of {self.name} has no test of the set, as it had nothing to compare "
                "with: audit there with unused images, and combine again."
            )
        return self.result.set_test

    @cached_property
    def sha256(self) -> str:
        """Of its result.json."""
        text = self.result.to_json().encode("utf-8", errors="backslashreplace")
        return hashlib.sha256(text).hexdigest()

    @property
    def redacted(self) -> bool:
        """Whether its names are hashes."""
        return self.result.manifest.options.get("redacted") is True


def refuse_unlike(sites: Sequence[Given]) -> None:
    """Refuse results that cannot be combined; the message names the first difference.

    Raises
    ------
    InputError
        For fewer than two sites, names that are not usable or stand twice, a result without a set
        test or of a part of an earlier audit; other generated images, versions, questions or
        options; real images that stand at two sites.
    """
    if len(sites) < 2:
        raise InputError(
            f"a combination needs the results of two or more sites, found {len(sites)}: give one "
            "result.json for each site."
        )
    names = [one.name for one in sites]
    for name in names:
        if not name or len(name) > LONGEST or not name.isprintable():
            raise InputError(
                f"{name!r:.80} cannot be the name of a site: give 1 to {LONGEST} printable letters."
            )
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise InputError(
            f"two results are called {twice}: give every site a name of its own "
            "(NAME=RESULT.json on the command line, a dict in Python)."
        )
    for one in sites:
        _check_alone(one)
    for other in sites[1:]:
        _check_beside(sites[0], other)
    for first, second in combinations(sites, 2):
        _check_reals(first, second)


def untold_options(sites: Sequence[Given]) -> tuple[str, ...]:
    """Options that a redacted result does not tell."""
    told = [one.result.manifest.options for one in sites]
    return tuple(name for name in OPTIONS if any(_hides(one.get(name)) for one in told))


def same_names(sites: Sequence[Given]) -> int:
    """Names of target patients that stand at more than one site."""
    at = [{f.group for f in one.result.findings} for one in sites]
    return len(set().union(*(first & second for first, second in combinations(at, 2))))


def _check_alone(one: Given) -> None:
    assert one.test  # noqa: S101 -- raises where there is none
    history = one.result.run_history
    if history is not None and history.part_of:
        raise InputError(
            f"the result of {one.name} is about a part of the images of an earlier audit there: "
            "give the audit of all of them."
        )
    if not one.result.manifest.inputs_sha256.get("generated"):
        raise InputError(
            f"the result of {one.name} does not tell which generated images it is about: audit "
            "there again."
        )


def _check_beside(first: Given, other: Given) -> None:
    made = [one.result.manifest.inputs_sha256["generated"] for one in (first, other)]
    if made[0] != made[1]:
        raise InputError(
            f"{first.name} and {other.name} audited different generated images ({made[0][:12]} and "
            f"{made[1][:12]}): give every site the same folder, under the same file names."
        )
    for (name, mine), (_, theirs) in zip(_asked(first), _asked(other), strict=True):
        if _hides(mine) or _hides(theirs) or mine == theirs:
            continue
        raise InputError(
            f"{first.name} and {other.name} did not audit alike: {name} is {_shown(mine)} at "
            f"{first.name} and {_shown(theirs)} at {other.name}. Audit with the same version and "
            "options at all sites."
        )


def _asked(one: Given) -> list[tuple[str, Any]]:
    """What must agree, by name, the version first."""
    made, asked = one.result.manifest, one.result.question
    told: list[tuple[str, Any]] = [
        ("the version of vestige", made.vestige),
        ("the mode", asked.mode),
        ("the kind of images", made.kind),
        ("the false-alarm rate", asked.false_alarm_rate),
        ("the largest accepted AUC", asked.max_auc),
    ]
    for name in OPTIONS:
        value = _as_json(made.options.get(name))
        told.append((name, value is not None if name == "harmonize" else value))
    return told


def _check_reals(first: Given, second: Given) -> None:
    """Refuse real images that stand at both sites, as far as the results tell."""
    mine, theirs = (_digests(one) for one in (first, second))
    if shared := next((digest for digest in mine if digest in theirs), ""):
        raise InputError(
            f"the {mine[shared]} images of {first.name} are the {theirs[shared]} images of "
            f"{second.name}: sites are combined as if they had different patients, so give each "
            "of them once."
        )
    copied, also = (_copied(one) for one in (first, second))
    if shared := next((key for key in copied if key in also), ""):
        raise InputError(
            f"the generated image {shared[0]!r:.80} has the very pixels of an image of "
            f"{first.name} ({copied[shared]}) and of an image of {second.name} ({also[shared]}): "
            "an image belongs to one site and one role, so leave it out of one of them and audit "
            "there again."
        )


def _digests(one: Given) -> dict[str, str]:
    """Digest of a set of real images -> its role."""
    known = one.result.manifest.inputs_sha256
    return {known[role]: role for role in REALS if known.get(role)}


def _copied(one: Given) -> dict[Any, str]:
    """Generated images that have the pixels of a real one, with the view -> the role of that."""
    if one.redacted:  # names are hashed by a key of their own
        return {}
    return {
        (copy.generated, copy.view, copy.inverted): copy.role
        for copy in one.result.copies
        if copy.by == "same pixels"
    }


def _as_json(value: Any) -> Any:
    """Tuples, of a result that was never a file, as the lists that JSON makes of them."""
    if isinstance(value, dict):
        return {key: _as_json(one) for key, one in value.items()}
    return list(map(_as_json, value)) if isinstance(value, list | tuple) else value


def _hides(value: Any) -> bool:
    """Whether redaction took away a text of this value."""
    if isinstance(value, dict):
        return any(map(_hides, value.values()))
    parts: Iterable[Any] = value if isinstance(value, list | tuple) else (value,)
    return any(one == REMOVED for one in parts)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
