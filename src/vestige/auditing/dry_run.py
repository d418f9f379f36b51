"""An audit that is not made: what would refuse it, and what it would compare; in seconds.

Every rule is that of the audit itself. Up to `LOOKED_AT` files of each role are opened.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from vestige.auditing.before_reading import input_places, told_groups
from vestige.auditing.options import AuditOptions
from vestige.auditing.request import ROLES, Request, open_request
from vestige.engine.engines import ENGINES
from vestige.files.places import refuse_within
from vestige.images.choosing import choose_kind
from vestige.images.formats import format_of_name
from vestige.images.given_arrays import Given
from vestige.images.given_groups import by_name
from vestige.images.imageset import ImageSet
from vestige.images.inspecting import Seen, inspect_file
from vestige.images.kinds import Kind
from vestige.images.listing import Listing, Source, listed, spread
from vestige.images.matching import Place
from vestige.images.told_groups import groups_at
from vestige.registry.entries import InputError, choose
from vestige.types import quiet

LOOKED_AT = 8
SINGLE = ("png", "jpeg", "bmp", "webp", "pnm")
"""Formats whose files hold one image, so that a table has a row for each of them."""


@dataclass(frozen=True)
class RoleSeen:
    """One role: how many files or images it names, and what some of them are.

    formats, sides : of the files that were opened, sides as "height x width"
    values : (darkest, brightest) grey value of these files, 0 is black and 1 is white
    patients : None where only reading all images could tell
    """

    count: int
    looked_at: int = 0
    formats: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()
    values: tuple[float, float] | None = None
    patients: int | None = None


@dataclass
class DryRun:
    """What an audit would do.

    refusals : each would end the audit
    warnings : each would be a row of its problems
    """

    mode: str = ""
    kind: Kind | None = None
    roles: dict[str, RoleSeen] = field(default_factory=dict)
    detectors: tuple[str, ...] = ()
    refusals: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def refuse(self, error: InputError) -> None:
        """Keep why the audit would end."""
        if str(error) not in self.refusals:
            self.refusals.append(str(error))


def dry_run(given: Mapping[str, Source | None], options: AuditOptions) -> DryRun:
    """Ask all that can be asked before the images are read, and go on after a refusal.

    Nothing is written; the cache is not made.

    Parameters
    ----------
    given : role -> images, as `vestige.audit` takes them
    options : AuditOptions
    """
    found = DryRun()
    sources: dict[str, Source] = {}
    for role, source in given.items():
        if source is None or role not in ROLES:
            continue
        try:
            sources[role] = listed(source)
        except InputError as error:
            found.refuse(error)
    whole = len(sources) == sum(source is not None for source in given.values())
    request = _open(found, sources, options) if whole else None
    if whole and (kind := _kind(found, sources, options)):
        found.kind = kind
        if request is not None:
            _plan(found, request, kind)
    groups = _patients(found, sources, options) if whole else {}
    for role, source in sources.items():
        if isinstance(source, Listing):
            seen = _look(found, role, source, options)
        else:
            seen = RoleSeen(len(source) if isinstance(source, ImageSet | Given) else 0)
        found.roles[role] = replace(seen, patients=len(groups[role]) if role in groups else None)
    _places(found, sources, options)
    return found


def _open(found: DryRun, sources: Mapping[str, Source], options: AuditOptions) -> Request | None:
    try:
        choose(ENGINES, options.engine.partition(":")[0], "engine")
        request = open_request(sources, replace(options, cache=None), quiet)
    except InputError as error:
        found.refuse(error)
        return None
    found.mode = request.mode
    return request


def _kind(found: DryRun, sources: Mapping[str, Source], options: AuditOptions) -> Kind | None:
    if "generated" not in sources:
        return None
    try:
        chosen = choose_kind(
            sources, options.colour, options.window, options.layout, options.dimensions
        )
    except InputError as error:
        found.refuse(error)
        return None
    found.warnings += [f"{row.path}: {row.what}" for row in chosen.problems]
    return chosen.kind


def _plan(found: DryRun, request: Request, kind: Kind) -> None:
    try:
        plan = request.plan("reference" in request.sources, kind)
    except InputError as error:
        found.refuse(error)
    else:
        found.detectors = tuple(dict.fromkeys(column.detector for column in plan))


def _patients(
    found: DryRun, sources: Mapping[str, Source], options: AuditOptions
) -> dict[str, frozenset[str]]:
    """Patients of each real role, where a table or an expression names them."""
    reals = {role: source for role, source in sources.items() if role != "generated"}
    try:
        given = by_name(options.groups, sources, options.layout)
        if given is not None:
            table = given if isinstance(given, Mapping) else Path(given)
            groups_at(table, list(_single(reals)))
        groups = told_groups(sources, given, options.group_regex) or {}
    except InputError as error:
        found.refuse(error)
        return {}
    both = groups.get("used", frozenset()) & groups.get("unused", frozenset())
    if both:
        found.warnings.append(
            f"{len(both)} patients have used and unused images and would take no part in the test "
            "of the set: give each patient one role."
        )
    return groups


def _single(sources: Mapping[str, Source]) -> Iterator[Place]:
    """The files that hold one image each, and so need a row each."""
    for role, source in sources.items():
        if isinstance(source, Listing):
            files = [file for file in source.files if format_of_name(file[1]) in SINGLE]
            ids = [name for name, _ in files]
            yield Place(role, source.root, ids, [str(path) for _, path in files])


def _look(found: DryRun, role: str, source: Listing, options: AuditOptions) -> RoleSeen:
    seen: list[Seen] = []
    for k in spread(len(source.files), LOOKED_AT):
        name, path = source.files[k]
        if isinstance(path, str | Path):
            one, _ = inspect_file(str(path), options.window)
            seen.append(one)
            found.warnings += [f"{role}/{name}: {row.what}" for row in one.problems]
    read = [one for one in seen if one.values is not None and one.shape is not None]
    values = [one.values for one in read if one.values is not None]
    sides = [f"{one.shape[0]} x {one.shape[1]}" for one in read if one.shape is not None]
    return RoleSeen(
        count=len(source.files),
        looked_at=len(seen),
        formats=tuple(sorted({one.format or "unknown" for one in seen})),
        sides=tuple(dict.fromkeys(sides)),
        values=(min(v[0] for v in values), max(v[2] for v in values)) if values else None,
    )


def _places(found: DryRun, sources: Mapping[str, Source], options: AuditOptions) -> None:
    if options.cache is None:
        return
    try:
        refuse_within(("--cache", options.cache), input_places(sources))
    except InputError as error:
        found.refuse(error)
