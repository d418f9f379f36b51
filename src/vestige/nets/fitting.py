"""Training of the Siamese networks: pairs of one real and one synthetic image."""

import copy
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vestige.nets import trunks
from vestige.nets.early_stop import judge, open_training, train_epochs
from vestige.nets.gallery import Gallery, batches, half
from vestige.nets.pair_model import PAIRS, PairModel, Plan, Trainable, nearest
from vestige.nets.pairs import LabelledSet, aggregate, class_weights, same_size, split_generated
from vestige.nets.training import descend, find_device, find_precision
from vestige.types import Float32s, Floats, Images, Ints, Progress, quiet

SCALED_BY = 256  # generated images


def fit_pairs(
    net: Any,
    known: LabelledSet,
    generated: Images,
    plan: Plan,
    facts: Mapping[str, Any],
    folder: Path | None = None,
    progress: Progress = quiet,
) -> PairModel:
    """Train on pairs of known reals with synthetic images; keep the best epoch.

    Parameters
    ----------
    net : PairNetwork
    known : Known
    generated : float32 [m, h, w]
        In an order that does not depend on how they were given.
    facts : mapping
        The detector's name and options, part of the checkpoint's identity.
    folder : Path, optional
        For checkpoints; the same call goes on from there.
    """
    plan.check()
    same_size(known, generated)
    device, frozen = find_device(), plan.trunk_trainable == "none"
    precision = find_precision(device, plan.precision)
    trained = _set_trainable(net, plan.trunk_trainable)
    net.to(device).eval()
    search = net if frozen or plan.pairing == "random" else copy.deepcopy(net).eval()
    identity = digest(facts, known, generated, trunks.fingerprint(net))
    options = (plan.size, device, precision, frozen)
    reals = Gallery(known.images, net.extract, *options, progress=progress)
    synthetic = Gallery(generated, net.extract, *options, progress=progress)
    if plan.standardise:
        learn_scale(net, synthetic)
    learn, check = np.flatnonzero(~known.held_out), np.flatnonzero(known.held_out)
    ours, theirs = split_generated(len(generated), plan.seed)
    means = (reals.first(), synthetic.first()) if plan.pairing == "nearest" else None
    partners = _partners(means, learn, ours, plan)
    check_partners = _partners(
        means, check, _anchors(theirs, plan) if means is None else theirs, plan
    )

    heads = {id(p) for p in net.head()}
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in trained if id(p) in heads], "lr": plan.learning_rate},
            {"params": [p for p in trained if id(p) not in heads], "lr": plan.trunk_rate},
        ],
        weight_decay=plan.weight_decay,
    )
    per_epoch = max(1, -(-(plan.draws or len(ours)) // plan.batch))
    training, best = open_training(
        trained, optimizer, plan, plan.epochs * per_epoch, identity, folder, progress
    )
    weights = torch.from_numpy(class_weights(known.labels[learn]))
    labels = torch.from_numpy(known.labels[learn])

    def step(number: int, rng: torch.Generator) -> dict[str, Tensor]:
        net.train()
        rows = torch.multinomial(weights, plan.batch, replacement=True, generator=rng)
        columns = torch.randint(partners.shape[1], (plan.batch,), generator=rng)
        a = net.encode(reals.features(learn[rows.numpy()]))
        b = net.encode(synthetic.features(partners[rows.numpy(), columns.numpy()]))
        loss = net.loss(a, b, labels[rows].to(device))
        descend(loss, optimizer, trained)
        return {"pairs": loss}

    def examine() -> tuple[float, float]:
        logits = _pair_logits(net.eval(), reals, synthetic, check, check_partners)
        return judge(logits, aggregate(logits, plan.aggregate), known.labels[check])

    train_epochs(training, best, per_epoch, step, examine)
    net.eval()
    figures = training.figures(plan.batch, len(ours), net, precision) | best.figures()
    keep = np.arange(len(generated))
    if plan.pairing == "random":
        keep = _anchors(keep, plan)
    encoded = _encode(net, synthetic, keep)
    found = means[1] if means else np.empty((0, 0), np.float32)
    return PairModel(net.cpu(), search.cpu(), plan, found, encoded, figures)


@torch.no_grad()
def learn_scale(net: Any, synthetic: Gallery) -> None:
    """Set the scale of each feature by a few generated images, before any training."""
    rows = np.linspace(0, len(synthetic) - 1, min(len(synthetic), SCALED_BY)).astype(np.int64)
    parts = [synthetic.features(rows[part])[1:] for part in batches(len(rows))]
    for i, standard in enumerate(net.standards):
        standard.learn(torch.cat([features[i] for features in parts]))


def digest(facts: Mapping[str, Any], known: LabelledSet, generated: Images, weights: str) -> str:
    """One digest of all that determines a training."""
    text = json.dumps([dict(facts), known.images.shape, generated.shape, weights], sort_keys=True)
    total = hashlib.sha256(text.encode())
    for array in (known.images, known.labels, known.held_out, generated):
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def _set_trainable(net: Any, which: Trainable) -> list[nn.Parameter]:
    """Freeze what does not learn -> what does."""
    trunk = net.trunk
    parts: list[Any] = list(trunk) if isinstance(trunk, nn.ModuleList) else [trunk]
    for p in trunk.parameters():
        p.requires_grad_(which == "all")
    if which == "last_stage":
        for part in parts:
            for p in part.last_stage().parameters():
                p.requires_grad_(True)
    return [p for p in net.parameters() if p.requires_grad]


def _partners(means: tuple[Float32s, Float32s] | None, rows: Ints, pool: Ints, plan: Plan) -> Ints:
    """Rows of synthetic images that each real one may meet, [n, k]."""
    if means is None:
        return np.tile(pool, (len(rows), 1))
    return np.asarray(pool[nearest(means[0][rows], means[1][pool], plan.neighbours)])


def _anchors(pool: Ints, plan: Plan) -> Ints:
    count = min(plan.anchors, len(pool))
    return np.sort(np.random.default_rng(plan.seed).choice(pool, count, replace=False))


@torch.no_grad()
def _pair_logits(
    net: Any, reals: Gallery, synthetic: Gallery, rows: Ints, partners: Ints
) -> Floats:
    seen, inverse = np.unique(partners, return_inverse=True)
    b = _encode(net, synthetic, seen)
    a = _encode(net, reals, rows)
    out = np.empty(partners.shape)
    for i, own in enumerate(inverse.reshape(partners.shape)):
        for part in batches(len(own), PAIRS):
            others = b[own[part]].to(synthetic.device).float()
            mine = a[i : i + 1].to(others).expand(len(others), -1, -1)
            out[i, part] = net.compare(mine, others).cpu().numpy()
    return out


@torch.no_grad()
def _encode(net: Any, synthetic: Gallery, rows: Ints) -> Tensor:
    parts = [net.encode(synthetic.features(rows[part])) for part in batches(len(rows))]
    return torch.cat([half(part) for part in parts])
