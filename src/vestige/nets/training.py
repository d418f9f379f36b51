"""What trained networks share: device and precision, resumable steps, the weight average.

`Training` counts the steps; what one step does stands with each network.
"""

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from vestige.files.whole import whole
from vestige.registry.entries import InputError
from vestige.types import Images, Progress, quiet

CHECKPOINT_SECONDS = 120.0
LOSS_EVERY = 50
CLIP = 1.0
SHEET = 8  # samples.png shows SHEET x SHEET samples
Part = nn.Module | torch.optim.Optimizer


def find_device() -> torch.device:
    """CUDA when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def find_precision(device: torch.device, asked: str = "auto") -> torch.dtype:
    """bfloat16 where the device computes in it natively, unless one is asked for by name.

    Raises
    ------
    InputError
        For a name other than auto, float32 or bfloat16.
    """
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if asked in known:
        return known[asked]
    if asked != "auto":
        raise InputError(f"precision must be auto, float32 or bfloat16, not {asked!r}.")
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported()
    else:  # without these units bfloat16 is emulated, and several times slower than float32
        units = torch.backends.cpu.get_cpu_capability()
        native = units.startswith("AVX512") and _has_bfloat16_units()
    return torch.bfloat16 if native else torch.float32


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    """Compute in `precision` where that is safe; float32 leaves everything as it is."""
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)


def _has_bfloat16_units() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:  # not Linux: float32 is always right
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def descend(
    loss: Tensor, optimizer: torch.optim.Optimizer, weights: Iterable[nn.Parameter]
) -> None:
    """One step down the slope of a loss, clipped to length 1 over all weights."""
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(weights, CLIP)
    optimizer.step()


@torch.no_grad()
def ema_update(average: nn.Module, net: nn.Module, decay: float, step: int) -> None:
    """Move the weight average towards the weights; the decay grows with the steps at first."""
    decay = min(decay, (1 + step) / (10 + step))
    for slow, fast in zip(average.parameters(), net.parameters(), strict=True):
        slow.lerp_(fast, 1 - decay)
    for kept, new in zip(average.buffers(), net.buffers(), strict=True):
        kept.copy_(new)


@dataclass
class Training:
    """Steps of a training that can be killed at any moment and goes on from its checkpoint.

    Iterate over it: each turn gives the number of the step and a random generator that depends on
    seed and step alone, so that nothing but the parts has to be kept. Call `note` with the losses.

    Parameters
    ----------
    parts : modules and optimizers by name
        What a checkpoint holds (safetensors; nothing is pickled).
    steps, seed : int
        Number of steps in all; seed of batches and noise.
    identity : str
        Settings and training images; a checkpoint of another identity is refused.
    preview : callable or None
        Draws SHEET x SHEET square pictures, float32 [n, s, s] or colour [n, s, s, 3].
    folder : Path or None
        Place of checkpoint.safetensors, loss.csv and, with a preview, samples.png; None keeps
        nothing.
    """

    parts: Mapping[str, Part]
    steps: int
    seed: int
    identity: str
    preview: Callable[[], Images] | None = None
    folder: Path | None = None
    progress: Progress = quiet
    seconds: float = field(init=False, default=0.0)
    _losses: list[tuple[int, dict[str, float]]] = field(init=False, default_factory=list)

    def __iter__(self) -> Iterator[tuple[int, torch.Generator]]:
        first = self._resume()
        started, saved, before = monotonic(), monotonic(), self.seconds
        for step in range(first, self.steps):
            yield step, torch.Generator().manual_seed((self.seed << 32) + step)
            self.seconds = before + monotonic() - started
            self.progress("training", step + 1, self.steps)
            if monotonic() - saved > CHECKPOINT_SECONDS:
                self._save(step + 1)
                saved = monotonic()
        if first < self.steps:
            self._save(self.steps)

    def note(self, step: int, **losses: Tensor) -> None:
        """Keep the losses of every fiftieth step; stop at once when one is not a number."""
        if step % LOSS_EVERY and step + 1 < self.steps:
            return
        values = {name: float(loss.detach()) for name, loss in losses.items()}
        if not all(np.isfinite(v) for v in values.values()):
            raise InputError(
                f"training diverged at step {step}: {values}. Try a smaller learning rate, "
                "or precision=float32."
            )
        self._losses.append((step, values))

    def figures(
        self, batch: int, n: int, net: nn.Module, precision: torch.dtype
    ) -> dict[str, float | str]:
        """What training took, for `batch` images per step of `n` in all."""
        seconds = max(self.seconds, 1e-9)
        figures: dict[str, float | str] = {
            "steps": self.steps,
            "epochs": round(self.steps * batch / n, 1),
            "training_seconds": round(seconds, 1),
            "seconds_per_1000_steps": round(1000 * seconds / self.steps, 1),
            "images_per_second": round(self.steps * batch / seconds, 1),
            "parameters": sum(p.numel() for p in net.parameters()),
            "precision": str(precision).removeprefix("torch."),
            "device": next(net.parameters()).device.type,
            "threads": torch.get_num_threads(),
        }
        last = self._losses[-1][1] if self._losses else {}
        return figures | {f"loss_{name}": round(value, 4) for name, value in last.items()}

    def _save(self, step: int) -> None:
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        facts = {"step": step, "seconds": self.seconds, "losses": self._losses}
        metadata = {"identity": self.identity, "facts": json.dumps(facts)}
        tensors = {
            f"{name}/{key}": value.detach().cpu().contiguous()
            for name, part in self.parts.items()
            for key, value in _tensors(part).items()
        }
        _replace(
            self.folder / "checkpoint.safetensors",
            lambda path: save_file(tensors, path, metadata),
        )
        _replace(self.folder / "loss.csv", self._write_losses)
        if self.preview is not None:
            sheet = self.preview()
            _replace(self.folder / "samples.png", lambda path: _write_sheet(sheet, path))

    def _write_losses(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            names = list(self._losses[0][1]) if self._losses else []
            writer = csv.writer(file)
            writer.writerow(["step", *names])
            writer.writerows([step, *(v[n] for n in names)] for step, v in self._losses)

    def _resume(self) -> int:
        """Load the checkpoint if there is one -> the first step to do."""
        file = self.folder / "checkpoint.safetensors" if self.folder else None
        if file is None or not file.exists():
            return 0
        try:
            with safe_open(file, "pt") as kept:
                metadata = kept.metadata() or {}
                tensors = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118
            facts = json.loads(metadata["facts"])
        except (SafetensorError, KeyError, ValueError) as error:
            raise InputError(f"{file} is damaged: delete it to train again.") from error
        if metadata.get("identity") != self.identity:
            raise InputError(
                f"{file} belongs to other settings or images: name a new folder, or delete it."
            )
        for name, part in self.parts.items():
            prefix = f"{name}/"
            own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            _load(part, own)
        self.seconds = float(facts["seconds"])
        self._losses = [(int(step), dict(values)) for step, values in facts["losses"]]
        return int(facts["step"])


def identity(generator: Any, images: Images, seed: int) -> str:
    """One digest of what determines a training: the dataclass options, the images, the seed."""
    settings = {f.name: getattr(generator, f.name) for f in fields(generator) if f.init}
    text = json.dumps([type(generator).__name__, settings, images.shape, seed], sort_keys=True)
    digest = hashlib.sha256(text.encode())
    digest.update(np.ascontiguousarray(images).data)
    return digest.hexdigest()


def _tensors(part: Part) -> dict[str, Tensor]:
    if isinstance(part, nn.Module):
        return dict(part.state_dict())
    state = part.state_dict()["state"]
    return {f"{i}.{key}": value for i, kept in state.items() for key, value in kept.items()}


def _load(part: Part, tensors: Mapping[str, Tensor]) -> None:
    if isinstance(part, nn.Module):
        part.load_state_dict(dict(tensors))
        return
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, key = name.split(".", 1)
        state.setdefault(int(number), {})[key] = value
    part.load_state_dict(part.state_dict() | {"state": state})


def _write_sheet(samples: Images, path: Path) -> None:
    from PIL import Image

    side = samples.shape[1]
    rest = samples.shape[3:]
    rows = samples[: SHEET * SHEET].reshape(SHEET, SHEET, side, side, *rest).swapaxes(1, 2)
    sheet = np.rint(rows.reshape(SHEET * side, SHEET * side, *rest) * 255).astype(np.uint8)
    Image.fromarray(sheet).save(path, format="PNG")


def _replace(target: Path, write: Callable[[Path], Any]) -> None:
    """Write a file whole or not at all."""
    try:
        with whole(target) as partial:
            write(partial)
    except SafetensorError as error:  # it reports a full disk in its own way
        raise OSError(f"cannot write {target}: is the disk full?") from error
