"""Explanation maps of pairs that are told by their names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from vestige.features.explanation import Explainer
from vestige.images.imageset import ImageSet
from vestige.judging.cohort import Cohort
from vestige.symmetries import Symmetry
from vestige.types import Float32s


@dataclass(frozen=True, eq=False)
class Maps:
    """The reals of a cohort and the generated images, as they were compared.

    rows : (role, id) -> row of the cohort; numbers : id -> number of the generated image
    """

    explainer: Explainer
    rows: Mapping[tuple[str, str], int]
    generated: ImageSet
    numbers: Mapping[str, int]

    @classmethod
    def of(cls, cohort: Cohort, generated: ImageSet) -> Self:
        """Nothing is whitened before the first map is asked for."""
        rows = {
            (str(role), id_): row
            for row, (role, id_) in enumerate(zip(cohort.roles, cohort.ids, strict=True))
        }
        numbers = {id_: k for k, id_ in enumerate(generated.ids)}
        return cls(Explainer(cohort.images, cohort.group_index), rows, generated, numbers)

    def view(self, role: str, real: str, generated: str) -> Symmetry:
        """The view, as it is or mirrored, in which a pair is nearest."""
        row = self.rows.get((role, real))
        if row is None:
            return "identity"
        return self.explainer.nearest_view(row, self._pixels(generated))

    def places(
        self, role: str, real: str, generated: str, view: Symmetry, inverted: bool = False
    ) -> Float32s | None:
        """The map of a pair in the view of the real image; None where there is nothing to show.

        There is none of reference images, which are no part of a cohort.
        """
        row = self.rows.get((role, real))
        if row is None:
            return None
        pixels = self._pixels(generated)
        found = self.explainer.explain(row, 1 - pixels if inverted else pixels, view)
        return found if found.any() else None

    def _pixels(self, generated: str) -> Float32s:
        return np.asarray(self.generated.pixels[self.numbers[generated]], np.float32)
