"""A second audit of the images of a result: the same options, images and groups, or a refusal."""

from collections.abc import Mapping
from dataclasses import replace

from vestige.auditing.gathering import read_role
from vestige.auditing.options import AuditOptions, MadeWith, read_options
from vestige.auditing.request import ROLES
from vestige.engine.engines import of_held_images, open_executor
from vestige.images.choosing import choose_kind
from vestige.images.given_groups import Names, Place
from vestige.images.groups import assign_groups
from vestige.images.imageset import ImageSet
from vestige.images.listing import Source, listed
from vestige.judging.cohort import Cohort, form_cohort
from vestige.registry.entries import InputError
from vestige.result import AuditResult
from vestige.scoring.plan import Options, plan_columns, weights_digests
from vestige.types import Progress

LARGEST = 4096
"""Working size in pixels of an audit that is repeated."""


def check_result(result: AuditResult, given: Options | None = None) -> MadeWith:
    """How the audit to be repeated was made, or why it cannot be repeated.

    Parameters
    ----------
    given : detector -> its options, optional
        Those that name files or folders. They are taken from the caller alone: a result that
        somebody passed on would choose what is read, written and fetched.
    """
    if result.manifest.options.get("redacted"):
        raise InputError("this result is redacted, its names are gone: give the one it came from.")
    if not any(check.name == "planted" for check in result.checks) and result.set_test:
        raise InputError(
            "the validity checks of this result were switched off, so nothing that scrub leaves "
            "could be released: audit again without --no-checks, then scrub."
        )
    if not result.copies and not any(f.verdict != "uncalibrated" for f in result.findings):
        raise InputError(
            "this result names no copy and nobody, so there is nothing to scrub by. "
            f"{result.decision.text}"
        )
    try:
        made = read_options(result.manifest)
    except InputError as error:
        raise InputError(
            f"this result does not say how it was made: {error.for_command} Audit again, "
            "then scrub."
        ) from error
    made.check_origins()
    made = _with_own_places(made, given or {})
    if not 1 <= made.working_size <= LARGEST:
        raise InputError(
            f"this result was made at {made.working_size} pixels a side; 1 to {LARGEST} can be "
            "repeated. Audit again, then scrub."
        )
    question = result.question
    if (made.false_alarm_rate, made.max_auc) != (question.false_alarm_rate, question.max_auc):
        raise InputError(
            "this result contradicts itself: its question and manifest.options give another "
            "false-alarm rate or largest AUC. Audit again, then scrub."
        )
    if made.strangers:
        raise InputError(
            f"this result rests on {made.strangers[0]}, a trained model (it compares with the "
            "whole generated set) or a detector of another version: audit again without it."
        )
    options = made.asked(result.manifest.seed)
    has_reference = bool(question.counts.get("reference"))
    plan = plan_columns(
        options.named,
        has_reference,
        options.options,
        views=options.views,
        kind=result.manifest.kind,
    )
    weights = {column.name: column.weight for column in plan}
    if made.weights != weights or weights_digests(plan) != result.manifest.weights_sha256:
        raise InputError(
            "the detectors of this result are not those of this version (or their weights' files "
            "have changed): audit again, then scrub."
        )
    return made


def _with_own_places(made: MadeWith, given: Options) -> MadeWith:
    """The options of a result with the files and folders that the caller names."""
    asked = made.places()
    named = {(name, option) for name, own in asked.items() for option in own}
    told = {(name, option) for name, own in given.items() for option in own}
    for name, option in sorted(named - told):
        if not asked[name][option]:  # it asks for none
            continue
        raise InputError(
            f"this result names a file, folder or download for {name}.{option}, which is not taken "
            f"from a result: give --option {name}.{option}=VALUE yourself."
        )
    for name, option in sorted(told - named):
        raise InputError(f"the result was made without {name}.{option}: leave that --option out.")
    mine = {
        name: {k: v for k, v in own.items() if (name, k) not in named} | dict(given.get(name, {}))
        for name, own in made.detector_options.items()
    }
    return replace(made, detector_options=mine)


def options_again(made: MadeWith, seed: int, engine: str) -> AuditOptions:
    """The options of each further audit, of sets that are read already.

    The release curve is drawn once, not in each round; nothing is released without the checks.
    """
    return replace(
        made.asked(seed), release_curve=False, checks=True, engine=of_held_images(engine)
    )


def read_again(
    result: AuditResult,
    given: Mapping[str, Source | None],
    made: MadeWith,
    options: AuditOptions,
    progress: Progress,
) -> dict[str, ImageSet]:
    """The images of the audit, at its working size; others are refused."""
    asked = result.manifest.inputs_sha256
    for role in ROLES:
        if (given[role] is None) == (role in asked):
            what = f"--{role} is missing" if role in asked else f"the result knows no --{role}"
            raise InputError(f"{what}: give the folders that were audited.")
    sources = {role: listed(source) for role, source in given.items() if source is not None}
    chosen = choose_kind(
        sources, options.colour, options.window, options.layout, options.dimensions
    )
    sets, size = {}, made.working_size
    with open_executor(options.engine) as executor:
        for role, source in sources.items():
            sets[role] = read_role(role, source, size, options, chosen, executor, progress)
            if sets[role].inputs_sha256 != asked[role]:
                raise InputError(
                    f"the {role} images are not those of the result (their names or pixels "
                    "differ): give the folder that was audited, or audit again."
                )
    return sets


def fill_again(
    result: AuditResult,
    sets: Mapping[str, ImageSet],
    groups: Place | Names | None,
    group_regex: str | None,
) -> Cohort:
    """The cohort of the audit; other groups are refused."""
    reals = {role: images for role, images in sets.items() if role != "generated"}
    labels = assign_groups(reals, csv=groups, regex=group_regex).labels
    cohort = form_cohort(sets, labels, result.question.mode)[0]
    now = {
        id_: str(g)
        for id_, g, j in zip(cohort.ids, cohort.groups, cohort.targets, strict=True)
        if j
    }
    calibrating = sorted(
        (id_, str(g))
        for id_, g, c in zip(cohort.ids, cohort.groups, cohort.unused, strict=True)
        if c
    )
    known = result.calibration
    if now != {f.id: f.group for f in result.findings} or calibrating != sorted(
        zip(known.ids, known.groups, strict=True)
    ):
        raise InputError(
            f"the groups are not those of the result ({result.question.groups_from}): give the "
            "same --groups or --group-regex."
        )
    return cohort
