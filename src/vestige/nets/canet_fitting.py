"""Training of ViT encoder and CANet: first beside a frozen ViT, then, if asked, with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vestige.nets import fingerprint, trunks
from vestige.nets.augment import augment, patch_mask
from vestige.nets.canet import HybridCANet
from vestige.nets.canet_model import CanetModel, CanetPlan, layers_of
from vestige.nets.early_stop import judge, open_training, train_epochs
from vestige.nets.fitting import SCALED_BY, digest
from vestige.nets.gallery import Gallery, Outputs, batches
from vestige.nets.losses import bce, contrastive_temperature, fgsm_step, fit_temperature, info_nce
from vestige.nets.pairs import LabelledSet, aggregate, class_weights, same_size
from vestige.nets.schedules import cosine_rate, linear_decay
from vestige.nets.training import descend, find_device, find_precision
from vestige.nets.vit_encoder import VitEncoder
from vestige.types import Floats, Images, Ints, Progress, quiet

EPSILON = 0.01  # of the adversarial step, on unit fingerprints


class Views:
    """One set of images, plain and augmented, as the gate sees them.

    While the ViT is frozen, a stock of `views` augmentations per image is computed once; when it
    learns, every draw is a new augmentation.
    """

    def __init__(
        self, encoder: VitEncoder, patches: bool, images: Images, plan: CanetPlan, seed: int
    ) -> None:
        self.encoder, self.patches, self.images, self.plan = encoder, patches, images, plan
        self.device = find_device()
        self.precision = find_precision(self.device, plan.precision)
        self.seed = seed
        self.stock: list[Gallery] = []

    def fill(self, progress: Progress) -> None:
        """Compute plain features and the stock of views, with the ViT as it is now."""
        plain = self._gallery(None, True, progress)
        views = self.plan.views if self.plan.augment else 0
        chance = [torch.Generator().manual_seed(self.seed + 1 + view) for view in range(views)]
        self.stock = [plain, *(self._gallery(rng, True, progress) for rng in chance)]

    def plain(self, rows: Any) -> Outputs:
        """Features without augmentation."""
        if self.stock:
            return self.stock[0].features(rows)
        return self._gallery(None, False).features(rows)

    def draw(self, rows: Any, rng: torch.Generator) -> Outputs:
        """Features of one augmentation each; with gradients once the stock is gone."""
        if not self.plan.augment:
            return self.plain(rows)
        if not self.stock:
            return self._gallery(rng, False).features(rows)
        picked = torch.randint(1, len(self.stock), (), generator=rng)
        return self.stock[int(picked)].features(rows)

    def _gallery(
        self, rng: torch.Generator | None, cached: bool, progress: Progress = quiet
    ) -> Gallery:
        def change(images: Images) -> Images:
            assert rng is not None  # noqa: S101
            return np.asarray(augment(torch.from_numpy(images), rng).numpy())

        def keep(n: int, patches: int) -> Tensor:
            assert rng is not None  # noqa: S101
            return patch_mask(n, patches, rng)

        extract = layers_of(self.encoder, self.patches, keep if rng else None)
        return Gallery(
            self.images, extract, self.plan.size, self.device, self.precision, cached, progress,
            change if rng else None,
        )  # fmt: skip


def fit_canet(
    encoder: VitEncoder,
    canet: HybridCANet,
    known: LabelledSet,
    generated: Images,
    plan: CanetPlan,
    facts: Mapping[str, Any],
    folder: Path | None = None,
    progress: Progress = quiet,
) -> CanetModel:
    """Train on pairs of known reals with synthetic images; parameters as for `fit_pairs`."""
    plan.check()
    same_size(known, generated)
    device = find_device()
    precision = find_precision(device, plan.precision)
    encoder.to(device).eval(), canet.to(device)
    both = nn.ModuleList([encoder, canet])
    identity = digest(facts, known, generated, trunks.fingerprint(encoder))
    reals = Views(encoder, canet.patches, known.images, plan, (plan.seed << 8) + 11)
    synthetic = Views(encoder, canet.patches, generated, plan, (plan.seed << 8) + 101)
    light = [*encoder.fusion(), *canet.parameters()]
    trained = list(both.parameters()) if plan.finetune_epochs else light
    _freeze(encoder)
    for views in (reals, synthetic):
        views.fill(progress)
    if plan.standardise:
        _learn_scale(encoder, canet, synthetic)
    learn, check = np.flatnonzero(~known.held_out), np.flatnonzero(known.held_out)
    partners = _partners(encoder, reals, synthetic, plan)

    optimizer = torch.optim.AdamW(trained, plan.learning_rate)
    per_epoch = max(1, len(learn) * partners.shape[1] // plan.batch)
    first, total = plan.epochs * per_epoch, (plan.epochs + plan.finetune_epochs) * per_epoch
    training, best = open_training(trained, optimizer, plan, total, identity, folder, progress)
    weights = torch.from_numpy(class_weights(known.labels[learn]))
    labels = torch.from_numpy(known.labels)

    def before(number: int) -> None:
        if number >= first and reals.stock:
            reals.stock, synthetic.stock = [], []
            encoder.requires_grad_(True)
        if number == first:
            best.restore()
            best.waited.zero_()

    def step(number: int, rng: torch.Generator) -> dict[str, Tensor]:
        _schedule(optimizer, plan, number, first, total)
        canet.train()
        drawn = torch.multinomial(weights, plan.batch, replacement=True, generator=rng).numpy()
        columns = torch.randint(partners.shape[1], (plan.batch,), generator=rng).numpy()
        rows = learn[drawn]
        whole, ours = encoder.fuse(*reals.draw(rows, rng))
        theirs = encoder.fuse(*synthetic.draw(partners[rows, columns], rng))[1]
        truth = labels[rows].to(device)
        plain = bce(canet(theirs, ours), truth)
        loss = plain
        if plan.adversarial:
            slopes = torch.autograd.grad(plain, (theirs, ours), retain_graph=True)
            moved = (fgsm_step(f, g, EPSILON) for f, g in zip((theirs, ours), slopes, strict=True))
            loss = loss + plan.adversarial * bce(canet(*moved), truth)
        if plan.contrastive and plan.augment:
            # an image drawn twice would be its own rival
            once = np.unique(rows, return_index=True)[1]
            again = encoder.fuse(*reals.draw(rows[once], rng))[0]
            heat = contrastive_temperature(number / max(1, total - 1))
            loss = loss + plan.contrastive * info_nce(whole[once], again, heat)
        descend(loss, optimizer, trained)
        return {"total": loss, "pairs": plain}

    def examine() -> tuple[float, float]:
        logits = _logits(encoder, canet.eval(), reals, synthetic, check, partners[check])
        return judge(logits, aggregate(logits, plan.aggregate), known.labels[check])

    train_epochs(training, best, per_epoch, step, examine, before)
    if reals.stock and plan.finetune_epochs and first < total:
        reals.stock, synthetic.stock = [], []  # the training was complete: nothing ran above
    canet.eval()
    logits = _logits(encoder, canet, reals, synthetic, check, partners[check])
    truths = np.repeat(known.labels[check], logits.shape[1]).astype(np.float64)
    temperature = fit_temperature(logits.ravel(), truths)
    figures = training.figures(plan.batch, len(learn) * partners.shape[1], both, precision)
    figures |= best.figures() | {"temperature": round(temperature, 4)}
    model = CanetModel(encoder, canet, plan, temperature, figures=figures)
    model.learn_library(generated)
    encoder.cpu(), canet.cpu()
    return model


def _freeze(encoder: VitEncoder) -> None:
    encoder.requires_grad_(False)
    for p in encoder.fusion():
        p.requires_grad_(True)


@torch.no_grad()
def _learn_scale(encoder: VitEncoder, canet: HybridCANet, synthetic: Views) -> None:
    rows = np.linspace(0, len(synthetic.images) - 1, min(len(synthetic.images), SCALED_BY))
    chosen = rows.astype(np.int64)
    parts = [encoder.fuse(*synthetic.plain(chosen[part]))[1] for part in batches(len(chosen))]
    canet.standard.learn(torch.cat(parts))


def _partners(encoder: VitEncoder, reals: Views, synthetic: Views, plan: CanetPlan) -> Ints:
    """Rows of synthetic images [n, k] for each real: its nearest, and some at random."""
    found = [_prints(encoder, views) for views in (reals, synthetic)]
    library = fingerprint.Library(found[1])
    nearest = library.search(found[0], plan.neighbours)[1]
    rng = np.random.default_rng(plan.seed)
    return np.hstack([nearest, rng.integers(len(found[1]), size=(len(nearest), plan.strangers))])


@torch.no_grad()
def _prints(encoder: VitEncoder, views: Views) -> Any:
    parts = [
        encoder.fuse(*views.plain(np.arange(len(views.images))[rows]))[0].cpu()
        for rows in batches(len(views.images))
    ]
    return torch.cat(parts).numpy()


@torch.no_grad()
def _logits(
    encoder: VitEncoder, canet: HybridCANet, reals: Views, synthetic: Views, rows: Ints,
    partners: Ints,
) -> Floats:  # fmt: skip
    out = np.empty(partners.shape)
    for i, (row, own) in enumerate(zip(rows, partners, strict=True)):
        ours = encoder.fuse(*reals.plain([row]))[1]
        theirs = encoder.fuse(*synthetic.plain(own))[1]
        out[i] = canet(theirs, ours.expand(len(own), -1, -1)).cpu().numpy()
    return out


def _schedule(
    optimizer: torch.optim.Optimizer, plan: CanetPlan, step: int, first: int, total: int
) -> None:
    rate = plan.learning_rate
    if step >= first:
        done = (step - first) / max(1, total - first - 1)
        rate = cosine_rate(done, plan.learning_rate, plan.rate_end)
    decay = linear_decay(step / max(1, total - 1), plan.decay_start, plan.decay_end)
    for group in optimizer.param_groups:
        group["lr"], group["weight_decay"] = rate, decay
