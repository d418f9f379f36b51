"""`Watch` as a callback of Lightning (extra `lightning`)."""

from collections.abc import Callable, Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from vestige.integrations.sampling import Looker, Told
from vestige.watch.watch import Watch


class VestigeCallback(Callback):
    """Looks after every few training epochs, logs what it sees, and may stop the training.

    Only the first process samples and logs; all stop together. The looks are part of checkpoints.

    Parameters
    ----------
    watch : Watch
    sample : callable
        ``sample(pl_module, n)`` gives n generated images. It runs in evaluation mode, without
        gradients, and with random numbers of its own.
    n, every_n_epochs : int
        Images of a look, and epochs from look to look.
    stop_when : callable, optional
        Takes the dict of a look; True stops the trainer, such as
        ``lambda told: told["vestige/alarm"] == 1``.

    Raises
    ------
    InputError
        Without a sampler, or for numbers that are too small.
    """

    def __init__(
        self,
        watch: Watch,
        sample: Callable[[Any, int], Any],
        n: int = 1000,
        every_n_epochs: int = 5,
        stop_when: Callable[[Told], bool] | None = None,
    ) -> None:
        self.looker = Looker(watch, sample, n, every_n_epochs, stop_when)

    @property
    def state_key(self) -> str:
        """Under which a checkpoint keeps the looks."""
        return self._generate_state_key(n=self.looker.n, every_n_epochs=self.looker.interval)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look, if it is time."""
        if (trainer.current_epoch + 1) % self.looker.interval:
            return
        stop = False
        if trainer.is_global_zero:
            told, stop = self.looker.look(pl_module, trainer.global_step)
            pl_module.log_dict(told, rank_zero_only=True)
        stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        trainer.should_stop = trainer.should_stop or stop

    def state_dict(self) -> dict[str, Any]:
        """The looks so far."""
        return self.looker.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.looker.load_state_dict(state_dict)
