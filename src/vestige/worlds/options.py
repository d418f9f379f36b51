"""What a user asks of a world, checked before any image is read."""

from ast import literal_eval
from collections.abc import Sequence
from dataclasses import fields
from math import inf
from typing import Any, get_type_hints

from vestige.choices import InputError, build, choose
from vestige.worlds import GENERATORS
from vestige.worlds.record import Recipe

RANGES = {"samples": (1, 10**6), "size": (8, 1024), "seed": (0, 2**31 - 1)}
OPTION_TYPES = (bool, int, float, str)


def check_recipe(recipe: Recipe) -> None:
    """Refuse what cannot work before any image is read.

    Raises
    ------
    InputError
        For an unknown generator, or a number or option out of its range.
    """
    choose(GENERATORS, recipe.generator, "generator")
    for name, (low, high) in RANGES.items():
        value = getattr(recipe, name)
        if not low <= value <= high:
            raise InputError(f"--{name} must lie in {low}..{high}, not {value}.")
    if recipe.groups is not None and recipe.group_regex is not None:
        raise InputError("groups were given twice, as CSV and as regular expression; give one.")
    for name, value in recipe.options.items():
        if not isinstance(value, OPTION_TYPES) or value in (inf, -inf) or value != value:
            raise InputError(
                f"option {name} must be a finite number, a text or true/false, not {value!r:.60}."
            )


def parse_options(generator: str, texts: Sequence[str]) -> dict[str, Any]:
    """Options such as "share=0.2" in the types that the generator declares.

    Raises
    ------
    InputError
        For an unknown generator or option, and for a value of another type.
    """
    given: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or name in given:
            raise InputError(f"--option takes NAME=VALUE, each name once, not {text!r}.")
        given[name] = value
    if not given:
        choose(GENERATORS, generator, "generator")
        return {}
    made = build(GENERATORS, generator, "generator")
    hints = get_type_hints(type(made))
    known = {f.name: hints[f.name] for f in fields(made) if f.init}  # type: ignore[arg-type]
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        raise InputError(
            f"generator {generator!r} has no option {unknown[0]!r}. Known: {', '.join(known)}."
        )
    return {name: _parse(name, value, known[name]) for name, value in given.items()}


def _parse(name: str, text: str, kind: Any) -> Any:
    if kind is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError as error:
            wanted = {int: "a whole number", float: "a number"}[kind]
            raise InputError(f"option {name} must be {wanted}, not {text!r}.") from error
    if kind is bool:
        raise InputError(f"option {name} must be true or false, not {text!r}.")
    if kind is str:
        return text
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError):
        return text
