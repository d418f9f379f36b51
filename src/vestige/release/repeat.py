"""A second audit of the images of a result: the same options, images and groups, or a refusal."""

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from vestige.auditing.audit import ROLES
from vestige.detectors import DETECTORS
from vestige.engine.engines import open_executor
from vestige.images.groups import assign_groups
from vestige.images.imageset import ImageSet
from vestige.images.listing import Source
from vestige.images.reading import MEASURED, read_images
from vestige.judging.cohort import Bag, fill_bag
from vestige.registry.choices import InputError
from vestige.result import AuditResult
from vestige.scoring.columns import plan_columns, weights_digests
from vestige.types import Progress


def check_result(result: AuditResult) -> dict[str, Any]:
    """The options of the audit to be repeated, or why it cannot be."""
    made = result.manifest
    told: dict[str, Any] = made.options
    if told.get("redacted"):
        raise InputError("this result is redacted, its names are gone: give the one it came from.")
    if not any(control.name == "planted" for control in result.controls) and result.set_test:
        raise InputError(
            "the validity checks of this result were switched off, so nothing that scrub leaves "
            "could be released: audit again without --no-checks, then scrub."
        )
    if not result.copies and not any(f.verdict != "uncalibrated" for f in result.findings):
        raise InputError(
            "this result names no copy and nobody, so there is nothing to scrub by. "
            f"{result.decision.text}"
        )
    if not _is_repeatable(told):
        raise InputError(
            "this result does not say how it was made (detectors, working_size, window in "
            "manifest.options): audit again, then scrub."
        )
    owner = {name + suffix: name for name, choice in DETECTORS.items() for suffix in choice.columns}
    columns = told["detectors"]
    strange = [column for column in columns if column not in owner]
    if strange:
        raise InputError(
            f"this result rests on {strange[0]}, a trained model (it compares with the whole "
            "generated set) or a detector of another version: audit again without it."
        )
    detectors = list(dict.fromkeys(owner[column] for column in columns))
    options = told["detector_options"]
    views = told.get("views", "none")  # results of older versions know no views
    has_reference = bool(result.question.counts.get("reference"))
    plan = plan_columns(detectors, has_reference, options, views=views)
    weights = {column.name: column.weight for column in plan}
    digests = weights_digests(plan)
    if told.get("weights") != weights or digests != made.weights_sha256:
        raise InputError(
            "the detectors of this result are not those of this version (or their weights' files "
            "have changed): audit again, then scrub."
        )
    window = told["window"]
    return {
        "detectors": detectors,
        "options": options,
        "views": views,
        "false_alarm_rate": result.question.false_alarm_rate,
        "max_auc": result.question.max_auc,
        "window": tuple(window) if window else None,
        "seed": made.seed,
    }


def _is_repeatable(told: Mapping[str, Any]) -> bool:
    columns, options, window = (told.get(k) for k in ("detectors", "detector_options", "window"))
    return (
        isinstance(columns, list)
        and all(isinstance(column, str) for column in columns)
        and len(columns) > 0
        and isinstance(options, dict)
        and all(isinstance(own, dict) for own in options.values())
        and isinstance(told.get("working_size"), int)
        and (window is None or (isinstance(window, list) and len(window) == 2))
    )


def read_again(
    result: AuditResult,
    given: Mapping[str, Source | None],
    engine: str,
    cache: str | os.PathLike[str] | None,
    progress: Progress,
) -> dict[str, ImageSet]:
    """The images of the audit, at its working size; others are refused."""
    asked = result.manifest.inputs_sha256
    told = result.manifest.options
    for role in ROLES:
        if (given[role] is None) == (role in asked):
            what = f"--{role} is missing" if role in asked else f"the result knows no --{role}"
            raise InputError(f"{what}: give the folders that were audited.")
    sets = {}
    with open_executor(engine) as executor:
        for role in (role for role in ROLES if role in asked):
            sets[role] = read_images(
                given[role],  # type: ignore[arg-type]  # checked above
                role=role,
                size=int(told["working_size"]),
                window=tuple(told["window"]) if told["window"] else None,
                executor=executor,
                cache=cache,
                progress=partial(progress, f"reading {role}"),
                measured=MEASURED if role == "generated" else None,
            )
            if sets[role].inputs_sha256 != asked[role]:
                raise InputError(
                    f"the {role} images are not those of the result (their names or pixels "
                    "differ): give the folder that was audited, or audit again."
                )
    return sets


def fill_again(
    result: AuditResult,
    sets: Mapping[str, ImageSet],
    groups: str | os.PathLike[str] | None,
    group_regex: str | None,
) -> Bag:
    """The bag of the audit; other groups are refused."""
    reals = {role: images for role, images in sets.items() if role != "generated"}
    labels = assign_groups(reals, csv=groups, regex=group_regex).labels
    bag = fill_bag(sets, labels, result.question.mode)[0]
    now = {id_: str(g) for id_, g, j in zip(bag.ids, bag.groups, bag.judged, strict=True) if j}
    calibrating = sorted(
        (id_, str(g)) for id_, g, c in zip(bag.ids, bag.groups, bag.control, strict=True) if c
    )
    known = result.calibration
    if now != {f.id: f.group for f in result.findings} or calibrating != sorted(
        zip(known.ids, known.groups, strict=True)
    ):
        raise InputError(
            f"the groups are not those of the result ({result.question.groups_from}): give the "
            "same --groups or --group-regex."
        )
    return bag
