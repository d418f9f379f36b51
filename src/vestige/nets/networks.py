"""Networks by name with their weights: torchvision's, any of timm's, and two tiny ones.

Weights come from a file, from a download that the user asked for by name, or from a seed. A file
is safetensors or a plain state dict; nothing else is unpickled.
"""

import re
import struct
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from vestige.files.regular import open_regular
from vestige.nets.rng import seeded
from vestige.nets.trunks import TORCHVISION, ConvTrunk, VitTrunk, tokens_of
from vestige.nets.trunks import trunk as own_trunk
from vestige.registry.entries import InputError

SIZE = 224
LEAST = 32  # below this the maps of the convolutional networks vanish
OWN = ("tiny", "tiny_vit")
WEIGHT_BYTES = 2**36
HEADS = ("fc.", "classifier.", "heads.")
# how the readers of torch end on files that break off
DAMAGE = (RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, struct.error)
_POSITIONS = "encoder.pos_embedding"


def _efficientnet_b5(net: Any) -> ConvTrunk:
    return ConvTrunk([net.features[:4], net.features[4:6], net.features[6:]], (64, 176, 2048))


CUTS: dict[str, Callable[[Any], nn.Module]] = {"efficientnet_b5": _efficientnet_b5, **TORCHVISION}
"""torchvision names, and how each network becomes a trunk."""


class TimmTrunk(nn.Module):
    """Any timm network without its classifier."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net
        self.width = int(getattr(net, "head_hidden_size", net.num_features))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features [b, width] and tokens [b, t, channels]."""
        last = self.net.forward_features(x)
        pooled = self.net.forward_head(last, pre_logits=True)
        if last.ndim == 3:
            return pooled, last[:, getattr(self.net, "num_prefix_tokens", 0) :]
        if last.shape[1] != self.net.num_features:  # channels last, as in Swin
            last = last.permute(0, 3, 1, 2)
        return pooled, tokens_of(last)


def trunk(name: str, weights: str = "", seed: int = 0, size: int = SIZE) -> Any:
    """A network without its classifier, in eval mode; called, it gives (pooled, tokens).

    Parameters
    ----------
    name : str
        A torchvision name of `CUTS`, "tiny", "tiny_vit", or any name timm knows.
    weights : "imagenet" (downloads), "none" (random, by `seed`), or a file
    seed : int
        Of random weights.
    size : int
        Side in pixels of the square input. Position codes of a vision transformer are
        interpolated when the weights were made for another size.

    Raises
    ------
    InputError
        Unknown name, weights that do not fit or cannot be read, a size the network cannot take.
    """
    if name in OWN:
        if weights != "none":
            raise InputError(f"backbone {name} is for tests and has no weights: give weights=none.")
        return own_trunk(name, "none", seed, size)
    net = network(name, weights, seed, size)
    return (CUTS[name](net) if name in CUTS else TimmTrunk(net)).eval()


def network(name: str, weights: str = "", seed: int = 0, size: int = SIZE) -> Any:
    """The whole network, torchvision's with its classifier; parameters as for `trunk`."""
    if not weights:
        raise InputError(
            f"backbone {name} needs weights: give weights=FILE (safetensors or a state dict), or "
            "weights=imagenet to download them."
        )
    if size < LEAST:
        raise InputError(f"backbone {name} needs a size of {LEAST} px or more, not {size}.")
    tensors = None if weights in ("imagenet", "none") else read_weights(weights)
    with seeded(seed):
        try:
            net = _make(name, weights == "imagenet", size)
        except InputError:
            raise
        except Exception as error:  # downloads end in many kinds of exception
            if weights != "imagenet":
                raise
            raise InputError(
                f"cannot get the ImageNet weights of {name}: give weights=FILE with a local file."
            ) from error
    if tensors is not None:
        _fill(net, tensors, name, weights)
    return net.eval()


def width(name: str) -> int:
    """Length of the pooled features."""
    with torch.device("meta"):  # shapes only: nothing is computed or kept
        return int(trunk(name, "none").width)


def check_taps(taps: Sequence[int], depth: int) -> tuple[int, ...]:
    """Layers to tap, counted from 1.

    Raises
    ------
    InputError
        None, one beyond the depth, or an order that does not rise.
    """
    wanted = tuple(taps)
    rising = all(a < b for a, b in pairwise(wanted))
    if not wanted or not rising or wanted[0] < 1 or wanted[-1] > depth:
        raise InputError(f"taps must rise within 1..{depth} (the depth), not {list(wanted)}.")
    return wanted


def tapped(net: nn.Module, x: Tensor, taps: Sequence[int]) -> list[Tensor]:
    """Output of chosen layers: maps [b, c, h, w] of the stages, or tokens [b, 1 + t, c] of blocks.

    The first stage of resnet50 ends after its layer1, so that tap 2 is layer2; the first token of
    a vision transformer is its CLS.
    """
    if isinstance(net, ConvTrunk):
        wanted, out = check_taps(taps, len(net.widths)), net.maps(x)
    elif isinstance(net, VitTrunk):
        wanted = check_taps(taps, net.depth)
        out = net.run(net.patch_tokens(x), net.positions)
    else:
        raise InputError("only torchvision's backbones can be tapped.")
    return [out[t - 1] for t in wanted]


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Tensors by name from a safetensors file, or a state dict that torch saved.

    Raises
    ------
    InputError
        Not there, truncated, or a pickle that is not a state dict (it is not executed).
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    try:
        with open_regular(path, WEIGHT_BYTES, link=True) as file:
            start = file.read(2)
    except OSError as error:
        raise InputError(f"cannot read weights {path}: {error.strerror}.") from error
    try:
        if start == b"PK" or start[:1] == b"\x80":  # a zip of torch.save, or a bare pickle
            with warnings.catch_warnings():  # of other pickle protocols: they are refused below
                warnings.simplefilter("ignore")
                found = torch.load(path, map_location="cpu", weights_only=True)
        else:
            found = load_file(path)
    except UnpicklingError as error:
        raise InputError(
            f"weights {path} are a pickle that is not a plain state dict: refused. "
            "Save model.state_dict(), best as safetensors."
        ) from error
    except (*DAMAGE, SafetensorError) as error:
        raise InputError(f"weights {path} are truncated or damaged: save them again.") from error
    for inner in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(inner), dict):
            found = found[inner]
    if not (isinstance(found, dict) and found and all(map(_is_tensor, found.items()))):
        raise InputError(f"weights {path} hold no state dict: expected tensors by name.")
    return {_today(name): value for name, value in found.items()}


def _make(name: str, pretrained: bool, size: int) -> Any:
    if name in CUTS:
        from torchvision import models

        ask = "IMAGENET1K_V1" if pretrained else None
        if not name.startswith("vit_") or size == SIZE:
            return models.get_model(name, weights=ask)
        if size % (patch := int(name.rpartition("_")[2])):
            raise InputError(f"backbone {name} needs a size that is a multiple of {patch}: {size}.")
        resized = models.get_model(name, image_size=size)
        if pretrained:
            _fill(resized, models.get_model(name, weights=ask).state_dict(), name, "imagenet")
        return resized
    import timm

    if not timm.is_model(name):
        raise InputError(
            f"unknown backbone {name!r}. Known: {', '.join([*CUTS, *OWN])}, and timm's."
        )
    settings = timm.get_pretrained_cfg(name)
    fixed: dict[str, Any] = {"img_size": size} if settings and settings.fixed_input_size else {}
    return timm.create_model(name, pretrained=pretrained, num_classes=0, **fixed)


def _fill(net: Any, tensors: Mapping[str, Tensor], name: str, source: str) -> None:
    """Load tensors; only the classifier may be absent or of another shape."""
    own = net.state_dict()
    tensors = dict(tensors)
    if _POSITIONS in own and _POSITIONS in tensors:
        from torchvision.models.vision_transformer import interpolate_embeddings

        if tensors[_POSITIONS].ndim == 3 and tensors[_POSITIONS].shape != own[_POSITIONS].shape:
            tensors = dict(interpolate_embeddings(net.image_size, net.patch_size, tensors))
    heads = (*HEADS, "head.") if name not in CUTS else HEADS
    needed = [k for k in own if not k.startswith(heads) and not k.endswith("batches_tracked")]
    missing = sum(k not in tensors for k in needed)
    surplus = sum(k not in own and not k.startswith(heads) for k in tensors)
    fits = {k: v for k, v in tensors.items() if k in own and v.shape == own[k].shape}
    misshapen = sum(k in tensors and k not in fits for k in needed)
    if missing or surplus or misshapen:
        raise InputError(
            f"weights {source} are not those of {name}: of its {len(needed)} tensors {missing} are "
            f"missing and {misshapen} have another shape; {surplus} are unexpected."
        )
    net.load_state_dict(fits, strict=False)


def _today(name: str) -> str:
    """The present name of a tensor: no wrapper's prefix, DenseNet's layers as they are now."""
    name = name.removeprefix("module.")
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", name)


def _is_tensor(item: tuple[Any, Any]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], Tensor)
