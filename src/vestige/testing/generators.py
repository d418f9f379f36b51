"""The contract of generators: rules G1 to G7."""

import pickle
from collections.abc import Callable
from copy import deepcopy
from math import isfinite
from typing import Any

import numpy as np

from vestige.images.kinds import Kind
from vestige.registry.contract import no_other_error, require
from vestige.registry.origin import name_of, thing
from vestige.testing.phantoms import PHANTOMS
from vestige.worlds import Generator
from vestige.worlds.plugins import GENERATORS_AND_PLUGINS, check_samples

SAMPLES = 12


def check_generator(
    generator: Generator | Callable[[], Generator],
    *,
    name: str | None = None,
    side: int = 16,
    kind: Kind = "grey",
) -> None:
    """Check rules G1 to G7 on 20 phantom images.

    Parameters
    ----------
    generator : object, class or function
        A generator that was not fitted, of which copies are fitted, or what makes one.
    name : str, optional
        What messages call it; default: its class.
    side : int
        Side of the phantom images in pixels.
    kind : "grey", "colour" or "volume"
        What the phantom images are.

    Raises
    ------
    ContractError
        Names the generator and the first rule that it breaks.
    """
    made, what = _made(generator, name)
    images = PHANTOMS[kind](20, np.random.default_rng(0), side)
    strangers = PHANTOMS[kind](20, np.random.default_rng(1), side)
    before = images.copy(), strangers.copy()

    def fitted(seed: int = 1) -> Any:
        fresh = deepcopy(made)
        with no_other_error(what, "G2"):
            found = fresh.fit(images, seed, strangers=strangers)
        require(found is fresh, what, "G2", "fit returned something else")
        return fresh

    def sampled(one: Any, seed: int = 3) -> Any:
        with no_other_error(what, "G2"):
            drawn = one.sample(SAMPLES, seed)
        check_samples(drawn, (SAMPLES, *images.shape[1:]), what)
        return drawn

    first = fitted()
    drawn = sampled(first)
    kept = all(map(np.array_equal, before, (images, strangers)))
    require(kept, what, "G5", "it changed the images that it was given")
    same = [np.array_equal(drawn, sampled(one)) for one in (first, fitted())]
    require(same[0], what, "G4", "sampling twice with one seed gave two sets")
    require(same[1], what, "G4", "fitted again with the same seed, it sampled another set")
    other = bool((sampled(first, 4) != drawn).any())
    require(other, what, "G4", "another seed of sample gave the same images")
    figures = dict(first.figures)
    for key, value in figures.items():
        good = isinstance(key, str) and (isinstance(value, str) or isfinite(value))
        require(good, what, "G6", f"{key!r} is {value!r}")
    with no_other_error(what, "G7"):
        copy = pickle.loads(pickle.dumps(first))  # noqa: S301  # what this process wrote
    require(np.array_equal(sampled(copy), drawn), what, "G7", "the copy sampled another set")


def _made(generator: Any, name: str | None) -> tuple[Any, str]:
    with no_other_error(thing("generator", name or name_of(generator)), "G1"):
        factory = isinstance(generator, type) or not hasattr(generator, "fit")
        made = generator() if factory and callable(generator) else generator
    what = thing("generator", name or type(made).__name__)
    GENERATORS_AND_PLUGINS.check(made, what)
    return made, what
