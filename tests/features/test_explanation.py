"""Maps show where a match lies: in the part that was copied, and in the same place under noise."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from vestige.features.explanation import FEWEST, Explainer
from vestige.features.in_place import InPlace
from vestige.features.whitening import whitening
from vestige.images.kinds import KINDS, Kind, in_view
from vestige.images.preprocess import to_working
from vestige.symmetries import SYMMETRIES, VIEWS, Symmetry
from vestige.testing.phantoms import PHANTOMS
from vestige.types import Float32s, Images

CT = Path(__file__).parents[3] / "shared/data/ct_iqoth"
PAIRS = 40


def reals_of(kind: Kind, n: int = 120, side: int = 32) -> Images:
    side = 16 if kind == "volume" else side
    return PHANTOMS[kind](n, np.random.default_rng(0), side)


def half_copied(real: Float32s, fresh: Float32s) -> Float32s:
    """The left half of a real image in a fresh one."""
    made = fresh.copy()
    where = np.s_[:, : len(real) // 2] if real.shape[-1] == 3 else np.s_[..., : len(real) // 2]
    made[where] = real[where]
    return made


def left_share(places: Float32s) -> float:
    return float(places[..., : places.shape[-1] // 2].sum() / places.sum())


@pytest.mark.parametrize("kind", KINDS)
def test_most_of_the_map_lies_in_the_copied_half(kind: Kind) -> None:
    reals = reals_of(kind)
    fresh = PHANTOMS[kind](PAIRS, np.random.default_rng(1), len(reals[0]))
    explainer = Explainer(reals, np.arange(len(reals)))
    shares = [
        left_share(explainer.explain(k, half_copied(reals[k], fresh[k]))) for k in range(PAIRS)
    ]
    assert np.mean(shares) >= 0.97  # measured: .98 to .99
    assert np.mean(np.array(shares) >= 0.8) >= 0.97  # measured: 1.00, 1.00 and .975


@pytest.mark.parametrize("kind", KINDS)
def test_a_copied_quarter_can_be_seen(kind: Kind) -> None:
    reals = reals_of(kind)
    fresh = PHANTOMS[kind](12, np.random.default_rng(1), len(reals[0]))
    explainer, seen = Explainer(reals, np.arange(len(reals))), []
    for k, made in enumerate(fresh):
        h = len(made) // 2
        where = np.s_[:h, :h] if kind == "colour" else np.s_[..., :h, :h]
        made[where] = reals[k][where]
        places = explainer.explain(k, made)
        h = places.shape[-1] // 2
        seen.append((places.max(), places[..., :h, :h].sum() / places.sum()))
    brightest, share = np.median(seen, axis=0)
    assert brightest > 0.3 and share > 0.9


@pytest.mark.parametrize("n", [30, 60])
def test_few_reals_are_enough(n: int) -> None:
    reals = reals_of("grey", n)
    fresh = PHANTOMS["grey"](30, np.random.default_rng(1), 32)
    explainer = Explainer(reals, np.arange(n))
    shares = [left_share(explainer.explain(k, half_copied(reals[k], fresh[k]))) for k in range(30)]
    assert np.mean(shares) >= 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_what_matches_by_chance_is_faint(kind: Kind) -> None:
    reals = reals_of(kind)
    fresh = PHANTOMS[kind](PAIRS, np.random.default_rng(1), len(reals[0]))
    explainer = Explainer(reals, np.arange(len(reals)))
    strangers = [explainer.explain(k, fresh[k]) for k in range(PAIRS)]
    same = [explainer.explain(k, reals[k]) for k in range(PAIRS)]
    halves = [explainer.explain(k, half_copied(reals[k], fresh[k])) for k in range(PAIRS)]
    sums = [np.mean([places.sum() for places in maps]) for maps in (strangers, halves, same)]
    assert 10 * sums[0] < sums[2] and 3 * sums[0] < sums[1] < 0.7 * sums[2], sums
    assert min(places.max() for places in same) == 1


@pytest.mark.parametrize("view", SYMMETRIES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_in_another_view_has_the_same_map(kind: Kind, view: Symmetry) -> None:
    reals = reals_of(kind, 40)
    explainer = Explainer(reals, np.arange(40))
    made = half_copied(reals[3], reals[7])
    seen = in_view(made[np.newaxis], view)[0]
    expected = explainer.explain(3, made)
    np.testing.assert_array_equal(explainer.explain(3, seen, view), expected)
    assert 0.4 < expected.max() <= 1 and expected.min() == 0
    if view in VIEWS["mirror"]:
        assert explainer.nearest_view(3, seen) == view


@cache
def ct_slices() -> Images:
    from PIL import Image

    files = sorted(CT.glob("*.png"))[::3]
    shown = (np.asarray(Image.open(file).convert("L")) for file in files)
    return np.stack([to_working(image, 64) for image in shown])


@pytest.mark.skipif(not CT.is_dir(), reason="needs the CT slices of ../shared/data")
@pytest.mark.parametrize(("grey_levels", "least"), [(4, 0.99), (10, 0.98), (20, 0.93)])
def test_maps_of_ct_copies_are_stable_under_noise(grey_levels: int, least: float) -> None:
    reals = ct_slices()
    rng = np.random.default_rng(0)
    explainer = Explainer(reals, np.arange(len(reals)))

    def noisy(image: Float32s) -> Float32s:
        noise = rng.normal(0, grey_levels / 255, image.shape)
        return np.clip(image + noise, 0, 1).astype(np.float32)

    same, other = [], []
    rows = rng.choice(len(reals), 20, replace=False)
    for row, next_row in zip(rows, np.roll(rows, 1), strict=True):
        first, second = (explainer.explain(row, noisy(reals[row])) for _ in range(2))
        stranger = explainer.explain(next_row, noisy(reals[next_row]))
        same.append(np.corrcoef(first.ravel(), second.ravel())[0, 1])
        other.append(np.corrcoef(first.ravel(), stranger.ravel())[0, 1])
    assert np.mean(same) >= least  # measured: .999, .996, .985
    assert np.mean(other) < 0.6  # so stability is not that all maps are alike


def test_own_patient_does_not_whiten() -> None:
    """Many images of the own patient change nothing: they are in one part of the patients."""
    reals = reals_of("grey", 60)
    again = np.concatenate([reals, np.repeat(reals[:1], 30, axis=0)])
    groups = np.concatenate([np.arange(60), np.zeros(30, int)])
    made = half_copied(reals[0], reals[7])
    np.testing.assert_array_equal(
        Explainer(reals, np.arange(60)).explain(0, made), Explainer(again, groups).explain(0, made)
    )


@pytest.mark.parametrize("others", [0, FEWEST - 1])
def test_without_other_patients_there_is_no_map(others: int) -> None:
    reals = reals_of("grey", 1 + others)
    groups = np.array([0] + [1] * others)
    explainer = Explainer(reals, groups)
    assert not explainer.explain(0, reals[0]).any()
    assert explainer.nearest_view(0, reals[0]) in VIEWS["mirror"]


def test_constant_reals_have_no_map() -> None:
    reals = np.full((30, 16, 16), 0.5, np.float32)
    assert not Explainer(reals, np.arange(30)).explain(0, reals[0]).any()


@pytest.mark.parametrize("n", [20, 300])
def test_whitening_in_place_has_the_cosines_of_the_whitening(n: int) -> None:
    """Between rows that the population spans, the basis does not matter."""
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(n, 64)) @ rng.normal(size=(64, 64))).astype(np.float32)
    own, made = rows[:5], rows[5:10]
    filters, in_place = whitening(rows, 0.1), InPlace.of(rows, 0.1)
    expected = filters.project(own) @ filters.project(made).T
    found = in_place.apply(own) @ in_place.apply(made).T
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)
