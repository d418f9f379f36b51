"""The contract of detectors: rules D1 to D12."""

import pickle
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.detectors.plugins import DETECTORS_AND_PLUGINS
from vestige.images.kinds import Kind
from vestige.registry.contract import ContractError, no_other_error, require
from vestige.registry.entries import InputError
from vestige.registry.origin import name_of, thing
from vestige.scoring.contract import form_of, is_scores, same_scores
from vestige.stats.intervals import auc
from vestige.stats.power import null_sd
from vestige.testing.phantoms import SmallWorld, small_world
from vestige.types import Detector, Floats, Images, PoolDetector, learns

CHANCE = 4
"""Standard deviations of the AUC that a detector may be from .5 where nothing was copied."""


def check_detector(
    detector: Detector | Callable[[], Detector],
    *,
    name: str | None = None,
    bag_only: bool = False,
    n: int = 16,
    side: int = 16,
    kind: Kind = "grey",
    finds: float | None = 0.7,
) -> None:
    """Check rules D1 to D12 on phantom images.

    Parameters
    ----------
    detector : object, class or function
        A detector that was not fitted, of which copies are fitted, or what makes one.
    name : str, optional
        What messages call it; default: its class.
    bag_only : bool
        It scores cohorts only (`pool` of its entry), so that rule D4 does not apply.
    n, side : int
        Used images of the phantom worlds, and their side in pixels; other roles have one to three
        times as many.
    kind : "grey", "colour" or "volume"
        What the phantom images are.
    finds : float or None
        The least AUC on copied images; None does not ask what it finds (rule D12).

    Raises
    ------
    ContractError
        Names the detector and the first rule that it breaks.
    """
    case = _Case.of(detector, name, _World(n, side, kind))
    for check in (_makes_and_fits, _gives_scores, _repeats, _ignores_orders, _forgets, _refuses):
        check(case)
    if not bag_only:
        _ignores_company(case)
    if case.pools:
        _ignores_order_of_bag(case)
    if finds is not None:
        _finds(case, finds)


@dataclass(frozen=True)
class _World:
    """Which phantom images are made."""

    n: int
    side: int
    kind: Kind

    def made(self, copies: bool, seed: int, n: int | None = None) -> SmallWorld:
        return small_world(copies, seed, n or self.n, self.side, self.kind)


@dataclass(frozen=True)
class _Case:
    """A detector, what messages call it, and images to try it on."""

    made: Any
    what: str
    worlds: _World

    @cached_property
    def world(self) -> SmallWorld:
        return self.worlds.made(True, 7)

    @classmethod
    def of(cls, detector: Any, name: str | None, worlds: _World) -> "_Case":
        with no_other_error(thing("detector", name or name_of(detector)), "D1"):
            factory = isinstance(detector, type) or not hasattr(detector, "fit")
            made = detector() if factory and callable(detector) else detector
        what = thing("detector", name or type(made).__name__)
        DETECTORS_AND_PLUGINS.check(made, what)
        return cls(made, what, worlds)

    @property
    def learns(self) -> bool:
        return learns(type(self.made))

    @property
    def pools(self) -> bool:
        return isinstance(self.made, PoolDetector)

    @property
    def images(self) -> Images:
        return np.concatenate([self.world.used, self.world.unused])

    @cached_property
    def fitted(self) -> Any:
        """A copy fitted on the world, for rules about what it does after that."""
        return self.fit(self.world)

    @cached_property
    def usual(self) -> Floats:
        """Scores of `images` by a copy that saw nothing else: what a rule compares with."""
        return self.scores(self.fit(self.world), self.images)

    def known(self, world: SmallWorld) -> tuple[Images | None, Images]:
        """What `fit` gets beside the generated set: half of both sides, or a reference."""
        if not self.learns:
            return None, world.reference
        half = len(world.used) // 2
        return world.used[:half], world.unused[:half]

    def fit(self, world: SmallWorld, detector: Any = None) -> Any:
        """A fitted copy, or `detector` fitted again."""
        fresh = deepcopy(self.made) if detector is None else detector
        with no_other_error(self.what, "D2"):
            found = fresh.fit(world.generated, *self.known(world))
        require(found is fresh, self.what, "D2", "fit returned something else")
        return fresh

    def scores(self, detector: Any, images: Images) -> Floats:
        with no_other_error(self.what, "D2"):
            scores = detector.score_samples(images)
        return self.form(scores, len(images))

    def cohort(self, world: SmallWorld, images: Images, groups: Any = None) -> Floats:
        detector = deepcopy(self.made)
        with no_other_error(self.what, "D2"):
            scores = detector.fit(world.generated).score_pool(images, groups)
        return self.form(scores, len(images))

    def form(self, scores: Any, n: int) -> Floats:
        require(is_scores(scores, n), self.what, "D3", form_of(scores))
        lost = int((~np.isfinite(scores)).sum())
        require(lost == 0, self.what, "D3", f"{lost} of {n} scores are not finite")
        found: Floats = scores
        return found

    def require(self, holds: bool, rule: str, found: str) -> None:
        require(holds, self.what, rule, found)


def _makes_and_fits(case: _Case) -> None:
    fresh, images = deepcopy(case.made), case.images
    detector = case.fit(case.world)
    scores = case.scores(detector, images)
    equal = fresh == case.made and detector == case.made and repr(detector) == repr(fresh)
    case.require(equal, "D10", "what it learned is compared or shown as an option")
    with no_other_error(case.what, "D10"):
        copy = pickle.loads(pickle.dumps(detector))  # noqa: S301  # what this process wrote
    same = bool(np.array_equal(case.scores(copy, images), scores))
    case.require(same, "D10", "a pickled copy gives other scores")


def _gives_scores(case: _Case) -> None:
    """Of ordinary images, which stay as they are, and finite ones where there is little to see."""
    world, images = case.world, case.images
    arrays = (world.generated, world.used, world.unused, world.reference, images)
    before = [array.copy() for array in arrays]
    detector = case.fit(world)
    scores = case.scores(detector, images)
    case.require(bool(np.ptp(scores) > 0), "D12", "all images have one score")
    if case.pools:
        case.cohort(world, images)
    kept = all(map(np.array_equal, before, arrays))
    case.require(kept, "D9", "it changed the images that it was given")
    for poor in _poor_worlds(world):
        try:
            case.scores(case.fit(poor), images)
            case.scores(detector, poor.generated)
            if case.pools:
                case.cohort(poor, images)
        except ContractError:
            raise
        except InputError:
            continue  # it may say that it needs more


def _poor_worlds(world: SmallWorld) -> Iterator[SmallWorld]:
    """One generated image, equal ones, black ones, and one that is also in the reference."""
    yield replace(world, generated=world.generated[:1])
    yield replace(world, generated=np.repeat(world.generated[:1], 9, axis=0))
    yield replace(world, generated=np.zeros_like(world.generated[:9]))
    yield replace(world, generated=np.concatenate([world.used, world.reference]))


def _repeats(case: _Case) -> None:
    world, images = case.world, case.images
    again = case.scores(case.fit(world), images)
    case.require(bool(np.array_equal(case.usual, again)), "D7", "a second run gives other scores")
    if case.pools:
        first, again = (case.cohort(world, images) for _ in range(2))
        case.require(bool(np.array_equal(first, again)), "D7", "a second cohort gives other scores")


def _ignores_orders(case: _Case) -> None:
    world, images = case.world, case.images
    half = len(world.used) // 2
    turned = SmallWorld(
        np.concatenate([world.used[:half][::-1], world.used[half:]]),
        np.concatenate([world.unused[:half][::-1], world.unused[half:]]),
        world.reference[::-1],
        world.generated[::-1],
    )
    same = same_scores(case.scores(case.fit(turned), images), case.usual)
    case.require(same, "D6", "fitted on the same images in the reverse order, it scores otherwise")


def _forgets(case: _Case) -> None:
    world, images = case.world, case.images
    other = case.worlds.made(True, 8)
    wanted, detector = case.usual, case.fit(other)
    case.scores(detector, images)
    again = case.scores(case.fit(world, detector), images)
    case.require(bool(np.array_equal(again, wanted)), "D8", "an earlier fit changes the scores")
    if not case.learns:
        with no_other_error(case.what, "D2"):
            told = deepcopy(case.made).fit(world.generated, world.used, world.reference)
        same = bool(np.array_equal(case.scores(told, images), wanted))
        case.require(same, "D8", "it looks at used images, and learns not from labels")


def _ignores_company(case: _Case) -> None:
    detector, images = case.fitted, case.images
    together = case.scores(detector, images)
    twice = np.concatenate([images[3:5]] * 2)
    pairs = [
        (case.scores(detector, images[3:4]), together[3:4]),
        (case.scores(detector, images[::-1]), together[::-1]),
        (case.scores(detector, twice)[2:], together[3:5]),
    ]
    same = all(same_scores(found, wanted) for found, wanted in pairs)
    case.require(same, "D4", "scored by itself or in another order, an image scores otherwise")


def _ignores_order_of_bag(case: _Case) -> None:
    world, images = case.world, case.images
    groups: npt.NDArray[Any] = np.arange(len(images)) // 2
    order = np.random.default_rng(1).permutation(len(images))
    scores = case.cohort(world, images, groups)
    same = same_scores(case.cohort(world, images[order], groups[order]), scores[order])
    case.require(same, "D5", "in another order, images score otherwise")
    words = np.array([f"patient {97 - group}" for group in groups])
    same = same_scores(case.cohort(world, images, words), scores)
    case.require(same, "D5", "with other names of the groups, images score otherwise")
    detector, changing = deepcopy(case.made).fit(world.generated), images.copy()
    detector.score_pool(changing)
    changing[:] = images[::-1]
    fresh = case.cohort(world, images[::-1].copy())
    same = bool(np.array_equal(detector.score_pool(changing), fresh))
    case.require(same, "D5", "a cohort that changed in place is taken for the earlier one")


def _refuses(case: _Case) -> None:
    world, images = case.world, case.images
    try:
        deepcopy(case.made).score_samples(images)
    except (RuntimeError, InputError):
        pass
    except Exception as error:
        raise ContractError(case.what, "D11", f"before fit, {type(error).__name__}") from error
    else:
        raise ContractError(case.what, "D11", "it gives scores before fit")
    side = images.shape[1] // 2
    half = slice(side)
    fitted = case.fitted
    for array in (images[:0], np.repeat(images[..., None], 2, axis=-1), images[:, :0]):
        _refused(case, partial(fitted.score_samples, array))
        _refused(case, partial(case.fit, replace(world, generated=array)))
    smaller = images[:, :side, :side] if case.worlds.kind != "volume" else images[:, *3 * [half]]
    try:
        case.scores(fitted, smaller)  # networks bring images to a size of their own
    except ContractError as error:
        if error.rule == "D2":
            raise ContractError(case.what, "D11", f"images of {side} px: {error.found}") from error
        raise
    except InputError:
        pass
    if case.learns:
        used, unused = case.known(world)
        for known in ((None, unused), (used, None)):
            _refused(case, partial(deepcopy(case.made).fit, world.generated, *known))


def _refused(case: _Case, work: Callable[[], Any]) -> None:
    """The work must end with an InputError that names no broken rule."""
    try:
        work()
    except ContractError as error:
        raise ContractError(case.what, "D11", f"no InputError but {error.found}") from error
    except InputError:
        return
    except Exception as error:
        raise ContractError(case.what, "D11", f"no InputError but {error!r:.100}") from error
    raise ContractError(case.what, "D11", "it took what is no image, or what lacks labels")


def _finds(case: _Case, finds: float) -> None:
    for copies in (True, False):
        found = []
        for seed in range(2):
            world = case.worlds.made(copies, seed, 40)
            skipped = 20 if case.learns else 0
            sides = [images[skipped:] for images in (world.used, world.unused)]
            images = np.concatenate(sides)
            pools, fit = case.pools, case.fit
            scores = case.cohort(world, images) if pools else case.scores(fit(world), images)
            found.append(auc(scores[: len(sides[0])], scores[len(sides[0]) :]))
        mean, n = float(np.mean(found)), len(sides[0])
        if copies:
            case.require(mean >= finds, "D12", f"copied images have an AUC of {mean:.2f}")
        else:
            chance = CHANCE * null_sd(n, n) / np.sqrt(len(found))
            case.require(
                abs(mean - 0.5) <= chance, "D12", f"where nothing was copied, AUC is {mean:.2f}"
            )
