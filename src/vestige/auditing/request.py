"""What is asked, and whatever can be refused before an image is read."""

from collections.abc import Mapping
from dataclasses import dataclass

from vestige.auditing.before_reading import check_cache, refuse_early
from vestige.auditing.options import AuditOptions
from vestige.detectors import TAKES
from vestige.images.given_groups import Names, Place, by_name, told_ids, with_ids
from vestige.images.kinds import NAMES, Kind
from vestige.images.listing import Source, listed
from vestige.judging.cohort import Mode, find_mode
from vestige.judging.negative import check_lot
from vestige.judging.release_curve import check_curve
from vestige.registry.entries import InputError
from vestige.scoring.plan import Column, plan_columns
from vestige.training.models import Model, open_models
from vestige.types import Progress

ROLES = ("generated", "query", "used", "unused", "reference")


@dataclass(frozen=True)
class Request:
    """Which images, by role, how they are audited, and by which columns.

    groups : those of the options, by the names of the images; or the table that tells them
    trained : models of `AuditOptions.models`
    """

    mode: Mode
    sources: Mapping[str, Source]
    options: AuditOptions
    groups: Place | Names | None
    trained: tuple[Model, ...]
    progress: Progress

    def plan(self, has_reference: bool, kind: Kind = "grey") -> tuple[Column, ...]:
        """The columns of the named detectors, then those of the models, for images of a kind.

        Models run alone when no detector is named.

        Raises
        ------
        InputError
            As `vestige.scoring.plan.plan_columns`.
        """
        asked, known = self.options, tuple[Column, ...]()
        if asked.named or not self.trained:
            known = plan_columns(
                asked.named, has_reference, asked.options, asked.effort, asked.views, kind
            )
        return known + tuple(_comparing(model, kind) for model in self.trained)


def _comparing(model: Model, kind: Kind) -> Column:
    """The column of a model, if it compares images of this kind."""
    choice = model.column.choice
    if not choice.compares(kind):
        raise InputError(
            f"the model {model.path} compares {TAKES[choice.takes]}; {NAMES[kind]} were given: "
            "leave it out."
        )
    return model.column


def open_request(
    given: Mapping[str, Source | None], options: AuditOptions, progress: Progress
) -> Request:
    """List the files of each role, open the models, and refuse what cannot be audited.

    Raises
    ------
    InputError
        Nothing to judge, options that do not fit the roles, unknown detectors, contradictions
        that lists of files show (`refuse_early`).
    """
    if options.groups is not None and options.group_regex is not None:
        raise InputError("groups were given twice, as CSV and as regular expression; give one.")
    unknown = [role for role in given if role not in ROLES]
    if unknown or given.get("generated") is None:
        what = f"unknown role {unknown[0]!r}" if unknown else "there are no generated images"
        raise InputError(f"{what}: give images by role ({', '.join(ROLES)}).")
    mode = find_mode(given.get("used"), given.get("unused"), given.get("query"))
    has_unused = given.get("unused") is not None
    if options.release_curve:
        check_curve(mode, has_unused)
    request = Request(mode, {}, options, None, open_models(options.models), progress)
    plan = request.plan(given.get("reference") is not None)
    if options.assigned_by_lot:
        check_lot(mode, has_unused, plan)
    for role, source in given.items():
        if isinstance(source, str) and not source.strip():
            raise InputError(f"the folder of the {role} images has an empty name: name a folder.")
    sources = {role: listed(source) for role in ROLES if (source := given.get(role)) is not None}
    sources = with_ids(sources, told_ids(options.ids))
    groups = by_name(options.groups, sources, options.layout)
    refuse_early(sources, mode, options.false_alarm_rate, groups, options.group_regex)
    check_cache(options.cache, sources)
    return Request(mode, sources, options, groups, request.trained, progress)
