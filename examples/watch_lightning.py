"""Stop a Lightning trainer when its generator starts to memorise, on a CPU in a minute.

    python examples/watch_lightning.py

Trains a tiny auto-encoder on 60 phantom images. Its samples are decoded from codes of training
images with ever less noise, so that it memorises; the trainer stops at the alarm.
"""

from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from vestige import Watch
from vestige.integrations.lightning import VestigeCallback
from vestige.testing.phantoms import phantoms

SIDE, IMAGES = 16, 60
REALS = phantoms(2 * IMAGES, np.random.default_rng(0), SIDE)
USED = torch.from_numpy(REALS[:IMAGES]).flatten(1)


class Memoriser(LightningModule):
    """One code for each training image, and a decoder of two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = nn.Parameter(torch.randn(IMAGES, 32))
        self.decode = nn.Sequential(nn.Linear(32, 256), nn.ReLU(), nn.Linear(256, SIDE**2))

    def training_step(self, rows: Tensor) -> Tensor:
        """Error of some images."""
        return functional.mse_loss(self.decode(self.codes[rows]), USED[rows])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=3e-3)


def sample(model: Memoriser, n: int) -> Tensor:
    """Images [n, side, side] of noisy codes."""
    codes = model.codes[torch.randint(0, IMAGES, (n,))]
    made: Tensor = model.decode(codes + 0.1 * torch.randn_like(codes))
    return made.reshape(n, SIDE, SIDE).clamp(0, 1)


def main() -> None:
    """Train until the alarm."""
    watching = VestigeCallback(
        Watch(REALS[:IMAGES], REALS[IMAGES:], size=SIDE),
        sample,
        n=200,
        every_n_epochs=5,
        stop_when=lambda told: told["vestige/alarm"] == 1,
    )
    trainer = Trainer(
        max_epochs=200,
        callbacks=[watching],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    rows: Any = range(IMAGES)
    trainer.fit(Memoriser(), DataLoader(rows, batch_size=20))
    for told in watching.looker.watch.history:
        print({name: round(value, 3) for name, value in told.items()})


if __name__ == "__main__":
    main()
