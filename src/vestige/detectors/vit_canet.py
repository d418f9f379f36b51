"""ViT fingerprints and Hybrid CANet (team zhouyijiang1)."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from vestige.detectors.explained_pairs import ExplainedPairs
from vestige.detectors.inputs import fitted
from vestige.detectors.labelled_set import groups_from, labelled
from vestige.detectors.pair_network import need_torch
from vestige.detectors.saving import read_model, write_model
from vestige.features.pixels import as_pictures
from vestige.registry.entries import InputError
from vestige.stats.groups import Labels
from vestige.types import Bools, Floats, Progress, quiet

if TYPE_CHECKING:
    from vestige.nets.explaining import PairView


@dataclass
class VitCanet(ExplainedPairs):
    """Search the generated images most like a real one, then judge each pair with a network.

    Attacker: holds labelled used and unused reals. Source: Zhou & Ding, CLEF 2025, CEUR-WS Vol-4038
    paper 216; docs/methods.md 1.4. docs/papers/vit-canet.md lists where the paper contradicts
    itself. Needs `vestige[deep]`.

    Parameters
    ----------
    backbone, weights : str
        A ViT; weights as a file, "imagenet" (downloaded) or "none" (random).
    taps : "relative", "even", "existing", "exact" or block numbers
        Depths whose CLS are fused; "exact" is the published 6, 12, 18, which a ViT of 12 blocks
        cannot have.
    coords : "add", "concat" or None
        How the place of a patch enters the position code.
    tokens : "patches" or "single"
        "single" is the published attention over one token.
    gate : bool
        The "cross-modal gating unit" on the pair.
    pair : "concat" or "difference"
        What the network is given of both fingerprints: both, as published, or their difference and
        product (ours), with which it can tell copies from a hundred known images.
    augment, views : bool, int
        Augmentations in training (published; off here: a bent copy is no copy any more), and how
        many per image are kept while the ViT is frozen.
    neighbours, strangers : int
        Pairs per known real: with its nearest generated images, and with random ones.
    epochs, finetune_epochs : int
        Beside the frozen ViT, and with all parameters (0 by default: minutes instead of hours on a
        CPU; `paper()` has 20).
    contrastive, adversarial : float
        Weights of InfoNCE and of the adversarial term beside the cross-entropy.
    standardise : bool
        Put each channel of the fingerprints on the scale of the generated images (ours).
    candidates, graph, min_keep, min_similarity
        The search: how many, how many of them are cut in two, how many stay at least, and the
        least cosine.
    faiss : bool
        Search with FAISS; finds the same rows.
    """

    name: ClassVar[str] = "vit_canet"

    backbone: str = "vit_b_16"
    weights: str = ""
    size: int = 224
    taps: str | Sequence[int] = "relative"
    coords: Literal["add", "concat"] | None = "add"
    tokens: Literal["patches", "single"] = "patches"
    gate: bool = False
    pair: Literal["concat", "difference"] = "difference"
    augment: bool = False
    views: int = 2
    neighbours: int = 10
    strangers: int = 10
    epochs: int = 10
    finetune_epochs: int = 0
    batch: int = 32
    learning_rate: float = 1e-4
    rate_end: float = 5e-6
    decay_start: float = 1e-4
    decay_end: float = 1e-3
    contrastive: float = 0.1
    adversarial: float = 0.5
    patience: int = 3
    standardise: bool = True
    candidates: int = 100
    graph: int = 50
    min_keep: int = 5
    min_similarity: float = 0.6
    aggregate: Literal["max", "top3", "mean"] = "max"
    faiss: bool = False
    precision: str = "auto"
    seed: int = 0
    figures: dict[str, Any] = field(init=False, default_factory=dict, repr=False, compare=False)
    model_: Any = field(init=False, default=None, repr=False, compare=False)

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
        """Train on labelled real images; a fifth of their groups is held out.

        They stop the training and give the temperature. Parameters and errors as for `siamese`.
        """
        reals = labelled(used, unused, self.name, self.size)
        images = as_pictures(generated, self.size)
        need_torch(self.name)
        from vestige.features.backbones import refuse_smaller_than_patch
        from vestige.nets.canet_fitting import fit_canet
        from vestige.nets.pairs import check_aggregate, content_order, known

        plan = self._plan()
        plan.check()
        check_aggregate(self.aggregate)
        if self.faiss:
            from vestige.nets.fingerprint import find_faiss

            find_faiss()
        groups = groups_from(used, groups_used), groups_from(unused, groups_unused)
        sides = known(*reals, *groups, self.seed)
        images = images[content_order(images)]
        facts = {"detector": self.name} | self._options()
        encoder, canet = self._networks(self.weights)
        patch = max(getattr(part, "patch", 1) for part in encoder.modules())
        refuse_smaller_than_patch(images, self.name, patch)
        self.model_ = fit_canet(encoder, canet, sides, images, plan, facts, folder, progress)
        self.figures = self.model_.figures
        return self

    def score_samples(self, images: Any) -> Floats:
        """Largest (or mean) calibrated logit over the pool of each image, float64 [n]."""
        scores: Floats = fitted(self.model_, self.name).scores(as_pictures(images, self.size))
        return scores

    def paper_rule(
        self,
        images: Any,
        confidence: float = 0.6,
        library: Literal["real", "generated"] = "real",
    ) -> Bools:
        """True [n] where some pair is above the confidence and within the top 100.

        With library="real", as published, the verdict depends on the other images.
        """
        flagged: Bools = fitted(self.model_, self.name).rule(
            as_pictures(images, self.size), library, confidence
        )
        return flagged

    def _pairs(self) -> "PairView":
        model = fitted(self.model_, self.name)
        from vestige.nets.explaining import of_canet

        return of_canet(model)

    def save(self, path: str | os.PathLike[str], training: Mapping[str, Any] | None = None) -> None:
        """Write PATH (.safetensors) and the JSON beside it.

        `training` is what it learned from, kept in the JSON.
        """
        model = fitted(self.model_, self.name)
        from vestige.nets.saving import state

        arrays = state(model.encoder, "encoder/") | state(model.canet, "canet/")
        arrays["temperature"] = np.array(model.temperature, np.float64)
        arrays["library/prints"] = model.library.rows
        arrays["library/tokens"] = model.tokens.cpu().numpy()
        write_model(path, self.name, self._options(), arrays, model.figures, training)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote; needs neither the weights' file nor the images."""
        need_torch(cls.name)
        from vestige.nets.canet_model import CanetModel
        from vestige.nets.fingerprint import Library
        from vestige.nets.saving import load_state, tensor

        card, arrays = read_model(path, cls.name)
        try:
            detector = cls(**card.options)
            prints, tokens = arrays["library/prints"], arrays["library/tokens"]
            temperature = float(arrays["temperature"])
        except (TypeError, KeyError) as error:
            raise InputError(f"{path}: its options are not those of {cls.name}.") from error
        encoder, canet = (part.eval() for part in detector._networks("none"))
        load_state(encoder, arrays, "encoder/")
        load_state(canet, arrays, "canet/")
        library = Library(prints, detector.faiss)
        figures = dict(card.figures)
        detector.model_ = CanetModel(
            encoder, canet, detector._plan(), temperature, library, tensor(tokens),
            figures,
        )  # fmt: skip
        detector.figures = figures
        return detector

    @classmethod
    def paper(cls, **options: Any) -> Self:
        """As published, as far as a ViT of 12 blocks allows: one token, and both phases."""
        published = cls(
            tokens="single", taps="existing", finetune_epochs=20, pair="concat", augment=True,
            standardise=False,
        )  # fmt: skip
        return replace(published, **options)

    def _networks(self, weights: str) -> tuple[Any, Any]:
        from vestige.nets.canet import HybridCANet
        from vestige.nets.networks import trunk
        from vestige.nets.rng import seeded
        from vestige.nets.trunks import VitTrunk
        from vestige.nets.vit_encoder import VitEncoder

        vit = trunk(self.backbone, weights, self.seed, self.size)
        if not isinstance(vit, VitTrunk):
            raise InputError(f"vit_canet takes a ViT (vit_b_16, vit_l_16), not {self.backbone!r}.")
        with seeded(self.seed):
            encoder = VitEncoder(vit, self.taps, self.coords)
            return encoder, HybridCANet(encoder.dim, self.tokens, self.gate, self.pair)

    def _options(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self) if f.init}

    def _plan(self) -> Any:
        from vestige.nets.canet_model import CanetPlan

        own = self._options()
        return CanetPlan(**{f.name: own[f.name] for f in fields(CanetPlan)})
