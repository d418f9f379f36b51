"""An audit that is not made: what would refuse it, and what it would compare; in seconds.

Every rule is that of the audit itself. Up to `LOOKED_AT` files of each role are opened.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vestige.auditing.before_reading import input_places, told_groups
from vestige.auditing.options import AuditOptions
from vestige.auditing.request import ROLES, Request, open_request
from vestige.engine.engines import ENGINES
from vestige.files.places import refuse_within
from vestige.images.choosing import Chosen, choose_kind
from vestige.images.formats import format_of_name
from vestige.images.frame import BLACK
from vestige.images.given_arrays import Given
from vestige.images.given_groups import by_name
from vestige.images.imageset import ImageSet
from vestige.images.inspecting import format_of_file
from vestige.images.kinds import Kind
from vestige.images.listing import Listing, Source, listed, spread
from vestige.images.matching import Place
from vestige.images.reading import Wanted, read_images
from vestige.images.series_listing import in_series
from vestige.images.told_groups import groups_at
from vestige.images.unread import FileFault
from vestige.registry.entries import InputError, choose
from vestige.schema.records import Problem
from vestige.types import quiet

LOOKED_AT = 8
SIZE = 16
"""Pixels or voxels a side at which these files are read."""
SINGLE = ("png", "jpeg", "bmp", "webp", "pnm")
"""Formats whose files hold one image, so that a table has a row for each of them."""


@dataclass(frozen=True)
class RoleSeen:
    """One role: how many files or images it names, and what some of them are.

    formats, sides : of the files that were read, sides as "height x width", of volumes
        "slices x height x width"
    values : (lowest, highest) value of up to `LOOKED_AT` of their images, 0 is black and 1 is
        white; of volumes at `SIZE` voxels a side
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
        if error.for_command not in self.refusals:
            self.refusals.append(error.for_command)


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
    chosen = _kind(found, sources, options) if whole else None
    if chosen is not None:
        found.kind = chosen.kind
        if request is not None:
            _plan(found, request, chosen.kind)
    groups = _patients(found, sources, options) if whole else {}
    for role, source in sources.items():
        if isinstance(source, Listing):
            seen = _look(found, role, source, options, chosen)
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


def _kind(found: DryRun, sources: Mapping[str, Source], options: AuditOptions) -> Chosen | None:
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
    return chosen


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


def _look(
    found: DryRun, role: str, source: Listing, options: AuditOptions, chosen: Chosen | None
) -> RoleSeen:
    """Some files of a role, read as the audit reads all of them; how they are read is `chosen`."""
    count = len(source.files)
    try:
        if chosen and chosen.kind == "volume":
            source = in_series(source)
        files = tuple(source.files[k] for k in spread(len(source.files), LOOKED_AT))
        some = "" if len(files) == len(source.files) else f"; only {len(files)} were looked at"
        asked = replace(
            source,
            files=files,
            name=source.name + some,
            left_out=(),
            skipped=(),
            entries=len(files),
        )
        images = read_images(
            asked,
            role=role,
            size=SIZE,
            window=options.window,
            wanted=Wanted(
                options.include_derived,
                0,
                options.layout,
                # what is refused is told as it is, without a word on how it would be changed
                chosen.kind if chosen else "colour",
                chosen.background if chosen else BLACK,
            ),
        )
        values = [images.original(k) for k in spread(len(images), LOOKED_AT)]
    except InputError as error:
        found.refuse(error)
        return RoleSeen(count)
    found.warnings += _folded(images.problems, role, len(files))
    sides = [" x ".join(map(str, record.shape)) for record in images.records]
    paths = dict.fromkeys(record.path for record in images.records)
    return RoleSeen(
        count=count,
        looked_at=len(files),
        formats=tuple(sorted({format_of_file(path) or "unknown" for path in paths})),
        sides=tuple(dict.fromkeys(sides)),
        values=(min(float(v.min()) for v in values), max(float(v.max()) for v in values)),
    )


def _folded(problems: Sequence[Problem], role: str, looked_at: int) -> Iterator[str]:
    """One line for files that are not read for one kind of reason, with their number."""
    alike: dict[str, list[Problem]] = {}
    for row in problems:
        alike.setdefault(row.kind if isinstance(row, FileFault) else row.what, []).append(row)
    for rows in alike.values():
        first = f"{rows[0].path}: {rows[0].what}"
        several = f"{len(rows)} of {looked_at} files of {role} looked at, the first "
        yield first if len(rows) == 1 else several + first


def _places(found: DryRun, sources: Mapping[str, Source], options: AuditOptions) -> None:
    if options.cache is None:
        return
    try:
        refuse_within(("--cache", options.cache), input_places(sources))
    except InputError as error:
        found.refuse(error)
