"""Feature spaces. A new one is one file and one line here."""

from typing import Any

from vestige.choices import Choice
from vestige.types import Embedder


def _pixels(**options: Any) -> Embedder:
    from vestige.features.pixels import Pixels

    return Pixels(**options)


def _pca(**options: Any) -> Embedder:
    from vestige.features.pca import PCA

    return PCA(**options)


EMBEDDERS: dict[str, Choice[Embedder]] = {
    "pixels": Choice("grey values at 32 px", _pixels),
    "pca": Choice("64 principal components of the pixels at 32 px", _pca),
}
