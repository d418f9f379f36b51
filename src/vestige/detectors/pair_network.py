"""What the two Siamese detectors share: options, fit, scores, save and load."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from vestige.detectors.explained_pairs import ExplainedPairs
from vestige.detectors.inputs import fitted
from vestige.detectors.labelled_set import groups_from, labelled
from vestige.detectors.saving import read_model, write_model
from vestige.features.pixels import as_pictures
from vestige.registry.entries import InputError
from vestige.stats.groups import Labels
from vestige.types import Bools, Floats, Progress, quiet

if TYPE_CHECKING:
    from vestige.nets.explaining import PairView


@dataclass
class PairNetwork(ExplainedPairs):
    """A network that looks at one real and one generated image; needs `vestige[deep]`.

    Parameters
    ----------
    weights : str
        Path of a safetensors file or state dict, "imagenet" (downloaded), or "none" (random). One
        must be given: nothing is downloaded unasked.
    size : int
        Side in pixels at which the network sees the images.
    pairing : "nearest" or "random"
        Each real meets its `neighbours` nearest generated images by trunk cosine; or any, as
        published, and `anchors` of them, the same for all, when scoring.
    trunk_trainable : "none", "last_stage" or "all"
        "none" computes the features once.
    epochs, draws, batch : int
        An epoch is `draws` pairs; None: as many as there are generated images to learn from.
    learning_rate, trunk_rate, weight_decay : float
        Of AdamW.
    patience : int
        Epochs without a better AUC (or the same with a smaller loss) on held-out groups.
    standardise : bool
        Put each channel of the trunk on the scale of the generated images (ours).
    aggregate : "mean", "max" or "top3"
        From the pairs of one real image to its score.
    """

    name: ClassVar[str] = ""

    weights: str = ""
    size: int = 224
    tokens: Literal["patches", "single"] = "patches"
    product: Literal["dot", "elementwise"] = "dot"
    pairing: Literal["nearest", "random"] = "nearest"
    neighbours: int = 4
    anchors: int = 64
    trunk_trainable: Literal["none", "last_stage", "all"] = "none"
    epochs: int = 10
    draws: int | None = None
    batch: int = 32
    learning_rate: float = 5e-4
    trunk_rate: float = 1e-5
    weight_decay: float = 1e-4
    patience: int = 5
    standardise: bool = False
    aggregate: Literal["mean", "max", "top3"] = "mean"
    precision: str = "auto"
    seed: int = 0
    figures: dict[str, Any] = field(init=False, default_factory=dict, repr=False, compare=False)
    model_: Any = field(init=False, default=None, repr=False, compare=False)

    def network(self, weights: str) -> Any:
        """The untrained network with those weights in its trunk."""
        raise NotImplementedError

    def fit(
        self,
        generated: Any,
        used: Any = None,
        unused: Any = None,
        *,
        groups_used: Labels | None = None,
        groups_unused: Labels | None = None,
        folder: Path | None = None,
        progress: Progress = quiet,
    ) -> Self:
        """Train on labelled real images; a fifth of their groups is held out and stops it.

        Parameters
        ----------
        groups_used, groups_unused : labels, optional
            Patient of each image; else those an ImageSet knows, else every image is its own.
        folder : Path, optional
            For checkpoints: the same call goes on from there.

        Raises
        ------
        InputError
            No torch, a missing set, options or weights that do not fit.
        """
        reals = labelled(used, unused, self.name, self.size)
        images = as_pictures(generated, self.size)
        need_torch(self.name)
        from vestige.features.backbones import refuse_smaller_than_patch
        from vestige.nets.fitting import fit_pairs
        from vestige.nets.pairs import check_aggregate, content_order, known
        from vestige.nets.rng import seeded

        plan = self._plan()
        plan.check()
        check_aggregate(self.aggregate)
        groups = groups_from(used, groups_used), groups_from(unused, groups_unused)
        sides = known(*reals, *groups, self.seed)
        with seeded(self.seed):
            net = self.network(self.weights)
        patch = max(getattr(part, "patch", 1) for part in net.trunk.modules())
        refuse_smaller_than_patch(images, self.name, patch)
        images = images[content_order(images)]
        facts = {"detector": self.name} | self._options()
        self.model_ = fit_pairs(net, sides, images, plan, facts, folder, progress)
        self.figures = self.model_.figures
        return self

    def score_samples(self, images: Any) -> Floats:
        """Aggregated logits of each image's pairs, float64 [n]."""
        scores: Floats = fitted(self.model_, self.name).scores(as_pictures(images, self.size))
        return scores

    def paper_rule(self, images: Any) -> Bools:
        """True [n] where the mean probability over the pairs is above .5, as published."""
        from scipy.special import expit

        logits = fitted(self.model_, self.name).logits(as_pictures(images, self.size))
        return np.asarray(expit(logits).mean(axis=1) > 0.5)

    def _pairs(self) -> "PairView":
        model = fitted(self.model_, self.name)
        from vestige.nets.explaining import of_pairs

        return of_pairs(model)

    def save(self, path: str | os.PathLike[str], training: Mapping[str, Any] | None = None) -> None:
        """Write PATH (.safetensors) and the JSON beside it; holds the trunk's weights as well.

        `training` is what it learned from, kept in the JSON.
        """
        model = fitted(self.model_, self.name)
        from vestige.nets.saving import state

        arrays = state(model.net, "net/")
        if model.search is not model.net:
            arrays |= state(model.search, "search/")
        arrays |= {"library/means": model.means, "library/encoded": model.encoded.cpu().numpy()}
        write_model(path, self.name, self._options(), arrays, model.figures, training)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote; needs neither the weights' file nor the images."""
        need_torch(cls.name)
        from vestige.nets.pair_model import PairModel
        from vestige.nets.saving import load_state, tensor

        card, arrays = read_model(path, cls.name)
        try:
            detector = cls(**card.options)
            encoded, means = arrays["library/encoded"], arrays["library/means"]
        except (TypeError, KeyError) as error:
            raise InputError(f"{path}: its options are not those of {cls.name}.") from error
        empty: dict[str, Any] = {k: "none" for k in card.options if k.endswith("weights")}
        bare = replace(detector, **empty)
        net = search = bare.network("none").eval()
        load_state(net, arrays, "net/")
        if any(key.startswith("search/") for key in arrays):
            search = bare.network("none").eval()
            load_state(search, arrays, "search/")
        figures = dict(card.figures)
        detector.model_ = PairModel(net, search, detector._plan(), means, tensor(encoded), figures)
        detector.figures = figures
        return detector

    @classmethod
    def paper(cls, **options: Any) -> Self:
        """As published: the whole trunk learns, random pairs."""
        return replace(cls(trunk_trainable="all", pairing="random"), **options)

    def _options(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self) if f.init}

    def _plan(self) -> Any:
        from vestige.nets.pair_model import Plan

        own = self._options()
        return Plan(**{f.name: own[f.name] for f in fields(Plan)})


def need_torch(detector: str) -> None:
    """One line for users without the extra."""
    try:
        import vestige.nets.training  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"{detector} needs torch and torchvision: pip install 'vestige[deep]'."
        ) from error
