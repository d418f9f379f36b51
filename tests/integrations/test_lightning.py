"""A Lightning trainer stops at the first alarm, logs every look, and takes the looks up again."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lightning", reason="needs vestige[lightning]")
pytestmark = pytest.mark.filterwarnings("ignore")  # those of Lightning are not ours

import torch  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from integrations.loops import USED, Generator, alarmed, new_watch, sample  # noqa: E402
from vestige import InputError  # noqa: E402


def module(by_heart: bool) -> Any:
    from lightning.pytorch import LightningModule

    class Toy(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.generator = Generator(by_heart)
            self.drawn: list[float] = []

        def training_step(self, batch: torch.Tensor, number: int) -> torch.Tensor:
            self.drawn.append(float(torch.rand(1)))
            self.generator.epochs += number == 0
            return self.generator.loss(batch)

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    torch.manual_seed(0)
    return Toy()


def callback(**options: Any) -> Any:
    from vestige.integrations.lightning import VestigeCallback

    given = {"n": 100, "every_n_epochs": 1, "stop_when": alarmed} | options
    return VestigeCallback(new_watch(), lambda model, n: sample(model.generator, n), **given)


def trainer(epochs: int, folder: Path, *callbacks: Any) -> Any:
    from lightning.pytorch import Trainer

    return Trainer(
        max_epochs=epochs,
        callbacks=list(callbacks),
        default_root_dir=folder,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def batches() -> Any:
    return DataLoader(USED, batch_size=20)


def test_it_stops_at_the_first_alarm_of_a_memorising_run_alone(tmp_path: Path) -> None:
    for by_heart in (True, False):
        watching, toy = callback(), module(by_heart)
        run = trainer(7, tmp_path, watching)
        run.fit(toy, batches())
        told = watching.looker.watch.history
        assert [one["vestige/alarm"] for one in told[:-1]] == [0] * (len(told) - 1)
        if by_heart:
            assert len(told) in (3, 4)  # the third epoch is the first with copies
            assert run.current_epoch < 7
        else:
            assert len(told) == 7
        assert told[-1]["vestige/alarm"] == by_heart
        assert run.callback_metrics["vestige/auc"] == pytest.approx(told[-1]["vestige/auc"])
        assert toy.training


def test_the_training_is_the_same_with_and_without_looks(tmp_path: Path) -> None:
    drawn = []
    for watching in ([], [callback()]):
        toy = module(False)
        trainer(2, tmp_path, *watching).fit(toy, batches())
        drawn.append((toy.drawn, toy.generator.weight.item()))
    assert drawn[0] == drawn[1]


def test_a_checkpoint_takes_the_looks_up_again(tmp_path: Path) -> None:
    toy, first = module(False), callback(every_n_epochs=2)
    run = trainer(4, tmp_path, first)
    run.fit(toy, batches())
    run.save_checkpoint(tmp_path / "last.ckpt")
    second = callback(every_n_epochs=2)
    trainer(6, tmp_path, second).fit(module(False), batches(), ckpt_path=tmp_path / "last.ckpt")
    told = second.looker.watch.history
    assert told[:2] == first.looker.watch.history
    assert [one["step"] for one in told] == [4, 8, 12]


def test_a_callback_needs_a_sampler() -> None:
    from vestige.integrations.lightning import VestigeCallback

    for options, message in (
        ({"sample": None}, "needs a sampler"),
        ({"sample": sample, "n": 10}, "n 10 is too small"),
        ({"sample": sample, "every_n_epochs": 0}, "interval 0 is not"),
        ({"sample": sample, "stop_when": 0.05}, "stop_when must be a function"),
    ):
        with pytest.raises(InputError, match=message):
            VestigeCallback(new_watch(), **options)  # type: ignore[arg-type]
