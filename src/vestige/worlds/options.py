"""What a user asks of a world, checked before any image is read."""

from collections.abc import Sequence
from math import inf
from typing import Any, cast

from vestige.images.choosing import choose_kind
from vestige.images.dimensions import hold_volumes
from vestige.images.kinds import KINDS, NAMES, Kind
from vestige.images.listing import listed
from vestige.registry.entries import InputError, create
from vestige.registry.options import split_options, typed_options
from vestige.registry.rules import OneOf
from vestige.schema.records import Problem
from vestige.worlds.plugins import find_generator
from vestige.worlds.record import Recipe

RANGES = {"samples": (1, 10**6), "size": (8, 1024), "seed": (0, 2**31 - 1)}
LARGEST_CUBE = 64
KIND = OneOf("kind", KINDS)
AUTO = "auto"
OPTION_TYPES = (bool, int, float, str)


def check_recipe(recipe: Recipe) -> None:
    """Refuse what cannot work before any image is read.

    Raises
    ------
    InputError
        For a number or option out of its range.
    """
    for name, (low, high) in RANGES.items():
        value = getattr(recipe, name)
        if not low <= value <= high:
            raise InputError(f"--{name} must lie in {low}..{high}, not {value}.")
    KIND.check(recipe.kind)
    if recipe.kind == "volume" and recipe.size > LARGEST_CUBE:
        raise InputError(
            f"volumes have at most {LARGEST_CUBE} voxels a side, --size {recipe.size} was given."
        )
    if recipe.groups is not None and recipe.group_regex is not None:
        raise InputError("groups were given twice, as CSV and as regular expression; give one.")
    for name, value in recipe.options.items():
        if not isinstance(value, OPTION_TYPES) or value in (inf, -inf) or value != value:
            raise InputError(
                f"option {name} must be a finite number, a text or true/false, not {value!r:.60}."
            )


def find_kind(word: str, images: str, generator: str) -> tuple[Kind, tuple[Problem, ...]]:
    """What the images of a new world are read as, and what the user should know of that.

    Parameters
    ----------
    word : "grey", "colour", "volume", or "auto"
        "auto" looks at the images as an audit does (`vestige.images.choosing.choose_kind`).

    Raises
    ------
    InputError
        For another word, a folder that is missing or empty, and images that "auto" finds to be of a
        kind that the generator does not make.
    """
    if word != AUTO:
        KIND.check(word)
        return cast(Kind, word), ()
    source = listed(images)
    mixed = hold_volumes({"images": source}).problems
    # both sides of an audit are these images
    chosen = choose_kind({"generated": source, "images": source})
    if not find_generator(generator).learns(chosen.kind):
        raise InputError(
            f"the images are {NAMES[chosen.kind]}, which {generator} does not make: "
            "`vestige list generators` tells which do; --kind grey turns them to grey pictures."
        )
    return chosen.kind, mixed or tuple(row for row in chosen.problems if row.path == "images")


def parse_options(generator: str, texts: Sequence[str]) -> dict[str, Any]:
    """Options such as "share=0.2" in the types that the generator declares.

    Raises
    ------
    InputError
        For an unknown generator or option, and for a value of another type.
    """
    given = split_options(texts)
    if not given:
        find_generator(generator)
        return {}
    made = create({generator: find_generator(generator)}, generator, "generator")
    return typed_options(made, given, "generator", generator)
