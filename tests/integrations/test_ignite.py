"""Handlers of Ignite and MONAI write what a look tells where the others read it, and may stop."""

from typing import Any

import pytest

pytest.importorskip("ignite", reason="needs vestige[ignite]")
pytestmark = pytest.mark.filterwarnings("ignore")  # those of the libraries are not ours

import torch  # noqa: E402

from integrations.loops import USED, Generator, alarmed, new_watch, sample  # noqa: E402


def engine_of(model: Generator) -> Any:
    from ignite.engine import Engine, Events

    def step(engine: Any, batch: torch.Tensor) -> float:
        model.train()
        return float(model.loss(batch))

    engine = Engine(step)
    engine.add_event_handler(Events.EPOCH_STARTED, lambda: model.epochs.add_(1))
    return engine


@pytest.mark.parametrize("by_heart", [True, False])
def test_it_stops_at_the_first_alarm_of_a_memorising_run_alone(by_heart: bool) -> None:
    from ignite.engine import Events

    from vestige.integrations.ignite import VestigeHandler

    model, seen = Generator(by_heart), []
    engine = engine_of(model)
    handler = VestigeHandler(new_watch(), model, sample, 100, 1, alarmed)
    handler.attach(engine)
    engine.add_event_handler(
        Events.EPOCH_COMPLETED, lambda: seen.append(engine.state.metrics["vestige/alarm"])
    )
    engine.run(USED.split(20), max_epochs=6)
    assert seen == ([0, 0, 1] if by_heart else [0] * 6)
    assert engine.state.epoch == len(seen)
    other = VestigeHandler(new_watch(), model, sample, 100)
    other.load_state_dict(handler.state_dict())
    assert other.looker.watch.history == handler.looker.watch.history


def test_the_interval_is_that_of_epochs() -> None:
    from vestige.integrations.ignite import VestigeHandler

    model = Generator(False)
    engine = engine_of(model)
    handler = VestigeHandler(new_watch(), model, sample, 100, 2)
    handler.attach(engine)
    engine.run(USED.split(20), max_epochs=5)
    assert [one["step"] for one in handler.looker.watch.history] == [4, 8]


@pytest.mark.slow
def test_a_monai_trainer_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("monai", reason="needs vestige[monai]")
    from ignite.engine import Events
    from monai.engines import SupervisedTrainer
    from monai.handlers import StatsHandler

    from vestige.integrations.monai import VestigeHandler

    model = Generator(True)
    model.forward = lambda x: x * model.weight  # type: ignore[method-assign]
    handler = VestigeHandler(new_watch(), model, sample, 100, 1, alarmed)
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=6,
        train_data_loader=[{"image": part, "label": part} for part in USED.split(20)],
        network=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        loss_function=torch.nn.MSELoss(),
    )
    trainer.add_event_handler(Events.EPOCH_STARTED, lambda: model.epochs.add_(1))
    handler.attach(trainer)
    StatsHandler(name="stats", tag_name="loss", output_transform=lambda x: 0.0).attach(trainer)
    trainer.run()
    assert trainer.state.epoch == 3
    assert trainer.state.metrics["vestige/alarm"] == 1
    assert "vestige/auc" in capsys.readouterr().out
