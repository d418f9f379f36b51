"""The networks that see an image first: convolutional trunks in stages, and ViTs block by block."""

import hashlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vestige.nets.rng import seeded
from vestige.registry.entries import InputError
from vestige.types import Images

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OWN = ("tiny", "tiny_vit")
TOKEN_SIDE = 7  # finer maps are averaged to 7 x 7 tokens


class ConvTrunk(nn.Module):
    """A convolutional network cut where its map shrinks; the last three maps can be tapped."""

    def __init__(self, stages: Sequence[nn.Module], widths: Sequence[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.widths = tuple(widths)
        self.width = self.widths[-1]

    def maps(self, x: Tensor) -> list[Tensor]:
        """Output of every stage, [b, widths[i], h, w]."""
        out = []
        for stage in self.stages:
            x = stage(x)
            out.append(x)
        return out

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean [b, width] and tokens [b, t, width] of the last map."""
        last = self.maps(x)[-1]
        return last.mean(dim=(2, 3)), tokens_of(last)

    def last_stage(self) -> nn.Module:
        """What `trunk_trainable="last_stage"` trains."""
        return self.stages[-1]


class VitTrunk(nn.Module):
    """A torchvision VisionTransformer without its classifier, block by block."""

    def __init__(self, vit: Any) -> None:
        super().__init__()
        self.patches, self.start = vit.conv_proj, vit.class_token
        self.positions = vit.encoder.pos_embedding
        self.blocks, self.last_norm = nn.ModuleList(vit.encoder.layers), vit.encoder.ln
        self.width, self.depth, self.patch = int(vit.hidden_dim), len(self.blocks), vit.patch_size

    def patch_tokens(self, x: Tensor) -> Tensor:
        """Patches before any position code, [b, t, width]."""
        if x.shape[-1] < self.patch:
            raise InputError(
                f"images of {x.shape[-1]} px are smaller than the patch of {self.patch} px: "
                "give a larger size."
            )
        tokens: Tensor = self.patches(x).flatten(2).transpose(1, 2)
        if tokens.shape[1] + 1 != self.positions.shape[1]:
            raise InputError(
                f"this ViT takes {self.positions.shape[1] - 1} patches of {self.patch} px, images "
                f"of {x.shape[-1]} px have {tokens.shape[1]}: give the size it was built for."
            )
        return tokens

    def run(self, tokens: Tensor, positions: Tensor) -> list[Tensor]:
        """Tokens [b, t, width] with a CLS in front, after each block: [b, 1 + t, width] each."""
        x = torch.cat([self.start.expand(len(tokens), -1, -1), tokens], dim=1) + positions
        out = []
        for block in self.blocks:
            x = block(x)
            out.append(x)
        return out

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """CLS [b, width] and patch tokens [b, t, width] after the final norm."""
        last = self.last_norm(self.run(self.patch_tokens(x), self.positions)[-1])
        return last[:, 0], last[:, 1:]

    def last_stage(self) -> nn.Module:
        """What `trunk_trainable="last_stage"` trains: the last block and the norm."""
        return nn.ModuleList([self.blocks[-1], self.last_norm])


def tokens_of(feature_map: Tensor, side: int = TOKEN_SIDE) -> Tensor:
    """Map [b, c, h, w] -> tokens [b, t, c], row by row, of at most side x side places."""
    if feature_map.shape[-1] > side or feature_map.shape[-2] > side:
        feature_map = functional.adaptive_avg_pool2d(feature_map, side)
    return every_place(feature_map)


def every_place(feature_map: Tensor) -> Tensor:
    """Map [b, c, h, w] -> its places, row by row, [b, h * w, c]."""
    return feature_map.flatten(2).transpose(1, 2)


def prepare(images: Images, size: int) -> Tensor:
    """Images float32, 0..1 -> [n, 3, size, size] with ImageNet's mean and deviation.

    Grey [n, h, w] is repeated to three channels, colour [n, h, w, 3] gives its own. Bilinear,
    antialiased when shrinking, no crop (docs/methods.md 0.3).
    """
    x = torch.from_numpy(np.ascontiguousarray(images, np.float32))
    x = x[:, None] if x.ndim == 3 else x.movedim(3, 1)
    if x.shape[-2:] != (size, size):
        x = functional.interpolate(x, (size, size), mode="bilinear", antialias=True)
    mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, DEVIATION))
    return ((x - mean) / deviation).contiguous(memory_format=torch.channels_last)


def _resnet50(net: Any) -> ConvTrunk:
    stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1)
    return ConvTrunk([stem, net.layer2, net.layer3, net.layer4], (256, 512, 1024, 2048))


def _densenet161(net: Any) -> ConvTrunk:
    part = dict(net.features.named_children())
    stages = [
        ["conv0", "norm0", "relu0", "pool0", "denseblock1", "transition1", "denseblock2"],
        ["transition2", "denseblock3"],
        ["transition3", "denseblock4", "norm5"],
    ]
    modules = [nn.Sequential(*(part[name] for name in names)) for names in stages]
    modules[-1].append(nn.ReLU())
    return ConvTrunk(modules, (768, 2112, 2208))


def _sliced(cuts: Sequence[int], widths: Sequence[int]) -> Callable[[Any], ConvTrunk]:
    return lambda net: ConvTrunk([net.features[i:j] for i, j in pairwise(cuts)], widths)


TORCHVISION: dict[str, Callable[[Any], nn.Module]] = {
    "resnet50": _resnet50,
    "efficientnet_b2": _sliced((0, 4, 6, 9), (48, 120, 1408)),
    "densenet161": _densenet161,
    "squeezenet1_1": _sliced((0, 5, 8, 13), (128, 256, 512)),
    "vit_b_16": VitTrunk,
    "vit_l_16": VitTrunk,
}
"""Cuts torchvision's network of that name into a trunk."""


def trunk(name: str, weights: str = "none", seed: int = 0, size: int = 224) -> nn.Module:
    """One of the two small trunks, "tiny" or "tiny_vit", with random weights, in eval mode.

    `vestige.nets.networks.trunk` makes all the others.
    """
    if name not in OWN or weights != "none":
        raise InputError(f"unknown small backbone {name!r}. Known: {', '.join(OWN)}, weights none.")
    with seeded(seed):
        return (tiny_trunk() if name == "tiny" else tiny_vit(size)).eval()


def tiny_trunk(widths: Sequence[int] = (16, 32, 64)) -> ConvTrunk:
    """A small convolutional trunk: each stage halves the side."""
    stages = []
    for before, after in pairwise((3, *widths)):
        layer = nn.Conv2d(before, after, 3, 2, 1, bias=False)
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # random, but not vanishing
        stages.append(nn.Sequential(layer, nn.ReLU()))
    return ConvTrunk(stages, widths)


def tiny_vit(size: int = 32, patch: int = 8, depth: int = 4, width: int = 32) -> VitTrunk:
    """A small vision transformer."""
    from torchvision.models import VisionTransformer

    size -= size % patch
    if size < patch:
        raise InputError(f"images of {size} px are smaller than the patch of {patch} px.")
    return VitTrunk(VisionTransformer(size, patch, depth, 2, width, 2 * width))


def fingerprint(net: nn.Module) -> str:
    """One digest of all weights."""
    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
