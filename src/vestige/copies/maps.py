"""Explanation maps of pairs that are told by their names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from vestige.copies.moved import put_back
from vestige.decision.records import Shown
from vestige.features.explanation import Explainer
from vestige.images.imageset import ImageSet
from vestige.images.kinds import in_view
from vestige.images.preprocess import window_average
from vestige.judging.cohort import Cohort
from vestige.scoring.columns import PairJudge
from vestige.symmetries import INVERSE, Symmetry
from vestige.types import Float32s


@dataclass(frozen=True, eq=False)
class Maps:
    """The reals of a cohort and the generated images, as they were compared.

    rows : (role, id) -> row of the cohort; numbers : id -> number of the generated image
    judges : column -> the trained networks that judged pairs for it
    """

    explainer: Explainer
    rows: Mapping[tuple[str, str], int]
    generated: ImageSet
    numbers: Mapping[str, int]
    judges: Mapping[str, PairJudge] = field(default_factory=dict)

    @classmethod
    def of(
        cls, cohort: Cohort, generated: ImageSet, judges: Mapping[str, PairJudge] | None = None
    ) -> Self:
        """Nothing is whitened before the first map is asked for."""
        rows = {
            (str(role), id_): row
            for row, (role, id_) in enumerate(zip(cohort.roles, cohort.ids, strict=True))
        }
        numbers = {id_: k for k, id_ in enumerate(generated.ids)}
        explainer = Explainer(cohort.images, cohort.group_index)
        return cls(explainer, rows, generated, numbers, judges or {})

    def view(self, role: str, real: str, generated: str) -> Symmetry:
        """The view, as it is or mirrored, in which a pair is nearest."""
        row = self.rows.get((role, real))
        if row is None:
            return "identity"
        return self.explainer.nearest_view(row, self._pixels(generated))

    def places(
        self,
        role: str,
        real: str,
        generated: str,
        view: Symmetry,
        inverted: bool = False,
        shown: Shown | None = None,
    ) -> Float32s | None:
        """The map of a pair in the view of the real image; None where there is nothing to show.

        There is none of reference images, which are no part of a cohort. A generated image that
        shows a part of the real one is put back there; the map is 0 beyond that part.
        """
        row = self.rows.get((role, real))
        if row is None:
            return None
        pixels = self._pixels(generated)
        pixels = 1 - pixels if inverted else pixels
        if shown is None:
            found = self.explainer.explain(row, pixels, view)
        else:
            found = self._of_part(row, in_view(pixels[np.newaxis], INVERSE[view])[0], shown)
        return found if found.any() else None

    def of_networks(self, role: str, real: str, generated: str) -> dict[str, Float32s]:
        """By column, maps of the real and of the generated image as they are, [2, s, s] in 0..1.

        The strongest place of the two is 1. Nothing of a reference image, which no network judged,
        nor of a network that looks at no places, or sees nothing that speaks for a match.
        """
        row = self.rows.get((role, real))
        found: dict[str, Float32s] = {}
        if row is None or not self.judges:
            return found
        pair = np.asarray(self.explainer.reals[row], np.float32), self._pixels(generated)
        for name, judge in self.judges.items():
            maps = judge.of(row).explain_pairs(*(one[np.newaxis] for one in pair))
            if maps is not None and maps.max() > 0:
                found[name] = np.asarray(maps[0] / maps.max(), np.float32)
        return found

    def _of_part(self, row: int, pixels: Float32s, shown: Shown) -> Float32s:
        """The map where the generated image shows the real one; the mean of the reals elsewhere."""
        placed, inside = put_back(pixels, shown)
        where = inside if placed.ndim == 2 else inside[..., np.newaxis]
        found = self.explainer.explain(row, np.where(where, placed, self.explainer.mean))
        size = len(found)
        covered = window_average(len(inside), 0, 1, size)
        across = window_average(inside.shape[1], 0, 1, size)
        return np.asarray(found * (covered @ inside @ across.T), np.float32)

    def _pixels(self, generated: str) -> Float32s:
        return np.asarray(self.generated.pixels[self.numbers[generated]], np.float32)
