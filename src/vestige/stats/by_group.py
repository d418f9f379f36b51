"""Sums and largest values of the rows of each group, where most groups have few rows.

`reduceat` of NumPy walks down each column by itself; here whole rows are added, a round for each
place within a group. The order of additions, and so every bit, is that of `reduceat`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.types import Float32s, Ints

FEW = 8
"""Rows up to which NumPy adds one after the other; of more it adds partial sums."""


class ByGroup:
    """Rows [r] of groups 0 to G - 1, each of which has some.

    order, first : rows group by group, and where each begins
    """

    def __init__(self, codes: npt.NDArray[Any]) -> None:
        self.order: Ints = np.argsort(codes, kind="stable")
        self.first: Ints = np.flatnonzero(np.diff(codes[self.order], prepend=-1))
        sizes = np.diff(self.first, append=len(codes))
        small, most = sizes <= FEW, int(sizes[sizes <= FEW].max(initial=0))
        self._leads = self.order[self.first]
        # groups that have a row at this place, and these rows
        self._rounds = [
            (groups, self.order[self.first[groups] + place])
            for place in range(1, most)
            for groups in [np.flatnonzero(small & (sizes > place))]
        ]
        self._large: Ints = np.flatnonzero(~small)
        large = np.repeat(~small, sizes)
        self._rows_of_large = self.order[large]
        self._first_of_large = np.cumsum(sizes[~small]) - sizes[~small]

    def sums(self, values: Float32s) -> Float32s:
        """Sums [G, b] of rows [r, b]."""
        found = values[self._leads]
        if self._rounds:
            groups, rows = self._rounds[0]
            more = values[rows]
            for some, rows in self._rounds[1:]:
                more[np.searchsorted(groups, some)] += values[rows]
            found[groups] += more
        if len(self._large):
            large = values[self._rows_of_large]
            found[self._large] = np.add.reduceat(large, self._first_of_large, axis=0)
        return found

    def largest(self, values: Float32s) -> Float32s:
        """The largest value of each group [b, G], of values [b, r]."""
        found = values[:, self._leads]
        for groups, rows in self._rounds:
            found[:, groups] = np.maximum(found[:, groups], values[:, rows])
        if len(self._large):
            large = values[:, self._rows_of_large]
            found[:, self._large] = np.maximum.reduceat(large, self._first_of_large, axis=1)
        return found
