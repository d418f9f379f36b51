"""Passes find the same bytes in one process, in threads, and where workers hold the images."""

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from reference_worlds import reference_world
from vestige.checks.unlike import find_unlike
from vestige.copies.equality import find_equal
from vestige.copies.search import search_copies
from vestige.detectors import DETECTORS
from vestige.images.blank import blank_images
from vestige.images.elsewhere import Elsewhere, bring_home
from vestige.images.imageset import ImageSet
from vestige.images.passes import fold_blocks
from vestige.images.reading import read_images
from vestige.types import Images, Ints

STEP = 16
WORLD = reference_world("blend", 1)
MADE = WORLD.generated[:75]
REALS = WORLD.reference[:40]
GROUPS = np.arange(40) // 2


def received(message: bytes) -> Any:
    return pickle.loads(message)  # noqa: S301  # our own


class Kept:
    """What `vestige.engine.kept.Kept` does, with blocks that are pickled on their way."""

    def __init__(self, images: Images) -> None:
        self.blocks = [images[k : k + STEP].copy() for k in range(0, len(images), STEP)]
        self.sent = 0

    def folded(
        self, fold: Callable[..., Any], merge: Callable[..., Any], starts: Sequence[int]
    ) -> Any:
        message = pickle.dumps((fold, merge))
        self.sent = max(self.sent, len(message))
        states = []
        for start, block in zip(starts, self.blocks, strict=True):
            block.flags.writeable = False
            states.append(received(message)[0](None, start, block))
        while len(states) > 1:  # from the end, so that runs have unequal lengths
            last = states.pop()
            states[-1] = merge(received(pickle.dumps(states[-1])), last)
        return received(pickle.dumps(states[0]))

    def parts(self, asked: Mapping[int, Ints]) -> Iterator[tuple[int, Images]]:
        for number, rows in asked.items():
            yield number, self.blocks[number][rows]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("images.elsewhere", "images.passes", "features.rows"):
        monkeypatch.setattr(f"vestige.{module}.BLOCK", STEP)
    monkeypatch.setattr("vestige.features.rows.MANY_BYTES", 0)


def elsewhere(images: Images) -> Images:
    return cast(Images, Elsewhere(cast(Any, Kept(images)), images.shape))


COLUMNS = [
    pytest.param(name, own, id=name + suffix)
    for name, entry in DETECTORS.items()
    if entry.effort in ("low", "normal")
    for suffix, own in entry.columns_of("grey").items()
]


@pytest.mark.parametrize(("name", "own"), COLUMNS)
def test_every_column_of_auto_scores_where_the_images_are(name: str, own: dict[str, Any]) -> None:
    entry = DETECTORS[name]

    def scored(generated: Images) -> bytes:
        detector: Any = entry.factory(**own)
        detector.fit(generated, unused=REALS)
        scores = detector.score_pool(REALS, GROUPS) if entry.pool else detector.score_samples(REALS)
        found: bytes = scores.tobytes()
        return found

    there = elsewhere(MADE)
    assert scored(there) == scored(MADE)
    kept = cast(Any, there).kept
    assert 0 < kept.sent < 3_000_000  # the reals, and nothing that was generated


def test_neighbours_and_copies_are_found_where_the_images_are() -> None:
    def found(generated: Images) -> tuple[Any, ...]:
        pool: Any = DETECTORS["matched_filter_pool"].factory(size=16, nearest=3)
        pool.fit(generated).score_pool(REALS, GROUPS)
        targets = np.arange(40) < 20
        copies = search_copies(REALS, GROUPS, ~targets, targets, generated)
        near = copies.targets
        return (
            *pool.nearest_pool(REALS, 3), near.real, near.generated, near.lead, copies.best,
            copies.similar, copies.plain, blank_images(generated),
        )  # fmt: skip

    made = np.concatenate([MADE, REALS[3:9] + np.float32(0.004)])
    here = found(made)
    assert len(here[3]) >= 6  # of the six, and perhaps of the world's own
    for one, other in zip(here, found(elsewhere(made)), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def test_equal_images_and_their_range_are_found_where_the_images_are() -> None:
    made = np.concatenate([MADE, REALS[3:9, :, ::-1]])

    def sets(pixels: Images) -> dict[str, ImageSet]:
        generated = read_images(made, role="generated", size=made.shape[1])
        reals = read_images(REALS, role="used", size=made.shape[1])
        return {"generated": replace(generated, pixels=pixels), "used": reals}

    here, there = sets(made), sets(elsewhere(made))
    equal = find_equal(here)
    assert len(equal.equal) == 6
    assert find_equal(there) == equal
    assert find_unlike(there) == find_unlike(here)


def test_images_that_workers_hold_look_like_an_array() -> None:
    there = cast(Any, elsewhere(MADE))
    assert (there.shape, there.ndim, len(there)) == (MADE.shape, 3, 75)
    assert there.nbytes == MADE.nbytes
    rows = np.array([70, 3, 3, -1, 40])
    for asked in (
        5,
        -2,
        slice(None),
        slice(3, 60, 7),
        rows,
        MADE[:, 0, 0] > 0.2,
        (2, 4),
        np.s_[9:40, 3],
    ):
        np.testing.assert_array_equal(there[asked], MADE[asked])
    np.testing.assert_array_equal(np.stack(list(there)), MADE)
    np.testing.assert_array_equal(np.asarray(there), MADE)


def _numbers(state: list[int] | None, start: int, block: Images) -> list[int]:
    return [*(state or []), *range(start, start + len(block))]


def test_images_that_were_brought_home_are_not_fetched_again() -> None:
    images = elsewhere(MADE)
    bring_home(images, [70, 3, 3, 40])
    cast(Any, images).kept.blocks = []  # the workers have gone
    for row in (3, 40, np.int64(70)):
        np.testing.assert_array_equal(images[row], MADE[row])
    bring_home(MADE, [1])  # is at hand


@pytest.mark.parametrize("spread", [False, True])
def test_a_pass_sees_every_image_once_and_in_order(spread: bool) -> None:
    seen = fold_blocks(MADE, _numbers, lambda a, b: [*a, *b], spread)
    assert seen == list(range(75))
