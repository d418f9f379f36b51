"""A world that was imported before is opened again, where the same folders are asked for."""

import os
from pathlib import Path

from vestige.files.places import told_place
from vestige.registry.entries import InputError
from vestige.types import Progress, quiet
from vestige.worlds.importing import NON_MEMBER, Imported, Origin, import_world
from vestige.worlds.record import IMPORTED, RECORD, verify_world


def open_or_import(
    origin: Origin, out: str | os.PathLike[str], *, progress: Progress = quiet
) -> Imported:
    """The world that an earlier call made of the same folders, or a new one (`import_world`).

    What an earlier call said of the files and found in its checks is not asked again.

    Raises
    ------
    InputError
        As `import_world`; when `out` holds another world, or files of it have changed.
    """
    if not (Path(out) / RECORD).exists():
        return import_world(origin, out, progress=progress)
    record = verify_world(out)
    known, asked = record.recipe, _told(origin)
    if any(getattr(known, name) != value for name, value in asked.items()):
        raise InputError(f"{os.fspath(out)} holds a world of other folders: name a new --out.")
    return Imported(record, (), ())


def _told(origin: Origin) -> dict[str, object]:
    """What the record of a world says of its origin."""
    options = {
        NON_MEMBER: origin.non_members, "generated": origin.generated, "shared": origin.shared
    }  # fmt: skip
    return {
        "generator": IMPORTED,
        "images": told_place(origin.members),
        "options": {name: told_place(value) for name, value in options.items()},
        "groups": told_place(origin.groups),
        "group_regex": origin.group_regex,
        "query_share": origin.query_share,
        "seed": origin.seed,
    }
