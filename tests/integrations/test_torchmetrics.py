"""VestigeMetric keeps the habits of torchmetrics, and its looks are counted."""

import copy
import io
import pickle
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torchmetrics", reason="needs vestige[torchmetrics]")

import torch
from torchmetrics import MetricCollection
from torchmetrics.aggregation import MeanMetric

from integrations.loops import FRESH, USED, new_watch
from vestige import InputError
from vestige.integrations.torchmetrics import VestigeMetric

LEAKING = torch.cat([USED, FRESH[:60]])[:, None]


@pytest.fixture
def metric() -> VestigeMetric:
    return VestigeMetric(new_watch())


def fill(metric: Any, images: torch.Tensor, batch: int = 25) -> Any:
    for part in images.split(batch):
        metric.update(part)
    return metric


def test_batches_are_one_look(metric: VestigeMetric) -> None:
    told = fill(metric, LEAKING).compute()
    expected = new_watch()(LEAKING, 0)
    assert {name: float(value) for name, value in told.items()} == pytest.approx(expected)
    assert all(isinstance(value, torch.Tensor) and value.ndim == 0 for value in told.values())
    assert told["vestige/n_copies"] >= 38


def test_reset_forgets_images_and_counts_looks(metric: VestigeMetric) -> None:
    for epoch in range(3):
        told = fill(metric, FRESH[100 * epoch : 100 * epoch + 100]).compute()
        assert metric.compute() is told  # asked twice, looked once
        metric.reset()
        assert metric.generated == []
    assert told["vestige/looks"] == 3
    metric.reset()
    with pytest.raises(InputError, match="needs 20 generated images or more, found 5"):
        fill(metric, FRESH[:5]).compute()


def test_a_batch_alone_is_no_look(metric: VestigeMetric) -> None:
    assert metric(LEAKING[:25]) == {}
    assert metric(LEAKING[25:]) == {}
    assert metric.watch.history == []
    assert metric.compute()["vestige/looks"] == 1


def test_it_stands_beside_others_in_a_collection() -> None:
    collection = MetricCollection({"leak": VestigeMetric(new_watch()), "mean": MeanMetric()})
    collection["leak"].update(LEAKING)
    collection["mean"].update(1.0)
    told = collection.compute()
    assert told["vestige/n_copies"] >= 38
    assert told["mean"] == 1
    collection.reset()
    assert collection["leak"].generated == []


def test_real_batches_of_other_metrics_are_left_alone(metric: VestigeMetric) -> None:
    metric.update(USED[:, None], real=True)
    assert metric.generated == []


def test_pickled_and_restored_it_tells_the_same(metric: VestigeMetric) -> None:
    fill(metric, FRESH[:100]).compute()
    metric.reset()
    fill(metric, LEAKING)
    restored = pickle.loads(pickle.dumps(metric))  # noqa: S301  # our own
    told = restored.compute()
    assert told == metric.compute()
    assert told["vestige/looks"] == 2


def test_the_state_dict_holds_the_looks_and_no_pickle(metric: VestigeMetric) -> None:
    fill(metric, FRESH[:100]).compute()
    metric.reset()
    file = io.BytesIO()
    torch.save(metric.state_dict(), file)
    file.seek(0)
    other = VestigeMetric(new_watch())
    other.load_state_dict(torch.load(file, weights_only=True))
    assert fill(other, LEAKING).compute() == fill(metric, LEAKING).compute()


def test_states_merge(metric: VestigeMetric) -> None:
    other = copy.deepcopy(metric)
    fill(metric, LEAKING[:50])
    fill(other, LEAKING[50:])
    metric.merge_state(other)
    assert sum(map(len, metric.generated)) == len(LEAKING)
    assert metric.compute()["vestige/n_copies"] >= 38


def test_half_precision_is_as_good(metric: VestigeMetric) -> None:
    told = fill(metric, LEAKING.half()).compute()
    whole = fill(VestigeMetric(new_watch()), LEAKING).compute()
    assert told["vestige/auc"] == pytest.approx(float(whole["vestige/auc"]), abs=0.02)
    metric.set_dtype(torch.float16)
    metric._computed = None
    assert metric.compute()["vestige/n_copies"] >= 38


def test_processes_are_joined_before_the_look() -> None:
    """What the gathering of two processes would return, without two processes."""
    half = {0: LEAKING[:50], 1: LEAKING[50:]}
    watch = new_watch()
    other = torch.from_numpy(watch.pictures(half[1]))
    metric = VestigeMetric(
        watch,
        dist_sync_fn=lambda value, group: [value, other],
        distributed_available_fn=lambda: True,
    )
    told = fill(metric, half[0]).compute()
    assert told["vestige/n_copies"] >= 38
    assert len(torch.cat(metric.generated)) == 50  # its own are left


def test_it_draws(metric: VestigeMetric) -> None:
    pytest.importorskip("matplotlib").use("agg")
    fill(metric, LEAKING)
    told = [metric.compute()] * 2
    for value in (None, told[0], told):
        figure, ax = metric.plot(value)
        assert ax.get_ylim()[0] <= 0
        figure.clear()


def _in_a_process(rank: int, folder: str) -> None:
    import torch.distributed as dist

    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    metric = VestigeMetric(new_watch())
    for look in range(2):
        fill(metric, (FRESH[:100][:, None], LEAKING)[look][rank::2])
        told = metric.compute()
        metric.reset()
    torch.save({name: float(value) for name, value in told.items()}, f"{folder}/told{rank}")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_tell_the_same(tmp_path: Path) -> None:
    import torch.multiprocessing as mp

    mp.spawn(_in_a_process, (str(tmp_path),), nprocs=2)
    one, other = (torch.load(tmp_path / f"told{rank}") for rank in range(2))
    assert one == other
    assert one["vestige/looks"] == 2
    assert one["vestige/n_copies"] >= 38
    assert one["vestige/alarm"] == 1
