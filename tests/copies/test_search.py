"""The search for near copies, in phantoms whose copies are known."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter, rotate

from vestige.copies.moved import put_back, windows
from vestige.copies.pairs import compare, hubness_correction
from vestige.copies.search import CopySearch, NearCopies, search_copies
from vestige.decision.records import Shown
from vestige.features.pixels import Pixels
from vestige.images.kinds import in_view
from vestige.images.preprocess import window_average
from vestige.registry.entries import InputError
from vestige.stats.copy_line import FLOOR
from vestige.symmetries import INVERSE, SYMMETRIES, VIEWS, Symmetry, Views, seen_as
from vestige.types import Bools, Floats, Images, Ints
from vestige.worlds.phantom import chest_phantoms


@pytest.fixture(scope="module")
def phantoms() -> Images:
    return chest_phantoms(260, 32, seed=11)[0]


REALS = 100
GROUPS = np.arange(REALS) // 2
CONTROL = GROUPS < 20


def near_copies(images: Images, seed: int = 0) -> Images:
    """Turned by two degrees, blurred and noisy: the hardest kind the rule is made for."""
    turned = rotate(images, 2, axes=(1, 2), reshape=False, order=1, mode="nearest")
    blurred = gaussian_filter(turned, (0, 0.5, 0.5))
    noise = np.random.default_rng(seed).normal(0, 4 / 255, images.shape)
    return np.clip(blurred + noise, 0, 1).astype(np.float32)


def world(phantoms: Images, *copied: int, count: int = 160) -> Images:
    """Generated images without a copy, and near copies of some reals in the first places."""
    made = phantoms[REALS : REALS + count].copy()
    made[: len(copied)] = near_copies(phantoms[list(copied)])
    return made


def search(
    phantoms: Images, made: Images, calibration: Bools = CONTROL, targets: Bools | None = None
) -> CopySearch:
    targets = ~CONTROL if targets is None else targets
    return search_copies(phantoms[:REALS], GROUPS, calibration, targets, made)


def pairs(found: NearCopies) -> set[tuple[int, int]]:
    return set(zip(found.real.tolist(), found.generated.tolist(), strict=True))


def test_no_copy_no_name(phantoms: Images) -> None:
    found = search(phantoms, world(phantoms))
    assert not len(found.targets.real)
    assert not len(found.calibration.real)
    assert found.line.line >= FLOOR
    assert found.line.highest == pytest.approx(found.best[CONTROL].max())
    assert (found.line.bystanders, found.by) == (20, "calibration")


def test_null_worlds_name_nobody(phantoms: Images) -> None:
    """Twelve deals of 260 phantoms: a rule that errs in 1 % fails (4 or more) with P = 5e-6."""
    rng, named = np.random.default_rng(3), 0
    for _ in range(12):
        dealt = phantoms[rng.permutation(len(phantoms))]
        found = search(dealt, dealt[REALS:])
        named += bool(len(found.targets.real) or len(found.calibration.real))
    assert named < 4


@pytest.mark.parametrize("copied", [[50], list(range(40, 100))], ids=["one", "all"])
@pytest.mark.parametrize("mirrored", [False, True])
def test_near_copies_are_named(phantoms: Images, copied: list[int], mirrored: bool) -> None:
    made = world(phantoms, *copied)
    if mirrored:
        made[: len(copied)] = made[: len(copied), :, ::-1]
    found = search(phantoms, made)
    expected = {(real, k) for k, real in enumerate(copied)}
    assert pairs(found.targets) == expected
    assert not len(found.calibration.real)
    near = found.targets
    assert {found.views[k] for k in near.view} == {"mirrored" if mirrored else "identity"}
    assert (near.lead > found.line.line).all()
    assert (near.beyond > 0).all()
    assert (near.value > near.lead).all()
    assert (np.diff(near.lead) <= 0).all()


def test_each_of_fifty_copies_of_one_image_is_named(phantoms: Images) -> None:
    found = search(phantoms, world(phantoms, *[77] * 50))
    assert pairs(found.targets) == {(77, k) for k in range(50)}


def test_all_eight_symmetries(phantoms: Images) -> None:
    made = world(phantoms)
    for k, symmetry in enumerate(SYMMETRIES):
        made[k] = seen_as(phantoms[60 + 2 * k], symmetry)
    found = search_copies(phantoms[:REALS], GROUPS, CONTROL, ~CONTROL, made, "all")
    assert pairs(found.targets) == {(60 + 2 * k, k) for k in range(8)}
    for real, generated, view in zip(
        found.targets.real, found.targets.generated, found.targets.view, strict=True
    ):
        assert np.allclose(seen_as(made[generated], found.views[view]), phantoms[real])


def test_copies_of_calibrating_images_do_not_hide_those_of_targets(phantoms: Images) -> None:
    copied = [0, 4, 8, 12, 16, 20, 60, 70]
    found = search(phantoms, world(phantoms, *copied))
    assert pairs(found.calibration) == {(real, k) for k, real in enumerate(copied[:6])}
    assert pairs(found.targets) == {(60, 6), (70, 7)}
    assert found.line.copied == 6


def test_nobody_is_named_where_calibration_was_used(phantoms: Images) -> None:
    found = search(phantoms, world(phantoms, *range(0, 40, 2), 60))
    assert not found.line.usable
    assert found.line.copied == 20
    assert not len(found.targets.real)


@pytest.mark.parametrize("calibrating", [0, 3])
def test_few_bystanders(phantoms: Images, calibrating: int) -> None:
    found = search(phantoms, world(phantoms, 50, 60), calibrating > GROUPS)
    assert found.by == "reals"
    assert found.line.line > FLOOR
    assert pairs(found.targets) == {(50, 0), (60, 1)}


def test_an_image_of_a_judged_patient_is_no_bystander(phantoms: Images) -> None:
    targets = ~CONTROL
    targets[:20:2] = True  # ten patients on both sides
    found = search(phantoms, world(phantoms), CONTROL & ~targets, targets)
    assert found.line.bystanders == 10


def test_order_plays_no_part(phantoms: Images) -> None:
    made = world(phantoms, 3, 50, 60, 61)
    found = search(phantoms, made)
    rng = np.random.default_rng(4)
    rows, columns = rng.permutation(REALS), rng.permutation(len(made))
    again = search_copies(
        phantoms[rows], GROUPS[rows], CONTROL[rows], ~CONTROL[rows], made[columns]
    )
    for one, other in ((found.targets, again.targets), (found.calibration, again.calibration)):
        assert pairs(one) == {(int(rows[r]), int(columns[g])) for r, g in pairs(other)}
    assert again.line.line == pytest.approx(found.line.line, abs=1e-5)


def test_blocks_play_no_part(phantoms: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    made = world(phantoms, 3, 50, 60)
    found = search(phantoms, made)
    monkeypatch.setattr("vestige.copies.pairs.BLOCK_BYTES", 4 * 1024 * 7)
    again = search(phantoms, made)
    assert pairs(again.targets) == pairs(found.targets) == {(50, 1), (60, 2)}
    assert np.allclose(again.best, found.best, atol=1e-5)


def test_a_mapped_generated_set(phantoms: Images, tmp_path: npt.NDArray[np.str_]) -> None:
    made = world(phantoms, 50)
    held = np.memmap(f"{tmp_path}/made", np.float32, "w+", shape=made.shape)
    held[:] = made
    assert pairs(search(phantoms, held).targets) == {(50, 0)}


def test_lead_by_hand() -> None:
    values = np.random.default_rng(0).random((4, 9)).astype(np.float32)

    def by_hand(row: int, column: int) -> float:
        others = np.delete(values[row], column)
        return float(np.sort(others)[-5:].mean())

    expected: Floats = np.array([[by_hand(i, j) for j in range(9)] for i in range(4)])
    assert np.allclose(hubness_correction(values, 5), expected, atol=1e-6)
    assert not hubness_correction(values[:, :1], 0).any()


@pytest.mark.parametrize("views", ["mirror", "all"])
def test_the_filter_knows_no_view(phantoms: Images, views: Views) -> None:
    """Images that are all seen in one view have the cosines that they have as they are."""
    comparison = compare(phantoms[:30], np.arange(30), phantoms[30:60], views)
    plain = comparison.pairs_with(phantoms[60:80]).value
    for symmetry in VIEWS[views]:
        seen = np.ascontiguousarray(seen_as(phantoms[60:80], symmetry))
        assert np.allclose(comparison.pairs_with(seen).value, plain, atol=1e-3)


@pytest.mark.parametrize("views", ["none", "mirror", "all"])
def test_parts_give_the_cosines_of_every_view(phantoms: Images, views: Views) -> None:
    """By brute force: whitened by reals and generated in all views, the best view of each pair."""
    reals, made = phantoms[:40], phantoms[40:120]
    found = compare(reals, np.arange(40), made, views).pairs_with(phantoms[120:150])

    def rows(images: Images) -> Floats:
        return Pixels(size=32).transform(images).astype(np.float64)

    def in_views(images: Images) -> list[Floats]:
        return [rows(np.ascontiguousarray(seen_as(images, view))) for view in VIEWS[views]]

    everyone = in_views(reals)
    mean = np.mean([part.mean(axis=0) for part in everyone], axis=0)
    unit = [x - mean for x in everyone]
    unit = [x / np.linalg.norm(x, axis=1)[:, None] for x in unit]
    own = rows(made) - mean
    own /= np.linalg.norm(own, axis=1)[:, None]
    nearest = np.max([own @ x.T for x in unit], axis=0).argmax(axis=1)
    weights = np.minimum(1, 2 / np.bincount(nearest, minlength=40).clip(1))[nearest]
    several = [*everyone, *in_views(made)]
    group_weights = np.concatenate([np.ones(40 * len(everyone)), np.tile(weights, len(everyone))])
    stacked = np.concatenate(several)
    centre = group_weights @ stacked / group_weights.sum()
    covariance = (stacked - centre).T * group_weights @ (stacked - centre) / group_weights.sum()
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 1e-6 * values[-1]
    values, vectors = values[kept], vectors[:, kept]
    error = 0.1 * values.mean()
    filters = vectors * np.sqrt(values) / (values + error)

    def filtered(x: Floats) -> Floats:
        x = (x - centre) @ filters
        return np.asarray(x / np.linalg.norm(x, axis=1)[:, None])

    expected = np.max(
        [filtered(view) @ filtered(rows(reals)).T for view in in_views(phantoms[120:150])], axis=0
    )
    assert np.allclose(found.value, expected, atol=0.01)


@pytest.mark.parametrize(("kind", "shift"), [("shifted", (3, -2)), ("cropped", None)])
def test_moved_copies_are_named_where_they_are_looked_for(
    phantoms: Images, kind: str, shift: tuple[int, int] | None, monkeypatch: Any
) -> None:
    # a few of the windows, the right ones among them: all take 14 seconds
    some = [w for w in windows(32) if (w.top, w.left) in ((-3 / 32, 2 / 32), (0.1, 0.1), (0, 0))]
    some = [w for w in windows(32) if abs(w.top - 0.1) < 1e-9 and w.left == w.top] + some
    monkeypatch.setattr("vestige.copies.pairs.windows", lambda size: some)
    reals, made = phantoms[:REALS].copy(), world(phantoms, 60)
    if shift is not None:
        made[0] = np.roll(reals[60], shift, (0, 1))
    else:
        down = window_average(reals.shape[1], 0.1, 0.8, reals.shape[1])
        made[0] = down @ reals[60] @ down.T
    plain = search_copies(reals, GROUPS, CONTROL, ~CONTROL, made)
    assert (60, 0) not in pairs(plain.targets)
    found = search_copies(reals, GROUPS, CONTROL, ~CONTROL, made, move=True)
    assert pairs(found.targets) == {(60, 0)}
    assert found.targets.moved.tolist() == [True]
    expected = [0.1, 0.1, 0.8] if shift is None else [-shift[0] / 32, -shift[1] / 32, 1]
    np.testing.assert_allclose(found.targets.part, [expected])


@pytest.mark.parametrize("view", SYMMETRIES)
def test_the_part_that_a_moved_copy_shows_is_told_in_the_frame_of_the_real_image(
    phantoms: Images, view: Symmetry, monkeypatch: Any
) -> None:
    down, right = 3, -2
    ways = {(a * x / 32, b * y / 32) for a in (-1, 1) for b in (-1, 1) for x, y in ((3, 2), (2, 3))}
    some = [w for w in windows(32) if w.side == 1 and (w.top, w.left) in ways]
    monkeypatch.setattr("vestige.copies.pairs.windows", lambda size: some)
    reals, made = phantoms[:REALS].copy(), world(phantoms, 60)
    made[0] = in_view(np.roll(reals[60], (down, right), (0, 1))[np.newaxis], view)[0]
    found = search_copies(reals, GROUPS, CONTROL, ~CONTROL, made, views="all", move=True).targets
    assert pairs(found) == {(60, 0)} and found.moved.tolist() == [True]
    assert INVERSE[SYMMETRIES[int(found.view[0])]] == view
    np.testing.assert_allclose(found.part, [[-down / 32, -right / 32, 1]])
    turned = in_view(made[:1], INVERSE[view])[0]
    placed, inside = put_back(turned, Shown(*found.part[0]))
    assert inside.mean() == pytest.approx(29 * 30 / 32**2)
    np.testing.assert_allclose(placed[inside], reals[60][inside], atol=1e-5)
    assert not placed[~inside].any()


def test_planted_copies_are_named_like_found_ones(phantoms: Images) -> None:
    reals, made = phantoms[:REALS].copy(), world(phantoms, 60)
    found = search_copies(reals, GROUPS, CONTROL, ~CONTROL, made)
    more = phantoms[-3:]
    rows: Ints = np.array([5, 61, REALS + 1])
    copies = np.stack([reals[5], reals[61][:, ::-1], more[1]])
    assert found.names(copies, rows, more).tolist() == [True, True, True]
    assert found.names(copies[[1, 2, 0]], rows, more).tolist() == [False, False, False]


def test_plain_images_are_nobody(phantoms: Images) -> None:
    reals, made = phantoms[:REALS].copy(), world(phantoms, 60)
    reals[[3, 50, 70]] = 0.2
    made[20:40] = 0.2
    found = search_copies(reals, GROUPS, CONTROL, ~CONTROL, made)
    assert pairs(found.targets) == {(60, 0)}
    assert not len(found.calibration.real)
    assert found.plain == 20


def test_one_patient_alone(phantoms: Images) -> None:
    groups: Ints = np.zeros(4, np.int64)
    none = np.zeros(4, bool)
    found = search_copies(phantoms[:4], groups, none, ~none, world(phantoms, 2))
    assert found.line.bystanders == 0
    assert pairs(found.targets) == {(2, 0)}


def test_roles_and_emptiness_are_refused(phantoms: Images) -> None:
    with pytest.raises(InputError, match="one role"):
        search(phantoms, world(phantoms), CONTROL, CONTROL)
    with pytest.raises(InputError, match="needs a real and a generated image"):
        search(phantoms, phantoms[:0])
