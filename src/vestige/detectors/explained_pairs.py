"""What every network of pairs says of single pairs: its match score, and where it comes from."""

from typing import TYPE_CHECKING, Any

from vestige.features.pixels import as_pictures
from vestige.types import Float32s, Floats

if TYPE_CHECKING:
    from vestige.nets.explaining import PairView


class ExplainedPairs:
    """For a detector with a `size` whose trained network `_pairs` gives as a view of pairs."""

    size: int

    def explain_pairs(self, real: Any, generated: Any) -> Float32s | None:
        """Where each of k pairs speaks for a match, float32 [k, 2, size, size], 0 and above.

        The maps of the real and of the generated image, in parts of the match score
        (`vestige.nets.explaining`). None with options that compare vectors without a place.
        """
        return self._pairs().maps(as_pictures(real, self.size), as_pictures(generated, self.size))

    def score_pairs(self, real: Any, generated: Any) -> Floats:
        """Match score of each of k pairs, a logit, float64 [k]."""
        return self._pairs().logits(as_pictures(real, self.size), as_pictures(generated, self.size))

    def _pairs(self) -> "PairView":
        raise NotImplementedError
