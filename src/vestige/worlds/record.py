"""What a world folder says of itself: world.json and truth.csv, read strictly."""

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from vestige.files.places import told_place
from vestige.files.regular import read_text
from vestige.files.spreadsheet import no_table, plain
from vestige.files.strict_json import parse_json
from vestige.images.kinds import Kind
from vestige.registry.entries import InputError
from vestige.schema.decode import decode

SCHEMA = 1
LARGEST = 4096
"""Side of the images of a world, pixels."""
RECORD, RECIPE, TRUTH, TRAINING = "world.json", "recipe.json", "truth.csv", "training"
REALS = ("query", "reference", "unused", "used")
GENERATED = "generated"
IMPORTED = "imported"
"""In the place of the generator: of a world that was made elsewhere."""
FOLDERS = (*REALS, GENERATED)
TRUTH_COLUMNS = ["id", "role", "group", "used"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything asked of a world; the same recipe on the same images gives the same world.

    Parameters
    ----------
    generator : str
        A name of `vestige.worlds.GENERATORS`, or "imported" (`vestige.worlds.importing`).
    images : str
        Folder (or CSV list) of real images, as given.
    members : int
        Real images the generator is trained on, 1 or more.
    samples : int
        Generated images, 1 or more.
    options : dict of int, float, bool or str
        Of the generator.
    groups, group_regex : str or None
        Where the patients come from; see `vestige.images.assign_groups`.
    unused : int or None
        Further reals with known status; None: as many as members, and 100 where there is room.
    reference : int or None
        Further unused reals, 0 or more; None: what remains, up to 1,000.
    query_share : float
        Share of the members and of the unused that become queries, 0..1.
    per_group : int or None
        At most this many images of one group are used at all.
    size : int
        Side of the square images, pixels; of volumes voxels.
    kind : "grey", "colour" or "volume"
        What the images are read as. In the files of grey worlds it does not stand.
    seed : int
        Determines everything.
    """

    generator: str
    images: str
    members: int
    samples: int
    options: dict[str, Any] = field(default_factory=dict)
    groups: str | None = None
    group_regex: str | None = None
    unused: int | None = None
    reference: int | None = None
    query_share: float = 0.5
    per_group: int | None = None
    size: int = 64
    seed: int = 0
    kind: Kind = "grey"

    def told(self) -> "Recipe":
        """As it is written: places by their names, since a world may be passed on."""
        places = {name: told_place(getattr(self, name)) for name in ("images", "groups")}
        return replace(self, options={k: told_place(v) for k, v in self.options.items()}, **places)  # type: ignore[arg-type]


def written(recipe: Recipe) -> dict[str, Any]:
    """A recipe as it stands in a file."""
    fields = asdict(recipe)
    return {name: value for name, value in fields.items() if (name, value) != ("kind", "grey")}


def with_kind(recipe: Any) -> Any:
    """What stands in a file, with the kind that is left out of grey worlds."""
    return {"kind": "grey", **recipe} if isinstance(recipe, dict) else recipe


@dataclass(frozen=True)
class WorldRecord:
    """world.json: a finished world. Nothing in it names a patient.

    counts : images per folder, and members, strangers, left_out
    groups : groups per folder, and members, strangers
    sha256 : digest per folder, and of truth.csv
    figures : what training and sampling took
    """

    schema: int
    name: str
    recipe: Recipe
    source_sha256: str
    groups_from: str
    counts: dict[str, int]
    groups: dict[str, int]
    sha256: dict[str, str]
    figures: dict[str, Any]
    versions: dict[str, str]
    built: str

    def to_json(self) -> str:
        """The text of world.json."""
        told = asdict(self) | {"recipe": written(self.recipe)}
        return json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


@dataclass(frozen=True)
class TruthRow:
    """One real image of a world: "query/0012.png", its role (folder), its group, its status."""

    id: str
    role: str
    group: str
    used: bool


def load_world(folder: str | os.PathLike[str]) -> WorldRecord:
    """Read world.json of a finished world.

    Raises
    ------
    InputError
        When there is none (not a world, or unfinished), or it is not one of this version.
    """
    root = Path(folder)
    if not (root / RECORD).exists():
        if (root / RECIPE).exists():
            raise InputError(f"the world {root} is unfinished: run its command again.")
        raise InputError(f"{root} is not a world: it has no {RECORD}.")
    record: WorldRecord = load_schema(WorldRecord, root / RECORD, SCHEMA, _completed)
    if not 0 < record.recipe.size <= LARGEST:
        raise InputError(
            f"{root / RECORD} tells of images of {record.recipe.size} pixels a side; a world has "
            f"1 to {LARGEST}: build it again."
        )
    return record


def _completed(raw: dict[str, Any]) -> dict[str, Any]:
    return raw | {"recipe": with_kind(raw["recipe"])} if "recipe" in raw else raw


def verify_world(folder: str | os.PathLike[str]) -> WorldRecord:
    """Read world.json and compare the digests of every folder and of truth.csv.

    Raises
    ------
    InputError
        As `load_world`, and when files were added, removed or changed; the message names the role.
    """
    root, record = Path(folder), load_world(folder)
    for part in (*FOLDERS, TRUTH):
        found = digest_part(root / part)
        if found != record.sha256.get(part):
            what = "are missing" if found is None else "have changed"
            raise InputError(f"the files of {part} in {root} {what}: build the world again.")
    return record


def read_truth(folder: str | os.PathLike[str]) -> tuple[TruthRow, ...]:
    """Read truth.csv of a world.

    Raises
    ------
    InputError
        When it is missing or holds something else.
    """
    path = Path(folder) / TRUTH
    text = read_text(path)
    try:
        rows = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise InputError(f"cannot read {path}: {no_table(error)}") from error
    if not rows or rows[0] != TRUTH_COLUMNS:
        raise InputError(f"{path} must begin with the columns {','.join(TRUTH_COLUMNS)}.")
    truth = []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(TRUTH_COLUMNS) or row[1] not in REALS or row[3] not in ("0", "1"):
            raise InputError(
                f"{path}: row {number} is not id,role,group,used: {','.join(row)!r:.80}."
            )
        truth.append(TruthRow(row[0], row[1], plain(row[2]), row[3] == "1"))
    return tuple(truth)


def digest_part(path: Path) -> str | None:
    """Digest of one file, or of all files of a folder by name; None when there is nothing."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    if not path.is_dir():
        return None
    # hidden files are no images (an operating system may leave some); subfolders would be read
    entries = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
    files = {entry.name: entry.read_bytes() for entry in entries if entry.is_file()}
    return digest_files(files | {f"{entry.name}/": b"" for entry in entries if entry.is_dir()})


def digest_files(files: Mapping[str, bytes]) -> str:
    """One digest over the sorted names and the digests of some files."""
    return digest_lines(
        f"{name}\0{hashlib.sha256(files[name]).hexdigest()}\n" for name in sorted(files)
    )


def digest_lines(lines: Iterable[str]) -> str:
    """Digest of lines of text."""
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file, or an :class:`InputError`."""
    text = read_text(path)
    try:
        raw = parse_json(text)
    except ValueError as error:
        raise InputError(f"cannot read {path}: {error!s:.200}") from error
    if not isinstance(raw, dict):
        raise InputError(f"{path} holds no record: it was not written by vestige.")
    return raw


def decode_file(kind: Any, raw: Any, path: Path) -> Any:
    """`decode`, with the name of the file in its message."""
    try:
        return decode(kind, raw, path.stem)
    except InputError as error:
        raise InputError(f"{path} was not written by this vestige: {error.for_command}") from error


def load_schema(
    kind: Any,
    path: Path,
    schema: int,
    completed: Callable[[dict[str, Any]], dict[str, Any]] = lambda raw: raw,
) -> Any:
    """Read a JSON file, `completed`, strictly as a dataclass with a field `schema`.

    Raises
    ------
    InputError
        When it cannot be read or is not one of this version.
    """
    raw = read_json(path)
    if raw.get("schema") != schema or raw["schema"] is True:
        raise InputError(
            f"{path} has schema {raw.get('schema')!r:.40}, this version reads {schema}: "
            "use the vestige version that wrote it."
        )
    return decode_file(kind, completed(raw), path)
