"""`Watch` as a metric of torchmetrics (extra `torchmetrics`)."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from vestige.integrations.sampling import plain_state
from vestige.watch.watch import Watch

DRAWN = ("vestige/auc", "vestige/p_value")
"""What `plot` shows: both lie in 0..1."""


class VestigeMetric(Metric):
    """Gathers generated images over batches and processes; `compute` is one look.

    Every process computes the same from the images of all. `reset` forgets the images and ends the
    epoch; the looks stay counted, also in `state_dict`.

    Parameters
    ----------
    watch : Watch
        With the reals, prepared once.
    **kwargs
        Of `torchmetrics.Metric`.
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0
    generated: list[Tensor]

    def __init__(self, watch: Watch, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.watch = watch
        self.epoch = 0
        self.add_state("generated", [], dist_reduce_fx="cat")

    def update(self, imgs: Any, real: bool = False) -> None:
        """Add generated images; with `real`, as FID and KID take them, nothing: reals are known."""
        if not real:
            self.generated.append(torch.from_numpy(self.watch.pictures(imgs)).to(self.device))

    def compute(self) -> dict[str, Tensor]:
        """Look at the images since the last `reset`: what `Watch` tells, as tensors."""
        images = dim_zero_cat(self.generated) if len(self.generated) else torch.zeros(0, 1, 1, 1)
        told = self.watch(images.float(), self.epoch)
        return {name: torch.tensor(value, device=self.device) for name, value in told.items()}

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Add the images of a batch, and tell nothing: a batch is no look."""
        self.update(*args, **kwargs)
        return {}

    def reset(self) -> None:
        """Forget the generated images; what comes next is another epoch."""
        self.epoch += self.update_called
        super().reset()

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """Draw AUC and p-value of one look, or of several ones in their order."""
        values: Sequence[Mapping[str, Tensor]] | Mapping[str, Tensor]
        values = val if val is not None else self.compute()
        if isinstance(values, Mapping):
            return self._plot({name: values[name] for name in DRAWN}, ax)
        return self._plot([{name: one[name] for name in DRAWN} for one in values], ax)

    def get_extra_state(self) -> dict[str, Any]:
        """The looks so far, for `state_dict`."""
        return {"epoch": self.epoch, "watch": plain_state(self.watch)}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Go on from such a state."""
        self.watch.load_state_dict(state["watch"])
        self.epoch = int(state["epoch"])
