"""The best weights come back, and lack of progress stops."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs vestige[deep]")

from vestige.nets.early_stop import BestWeights, judge  # noqa: E402


def at(parameter: "torch.Tensor", value: float) -> None:
    with torch.no_grad():
        parameter.fill_(value)


def test_the_weights_of_the_best_epoch_come_back() -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    best = BestWeights([weight], patience=2)
    for value, auc, loss in ((1.0, 0.6, 0.7), (2.0, 0.8, 0.9), (3.0, 0.8, 0.5), (4.0, 0.7, 0.1)):
        at(weight, value)
        best.see(auc, loss)
        assert not best.stopped
    best.see(0.8, 0.6)
    assert best.stopped
    best.restore()
    assert weight.tolist() == [3.0, 3.0]  # the same AUC, a smaller loss
    assert best.figures() == {
        "epochs_done": 5,
        "best_epoch": 3,
        "held_out_auc": 0.8,
        "held_out_loss": 0.5,
    }


def test_it_is_carried_by_its_state() -> None:
    first, second = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.zeros(2))
    best = BestWeights([first], patience=1)
    best.see(0.9, 0.1)
    other = BestWeights([second], patience=1)
    other.load_state_dict(best.state_dict())
    other.restore()
    assert second.tolist() == [1.0, 1.0]
    other.see(0.8, 0.0)
    assert other.stopped


def test_before_the_first_epoch_nothing_is_restored() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    best = BestWeights([weight], patience=1)
    at(weight, 5.0)
    best.restore()
    assert weight.item() == 5.0


def test_both_classes_count_equally_in_the_loss() -> None:
    logits = np.array([[0.0], [0.0], [0.0], [100.0]])
    auc, loss = judge(logits, logits[:, 0], np.array([0, 0, 0, 1]))
    assert auc == 1.0
    assert loss == pytest.approx(np.log(2) / 2)
