"""What a user asks of a world, checked before any image is read."""

from collections.abc import Sequence
from math import inf
from typing import Any, cast

from vestige.images.kinds import KINDS, Kind
from vestige.registry.entries import InputError, create
from vestige.registry.options import split_options, typed_options
from vestige.registry.rules import OneOf
from vestige.worlds.plugins import find_generator
from vestige.worlds.record import Recipe

RANGES = {"samples": (1, 10**6), "size": (8, 1024), "seed": (0, 2**31 - 1)}
LARGEST_CUBE = 64
KIND = OneOf("kind", KINDS)
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


def parse_kind(word: str) -> Kind:
    """What the images of a world are read as.

    Raises
    ------
    InputError
        For another word than grey, colour or volume.
    """
    KIND.check(word)
    return cast(Kind, word)


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
