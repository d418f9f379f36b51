"""Inverted or windowed generated sets are told from ordinary generators."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from vestige.checks.unlike import Unlike, find_unlike, unlike_problems
from vestige.images.imageset import ImageSet
from vestige.images.reading import read_images
from vestige.types import Images
from vestige.worlds.pca_gaussian import PcaGaussian

SIZE = 32


def bodies(n: int, seed: int, bright: float = 0.45) -> Images:
    """Ovals with texture on a dark ground, of varying shape and exposure."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:SIZE, 0:SIZE] / (SIZE - 1) - 0.5
    wide, high, level = (
        rng.normal(mean, sd, (n, 1, 1)) for mean, sd in ((0.35, 0.04), (0.4, 0.04), (bright, 0.06))
    )
    inside = (x / wide) ** 2 + (y / high) ** 2 < 1
    texture = gaussian_filter(rng.normal(size=(n, SIZE, SIZE)), (0, 2, 2))
    body = 0.2 + inside * (level + 0.1 * texture / texture.std())
    return np.clip(gaussian_filter(body, (0, 1, 1)), 0, 1).astype(np.float32)


def textures(n: int, seed: int) -> Images:
    """Pictures without a structure in common."""
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(size=(n, SIZE, SIZE)), (0, 2, 2))
    level = rng.normal(0.35, 0.04, (n, 1, 1))
    return np.clip(level + 0.1 * smooth / smooth.std(), 0, 1).astype(np.float32)


def found(generated: Images, reals: Images) -> Unlike | None:
    levels = {"generated": generated, "used": reals[::2], "unused": reals[1::2]}
    return find_unlike({role: as_set(images) for role, images in levels.items()})


def as_set(images: Images) -> ImageSet:
    levels = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
    return read_images(levels, role="any", size=SIZE)


REALS, STRANGERS = bodies(120, 0), bodies(200, 1)
HONEST = {
    "strangers": STRANGERS,
    "near copies": np.clip(REALS + np.random.default_rng(2).normal(0, 0.03, REALS.shape), 0, 1),
    "noisy": np.clip(REALS + np.random.default_rng(3).normal(0, 0.1, REALS.shape), 0, 1),
    "blurred": gaussian_filter(STRANGERS, (0, 2, 2)),
    "components": PcaGaussian(16).fit(REALS).sample(200, 0),
    "one component": PcaGaussian(1, noise=0).fit(REALS).sample(200, 0),
    "mixes of two": (STRANGERS[:100] + STRANGERS[100:]) / 2,
    "mixes of eight": STRANGERS.reshape(8, 25, SIZE, SIZE).mean(axis=0),
    "five images": np.repeat(STRANGERS[:5], 20, axis=0),
    "mirrored": STRANGERS[:, :, ::-1],
}
CHANGED = {
    "half the range, low": lambda x: x / 2,
    "half the range, middle": lambda x: x / 2 + 0.25,
    "half the range, high": lambda x: x / 2 + 0.5,
    "half the window, low": lambda x: np.clip(2 * x, 0, 1),
    "half the window, middle": lambda x: np.clip(2 * x - 0.5, 0, 1),
    "0 to 1 as levels of 255": lambda x: x / 255,
}


@pytest.mark.parametrize("name", HONEST)
def test_an_ordinary_generator_is_alike(name: str) -> None:
    assert found(HONEST[name], REALS) is None


@pytest.mark.parametrize("name", HONEST)
def test_inverted_images_are_noticed_all_or_two_thirds_of_them(name: str) -> None:
    inverted = 1 - HONEST[name]
    told = found(inverted, REALS)
    assert told is not None
    assert told.code == "inverted"
    assert told.share == pytest.approx(1, abs=0.1)
    assert told.generated < 0 < told.reals
    keep = np.arange(len(inverted)) % 3 == 0
    some = found(np.where(keep[:, None, None], HONEST[name], inverted), REALS)
    assert some is not None
    assert some.code == "inverted"
    assert some.share == pytest.approx(0.67, abs=0.25)


@pytest.mark.parametrize("change", CHANGED)
@pytest.mark.parametrize("name", ["strangers", "near copies", "components", "mixes of two"])
def test_another_window_or_range_is_noticed(name: str, change: str) -> None:
    told = found(CHANGED[change](HONEST[name]), REALS)
    assert told is not None
    assert told.code == "other range"
    assert told.share is None
    assert told.distance >= 0.5


def test_without_a_structure_in_common_the_mean_grey_tells() -> None:
    reals = textures(100, 0)
    assert found(textures(100, 1), reals) is None
    told = found(1 - textures(100, 1), reals)
    assert told is not None
    assert (told.code, told.statistic) == ("other range", "mean grey")
    assert told.generated == pytest.approx(0.65, abs=0.02)
    assert told.reals == pytest.approx(0.35, abs=0.02)


def test_padding_is_no_grey_range() -> None:
    square = bodies(60, 4)
    reals = {"used": as_set(REALS[:, :, 6:26]), "generated": as_set(square)}
    assert find_unlike(reals) is None
    assert find_unlike({**reals, "generated": as_set(1 - square)}) is not None


def test_the_order_of_the_images_moves_nothing() -> None:
    made = CHANGED["half the range, low"](HONEST["strangers"])
    order = np.random.default_rng(0).permutation(len(made))
    one, other = found(made, REALS), found(made[order], REALS)
    assert one is not None
    assert other is not None
    assert other.statistic == one.statistic
    assert (other.generated, other.reals) == pytest.approx((one.generated, one.reals), abs=1e-9)


def test_a_few_images_say_nothing() -> None:
    assert found(1 - REALS[:9], REALS) is None
    assert found(1 - REALS[:10], REALS) is not None
    flat = np.full((20, SIZE, SIZE), 0.5, np.float32)
    assert found(flat, flat) is None


def test_the_row_says_what_to_do() -> None:
    assert unlike_problems(None) == []
    inverted = Unlike("inverted", "correlation with the mean real image", -0.7, 0.74, 1.0, 0.98)
    (row,) = unlike_problems(inverted)
    assert (row.path, row.severity) == ("generated", "warning")
    assert "about 98% of the generated images look inverted" in row.what
    assert "(median correlation with the mean real image -0.7, of the reals 0.74)" in row.what
    (row,) = unlike_problems(replace(inverted, code="other range", statistic="contrast"))
    assert "another window or grey range (median contrast -0.7" in row.what


@pytest.mark.parametrize(
    ("generated", "code"),
    [("gen_copies_inverted", "inverted"), ("gen_copies", None), ("gen_clean", None)],
)
def test_the_inverted_case_set_is_noticed(cases: Path, generated: str, code: str | None) -> None:
    names = {"generated": generated, "used": "used", "unused": "unused"}
    sets = {role: read_images(cases / name, role=role) for role, name in names.items()}
    told = find_unlike(sets)
    assert (told.code if told else None) == code
