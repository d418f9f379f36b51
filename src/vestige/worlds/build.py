"""From real images and a generator to a world: read it from top to bottom."""

import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np

from vestige.images.duplicates import near_duplicate_groups
from vestige.images.groups import assign_groups
from vestige.images.imageset import ImageSet
from vestige.images.kinds import NAMES
from vestige.images.reading import Wanted as WantedImages
from vestige.registry.contract import no_other_error
from vestige.registry.entries import InputError, create
from vestige.registry.origin import options_of, thing
from vestige.types import Images, Progress, quiet
from vestige.worlds import GENERATORS, Generator, GeneratorEntry
from vestige.worlds.folders import SUFFIXES, Bytes, abandon, claim
from vestige.worlds.options import check_recipe
from vestige.worlds.plugins import (
    GENERATORS_AND_PLUGINS,
    check_samples,
    find_generator,
    versions_of,
)
from vestige.worlds.record import (
    IMPORTED,
    TRAINING,
    Recipe,
    WorldRecord,
    verify_world,
)
from vestige.worlds.roles import (
    STRANGER,
    Wanted,
    deal_roles,
    join_groups,
)
from vestige.worlds.sound import read_sound
from vestige.worlds.writing import begin, deal, finish, write_generated, write_reals


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
    images = read_sound(
        recipe.images, "images", recipe.size, WantedImages(kind=recipe.kind), progress
    )
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
    dealt = deal(images.ids, groups, parts, recipe.seed, suffix)

    try:
        # 3. reals and truth on disk; recipe.json says that this is a world on its way
        begin(root, recipe, images.inputs_sha256, dealt.truth)
        write_reals(root, levels, dealt)

        # 4. the generator sees the members and, if it wants some, strangers
        members = np.array([k for row, k in dealt.named if row.used])
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
        write_generated(root, generated, suffix)

        # 5. the record is written last: its presence says that the world is complete
        return finish(
            root, recipe, dealt, root.resolve().name, images.inputs_sha256, groups_from,
            dict(made.figures) | figures, versions_of(choice.origin),
        )  # fmt: skip
    except OSError as error:
        raise InputError(
            f"cannot write the world {root}: {error.strerror or error}. Run the same command again "
            "when this is mended: it goes on where it was."
        ) from error


def _choose(recipe: Recipe, generator: Generator | None) -> tuple[Recipe, GeneratorEntry]:
    """The entry of the generator, and the recipe with the options of an object."""
    if generator is None:
        return recipe, find_generator(recipe.generator)
    if recipe.generator in (*GENERATORS, IMPORTED) or recipe.options:
        raise InputError(
            f"an object was given as generator {recipe.generator!r}: give it a name that no "
            "built-in generator has, and its options when it is made."
        )
    entry = GENERATORS_AND_PLUGINS.of_object(generator)
    return replace(recipe, options=options_of(generator)), entry


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
