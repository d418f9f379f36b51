"""The fingerprint library: cosine search, and the pool that spectral clustering leaves.

Source: Zhou & Ding, CLEF 2025; docs/methods.md 1.4 d3. Exact search is a matrix product; FAISS,
when it is asked for, gives the same rows. No torch in here.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from vestige.files.whole import whole
from vestige.registry.entries import InputError
from vestige.types import Bools, Float32s, Floats, Ints

BLOCK_BYTES = 64 * 2**20
DIGITS = 9  # cosines that agree to so many digits are equal: the lower row first
SPARE = 64  # further neighbours an index gives, so that rounding cannot cost one
ROUNDING = 1e-5  # of float32 cosines


def unit(rows: Float32s) -> Float32s:
    """Rows [n, d] of length 1; a zero row stays zero (its cosines are 0)."""
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0), np.float32)


def top(rows: Float32s, pool: Float32s, k: int, block: int | None = None) -> tuple[Floats, Ints]:
    """The k pool rows of largest inner product with each row, largest first.

    Parameters
    ----------
    rows, pool : float32 [n, d] and [m, d]
        Of unit length, for cosines.
    k : int
        At most m are returned.
    block : int, optional
        Rows taken at a time; the result does not depend on it.

    Returns
    -------
    products : float64 [n, k]
    indices : int [n, k]
        Equal products: the lower row first.
    """
    if k < 1:
        raise InputError(f"the number of neighbours k must be 1 or more, {k} was given.")
    if rows.shape[1] != pool.shape[1]:
        raise InputError(
            f"features of different widths cannot be compared: {rows.shape[1]} and {pool.shape[1]}."
        )
    k, wide = min(k, len(pool)), pool.astype(np.float64)
    products, indices = np.empty((len(rows), k)), np.empty((len(rows), k), np.int64)
    step = block or max(1, BLOCK_BYTES // (8 * max(1, len(pool))))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        all_of_them = np.round(rows[part].astype(np.float64) @ wide.T, DIGITS)
        indices[part] = np.argsort(-all_of_them, axis=1, kind="stable")[:, :k]
        products[part] = np.take_along_axis(all_of_them, indices[part], axis=1)
    return products, indices


def two_clusters(affinity: Floats) -> Ints:
    """Cut a graph in two: 0 or 1 for each of its n nodes, the same on every run and machine.

    A graph that does not say where to cut it (all nodes alike, three parts apart) stays whole.

    The two leading eigenvectors of D^-1/2 A D^-1/2, rows assigned by a pivoted QR (Damle, Minden &
    Ying 2019, doi:10.1093/imaiai/iay008): no random start, unlike k-means.

    Parameters
    ----------
    affinity : float64 [n, n]
        Symmetric, not negative; self-affinity does not count.
    """
    from scipy.linalg import eigh, qr

    n = len(affinity)
    if n < 3:
        return np.zeros(n, np.int64)
    weights = np.asarray(affinity, np.float64).copy()
    np.fill_diagonal(weights, 0.0)
    degrees = weights.sum(axis=1)
    scale = np.where(degrees > 0, 1 / np.sqrt(np.where(degrees > 0, degrees, 1.0)), 0.0)
    scaled = scale[:, None] * weights * scale
    values, vectors = eigh(scaled, subset_by_index=(n - 3, n - 1))
    if values[1] - values[0] < 10.0**-DIGITS:
        return np.zeros(n, np.int64)  # any cut is as good as another: rounding would choose
    vectors = vectors[:, 1:]
    pivots = qr(vectors.T, mode="r", pivoting=True)[1][:2]
    left, _, right = np.linalg.svd(vectors[pivots].T)
    return np.asarray(np.abs(vectors @ (left @ right)).argmax(axis=1), np.int64)


@dataclass
class Library:
    """Fingerprints of known images, and who comes near to a new one.

    Parameters
    ----------
    rows : float32 [m, d]
        Brought to unit length.
    faiss : bool
        Search with FAISS (IndexFlatIP) instead of a matrix product.
    """

    rows: Float32s = field(repr=False)
    faiss: bool = False
    _index: Any = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.rows = unit(np.asarray(self.rows, np.float32))
        if self.faiss:
            self._index = find_faiss().IndexFlatIP(self.rows.shape[1])
            self._index.add(self.rows)

    def search(self, rows: Float32s, k: int = 100) -> tuple[Floats, Ints]:
        """Cosines [n, k] and library rows [n, k], nearest first."""
        rows = unit(np.asarray(rows, np.float32))
        if self._index is None:
            return top(rows, self.rows, k)
        if k < 1 or rows.shape[1] != self.rows.shape[1]:
            return top(rows, self.rows, k)  # refuses them
        k = min(k, len(self.rows))
        cosines, indices = np.empty((len(rows), k)), np.empty((len(rows), k), np.int64)
        for i, row in enumerate(rows):
            candidates = self._candidates(row[None], k)
            cosines[i], order = (v[0] for v in top(row[None], self.rows[candidates], k))
            indices[i] = candidates[order]
        return cosines, indices

    def pool(
        self,
        cosines: Floats,
        indices: Ints,
        graph: int = 50,
        min_keep: int = 5,
        min_similarity: float = 0.6,
    ) -> Bools:
        """Which of the candidates [n, k] that `search` found stay, bool [n, k].

        The first `graph` are cut in two by their mutual cosines, and those apart from the nearest
        one leave; those beyond `graph` stay. Then any below `min_similarity` leaves. The nearest
        `min_keep` stay wherever fewer would.
        """
        keep = np.array([same_cluster(self.rows[row], graph) for row in indices])
        keep &= cosines >= min_similarity
        few = keep.sum(axis=1) < min_keep
        keep[:, :min_keep] |= few[:, None]
        return keep

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the FAISS index, or the rows as .npy, to `path`; whole or not at all."""
        with whole(Path(path)) as partial:
            if self._index is not None:
                find_faiss().write_index(self._index, os.fspath(partial))
            else:
                with partial.open("wb") as file:
                    np.save(file, self.rows, allow_pickle=False)

    @classmethod
    def load(cls, path: str | os.PathLike[str], faiss: bool = False) -> Self:
        """Read what `save` wrote with the same `faiss`."""
        where = os.fspath(path)
        if not Path(where).is_file():
            raise InputError(f"no fingerprint library at {where}.")
        try:
            if not faiss:
                return cls(np.load(where, allow_pickle=False))
            index = find_faiss().read_index(where)
            return cls(index.reconstruct_n(0, index.ntotal), faiss=True)
        except (ValueError, EOFError, RuntimeError) as error:
            raise InputError(
                f"{where} is no fingerprint library of this kind, or damaged: build it again."
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        return {"rows": self.rows, "faiss": self.faiss}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def _candidates(self, row: Float32s, k: int) -> Ints:
        """Library rows, ascending, that surely hold the k nearest, ties included."""
        m, asked = len(self.rows), k + SPARE
        while True:
            products, found = self._index.search(row, min(m, asked))
            if asked >= m or products[0, k - 1] - products[0, -1] > ROUNDING:
                return np.sort(found[0]).astype(np.int64)
            asked *= 4


def same_cluster(candidates: Float32s, graph: int = 50) -> Bools:
    """Which ranked candidates [k, d] (unit rows) are not cut off from the first one."""
    first = candidates[:graph].astype(np.float64)
    labels = two_clusters(np.maximum(0.0, np.round(first @ first.T, DIGITS)))
    return np.append(labels == labels[0], np.ones(len(candidates) - len(first), bool))


def find_faiss() -> Any:
    """FAISS, or one line for users without the extra."""
    try:
        import faiss
    except ImportError as error:
        raise InputError(
            "searching with FAISS needs the extra: pip install 'vestige[faiss]', or leave "
            "faiss=False, which finds the same rows."
        ) from error
    return faiss
