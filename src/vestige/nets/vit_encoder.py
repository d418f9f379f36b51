"""ViT with coordinates in its position code, and a gate over the CLS of several depths."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from vestige.nets.trunks import VitTrunk
from vestige.registry.entries import InputError

DIM = 768
PRESETS = ("relative", "even", "existing", "exact")
PUBLISHED = (6, 12, 18)


def taps_of(taps: str | Sequence[int], depth: int) -> tuple[int, ...]:
    """Block numbers (from 1) whose CLS is read, for a ViT of `depth` blocks.

    Parameters
    ----------
    taps : preset or block numbers
        "relative": 1/4, 1/2 and 3/4 of the depth. "even": 1/3, 2/3 and all of it. "existing": those
        of the published 6, 12, 18 that exist. "exact": 6, 12, 18.

    Raises
    ------
    InputError
        Beyond the depth, not rising, or an unknown preset.
    """
    if isinstance(taps, str):
        if taps not in PRESETS:
            raise InputError(f"unknown taps {taps!r}. Known: {', '.join(PRESETS)}, or numbers.")
        numbers = {
            "relative": tuple(round(depth * q / 4) for q in (1, 2, 3)),
            "even": tuple(round(depth * q / 3) for q in (1, 2, 3)),
            "existing": tuple(t for t in PUBLISHED if t <= depth),
            "exact": PUBLISHED,
        }[taps]
    else:
        numbers = tuple(int(t) for t in taps)
    rising = all(a < b for a, b in pairwise(numbers))
    if not numbers or not rising or numbers[0] < 1 or numbers[-1] > depth:
        shown = ", ".join(map(str, numbers)) or "none"
        raise InputError(
            f"taps {shown} do not fit: this ViT has {depth} blocks, and taps must rise within "
            f"1..{depth}. Give taps=relative, or a deeper backbone."
        )
    return numbers


class VitEncoder(nn.Module):
    """Grey images -> one fingerprint, and 2 x 2 averaged patch tokens (docs/methods.md 1.4 d1).

    Parameters
    ----------
    vit : VitTrunk
    taps : preset or block numbers
        See `taps_of`.
    coords : "add", "concat" or None
        How (x / W, y / H) of each patch enters the position code. All three equal the plain ViT
        before training.
    """

    def __init__(
        self,
        vit: VitTrunk,
        taps: str | Sequence[int] = "relative",
        coords: str | None = "add",
    ) -> None:
        super().__init__()
        if coords not in ("add", "concat", None):
            raise InputError(f"unknown coords {coords!r}. Known: add, concat, None.")
        self.vit, self.taps, self.coords = vit, taps_of(taps, vit.depth), coords
        width = vit.width
        # small ViTs, for tests, keep their own width
        self.dim = DIM if width > DIM else width
        self.narrow = nn.Linear(width, self.dim) if width != self.dim else nn.Identity()
        self.gate = nn.Sequential(nn.Linear(self.dim, 256), nn.GELU(), nn.Linear(256, 1))
        self.norm = nn.LayerNorm(self.dim)
        self.place: nn.Linear | None = None
        if coords == "add":
            self.place = nn.Linear(2, width)
            nn.init.zeros_(self.place.weight)
        elif coords == "concat":
            self.place = nn.Linear(width + 2, width)
            with torch.no_grad():
                self.place.weight.copy_(torch.eye(width, width + 2))
        if self.place is not None:
            nn.init.zeros_(self.place.bias)

    def positions(self) -> Tensor:
        """Position code [1, 1 + t, width]; the CLS has no place and keeps its own."""
        plain: Tensor = self.vit.positions
        if self.place is None:
            return plain
        side = round((plain.shape[1] - 1) ** 0.5)
        centres = (torch.arange(side, device=plain.device) + 0.5) / side
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        xy = torch.stack([x.flatten(), y.flatten()], dim=1)[None]
        start, patches = plain[:, :1], plain[:, 1:]
        if self.coords == "add":
            patches = patches + self.place(xy)
        else:
            patches = self.place(torch.cat([patches, xy], dim=2))
        return torch.cat([start, patches], dim=1)

    def layers(self, x: Tensor, keep: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Prepared images [b, 3, s, s] -> what the gate fuses; constant while the ViT is frozen.

        Parameters
        ----------
        keep : [b, t, 1], optional
            1 for patches that stay, 0 for blanked ones (before the position code).

        Returns
        -------
        starts : [b, taps, width]
            CLS after each tap.
        patches : [b, taps, t / 4, width]
            GELU of the patch tokens, averaged over 2 x 2.
        """
        tokens = self.vit.patch_tokens(x)
        if keep is not None:
            tokens = tokens * keep
        every = self.vit.run(tokens, self.positions())
        seen = torch.stack([self.narrow(every[t - 1]) for t in self.taps], dim=1)
        starts, patches = seen[:, :, 0], functional.gelu(seen[:, :, 1:])
        side = round(patches.shape[2] ** 0.5)
        grid = patches.flatten(0, 1).transpose(1, 2).unflatten(2, (side, side))
        small = functional.avg_pool2d(grid, 2, ceil_mode=True) if side > 1 else grid
        return starts, small.flatten(2).transpose(1, 2).unflatten(0, patches.shape[:2])

    def gates(self, starts: Tensor) -> Tensor:
        """How much each tap counts, [b, taps], sum 1."""
        weights: Tensor = self.gate(starts)[..., 0].softmax(dim=1)
        return weights

    def fuse(self, starts: Tensor, patches: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """LayerNorm of the gated sum: fingerprint [b, dim] and tokens [b, t / 4, dim].

        Without patches the fingerprint is the one token.
        """
        weights = self.gates(starts)
        whole: Tensor = self.norm((weights[..., None] * functional.gelu(starts)).sum(dim=1))
        if patches is None:
            return whole, whole[:, None]
        return whole, self.norm((weights[..., None, None] * patches).sum(dim=1))

    def fusion(self) -> list[nn.Parameter]:
        """What learns while the ViT is frozen: gate and norm."""
        return [*self.gate.parameters(), *self.norm.parameters()]

    def forward(self, x: Tensor, keep: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Prepared images -> fingerprint [b, dim] and tokens [b, t / 4, dim]."""
        return self.fuse(*self.layers(x, keep))
