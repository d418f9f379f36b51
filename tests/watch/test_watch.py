"""A watch of a generator whose copies are known: what it tells, counts, refuses and keeps."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vestige import InputError, Watch
from vestige.detectors import MatchedFilterPool
from vestige.stats.intervals import auc
from vestige.testing.phantoms import NOISE, phantoms
from vestige.types import Images

N, SIDE = 40, 32
POOL = phantoms(2 * N + 160, np.random.default_rng(5), SIDE)
USED, UNUSED, FRESH = POOL[:N], POOL[N : 2 * N], POOL[2 * N :]
TWO = np.arange(2 * N) // 2
"""Patients of two images each."""


def generated(copies: int = 0, seed: int = 0, of: Images = USED) -> Images:
    """100 images, the first ones near copies."""
    rng = np.random.default_rng(seed)
    made = FRESH[rng.permutation(len(FRESH))[:100]].copy()
    noise = rng.normal(0, NOISE, (copies, SIDE, SIDE))
    made[:copies] = np.clip(of[:copies] + noise, 0, 1)
    return made


@pytest.fixture(scope="module")
def prepared() -> Watch:
    return Watch(USED, UNUSED, size=SIDE)


@pytest.fixture
def watch(prepared: Watch) -> Watch:
    return copy.deepcopy(prepared)


def test_a_memorising_run_raises_the_alarm_and_a_clean_one_does_not(watch: Watch) -> None:
    told = [watch(generated(0, seed), seed) for seed in range(5)]
    assert [one["vestige/alarm"] for one in told] == [0] * 5
    assert [one["vestige/n_copies"] for one in told] == [0] * 5
    told = [watch(generated(30, seed), seed) for seed in range(5, 7)]
    assert told[-1]["vestige/alarm"] == 1
    assert told[-1]["vestige/p_value"] <= 0.05
    assert told[-1]["vestige/n_copies"] >= 28
    assert told[-1]["vestige/n_copies_unused"] == 0
    assert told[-1]["vestige/max_similarity"] > 0.8
    assert told[-1]["vestige/looks"] == 7
    p = [one["vestige/p_value"] for one in watch.history]
    assert p == sorted(p, reverse=True)
    low, value, high = (told[-1][f"vestige/{name}"] for name in ("auc_low", "auc", "auc_high"))
    assert 0.7 < low < value < high <= 1


def test_copies_late_in_a_run_are_counted(watch: Watch) -> None:
    """Look 21 spends a 78th of the level of copies, and names near copies still."""
    counts = [watch(generated(4 if k == 20 else 0, k), k)["vestige/n_copies"] for k in range(21)]
    assert counts[:20] == [0] * 20
    assert counts[20] >= 3


def test_the_alarm_stays(watch: Watch) -> None:
    watch(generated(40), 1)
    assert watch(generated(40), 2)["vestige/alarm"] == 1
    assert watch(generated(0), 3)["vestige/alarm"] == 1


def test_the_score_is_the_primary_column_of_an_audit() -> None:
    made = generated(10)
    watch = Watch(USED, UNUSED, TWO, size=SIDE)
    expected = (
        MatchedFilterPool(size=SIDE).fit(made).score_pool(np.concatenate([USED, UNUSED]), TWO)
    )
    told = watch(made, 0)["vestige/auc"]
    assert told == pytest.approx(auc(expected[:N], expected[N:]))


def test_copies_are_a_mask_and_no_look(watch: Watch) -> None:
    made = generated(6)
    np.testing.assert_array_equal(watch.copies(made), np.arange(len(made)) < 6)
    assert not watch.copies(generated(6, of=UNUSED)).any()
    assert watch.copies(made[:1]).tolist() == [True]
    assert watch.history == []


def test_copies_of_unused_images_are_told_apart(watch: Watch) -> None:
    told = watch(generated(8, of=UNUSED), 0)
    assert (told["vestige/n_copies"], told["vestige/n_copies_unused"]) == (0, 8)


def test_the_same_look_twice_counts_once_and_other_images_count_again(watch: Watch) -> None:
    first = watch(generated(0, 1), 10)
    assert watch(generated(0, 1), 10) == first
    assert len(watch.history) == 1
    assert watch(generated(0, 2), 10)["vestige/looks"] == 2
    assert watch(generated(0, 1), 11)["vestige/looks"] == 3
    assert watch(generated(0, 1), 10) == first


def test_a_run_goes_on_where_it_stopped(prepared: Watch, tmp_path: Path) -> None:
    whole, first, second = (copy.deepcopy(prepared) for _ in range(3))
    runs = [generated(4 * k, k) for k in range(4)]
    for step, made in enumerate(runs):
        whole(made, step)
    for step, made in enumerate(runs[:2]):
        first(made, step)
    first.save(tmp_path / "watch.npz")
    second.load(tmp_path / "watch.npz")
    for step, made in enumerate(runs[2:], start=2):
        second(made, step)
    assert second.history == whole.history
    restored = pickle.loads(pickle.dumps(whole))  # noqa: S301  # our own
    assert restored(runs[3], 3) == whole(runs[3], 3)


def test_a_state_is_plain(watch: Watch) -> None:
    watch(generated(), 0)
    state = watch.state_dict()
    for value in state.values():
        assert isinstance(value, str) or value.dtype.kind in "iufU"


def test_states_of_others_are_refused(watch: Watch, tmp_path: Path) -> None:
    other = Watch(USED, UNUSED, size=SIDE, seed=1)
    with pytest.raises(InputError, match="belongs to another watch"):
        watch.load_state_dict(other.state_dict())
    with pytest.raises(InputError, match="no state of a watch"):
        watch.load_state_dict({})
    with pytest.raises(InputError, match="damaged"):
        watch.load_state_dict(watch.state_dict() | {"crossed": np.zeros((2, 2), np.uint8)})
    (tmp_path / "state.npz").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match="no saved state"):
        watch.load(tmp_path / "state.npz")
    assert watch.history == []


def as_lists(images: Images) -> list[Image.Image]:
    return [Image.fromarray(np.uint8(np.rint(image * 255))) for image in images]


FORMS: dict[str, Any] = {
    "levels": lambda x: np.uint8(np.rint(x * 255)),
    "channels first": lambda x: x[:, None],
    "channels last": lambda x: x[..., None],
    "from -1": lambda x: x * 2 - 1,
    "doubles": lambda x: x.astype(np.float64),
    "list": list,
    "pictures": as_lists,
}


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_are_the_same_images(prepared: Watch, form: str) -> None:
    eight_bit = np.rint(generated(5) * 255).astype(np.float32) / np.float32(255)
    one, other = copy.deepcopy(prepared), copy.deepcopy(prepared)
    expected = one(eight_bit, 0)
    assert other(FORMS[form](eight_bit), 0) == pytest.approx(expected, abs=1e-5)


def test_a_step_is_any_whole_number(watch: Watch) -> None:
    torch = pytest.importorskip("torch")
    first = watch(generated(), 10)
    assert watch(generated(), torch.tensor(10)) == watch(generated(), np.int64(10)) == first
    assert [one["step"] for one in watch.history] == [10]


def test_images_of_two_levels_are_images(watch: Watch) -> None:
    made = generated() > 0.5
    np.testing.assert_array_equal(watch.pictures(made), watch.pictures(made.astype(np.float32)))


def test_tensors_of_any_kind_are_images(prepared: Watch) -> None:
    torch = pytest.importorskip("torch")
    made = generated(5)
    expected = copy.deepcopy(prepared)(made, 0)["vestige/auc"]
    tensor = torch.from_numpy(made)[:, None].requires_grad_()
    assert copy.deepcopy(prepared)(tensor, 0)["vestige/auc"] == expected
    half = copy.deepcopy(prepared)(tensor.to(torch.bfloat16) * 2 - 1, 0)["vestige/auc"]
    assert half == pytest.approx(expected, abs=0.03)
    with pytest.raises(InputError, match="on the device meta cannot be copied"):
        prepared(torch.zeros(30, 1, SIDE, SIDE, device="meta"), 0)


def test_colour_and_larger_images() -> None:
    large = np.repeat(np.repeat(POOL, 4, axis=1), 4, axis=2)
    colour = np.stack([large, large * 0.8, large * 0.6], axis=1)
    watch = Watch(colour[:N], colour[N : 2 * N], size=SIDE)
    made = np.concatenate([colour[:10], colour[2 * N : 2 * N + 60]])
    assert watch(made, 0)["vestige/n_copies"] == 10
    with pytest.raises(InputError, match="generated images are grey, the real ones in colour"):
        watch(made[:, 0], 1)


@pytest.mark.parametrize("sizes", [(1, 9), (5, 1), (3, 3)])
def test_unequal_patients(sizes: tuple[int, int]) -> None:
    """Used patients of one size, unused ones of another; copies of many show all the same."""
    patients = np.concatenate([np.arange(N) // sizes[0], 100 + np.arange(N) // sizes[1]])
    if (N // sizes[1]) < 8:
        patients[N:] = 100 + np.minimum(np.arange(N) // sizes[1], 6)
    watch = Watch(USED, UNUSED, patients, size=SIDE)
    assert watch(generated(0), 0)["vestige/alarm"] == 0
    told = [watch(generated(40, k), k) for k in (1, 2)]
    assert told[-1]["vestige/alarm"] == 1
    again = Watch(USED, UNUSED, (patients[:N], patients[N:]), size=SIDE)
    assert {"step": 0, **again(generated(0), 0)} == watch.history[0]
    by_role = {"used": patients[:N], "unused": patients[N:].tolist()}
    assert Watch(USED, UNUSED, by_role, size=SIDE).reals.digest == again.reals.digest


def test_the_same_image_twice_is_one_patient() -> None:
    watch = Watch(np.concatenate([USED, USED[:5]]), UNUSED, size=SIDE)
    assert len(watch.reals.status) == 2 * N
    blank = np.zeros((2, SIDE, SIDE), np.float32)
    watch = Watch(np.concatenate([USED, blank]), np.concatenate([UNUSED, blank]), size=SIDE)
    assert len(watch.reals.status) == 2 * N + 4


REFUSED: dict[str, tuple[Any, str]] = {
    "few": (lambda w: w(FRESH[:19], 0), "needs 20 generated images or more, found 19"),
    "nan": (lambda w: w(np.full((30, 16, 16), np.nan), 0), "not finite"),
    "range": (lambda w: w(generated() * 255, 0), r"from 0 to \d+\.?\d*, whose range is not known"),
    "ragged": (
        lambda w: w([FRESH[0], FRESH[0][:8]] * 20, 0),
        r"one shape and type, found \(8, 32\) and",
    ),
    "empty list": (lambda w: w([], 0), "must be images in memory, one or more"),
    "folder": (lambda w: w("samples/", 0), "must be images in memory"),
    "integers": (lambda w: w(np.zeros((30, 16, 16), int), 0), "found int64 of shape"),
    "five axes": (lambda w: w(np.zeros((1, 30, 1, 16, 16)), 0), "found float64 of shape"),
    "channels": (lambda w: w(np.zeros((30, 4, 16, 16)), 0), "has 4 channels; give one or three"),
    "two channels": (lambda w: w(np.zeros((30, 2, 16, 16)), 0), r"has shape \(30, 2, 16, 16\)"),
    "colour": (lambda w: w(np.zeros((30, 16, 16, 3)), 0), "are in colour, the real ones grey"),
    "step": (lambda w: w(generated(), -1), "step -1 is not a number of training steps"),
    "half a step": (lambda w: w(generated(), 2.5), "step must be a whole number, 2.5 was given"),
    "no step": (lambda w: w(generated(), None), "step must be a whole number, None was given"),
    "word as step": (lambda w: w(generated(), "a"), "step must be a whole number, 'a' was given"),
    "true step": (lambda w: w(generated(), True), "step must be a whole number, True was given"),
    "folder to save to": (lambda w: w.save(Path(__file__).parent), "cannot write .*watch: Is a"),
    "no folder": (lambda w: w.save("absent/w.npz"), "cannot write absent/w.npz: No such file"),
    "half a dict": (
        lambda w: Watch(USED, UNUSED, {"used": [1] * N}, size=SIDE),
        "a dict with the groups of 'used' and of 'unused', found a dict of 'used'",
    ),
    "no label": (
        lambda w: Watch(USED, UNUSED, ([None] * N, [1] * N), size=SIDE),
        "groups, entry 0: a name is missing",
    ),
    "patients on both sides": (
        lambda w: Watch(USED, UNUSED, np.arange(2 * N) % N, size=SIDE),
        "40 groups have images both among the used and the unused images",
    ),
    "pixels on both sides": (
        lambda w: Watch(USED, np.concatenate([UNUSED, USED[3:4]]), size=SIDE),
        "such as used 3 and unused 40",
    ),
    "labels": (lambda w: Watch(USED, UNUSED, [1, 2], size=SIDE), "one label per image"),
    "a file as labels": (lambda w: Watch(USED, UNUSED, "g.csv", size=SIDE), "one label per image"),
    "a table as labels": (
        lambda w: Watch(USED, UNUSED, np.zeros((2 * N, 2)), size=SIDE),
        r"one label per image: 80 images, labels of shape \(80, 2\)",
    ),
    "ragged labels": (lambda w: Watch(USED, UNUSED, ([[1, 2], [3]], [1])), "lists within lists"),
    "labels of a side": (lambda w: Watch(USED, UNUSED, ([1], [2]), size=SIDE), "40 used and 40"),
    "one patient a side": (
        lambda w: Watch(USED, UNUSED, np.repeat([0, 1], N), size=SIDE),
        "1 used and 1 unused patients can be relabelled in 2 ways only",
    ),
    "kinds": (lambda w: Watch(USED, np.zeros((30, 16, 16, 3))), "must be of one kind"),
    "size": (lambda w: Watch(USED, UNUSED, size=2), "size 2 is not between 8 and 256"),
    "level": (lambda w: Watch(USED, UNUSED, level=1.5), "level 1.5 is not between 0 and 1"),
    "plan": (lambda w: Watch(USED, UNUSED, looks=-1), "-1 looks cannot be planned"),
    "no looks": (lambda w: Watch(USED, UNUSED, looks=0), "0 looks cannot be planned"),
    "half a look": (lambda w: Watch(USED, UNUSED, looks=1.5), "looks must be a whole number, 1.5"),
    "half a pixel": (lambda w: Watch(USED, UNUSED, size=32.5), "size must be a whole number, 32"),
    "word": (lambda w: Watch(USED, UNUSED, level="x"), "level must be a number, 'x' was given"),
    "views": (lambda w: Watch(USED, UNUSED, views="some"), "unknown views 'some'"),
    "a list of views": (lambda w: Watch(USED, UNUSED, views=["all"]), "unknown views"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_looked_at_is_one_line(prepared: Watch, case: str) -> None:
    call, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as error:
        call(prepared)
    assert "\n" not in str(error.value)
    assert prepared.history == []
