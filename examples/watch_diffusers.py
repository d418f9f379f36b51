"""Watch a diffusion model of diffusers while it trains, on a CPU in about two minutes.

    python examples/watch_diffusers.py --log logs/

Trains a tiny U-Net on 60 phantom images with accelerate, as the training scripts of diffusers do.
One line stands beside theirs: ``accelerator.log(watch(images, step), step=step)``. The numbers go
where `--log-with` says (tensorboard, wandb, mlflow), and are printed.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from vestige import Watch
from vestige.testing.phantoms import phantoms

SIDE, BATCH, IMAGES = 16, 20, 60


def sample(model: Any, n: int, seed: int) -> Tensor:
    """Images [n, 1, side, side] from -1 to 1, by ten steps of DDIM."""
    scheduler: Any = DDIMScheduler()  # type: ignore[no-untyped-call]
    scheduler.set_timesteps(10)
    made = torch.randn(n, 1, SIDE, SIDE, generator=torch.manual_seed(seed))
    with torch.no_grad():
        for t in scheduler.timesteps:
            made = scheduler.step(model(made, t).sample, t, made).prev_sample
    return made.clamp(-1, 1)


def main() -> None:
    """Train, and look after every few epochs."""
    parser = argparse.ArgumentParser(description="Watch a diffusion model while it trains.")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--every", type=int, default=10, help="epochs from look to look")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--log", type=Path, default=None)
    parser.add_argument("--log-with", default=None, help="tensorboard, wandb, mlflow")
    asked = parser.parse_args()
    reals = phantoms(2 * IMAGES, np.random.default_rng(0), SIDE)
    used, unused = reals[:IMAGES], reals[IMAGES:]
    watch = Watch(used, unused, size=SIDE)

    accelerator = Accelerator(cpu=True, log_with=asked.log_with, project_dir=asked.log)
    accelerator.init_trackers("watch")
    model: Any = UNet2DModel(  # type: ignore[no-untyped-call]
        sample_size=SIDE,
        in_channels=1,
        out_channels=1,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    images = torch.from_numpy(used)[:, None] * 2 - 1
    loader: Any = DataLoader(TensorDataset(images), batch_size=BATCH, shuffle=True)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    scheduler: Any = DDPMScheduler()  # type: ignore[no-untyped-call]
    step = 0
    for epoch in range(1, asked.epochs + 1):
        for (batch,) in loader:
            noise = torch.randn_like(batch)
            times = torch.randint(0, len(scheduler.betas), (len(batch),))
            loss = functional.mse_loss(
                model(scheduler.add_noise(batch, noise, times), times).sample, noise
            )
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
        if epoch % asked.every == 0 and accelerator.is_main_process:
            told = watch(sample(accelerator.unwrap_model(model), asked.samples, step), step)
            accelerator.log(told, step=step)
            print(step, {name: round(value, 3) for name, value in told.items()})
    accelerator.end_training()


if __name__ == "__main__":
    main()
