"""Whitened cosines of reals with a generated set, block by block and in every view."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from vestige.detectors.own_patient import WithoutOwn
from vestige.features.folding import Folding
from vestige.features.rows import Rows
from vestige.features.whitening import Whitening, unit
from vestige.products.product import product
from vestige.types import Float32s, Ints

BLOCK_BYTES = 8 * 2**20
WAITING = 2
"""Pairs per real and neighbour that wait until they are sorted in."""

AS_THEY_ARE = Folding()
Symmetries = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Search:
    """What is compared with a generated set.

    rows : whitened reals [n, p]; where the folding transposes, [2n, p]: then transposed ones
    rivals : whitened reals among which each generated image is competed for, likewise
    own : takes the own patient of each real out of the whitening, where some have several images
    """

    rows: Float32s
    rivals: Float32s
    filters: Whitening
    folding: Folding = AS_THEY_ARE
    own: WithoutOwn | None = None

    def __len__(self) -> int:
        return len(self.rows) // (2 if self.folding.transposes else 1)

    def blocks(self, generated: Rows) -> Iterator[tuple[int, Float32s]]:
        """Whitened generated rows [b, p], each block with the number of its first row."""
        for start, projected in self.projected(generated):
            yield start, unit(projected)

    def projected(self, generated: Rows) -> Iterator[tuple[int, Float32s]]:
        """The same blocks, not of norm 1."""
        step = max(1, BLOCK_BYTES // (4 * max(len(self.rows), int(generated.shape[1]))))
        for start in range(0, len(generated), step):
            yield start, self.filters.project(generated[start : start + step])

    def views(self, made: Float32s, rows: Float32s) -> list[Float32s]:
        """Cosines [b, n] of whitened generated rows with whitened reals, one array per view."""
        parts = self.filters.parts
        views = signed_sums([product(made[:, part], rows[:, part].T, rows) for part in parts])
        if not self.folding.transposes:
            return views
        return _halves(views)

    def largest(self, made: Float32s, rows: Float32s) -> Float32s:
        """`largest_view` of the views, to the bit, where nobody asks for these."""
        parts = self.filters.parts
        best = largest_sum([product(made[:, part], rows[:, part].T, rows) for part in parts])
        if not self.folding.transposes:
            return best
        return largest_view(_halves([best]))

    def scored_views(self, made: Float32s, projected: Float32s) -> list[Float32s]:
        """The views by which the reals are scored: without their own patients, if these count.

        By generated rows [b, p] of norm 1, or as they were projected.
        """
        if self.own is None:
            return self.views(made, self.rows)
        products, divisor = self.own.products(projected)
        views = [np.divide(view, divisor, out=view).T for view in signed_sums(products)]
        return _halves(views) if self.folding.transposes else views

    def scored_best(self, made: Float32s, projected: Float32s) -> Float32s:
        """The largest of `scored_views`, to the bit, where nobody asks for these."""
        if self.own is None:
            return self.largest(made, self.rows)
        products, divisor = self.own.products(projected)
        best = largest_sum(products)
        best /= divisor
        return largest_view(_halves([best.T])) if self.folding.transposes else best.T

    def views_of_pairs(self, made: Float32s, reals: Ints) -> list[Float32s]:
        """Cosines [k] of whitened generated rows with one real each, one array per view."""
        found = []
        for start in (0, len(self)) if self.folding.transposes else (0,):
            rows = self.rows[reals + start]
            parts = [
                np.einsum("kp,kp->k", made[:, part], rows[:, part]) for part in self.filters.parts
            ]
            found += signed_sums(parts)
        return found


def _halves(views: list[Float32s]) -> list[Float32s]:
    """Views [b, 2n] of reals and transposed reals -> twice as many [b, n]."""
    n = views[0].shape[1] // 2
    return [view[:, half] for half in (np.s_[:n], np.s_[n:]) for view in views]


def signed_sums(products: list[Float32s]) -> list[Float32s]:
    """Of products of even and odd parts: [A + B, A - B]; of four parts likewise, both ways."""
    if len(products) == 1:
        return products
    middle = len(products) // 2
    first, second = signed_sums(products[:middle]), signed_sums(products[middle:])
    pairs = list(zip(first, second, strict=True))
    return [a + b for a, b in pairs] + [a - b for a, b in pairs]


def largest_sum(products: list[Float32s]) -> Float32s:
    """The largest of `signed_sums`, in the memory of the products.

    Rounding keeps the order: the larger of a + b and a - b is a + |b|, to the bit.
    """
    if len(products) == 1:
        return products[0]
    middle = len(products) // 2
    sums, more = signed_sums(products[:middle]), signed_sums(products[middle:])
    for one, other in zip(sums, more, strict=True):
        one += np.abs(other, out=other)
    return largest_view(sums)


def largest_view(views: list[Float32s]) -> Float32s:
    """The largest of the views of each pair."""
    best = views[0]
    for number, view in enumerate(views[1:]):
        best = np.maximum(best, view, out=best if number else None)
    return best


def with_larger(best: Float32s, cosines: Float32s, k: int) -> Float32s:
    """The k largest of each real [n, k], ascending: of those known and of cosines [b, n].

    Once k are known of a real, only what is larger than the least of them is looked at.
    """
    if best.shape[1] < k:
        return largest_of_rows(np.hstack([best, cosines.T]), k)
    larger = (cosines > best[:, 0]).T
    if larger.flags.c_contiguous:
        real, row = np.divmod(np.flatnonzero(larger), len(cosines))
    else:
        row, real = np.divmod(np.flatnonzero(larger.T), len(best))
    if not len(real):
        return best
    order = np.argsort(real, kind="stable")
    touched, first, count = np.unique(real[order], return_index=True, return_counts=True)
    place = np.arange(len(real)) - np.repeat(first, count)
    lines = np.full((len(touched), k + int(count.max())), -np.inf, np.float32)
    lines[:, :k] = best[touched]
    lines[np.repeat(np.arange(len(touched)), count), k + place] = cosines[row[order], real[order]]
    best = best.copy()
    best[touched] = largest_of_rows(lines, k)
    return best


def largest_of_rows(values: Float32s, k: int) -> Float32s:
    """The k largest of each row, [n, min(k, width)], ascending: sums must not depend on order."""
    if values.shape[1] > k:
        values = np.partition(values, -k, axis=1)[:, -k:]
    return np.asarray(np.sort(values, axis=1))


@dataclass(frozen=True, eq=False)
class Nearest:
    """The generated images nearest to each real, and the real nearest to each generated image.

    cosines, rows, symmetries : [n, k], descending, of equal cosines the lower row first; the
        symmetry (row of `VIEWS`) in which the generated image must be seen
    of_generated : cosines, numbers of the real and symmetries, [m] each; None where not asked for
    """

    cosines: Float32s
    rows: Ints
    symmetries: Symmetries
    of_generated: tuple[Float32s, Ints, Symmetries] | None


@dataclass(eq=False)
class Neighbours:
    """Gathers `Nearest` while cosines go by, for n reals and k neighbours.

    Only pairs above the k-th cosine that is known of a real are looked at: few after some blocks.
    """

    n: int
    k: int
    symmetries: Symmetries
    both_ways: bool = False
    limit: Float32s = field(init=False)
    pairs: list[tuple[Ints, Float32s, Ints, Symmetries]] = field(init=False, default_factory=list)
    reals: list[tuple[Float32s, Ints, Symmetries]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.limit = np.full(self.n, -np.inf, np.float32)

    def add(self, start: int, views: list[Float32s], best: Float32s) -> None:
        """Look at cosines [b, n] of generated images from row `start` on."""
        if self.both_ways:
            row = np.arange(len(best))
            real = best.argmax(axis=1)
            self.reals.append((best[row, real], real, self._seen(views, best, row, real)))
        limit = self.limit
        if len(best) > self.k and np.isinf(limit).any():
            first = np.partition(best, -self.k, axis=0)[-self.k]
            limit = np.nextafter(np.maximum(limit, first), np.float32(-np.inf))
        row, real = np.nonzero(best > limit)
        symmetry = self._seen(views, best, row, real)
        self.pairs.append((real, best[row, real], row + start, symmetry))
        if sum(len(pair[0]) for pair in self.pairs) > WAITING * self.n * self.k:
            self._settle()

    def joined(self, other: "Neighbours") -> "Neighbours":
        """What both found, of other images each; of their reals too, in this order."""
        both = replace(self)
        both.limit = np.maximum(self.limit, other.limit)
        both.pairs, both.reals = [*self.pairs, *other.pairs], [*self.reals, *other.reals]
        both._settle()
        return both

    def found(self) -> Nearest:
        """What was found."""
        self._settle()
        _, cosines, rows, symmetries = self.pairs[0]
        shape = (self.n, len(rows) // max(self.n, 1))
        reals = None
        if self.both_ways:
            values, real, seen = (np.concatenate(part) for part in zip(*self.reals, strict=True))
            reals = values, real, seen
        return Nearest(
            cosines.reshape(shape),
            rows.reshape(shape),
            symmetries.reshape(shape),
            reals,
        )

    def _seen(self, views: list[Float32s], best: Float32s, row: Ints, real: Ints) -> Symmetries:
        """The first view that reaches the best, as a symmetry."""
        found = np.zeros(len(row), np.int8)
        for number in range(len(views) - 1, -1, -1):
            found[views[number][row, real] == best[row, real]] = self.symmetries[number]
        return found

    def _settle(self) -> None:
        parts = [np.concatenate(part) for part in zip(*self.pairs, strict=True)]
        real, cosine, row, symmetry = parts
        order = np.lexsort((row, -cosine, real))
        real = real[order]
        place = np.arange(len(real)) - np.searchsorted(real, real)
        kept = order[place < self.k]
        self.pairs = [(real[place < self.k], cosine[kept], row[kept], symmetry[kept])]
        if len(kept) == self.n * self.k:
            self.limit = cosine[kept].reshape(self.n, self.k)[:, -1]


def find_neighbours(search: Search, generated: Rows, k: int, both_ways: bool = False) -> Nearest:
    """The k generated images nearest to each real, streamed."""
    neighbours = Neighbours(len(search), k, search.folding.symmetries, both_ways)
    for start, made in search.blocks(generated):
        views = search.views(made, search.rows)
        neighbours.add(start, views, largest_view(views))
    return neighbours.found()


def top_cosines(
    rows: Float32s, generated: Rows, filters: Whitening, k: int
) -> tuple[Float32s, Ints]:
    """The k largest cosines of whitened rows [n, p] with the generated set [m, D], streamed.

    Returns
    -------
    cosines : [n, k], descending
    indices : [n, k], rows of `generated`; of equal cosines the lower row first
    """
    found = find_neighbours(Search(rows, rows, filters), generated, k)
    return found.cosines, found.rows
