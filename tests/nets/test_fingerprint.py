"""The fingerprint library: exact search, the cut, and what is kept. No torch needed."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import SpectralClustering

from vestige.nets import fingerprint
from vestige.nets.fingerprint import Library, top, two_clusters, unit
from vestige.registry.entries import InputError

with_and_without = pytest.mark.parametrize("faiss", [False, True])


@pytest.fixture(autouse=True)
def _faiss(request: pytest.FixtureRequest) -> None:
    if "faiss" in request.fixturenames and request.getfixturevalue("faiss"):
        pytest.importorskip("faiss", reason="needs vestige[faiss]")


def rows(n: int, d: int = 8, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


@with_and_without
def test_finds_what_brute_force_finds_with_ties_in_order(faiss: bool) -> None:
    pool = np.concatenate([rows(60), rows(60), 3 * rows(20)])  # every direction two or three times
    queries = rows(15, seed=1)
    wide = unit(queries).astype(np.float64) @ unit(pool).astype(np.float64).T
    wanted = np.array([sorted(range(140), key=lambda j: (-round(w[j], 9), j)) for w in wide])[:, :9]
    cosines, found = Library(pool, faiss).search(queries, 9)
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_allclose(cosines, np.take_along_axis(wide, wanted, 1), atol=1e-6)


@pytest.mark.parametrize("block", [1, 3, 100])
def test_no_block_size_changes_the_result(block: int) -> None:
    a, b = unit(rows(11, seed=1)), unit(np.repeat(rows(20), 2, axis=0))
    for found, wanted in zip(top(a, b, 5, block), top(a, b, 5), strict=True):
        np.testing.assert_array_equal(found, wanted)


@with_and_without
def test_many_equal_rows_do_not_crowd_out_the_lower_ones(faiss: bool) -> None:
    pool = np.repeat(rows(1), 300, axis=0)
    found = Library(pool, faiss).search(rows(1), 4)[1]
    np.testing.assert_array_equal(found, [[0, 1, 2, 3]])


@with_and_without
def test_gives_no_more_than_there_are(faiss: bool) -> None:
    assert Library(rows(3), faiss).search(rows(2), 100)[1].shape == (2, 3)


@with_and_without
def test_comes_back_from_a_file_and_from_a_pickle(faiss: bool, tmp_path: Path) -> None:
    library, queries = Library(rows(30), faiss), rows(5, seed=2)
    library.save(tmp_path / "library")
    for copy in (Library.load(tmp_path / "library", faiss), pickle.loads(pickle.dumps(library))):  # noqa: S301
        np.testing.assert_array_equal(copy.search(queries, 7)[1], library.search(queries, 7)[1])
    assert [p.name for p in tmp_path.iterdir()] == ["library"]


@with_and_without
def test_a_damaged_library_is_refused(faiss: bool, tmp_path: Path) -> None:
    Library(rows(30), faiss).save(tmp_path / "library")
    whole = (tmp_path / "library").read_bytes()
    (tmp_path / "library").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged"):
        Library.load(tmp_path / "library", faiss)
    with pytest.raises(InputError, match="no fingerprint library"):
        Library.load(tmp_path / "nothing", faiss)


@with_and_without
def test_what_cannot_be_searched_is_refused(faiss: bool) -> None:
    with pytest.raises(InputError, match="k must be 1 or more"):
        Library(rows(3), faiss).search(rows(2), 0)
    with pytest.raises(InputError, match="different widths"):
        Library(rows(3), faiss).search(rows(2, 5), 1)


def test_without_faiss_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match=r"pip install 'vestige\[faiss\]'"):
        Library(rows(3), faiss=True)


def two_blobs(seed: int, n: int = 50) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat([0, 1], [n - 15, 15]))
    centres = np.array([[1.0, 0, 0.3, 0], [0.3, 1, 0, 0.2]])
    return unit((centres[truth] + 0.25 * rng.standard_normal((n, 4))).astype(np.float32)), truth


@pytest.mark.parametrize("seed", range(5))
def test_cuts_like_scikit_learn(seed: int) -> None:
    points, truth = two_blobs(seed)
    affinity = np.maximum(0, points.astype(float) @ points.T)
    labels = two_clusters(affinity)
    other = SpectralClustering(
        2, affinity="precomputed", assign_labels="cluster_qr", random_state=0
    ).fit_predict(affinity)
    assert max((labels == other).mean(), (labels != other).mean()) >= 0.96
    assert max((labels == truth).mean(), (labels != truth).mean()) >= 0.9


def test_the_cut_does_not_depend_on_the_order_of_the_nodes() -> None:
    points, _ = two_blobs(3)
    affinity = np.maximum(0, points.astype(float) @ points.T)
    order = np.random.default_rng(0).permutation(50)
    labels, turned = two_clusters(affinity), two_clusters(affinity[order][:, order])
    assert (labels[order] == turned).all() or (labels[order] != turned).all()


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_to_cut_stay_together(n: int) -> None:
    assert (two_clusters(np.ones((n, n))) == 0).all()


@pytest.mark.parametrize("affinity", [np.zeros((6, 6)), np.ones((6, 6)), np.eye(6)])
def test_graphs_without_shape_do_not_fail(affinity: np.ndarray) -> None:  # type: ignore[type-arg]
    assert set(two_clusters(affinity)) <= {0, 1}


def test_the_pool_keeps_the_cluster_of_the_nearest_and_the_far_ranks() -> None:
    points, truth = two_blobs(0)
    library = Library(np.concatenate([points, rows(10, 4)]))
    order = np.argsort(truth, kind="stable")  # rank 1 is of cluster 0
    indices = np.concatenate([order, np.arange(50, 60)])[None]
    keep = library.pool(np.ones((1, 60)), indices)[0]
    assert keep[0] and keep[50:].all()
    agree = keep[:50] == (truth[order] == 0)
    assert agree.mean() >= 0.9


def test_at_least_min_keep_stay() -> None:
    library = Library(np.concatenate([[[1.0, 0]], np.tile([[0.0, 1.0]], (9, 1))]).astype("f4"))
    keep = library.pool(np.zeros((1, 10)), np.arange(10)[None], min_keep=4)[0]
    np.testing.assert_array_equal(np.flatnonzero(keep), [0, 1, 2, 3])


@pytest.mark.parametrize("n", [3, 8, 50])
def test_nodes_that_are_all_alike_are_not_cut(n: int) -> None:
    assert not two_clusters(np.ones((n, n))).any()


def test_three_parts_apart_are_not_cut() -> None:
    assert not two_clusters(np.kron(np.eye(3), np.ones((4, 4)))).any()


def test_those_below_the_least_cosine_leave() -> None:
    library = Library(np.ones((8, 3), np.float32))
    cosines = np.linspace(0.9, 0.2, 8)[None]
    keep = library.pool(cosines, np.arange(8)[None], min_keep=1)[0]
    np.testing.assert_array_equal(keep, cosines[0] >= 0.6)


def test_a_zero_row_is_like_nothing() -> None:
    assert (fingerprint.unit(np.zeros((1, 4), np.float32)) == 0).all()
    assert Library(rows(4, 4)).search(np.zeros((1, 4), np.float32), 2)[0].tolist() == [[0, 0]]
