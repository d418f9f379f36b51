"""`Watch` as a handler of PyTorch-Ignite (extra `ignite`)."""

from collections.abc import Callable, Mapping
from typing import Any

import ignite.distributed as idist
from ignite.engine import Engine, Events
from torch import nn

from vestige.integrations.sampling import Looker, Told
from vestige.watch.watch import Watch


class VestigeHandler:
    """Looks after every few epochs and writes what it sees into ``engine.state.metrics``.

    Attach it before the handlers that print or log the metrics. Only the first process samples;
    all stop together. An ignite `Checkpoint` may save it.

    Parameters
    ----------
    watch : Watch
    model : torch module
        The generator.
    sample : callable
        ``sample(model, n)`` gives n generated images. It runs in evaluation mode, without
        gradients, and with random numbers of its own.
    n, interval : int
        Images of a look, and epochs from look to look.
    stop_when : callable, optional
        Takes the dict of a look; True ends the run, such as
        ``lambda told: told["vestige/alarm"] == 1``.

    Raises
    ------
    InputError
        Without a sampler, or for numbers that are too small.
    """

    def __init__(
        self,
        watch: Watch,
        model: nn.Module,
        sample: Callable[[Any, int], Any],
        n: int = 1000,
        interval: int = 5,
        stop_when: Callable[[Told], bool] | None = None,
    ) -> None:
        self.model = model
        self.looker = Looker(watch, sample, n, interval, stop_when)

    def attach(self, engine: Engine) -> None:
        """Look whenever `interval` epochs of this engine are completed."""
        engine.add_event_handler(Events.EPOCH_COMPLETED(every=self.looker.interval), self)

    def __call__(self, engine: Engine) -> None:
        """Look now."""
        stop = False
        if idist.get_rank() == 0:
            told, stop = self.looker.look(self.model, engine.state.iteration)
            engine.state.metrics.update(told)
        if idist.all_reduce(float(stop), "MAX"):
            engine.terminate()

    def state_dict(self) -> dict[str, Any]:
        """The looks so far."""
        return self.looker.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.looker.load_state_dict(state_dict)
