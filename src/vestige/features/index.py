"""How the nearest generated images are found: exactly, or with FAISS, the index of one paper.

Every index has the signature of `vestige.stats.neighbours.nearest` and measures what it finds by
direct subtraction in float64. A new one is one function and one line in `INDEXES`.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.engine.threads import one_core
from vestige.registry.entries import InputError, RegistryEntry
from vestige.stats.neighbours import CANDIDATES, Pool, check_k, in_blocks, nearest, same_width
from vestige.stats.top import Top, check_finite, merge, nothing, pair_distances, smallest, top_of
from vestige.types import Bools, Float32s, Floats, Ints

IVF_FROM = 100_000
"""Rows of a pool from which "ivf" leaves any out; it finds what "flat" does in a smaller one."""
PROBED = 0.05
"""Share of the cells that are looked into."""
PER_CELL = 64
"""Rows that train each cell."""
SAMPLE = 100
"""Rows whose exact neighbours are found as well, to measure the recall."""
TWICE_EPS32 = 2 * float(np.finfo(np.float32).eps)

Search = Callable[[Float32s, Pool, int], tuple[Floats, Ints]]


def flat(rows: Float32s, pool: Pool, k: int = 1) -> tuple[Floats, Ints]:
    """What `nearest` finds, by FAISS comparing every row.

    FAISS gives some more rows than asked for. Where rounding could have put a nearer one behind
    the last of them, the exact search answers.

    Raises
    ------
    InputError
        As `nearest`; without FAISS.
    """
    faiss = find_faiss("flat")
    check_k(k)
    if isinstance(pool, np.ndarray):
        k = min(k, len(pool))
    best, seen = nothing(len(rows), k), 0
    centre = rows.mean(axis=0, dtype=np.float64).astype(np.float32) if len(rows) else rows[:0]
    for start, block in in_blocks(pool):
        same_width(rows.shape[1], block.shape[1])
        if len(rows) and k:
            best = merge(best, _flat_block(faiss, rows, block, start, k, centre))
        seen += len(block)
    return best.distances[:, :seen], best.indices[:, :seen]


def _flat_block(
    faiss: Any, rows: Float32s, block: Float32s, start: int, k: int, centre: Float32s
) -> Top:
    left, right = (_plain(side - centre) for side in (rows, block))
    asked = min(len(block), k + CANDIDATES)
    squares, found = faiss.knn(left, right, asked)
    top = _measured(rows, block, start, k, found)
    # |a|^2 + |b|^2 - 2ab rounds off no more than this
    longest = np.sqrt([_squares(side).max() for side in (left, right)]).sum()
    last = squares[:, -1].astype(np.float64) - (left.shape[1] + 16) * TWICE_EPS32 * longest**2
    sure = (top.distances[:, -1] ** 2 < last) | (asked == len(block))
    return _answer_exactly(top, ~sure, rows, block, start, k)


def ivf(
    rows: Float32s, pool: Pool, k: int = 1, seed: int = 0, notes: list[str] | None = None
) -> tuple[Floats, Ints]:
    """The k nearest among the rows of the cells that lie nearest to each row: some are missed.

    For pools of 100,000 rows and more (in smaller ones: :func:`flat`). Cells are those of a seeded
    k-means on rows that content, not order, chooses; about sqrt(m) cells, of which 5 % are looked
    into. The recall, the share of the k nearest that is found, is measured on up to 100 rows and
    told as a warning, and in `notes`.

    Raises
    ------
    InputError
        As `nearest`; without FAISS; for a pool in blocks.
    """
    faiss = find_faiss("ivf")
    check_k(k)
    if not isinstance(pool, np.ndarray):
        raise InputError("index ivf needs the whole pool at once: take index=exact or flat.")
    same_width(rows.shape[1], pool.shape[1])
    if len(pool) < IVF_FROM or not len(rows):
        return flat(rows, pool, k)
    k = min(k, len(pool))
    index = _cells(faiss, pool, seed)
    asked = min(len(pool), k + CANDIDATES)
    found = index.search(_plain(rows), asked)[1]
    top = _measured(rows, pool, 0, k, found)
    top = _answer_exactly(top, np.isinf(top.distances[:, -1]), rows, pool, 0, k)
    _tell_recall(rows, pool, top, notes)
    return top.distances, top.indices


def _cells(faiss: Any, pool: Float32s, seed: int) -> Any:

    m, d = pool.shape
    lists = int(np.sqrt(m))
    along = np.random.default_rng(seed).standard_normal(d)
    keys = [np.einsum("ij,j->i", block, along) for _, block in in_blocks(pool)]
    some = np.argsort(np.concatenate(keys), kind="stable")[:: max(1, m // (PER_CELL * lists))]
    coarse = faiss.IndexFlatL2(d)
    index = faiss.IndexIVFFlat(coarse, d, lists)
    index.cp.seed, index.nprobe = seed + 1, max(1, round(PROBED * lists))
    with one_core():  # sums of k-means are the same however many cores there are
        index.train(_plain(pool[some]))
    for _, block in in_blocks(pool):
        index.add(_plain(block))
    return index


def _tell_recall(rows: Float32s, pool: Float32s, top: Top, notes: list[str] | None) -> None:
    some = np.unique(np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(int))
    k = top.distances.shape[1]
    exact = nearest(rows[some], pool, k)[0]
    recall = float((top.distances[some] <= exact[:, -1:]).mean())
    text = (
        f"index ivf found {recall:.1%} of the {k} nearest of {len(some)} images that were searched "
        f"exactly as well, among {len(pool):,}; index=exact or flat finds all."
    )
    if notes is not None and text not in notes:
        notes.append(text)
    warnings.warn(text, stacklevel=3)


def _measured(rows: Float32s, block: Float32s, start: int, k: int, found: Ints) -> Top:
    """Candidates [n, c] of a block (-1 for none), by exact distance."""
    distances = np.full(found.shape, np.inf)
    row, place = np.nonzero(found >= 0)
    distances[row, place] = pair_distances(rows, block, row, found[row, place])
    indices = np.where(found >= 0, found + start, -1)
    more = nothing(len(rows), k)  # fewer candidates than k
    return Top(
        *smallest(np.hstack([distances, more.distances]), np.hstack([indices, more.indices]), k)
    )


def _answer_exactly(
    top: Top, where: Bools, rows: Float32s, block: Float32s, start: int, k: int
) -> Top:
    if where.any():
        exact = top_of(rows[where], block, start, k)
        top.distances[where], top.indices[where] = exact.distances, exact.indices
    return top


def _plain(rows: npt.NDArray[Any]) -> Float32s:
    """Rows as FAISS takes them; it would give any answer to what is not finite."""
    check_finite(_squares(rows))
    return np.ascontiguousarray(rows, dtype=np.float32)


def _squares(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.asarray(np.einsum("ij,ij->i", rows, rows))


def find_faiss(name: str) -> Any:
    """FAISS, or one line for users without the extra."""
    try:
        import faiss
    except ImportError as error:
        raise InputError(
            f"index {name} needs FAISS: pip install 'vestige[faiss]', or take index=exact, which "
            "finds the nearest without it."
        ) from error
    return faiss


def _flat(notes: list[str] | None = None) -> Search:
    find_faiss("flat")  # asked for when options are read, not after hours
    return flat


def _ivf(notes: list[str] | None = None, seed: int = 0) -> Search:
    find_faiss("ivf")
    return partial(ivf, seed=seed, notes=notes)


INDEXES: dict[str, RegistryEntry[Search]] = {
    "exact": RegistryEntry("matrix products, streamed: the nearest", lambda notes=None: nearest),
    "flat": RegistryEntry("FAISS, every row compared: the same", _flat, extra="faiss"),
    "ivf": RegistryEntry(
        "FAISS, cells near each image only, from 100,000 rows on; recall measured and told",
        _ivf,
        extra="faiss",
    ),
}
