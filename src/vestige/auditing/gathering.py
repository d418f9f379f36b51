"""Folders -> images of one working size -> patients: what is known before anything is scored."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from vestige.auditing.manifest import Clock
from vestige.auditing.options import AuditOptions
from vestige.auditing.request import Request
from vestige.checks.unlike import find_unlike, unlike_problems
from vestige.checks.unread import unread_by_role
from vestige.decision.records import Unlike, Unread
from vestige.engine.shards import Workers
from vestige.images.choosing import Chosen, choose_kind
from vestige.images.duplicates import repeats
from vestige.images.groups import Grouping, assign_groups
from vestige.images.harmonize import Preparation, find_preparation
from vestige.images.imageset import ImageSet
from vestige.images.listing import Source, peek_size
from vestige.images.reading import MEASURED, Wanted, read_images
from vestige.judging.cohort import Cohort, check_roles, form_cohort, own_reference, with_reference
from vestige.judging.judge import check_rate
from vestige.registry.entries import InputError
from vestige.schema.records import Problem
from vestige.scoring.plan import Column
from vestige.training.models import check_models, check_patients
from vestige.types import Bools, Images, Progress


@dataclass(frozen=True)
class Gathered:
    """The images by role and by patient, and the columns that will score them.

    as_read, sets : role -> images before and after the common preparation, if there is one;
        `sets` lack reference images of patients in another role
    labels : role -> group of each image of `sets`
    """

    as_read: Mapping[str, ImageSet]
    sets: Mapping[str, ImageSet]
    preparation: Preparation | None
    grouping: Grouping
    labels: Mapping[str, tuple[str, ...]]
    cohort: Cohort
    plan: tuple[Column, ...]
    unread: tuple[Unread, ...]
    unlike: Unlike | None
    problems: tuple[Problem, ...]

    @cached_property
    def candidates(self) -> Bools:
        """Judged images [n] whose answer is not known, of groups without unused images."""
        return np.asarray(self.cohort.targets & ~self.cohort.answered & ~self.cohort.mixed)

    @property
    def reference(self) -> Images | None:
        """The pixels of the reference, if there is one."""
        return self.sets["reference"].pixels if "reference" in self.sets else None


def gather(request: Request, clock: Clock, executor: Executor | None) -> Gathered:
    """Read all images, prepare them alike if asked, and find the patients.

    The workers of a cluster keep the generated images that they have read: `executor` must be open
    as long as these are asked for.

    Raises
    ------
    InputError
        Images of several kinds, or of one that a named detector does not compare; roles that
        contradict each other, too few images or patients, models that know a target patient,
        detectors that lost their reference.
    """
    options, mode = request.options, request.mode
    with clock.stage("read"):
        chosen = choose_kind(
            request.sources, options.colour, options.window, options.layout, options.dimensions
        )
        planned = partial(request.plan, kind=chosen.kind)
        plan = planned("reference" in request.sources)
        required_resolution = max(column.required_resolution for column in plan)
        as_read = _read(request, chosen, required_resolution, executor)
        if isinstance(executor, Workers):
            executor.rest()
    problems = [*chosen.problems]
    problems += [problem for images in as_read.values() for problem in images.problems]
    problems += check_roles(as_read, mode)
    made = as_read["generated"]
    problems += repeats(made.ids, made.sha256, "generated", made.kind)
    check_models(request.trained, as_read)
    unread, unlike = unread_by_role(as_read, mode), find_unlike(as_read)
    problems += unlike_problems(unlike)
    preparation, sets = find_preparation(as_read) if options.harmonize else None, as_read
    if preparation is not None:
        sets = {role: preparation.apply(images) for role, images in sets.items()}

    with clock.stage("group"):
        reals = {role: images for role, images in sets.items() if role != "generated"}
        grouping = assign_groups(reals, csv=request.groups, regex=options.group_regex)
        problems += [*grouping.problems, *check_patients(request.trained, grouping)]
        labels, own, notes = own_reference(grouping.labels)
        problems += notes
        sets = sets if own is None else with_reference(sets, own)
        plan = _plan(planned, "reference" in sets, notes)
        cohort, notes = form_cohort(sets, grouping.labels, mode)
        problems += notes
        problems += check_rate(
            cohort, options.false_alarm_rate, grouping.guessed, grouping.patients
        )
    return Gathered(
        as_read, sets, preparation, grouping, labels, cohort, plan, unread, unlike, tuple(problems)
    )


def read_role(
    role: str,
    source: Source,
    size: int,
    options: AuditOptions,
    chosen: Chosen,
    executor: Executor | None,
    progress: Progress,
    held: bool = False,
) -> ImageSet:
    """The images of one role at the working size; `held`: they may stay with workers."""
    return read_images(
        source,
        role=role,
        size=size,
        window=options.window,
        executor=executor,
        cache=options.cache,
        progress=partial(progress, f"reading {role}"),
        wanted=Wanted(
            options.include_derived,
            MEASURED if role == "generated" else None,
            options.layout,
            chosen.kind,
            chosen.background,
            held,
        ),
    )


def _read(
    request: Request, chosen: Chosen, required_resolution: int, executor: Executor | None
) -> dict[str, ImageSet]:
    layout = request.options.layout
    size = peek_size(request.sources.values(), required_resolution, layout, chosen.kind)
    return {
        role: read_role(
            role,
            source,
            size,
            request.options,
            chosen,
            executor,
            request.progress,
            role == "generated",
        )
        for role, source in request.sources.items()
    }


def _plan(
    planned: Callable[[bool], tuple[Column, ...]], has_reference: bool, notes: Sequence[Problem]
) -> tuple[Column, ...]:
    """The plan once reference images were left out; a detector that needs them says why."""
    try:
        return planned(has_reference)
    except InputError as error:
        if not notes:
            raise
        raise InputError(f"{notes[-1].what}. {error.for_command}") from error
