"""The best weights so far, by images that training never learns from, and how they are found."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vestige.nets.rng import seeded
from vestige.nets.training import Part, Training
from vestige.stats.intervals import auc
from vestige.types import Floats, Ints, Progress


class BestWeights(nn.Module):
    """A copy of the trained parameters at their best epoch; part of every checkpoint.

    Better means a larger AUC over held-out real images; where it is the same (few images have few
    different AUCs), a smaller loss.

    Parameters
    ----------
    trained : parameters
        What to keep.
    patience : int
        Epochs without progress after which the training stops.
    """

    auc: Tensor
    loss: Tensor
    waited: Tensor
    epochs: Tensor
    best: Tensor

    def __init__(self, trained: Sequence[nn.Parameter], patience: int) -> None:
        super().__init__()
        self._trained, self.patience = list(trained), patience
        self.kept = nn.ParameterList(
            nn.Parameter(p.detach().clone(), requires_grad=False) for p in trained
        )
        self.register_buffer("auc", torch.tensor(-1.0, dtype=torch.float64))
        self.register_buffer("loss", torch.tensor(torch.inf, dtype=torch.float64))
        self.register_buffer("waited", torch.tensor(0))
        self.register_buffer("epochs", torch.tensor(0))
        self.register_buffer("best", torch.tensor(0))

    @property
    def stopped(self) -> bool:
        """Nothing got better for `patience` epochs."""
        return int(self.waited) >= self.patience

    @torch.no_grad()
    def see(self, auc: float, loss: float) -> None:
        """Compare this epoch's weights with the best ones."""
        self.epochs += 1
        if (auc, -loss) > (float(self.auc), -float(self.loss)):
            self.auc.fill_(auc), self.loss.fill_(loss), self.waited.zero_()
            self.best.copy_(self.epochs)
            self._copy(self._trained, self.kept)
        else:
            self.waited += 1

    @torch.no_grad()
    def restore(self) -> None:
        """Put the best weights back, if any epoch was seen."""
        if int(self.epochs):
            self._copy(self.kept, self._trained)

    def figures(self) -> dict[str, float | str]:
        """What the held-out images said."""
        return {
            "epochs_done": int(self.epochs),
            "best_epoch": int(self.best),
            "held_out_auc": round(float(self.auc), 4),
            "held_out_loss": round(float(self.loss), 4),
        }

    @staticmethod
    def _copy(source: Iterable[Tensor], target: Iterable[Tensor]) -> None:
        for new, old in zip(source, target, strict=True):
            old.copy_(new.to(old.device))


def open_training(
    trained: Sequence[nn.Parameter],
    optimizer: torch.optim.Optimizer,
    plan: Any,
    steps: int,
    identity: str,
    folder: Path | None,
    progress: Progress,
) -> tuple[Training, BestWeights]:
    """A training that goes on from its checkpoint, and the best of its epochs.

    `plan` says the patience and the seed.
    """
    best = BestWeights(trained, plan.patience)
    parts: dict[str, Part] = {
        "trained": nn.ParameterList(trained),
        "best": best,
        "optimizer": optimizer,
    }
    return Training(parts, steps, plan.seed, identity, folder=folder, progress=progress), best


def train_epochs(
    training: Training,
    best: BestWeights,
    per_epoch: int,
    learn: Callable[[int, torch.Generator], Mapping[str, Tensor]],
    examine: Callable[[], tuple[float, float]],
    before: Callable[[int], None] = lambda step: None,
) -> None:
    """Train until there is no progress, and put the best weights back.

    Parameters
    ----------
    per_epoch : int
        Steps after which the held-out images are examined.
    learn : callable
        Does step so-and-so with a random generator of its own; returns the losses by name.
    examine : callable
        AUC and loss of the held-out images, as `judge` gives them.
    before : callable, optional
        Called before each step, also when nothing is learned any more.
    """
    with seeded(training.seed):
        for step, rng in training:
            before(step)
            if best.stopped:
                continue
            torch.manual_seed((training.seed << 32) + step)  # dropout
            training.note(step, **learn(step, rng))
            if (step + 1) % per_epoch == 0:
                best.see(*examine())
    best.restore()


def judge(logits: Floats, scores: Floats, labels: Ints) -> tuple[float, float]:
    """AUC of the scores [n] of real images, and cross-entropy of their pairs' logits [n, k].

    Both classes count equally in the loss.
    """
    sign = np.where(labels == 1, 1.0, -1.0)[:, None]
    each = np.logaddexp(0.0, -sign * logits).mean(axis=1)
    classes = np.unique(labels)
    loss = float(np.mean([each[labels == label].mean() for label in classes]))
    if len(classes) < 2:
        return 0.5, loss
    return auc(scores[labels == 1], scores[labels == 0]), loss
