"""The search for near copies, in phantoms whose copies are known."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter, rotate

from vestige.choices import InputError
from vestige.copies.filtering import copy_filter
from vestige.copies.pairs import rival_means
from vestige.copies.search import CopySearch, NearCopies, search_copies
from vestige.stats.copy_line import FLOOR
from vestige.symmetries import SYMMETRIES, VIEWS, seen_as
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
    phantoms: Images, made: Images, control: Bools = CONTROL, targets: Bools | None = None
) -> CopySearch:
    judged = ~CONTROL if targets is None else targets
    return search_copies(phantoms[:REALS], GROUPS, control, judged, made)


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
    values = np.random.default_rng(0).random((9, 4)).astype(np.float32)

    def by_hand(row: int, column: int) -> float:
        others = np.delete(values[:, column], row)
        return float(np.sort(others)[-5:].mean())

    expected: Floats = np.array([[by_hand(i, j) for j in range(4)] for i in range(9)])
    assert np.allclose(rival_means(values, 5), expected, atol=1e-6)
    assert not rival_means(values[:1], 0).any()


def test_the_filter_knows_no_view(phantoms: Images) -> None:
    rows = phantoms[:60].reshape(60, -1)
    for views in ("mirror", "all"):
        filters = copy_filter(rows[:30], rows[30:], VIEWS[views])
        seen = [seen_as(phantoms[:60], symmetry).reshape(60, -1) for symmetry in VIEWS[views]]
        plain = filters.apply(rows) @ filters.apply(rows).T
        for view in seen:
            turned = filters.apply(np.ascontiguousarray(view))
            assert np.allclose(turned @ turned.T, plain, atol=1e-3)


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
