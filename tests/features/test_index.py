"""Every index finds what the exact search finds, or says how much of it."""

import builtins
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vestige
from reference_worlds import reference_world
from vestige.detectors import NearestDistance, RetrievalCount
from vestige.features import index
from vestige.features.index import INDEXES
from vestige.registry.entries import InputError, create
from vestige.scoring.columns import notes_of
from vestige.stats import neighbours
from vestige.stats.neighbours import nearest
from vestige.types import Float32s

pytest.importorskip("faiss")
WORLD = reference_world("copy", 1)
COPIES = np.random.default_rng(0).integers(0, 60, 3000)


def sets(name: str) -> tuple[Float32s, Float32s]:
    rng = np.random.default_rng(0)
    rows, pool = (rng.normal(size=(n, 16)).astype(np.float32) for n in (30, 3000))
    if name == "copies":  # more copies than candidates
        pool = pool[COPIES]
    if name == "near copies":  # closer than float32 tells apart
        pool = pool[COPIES] + 1e-7 * rng.normal(size=pool.shape).astype(np.float32)
    if name == "far from the origin":
        rows, pool = rows + 1000, pool + 1000
    if name == "an outlier":
        pool[7] *= 1e6
    return rows, pool


SETS = ("ordinary", "copies", "near copies", "far from the origin", "an outlier")


def ask(name: str, rows: Float32s, pool: Any, k: int) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return create(INDEXES, name, "index")(rows, pool, k)


@pytest.mark.parametrize("k", [1, 5, 40, 5000])
@pytest.mark.parametrize("data", SETS)
@pytest.mark.parametrize("name", INDEXES)
def test_small_pools_are_searched_exactly(name: str, data: str, k: int) -> None:
    rows, pool = sets(data)
    for found, wanted in zip(ask(name, rows, pool, k), nearest(rows, pool, k), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", INDEXES)
def test_block_size_and_company_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, pool = sets("copies")
    whole = ask(name, rows, pool, 3)
    monkeypatch.setattr(neighbours, "BLOCK_BYTES", 16 * 4 * 100)
    for found, wanted in zip(ask(name, rows[4:9], pool, 3), whole, strict=True):
        np.testing.assert_array_equal(found, wanted[4:9])


@pytest.mark.parametrize("name", INDEXES)
def test_bad_input_is_refused_alike(name: str) -> None:
    rows = np.zeros((2, 3), np.float32)
    with pytest.raises(InputError, match="must be 1 or more"):
        ask(name, rows, rows, 0)
    with pytest.raises(InputError, match="different sizes"):
        ask(name, rows, np.zeros((2, 4), np.float32), 1)
    rows[1, 1] = np.nan
    for pair in ((rows, np.ones((2, 3), np.float32)), (np.ones((2, 3), np.float32), rows)):
        with pytest.raises(InputError, match="not a finite number"):
            ask(name, *pair, 1)


@pytest.mark.parametrize("name", INDEXES)
def test_nothing_among_nothing(name: str) -> None:
    rows = np.zeros((2, 3), np.float32)
    assert ask(name, rows, rows[:0], 1)[0].shape == (2, 0)
    assert ask(name, rows[:0], rows, 1)[1].shape == (0, 1)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pools of these tests count as large."""
    monkeypatch.setattr(index, "IVF_FROM", 1000)


@pytest.mark.usefixtures("large")
def test_ivf_tells_the_recall_that_it_has() -> None:
    rows, pool = sets("ordinary")
    notes: list[str] = []
    with pytest.warns(UserWarning, match="index ivf found"):
        distances, indices = create(INDEXES, "ivf", "index", notes=notes)(rows, pool, 3)
    exact = nearest(rows, pool, 3)
    recall = (distances <= exact[0][:, -1:]).mean()
    assert 0 < recall < 1  # cells of isotropic noise hold half of the neighbours
    assert notes == [
        f"index ivf found {recall:.1%} of the 3 nearest of 30 images that were searched exactly as "
        "well, among 3,000; index=exact or flat finds all."
    ]
    gaps = pool[indices].astype(np.float64) - rows[:, None]
    np.testing.assert_allclose(distances, np.sqrt((gaps**2).sum(axis=2)), rtol=1e-12)
    assert (np.diff(distances, axis=1) >= 0).all()


@pytest.mark.usefixtures("large")
def test_ivf_finds_copies() -> None:
    rows, pool = sets("ordinary")
    pool[:30] = rows
    distances, indices = ask("ivf", rows, pool, 1)
    assert (distances == 0).all()
    np.testing.assert_array_equal(indices[:, 0], np.arange(30))


@pytest.mark.usefixtures("large")
def test_ivf_is_the_same_on_every_run_in_any_order_and_company() -> None:
    rows, pool = sets("ordinary")
    first = ask("ivf", rows, pool, 3)
    for found, wanted in zip(ask("ivf", rows[10:12], pool, 3), first, strict=True):
        np.testing.assert_array_equal(found, wanted[10:12])
    order = np.random.default_rng(1).permutation(len(pool))
    shuffled = ask("ivf", rows, pool[order], 3)
    np.testing.assert_array_equal(shuffled[0], first[0])
    np.testing.assert_array_equal(order[shuffled[1]], first[1])


@pytest.mark.usefixtures("large")
def test_ivf_answers_where_its_cells_hold_too_few() -> None:
    rows, pool = sets("ordinary")
    distances, indices = ask("ivf", rows, pool, 900)
    assert np.isfinite(distances).all()
    assert all(len(set(row)) == 900 for row in indices.tolist())


def test_ivf_wants_the_whole_pool() -> None:
    rows = np.zeros((2, 3), np.float32)
    with pytest.raises(InputError, match="whole pool at once"):
        ask("ivf", rows, iter([(0, rows)]), 1)


@pytest.mark.parametrize("name", ["flat", "ivf"])
@pytest.mark.parametrize("made", [NearestDistance, RetrievalCount])
def test_detectors_take_an_index(made: Any, name: str) -> None:
    def scores(**options: Any) -> Any:
        detector = made(**options).fit(WORLD.generated, unused=WORLD.reference)
        return pickle.loads(pickle.dumps(detector)).score_samples(WORLD.used[:20])  # noqa: S301

    np.testing.assert_array_equal(scores(index=name), scores())


@pytest.mark.usefixtures("large")
def test_detectors_keep_what_their_index_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "IVF_FROM", 100)
    detector = NearestDistance(index="ivf").fit(WORLD.generated)
    with pytest.warns(UserWarning, match="index ivf found"):
        detector.score_samples(WORLD.used)
    (problem,) = notes_of({"nearest_distance": detector})
    assert (problem.path, problem.severity) == ("detector/nearest_distance", "warning")
    assert problem.what == detector.notes_[0]


@pytest.mark.slow
@pytest.mark.usefixtures("large")
def test_an_audit_tells_what_an_index_may_have_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "IVF_FROM", 100)
    for _ in range(2):  # also where the cache has seen the same question
        with pytest.warns(UserWarning, match="index ivf found"):
            result = vestige.audit(
                WORLD.generated,
                WORLD.used,
                WORLD.reference,
                detectors=["nearest_distance"],
                options={"nearest_distance": {"index": "ivf"}},
                cache=tmp_path,
                checks=False,
            )
        (said,) = [p for p in result.problems if p.path == "detector/nearest_distance"]
        assert "index ivf found" in said.what


@pytest.mark.parametrize("made", [NearestDistance, RetrievalCount])
def test_an_unknown_index_gets_a_hint(made: Any) -> None:
    with pytest.raises(InputError, match="unknown index 'flatt'. Did you mean 'flat'"):
        made(index="flatt")


@pytest.mark.parametrize("name", ["flat", "ivf"])
def test_without_faiss_one_line_says_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(module: str, *rest: Any) -> Any:
        if module == "faiss":
            raise ImportError(module)
        return real(module, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install 'vestige\[faiss\]'"):
        NearestDistance(index=name)
