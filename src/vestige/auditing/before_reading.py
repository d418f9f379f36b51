"""What the lists of files tell before an image is read: contradictions, and too few patients.

Whatever passes here may still be refused once the pixels are known: files may hold the same image,
and patients may share one.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from vestige.cache.owner import open_cache
from vestige.files.places import Named, refuse_within
from vestige.images.formats import format_of_name
from vestige.images.given_arrays import Given
from vestige.images.given_groups import Names, Place
from vestige.images.imageset import ImageSet
from vestige.images.listing import Listing, Source
from vestige.images.matching import Place as Files
from vestige.images.matching import match
from vestige.images.patient_ids import folded
from vestige.images.readers import ARRAYS
from vestige.images.remote import is_address, without_scheme
from vestige.images.told_groups import compile_groups, find_groups, read_group_table
from vestige.judging.cohort import CONTRADICTING, TARGET_ROLE, Mode, no_calibration
from vestige.registry.entries import InputError
from vestige.stats.calibration import require_resolution


def refuse_early(
    sources: Mapping[str, Source],
    mode: Mode,
    false_alarm_rate: float,
    csv: Place | Names | None,
    regex: str | None,
) -> None:
    """Refuse what the lists of files alone show to be impossible.

    Parameters
    ----------
    sources : role -> files, or images as they are
    csv, regex : where the groups come from, as `vestige.images.assign_groups` takes them

    Raises
    ------
    InputError
        One file in two roles that contradict each other; fewer unused patients than the
        false-alarm rate needs, or none that is not judged as well.
    """
    _refuse_same_files(sources)
    if "unused" not in sources:
        return
    groups = told_groups(sources, csv, regex)
    if groups is None:
        most = _most_groups(sources["unused"])
        if most is not None:
            require_resolution(false_alarm_rate, most)
        return
    mine = groups["unused"] - groups.get(TARGET_ROLE[mode], frozenset())
    if not mine:
        raise no_calibration(mode)
    require_resolution(false_alarm_rate, len(mine), "patients")


def check_cache(cache: str | os.PathLike[str] | None, sources: Mapping[str, Source | None]) -> None:
    """Refuse a cache among the inputs, and one that is not this user's; make it if it is missing.

    Raises
    ------
    InputError
    """
    if cache is None:
        return
    refuse_within(("--cache", cache), input_places(sources))
    open_cache(cache)


def input_places(sources: Mapping[str, Source | None]) -> Iterator[Named]:
    """Folders and files of each role on this machine; where links of a folder lead, too."""
    for role, source in sources.items():
        if isinstance(source, Listing):
            local = [path for _, path in source.files if not is_address(path)]
            folders = {os.path.dirname(path) for path in local}
            root = Path(source.name)
            yield from ((f"--{role}", each) for each in ([root] if root.is_dir() else local))
            if root.is_dir():
                yield from ((f"--{role}", folder) for folder in sorted(folders))
        elif isinstance(source, str | os.PathLike):
            if not is_address(source):
                yield f"--{role}", without_scheme(source)
        elif isinstance(source, list | tuple):
            yield from ((f"--{role}", os.fspath(path)) for path in source)


def _refuse_same_files(sources: Mapping[str, Source]) -> None:
    folders: dict[str, str] = {}
    files = {
        role: {_real(path, folders): id_ for id_, path in source.files if isinstance(path, Path)}
        for role, source in sources.items()
        if isinstance(source, Listing)
    }
    for first, second in CONTRADICTING:
        both = files.get(first, {}).keys() & files.get(second, {}).keys()
        if both:
            name = min(files[first][path] for path in both)
            raise InputError(
                f"{first} and {second} name {len(both)} file(s) both, e.g. {name}. An image has "
                "one status: give each role files of its own."
            )


def _real(path: Path, folders: dict[str, str]) -> str:
    """The real path of a file; those of its folders are asked for once."""
    folder, name = os.path.split(path)
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    place = os.path.join(folders[folder], name)
    return os.path.realpath(place) if name == os.pardir or os.path.islink(place) else place


def _most_groups(source: Source) -> int | None:
    """Images or, of files, groups at most: what one file holds is of one patient.

    None where a file of arrays may hold volumes, which are of several.
    """
    if isinstance(source, Listing):
        arrays = any(format_of_name(path) in ARRAYS for _, path in source.files)
        return None if arrays else len(source.files)
    return len(source) if isinstance(source, ImageSet | Given) else 0


def told_groups(
    sources: Mapping[str, Source], csv: Place | Names | None, regex: str | None
) -> dict[str, frozenset[str]] | None:
    """Groups of each role, where a table or an expression names those of all files."""
    if (csv is None) == (regex is None):
        return None
    table = read_group_table(Path(csv)) if isinstance(csv, str | os.PathLike) else csv
    pattern = None if regex is None else compile_groups(regex)
    found: dict[str, frozenset[str]] = {}
    for role, source in sources.items():
        if role == "generated":
            continue
        if not isinstance(source, Listing):
            return None
        ids = [identifier for identifier, _ in source.files]
        if table is not None:
            place = Files(role, source.root, ids, [str(path) for _, path in source.files])
            matched = match(table, [place])
            if matched.clash or matched.missing:
                return None  # files of several images, named one by one, or files without a row
            found[role] = frozenset(folded(table[row]) for row in matched.rows[role])
        elif pattern is not None:
            found[role] = frozenset(map(folded, find_groups(pattern, ids, f"{role}/")))
    return found
