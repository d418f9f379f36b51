"""From real images and a generator to a world: read it from top to bottom."""

import csv
import io
import json
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

from vestige.files.spreadsheet import cell
from vestige.files.whole import write_together
from vestige.images.duplicates import near_duplicate_groups
from vestige.images.groups import assign_groups
from vestige.images.imageset import ImageSet
from vestige.images.kinds import NAMES
from vestige.images.reading import Wanted as WantedImages
from vestige.images.reading import read_images
from vestige.packages import installed
from vestige.registry.contract import no_other_error
from vestige.registry.entries import InputError, create
from vestige.registry.origin import options_of, thing
from vestige.types import Images, Progress, quiet
from vestige.version import __version__
from vestige.worlds import GENERATORS, Generator, GeneratorEntry
from vestige.worlds.folders import SUFFIXES, Bytes, abandon, claim, file_bytes, write_folder
from vestige.worlds.options import check_recipe
from vestige.worlds.plugins import (
    GENERATORS_AND_PLUGINS,
    check_samples,
    find_generator,
    versions_of,
)
from vestige.worlds.record import (
    FOLDERS,
    GENERATED,
    REALS,
    RECIPE,
    RECORD,
    SCHEMA,
    TRAINING,
    TRUTH,
    TRUTH_COLUMNS,
    Recipe,
    TruthRow,
    WorldRecord,
    digest_part,
    read_json,
    verify_world,
    written,
)
from vestige.worlds.roles import (
    LEFT_OUT,
    MEMBERS,
    QUERY_UNUSED,
    QUERY_USED,
    STRANGER,
    Wanted,
    deal_roles,
    join_groups,
)


def build_world(
    recipe: Recipe,
    out: str | os.PathLike[str],
    *,
    generator: Generator | None = None,
    progress: Progress = quiet,
) -> WorldRecord:
    """Split reals by patient, train a generator on the members, and keep all with its truth.

    A call that was killed goes on where it was when it is made again. A finished world is verified
    and left as it is.

    Parameters
    ----------
    recipe : Recipe
    out : path
        Folder of the world; new, or of an earlier call with the same recipe.
    generator : object, optional
        A generator of yours (docs/adding-a-generator.md), of which a copy is trained. The world
        calls it by the name that the recipe gives, which no built-in generator has, and the
        options of the recipe become its fields.
    progress : callable
        Called as progress(stage, done, total).

    Returns
    -------
    WorldRecord

    Raises
    ------
    InputError
        Anything the user can mend: options, images, groups, a folder that holds something else, a
        full disk.
    """
    root = Path(out)
    recipe, choice = _choose(recipe, generator)
    check_recipe(recipe)
    suffix = SUFFIXES[recipe.kind]
    if not choice.learns(recipe.kind):
        raise InputError(
            f"{recipe.generator} does not make {NAMES[recipe.kind]}: `vestige list generators` "
            "tells which do."
        )
    if claim(root, recipe):
        return verify_world(root)
    made = create({recipe.generator: choice}, recipe.generator, "generator", **recipe.options)
    what = thing("generator", recipe.generator, choice.origin)

    # 1. reals of one size, with the 256 grey levels that the files of the world will hold
    images = _read(recipe, progress)
    levels = np.rint(images.pixels * 255).astype(np.uint8)
    pixels = levels.astype(np.float32) / np.float32(255)

    # 2. patients, and who plays which role
    groups, groups_from = _group(images, pixels, recipe)
    wanted = Wanted(
        recipe.members,
        recipe.unused,
        recipe.reference,
        recipe.query_share,
        recipe.per_group,
        choice.strangers,
    )
    parts = deal_roles(images.ids, groups, wanted, recipe.seed)
    truth = _name(images.ids, groups, parts, recipe.seed, suffix)

    try:
        # 3. reals and truth on disk; recipe.json says that this is a world on its way
        _begin(root, recipe, images.inputs_sha256, [row for row, _ in truth])
        for role in REALS:
            files = {
                row.id.partition("/")[2]: file_bytes(levels[k])
                for row, k in truth
                if row.role == role
            }
            write_folder(root / role, files)

        # 4. the generator sees the members and, if it wants some, strangers
        members = np.array([k for row, k in truth if row.used])
        strangers = np.array([k for k, part in enumerate(parts) if part == STRANGER], np.int64)
        try:
            with no_other_error(what, "G2") if choice.origin else nullcontext():
                made.fit(
                    pixels[members],
                    recipe.seed,
                    strangers=pixels[strangers] if choice.strangers else None,
                    folder=root / TRAINING,
                    progress=progress,
                )
        except InputError:
            if not (root / TRAINING).exists():  # refused before the first step
                abandon(root)
            raise
        with no_other_error(what, "G2") if choice.origin else nullcontext():
            generated, figures = _sample(
                made, what if choice.origin else "", recipe, pixels.shape[1:], progress
            )
        digits = len(str(max(recipe.samples - 1, 10**4)))
        write_folder(
            root / GENERATED,
            {f"g{k:0{digits}d}{suffix}": file_bytes(image) for k, image in enumerate(generated)},
        )

        # 5. the record is written last: its presence says that the world is complete
        record = WorldRecord(
            schema=SCHEMA,
            name=root.resolve().name,
            recipe=recipe.told(),
            source_sha256=images.inputs_sha256,
            groups_from=groups_from,
            counts=_counts([row.role for row, _ in truth], parts) | {GENERATED: len(generated)},
            groups=_group_counts([row for row, _ in truth], groups, parts),
            sha256={
                part: digest
                for part in (*FOLDERS, TRUTH)
                if (digest := digest_part(root / part)) is not None
            },
            figures=dict(made.figures) | figures,
            versions=_versions() | versions_of(choice.origin),
            built=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        write_together({root / RECORD: record.to_json()})
        (root / RECIPE).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot write the world {root}: {error.strerror or error}. Run the same command again "
            "when this is mended: it goes on where it was."
        ) from error
    return record


def _choose(recipe: Recipe, generator: Generator | None) -> tuple[Recipe, GeneratorEntry]:
    """The entry of the generator, and the recipe with the options of an object."""
    if generator is None:
        return recipe, find_generator(recipe.generator)
    if recipe.generator in GENERATORS or recipe.options:
        raise InputError(
            f"an object was given as generator {recipe.generator!r}: give it a name that no "
            "built-in generator has, and its options when it is made."
        )
    entry = GENERATORS_AND_PLUGINS.of_object(generator)
    return replace(recipe, options=options_of(generator)), entry


def _read(recipe: Recipe, progress: Progress) -> ImageSet:
    told = partial(progress, "reading")
    images = read_images(
        recipe.images,
        role="images",
        size=recipe.size,
        progress=told,
        wanted=WantedImages(kind=recipe.kind),
    )
    faults = [problem for problem in images.problems if problem.severity == "error"]
    if faults:
        raise InputError(
            f"{len(faults)} file(s) of {recipe.images} cannot be read, the first: "
            f"{faults[0].path} {faults[0].what}. Take them out of the folder."
        )
    return images


def _group(images: ImageSet, pixels: Images, recipe: Recipe) -> tuple[tuple[str, ...], str]:
    """Group per image, and where the groups come from.

    Whoever gave the groups: near copies across two of them would make an unused image a used one
    in all but name, so such groups become one.
    """
    grouping = assign_groups({"images": images}, csv=recipe.groups, regex=recipe.group_regex)
    given = grouping.labels["images"]
    groups = join_groups(given, near_duplicate_groups(pixels).tolist())
    joined = len(set(given)) - len(set(groups))
    note = f"; near copies joined them to {len(set(groups))}" if joined else ""
    return groups, grouping.source + note


def _name(
    ids: Sequence[str], groups: Sequence[str], parts: Sequence[str], seed: int, suffix: str
) -> list[tuple[TruthRow, int]]:
    """Neutral names: per role numbers in random order, so that no name tells group or status."""
    chance = np.random.default_rng([seed, 1])
    order = sorted(range(len(ids)), key=lambda k: ids[k])
    truth = []
    for role in REALS:
        own = [k for k in order if parts[k].partition(" ")[0] == role]
        digits = len(str(max(len(own) - 1, 1000)))
        for number, place in enumerate(chance.permutation(len(own))):
            k = own[place]
            name = f"{role}/{number:0{digits}d}{suffix}"
            truth.append((TruthRow(name, role, groups[k], parts[k] in MEMBERS), k))
    return sorted(truth, key=lambda pair: pair[0].id)


def _begin(root: Path, recipe: Recipe, source: str, truth: Sequence[TruthRow]) -> None:
    """Write recipe.json and truth.csv, or see that those of an earlier call are the same."""
    text = io.StringIO()
    writer = csv.writer(text)  # CRLF (RFC 4180), so that names with a CR are quoted too
    writer.writerow(TRUTH_COLUMNS)
    writer.writerows([row.id, row.role, cell(row.group), int(row.used)] for row in truth)
    begun = {"schema": SCHEMA, "recipe": written(recipe), "source_sha256": source}
    told = json.dumps(begun, indent=1, ensure_ascii=False) + "\n"
    root.mkdir(parents=True, exist_ok=True)
    same = not (root / RECIPE).exists() or read_json(root / RECIPE) == json.loads(told)
    if (root / TRUTH).exists():
        # a file name that is not UTF-8 is escaped in the file
        kept = text.getvalue().encode("utf-8", "backslashreplace")
        same = same and (root / TRUTH).read_bytes() == kept
    if not same:
        raise InputError(
            f"the images or groups have changed since {root} was begun: name a new --out."
        )
    write_together({root / RECIPE: told})
    write_together({root / TRUTH: text.getvalue()})


def _sample(
    generator: Generator,
    foreign: str,
    recipe: Recipe,
    sides: tuple[int, ...],
    progress: Progress,
) -> tuple[Bytes, dict[str, float]]:
    progress("sampling", 0, recipe.samples)
    start = perf_counter()
    images = generator.sample(recipe.samples, recipe.seed)
    seconds = perf_counter() - start
    progress("sampling", recipe.samples, recipe.samples)
    shape = (recipe.samples, *sides)
    if foreign:
        check_samples(images, shape, foreign)
    if images.shape != shape or not (images.min() >= 0 and images.max() <= 1):  # false for NaN
        raise InputError(
            f"generator {recipe.generator!r} returned no images of {recipe.size} pixels in 0..1: "
            "train it with other options."
        )
    figures = {
        "sampling_seconds": round(seconds, 3),
        "samples_per_second": round(recipe.samples / max(seconds, 1e-6), 2),
    }
    return np.rint(images * 255).astype(np.uint8), figures


def _counts(roles: Sequence[str], parts: Sequence[str]) -> dict[str, int]:
    counts = {role: roles.count(role) for role in REALS}
    members = sum(part in MEMBERS for part in parts)
    return counts | {
        "query_used": parts.count(QUERY_USED),
        "query_unused": parts.count(QUERY_UNUSED),
        "members": members,
        "non_members": len(roles) - members,
        "strangers": parts.count(STRANGER),
        "left_out": parts.count(LEFT_OUT),
    }


def _group_counts(
    truth: Sequence[TruthRow], groups: Sequence[str], parts: Sequence[str]
) -> dict[str, int]:
    found: Mapping[str, set[str]] = {
        **{role: {row.group for row in truth if row.role == role} for role in REALS},
        "members": {row.group for row in truth if row.used},
        "non_members": {row.group for row in truth if not row.used},
        "strangers": {g for g, part in zip(groups, parts, strict=True) if part == STRANGER},
    }
    return {name: len(names) for name, names in found.items()}


def _versions() -> dict[str, str]:
    there = {name: v for name, v in installed("numpy", "torch").items() if v}  # torch is an extra
    return {"vestige": __version__, "python": platform.python_version(), **there}
