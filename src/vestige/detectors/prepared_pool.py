"""The primary detector where the reals stay and the generated set changes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vestige.detectors.cosine_search import Search
from vestige.detectors.cosine_tally import aggregate, no_cosines, tally_cosines
from vestige.detectors.matched_filter import MatchedFilterPool
from vestige.features.folding import Folded
from vestige.features.pixels import Pixels
from vestige.symmetries import Views
from vestige.types import Floats, Images


@dataclass(frozen=True, eq=False)
class PreparedPool:
    """A cohort that was whitened once; it is scored beside one generated set after another."""

    options: MatchedFilterPool
    search: Search

    def score(self, generated: Images) -> Floats:
        """What `MatchedFilterPool.score_pool` says of the cohort, float64 [n]."""
        space = Folded(Pixels(size=self.options.size), self.search.folding)
        rows = space.transform(generated)
        tally = tally_cosines(self.search, rows, self.options, no_cosines(len(self.search)))
        return aggregate(tally, self.options)


def prepare_pool(
    cohort: Images, groups: npt.NDArray[np.generic], size: int, views: Views
) -> PreparedPool:
    """Whiten a cohort of images of any kind, of patients `groups` [n], for this size and views."""
    options = MatchedFilterPool(size=size, views=views)
    # what was generated takes no part in the whitening: the cohort stands in for it
    search = MatchedFilterPool(size=size, views=views).fit(cohort).search_of(cohort, groups)
    return PreparedPool(options, search)
