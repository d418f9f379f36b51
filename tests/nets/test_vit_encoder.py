"""The ViT encoder and CANet against their layer lists."""

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs vestige[deep]")

from torchvision.models import VisionTransformer  # noqa: E402

from vestige.nets.canet import HybridCANet  # noqa: E402
from vestige.nets.trunks import VitTrunk, tiny_vit  # noqa: E402
from vestige.nets.vit_encoder import VitEncoder, taps_of  # noqa: E402
from vestige.registry.entries import InputError  # noqa: E402


def images(n: int = 2) -> "torch.Tensor":
    return torch.randn((n, 3, 32, 32), generator=torch.Generator().manual_seed(0))


def encoder(**options: Any) -> VitEncoder:
    torch.manual_seed(0)
    return VitEncoder(tiny_vit(32), **options).eval()


@pytest.mark.parametrize("coords", ["add", "concat", None])
def test_before_training_it_is_the_plain_vit(coords: str | None) -> None:
    torch.manual_seed(0)
    vit = VisionTransformer(32, 8, 4, 2, 32, 64).eval()
    torch.nn.init.normal_(vit.heads.head.weight)
    vit.heads = torch.nn.Identity()
    net = VitEncoder(VitTrunk(vit), taps=(1, 4), coords=coords)
    starts, _ = net.layers(images())
    torch.testing.assert_close(net.vit.last_norm(starts[:, 1]), vit(images()))


@pytest.mark.parametrize("coords", ["add", "concat"])
def test_coordinates_move_patches_and_never_the_cls(coords: str) -> None:
    net = encoder(coords=coords)
    assert net.place is not None
    before = net.positions().detach()
    with torch.no_grad():
        net.place.weight[:, -2:] += torch.tensor([1.0, 0.0])  # x only
    moved = (net.positions() - before).detach()[0]
    assert (moved[0] == 0).all()
    torch.testing.assert_close(moved[1:, 0], ((torch.arange(16) % 4) + 0.5) / 4)


def test_the_gate_sums_to_1_and_the_fusion_is_the_formula() -> None:
    net = encoder()
    starts, patches = net.layers(images())
    assert starts.shape == (2, 3, 32) and patches.shape == (2, 3, 4, 32)
    weights = net.gates(starts)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))
    wanted = sum(weights[:, i, None] * torch.nn.functional.gelu(starts[:, i]) for i in range(3))
    torch.testing.assert_close(net.fuse(starts)[0], net.norm(wanted))
    assert net.fuse(starts)[1].shape == (2, 1, 32)
    assert net.fuse(starts, patches)[1].shape == (2, 4, 32)


def test_taps_read_the_blocks_they_name() -> None:
    net = encoder(taps=(2, 3))
    every = net.vit.run(net.vit.patch_tokens(images()), net.vit.positions)
    starts, _ = net.layers(images())
    torch.testing.assert_close(starts[:, 0], every[1][:, 0])
    torch.testing.assert_close(starts[:, 1], every[2][:, 0])


def test_a_blanked_patch_keeps_its_place_only() -> None:
    net, keep = encoder(), torch.ones(2, 16, 1)
    keep[:, 3] = 0
    x = images()
    other = x.clone()
    other[:, :, :8, 24:] = 9.0  # patch 3 of a 4 x 4 grid
    torch.testing.assert_close(net(x, keep), net(other, keep))
    assert not torch.allclose(net(x)[0], net(other)[0])


@pytest.mark.parametrize(
    ("preset", "depth", "wanted"),
    [
        ("relative", 12, (3, 6, 9)), ("even", 12, (4, 8, 12)), ("existing", 12, (6, 12)),
        ("exact", 24, (6, 12, 18)), ("relative", 24, (6, 12, 18)), ((1, 12), 12, (1, 12)),
    ],
)  # fmt: skip
def test_presets(preset: Any, depth: int, wanted: tuple[int, ...]) -> None:
    assert taps_of(preset, depth) == wanted


@pytest.mark.parametrize("taps", [(13,), (0, 3), (6, 6), (9, 3), (), "exact"])
def test_taps_beyond_the_depth_are_refused_with_the_depth(taps: Any) -> None:
    with pytest.raises(InputError, match="this ViT has 12 blocks"):
        taps_of(taps, 12)


def test_unknown_words_are_refused() -> None:
    with pytest.raises(InputError, match="unknown taps 'all'. Known: relative, even"):
        taps_of("all", 12)
    with pytest.raises(InputError, match="unknown coords 'polar'"):
        encoder(coords="polar")


def test_images_smaller_than_the_patch_are_refused() -> None:
    with pytest.raises(InputError, match="4 px are smaller than the patch of 8 px"):
        encoder()(torch.zeros(1, 3, 4, 4))


def test_canet_has_5644801_parameters() -> None:
    assert sum(p.numel() for p in HybridCANet().parameters()) == 5_644_801
    gated = sum(p.numel() for p in HybridCANet(gate=True).parameters())
    assert gated == 5_644_801 + 1536 * 1536 + 1536


def test_canet_has_its_layers() -> None:
    net = HybridCANet()
    linear = [(m.in_features, m.out_features) for m in net.layers if hasattr(m, "in_features")]
    assert linear == [(1536, 1536), (1536, 1024), (1024, 512)]
    kinds = [type(m).__name__ for m in net.layers]
    assert kinds == ["Linear", "LayerNorm", "GELU", "Dropout", "Linear", "GELU", "Linear", "GELU"]
    assert net.layers[3].p == 0.6
    assert net.attention.heads == 8


def test_canet_over_one_token_is_a_fixed_map() -> None:
    torch.manual_seed(0)
    net = HybridCANet(8, tokens="single").eval()
    g, x = torch.randn(3, 8), torch.randn(3, 8)
    hidden = net.layers(torch.cat([g, x], dim=1))
    wanted = net.score(net.attention.out(net.attention.value(hidden)))[:, 0]
    torch.testing.assert_close(net(g, x), wanted)
    assert (net.attention.weights(hidden[:, None], hidden[:, None]) == 1).all()
    assert not torch.allclose(net(g, x), net(x, g))  # generated first: the order counts


def test_canet_judges_aligned_patches() -> None:
    torch.manual_seed(0)
    net = HybridCANet(8).eval()
    g, x = torch.randn(3, 5, 8), torch.randn(3, 5, 8)
    order = [4, 2, 0, 1, 3]
    torch.testing.assert_close(net(g, x), net(g[:, order], x[:, order]))
    assert not torch.allclose(net(g, x), net(g[:, order], x))


@pytest.mark.parametrize("tokens", ["single", "patches"])
def test_canet_overfits_16_pairs_to_zero_loss(tokens: Any) -> None:
    torch.manual_seed(0)
    net = HybridCANet(8, tokens=tokens).eval()  # without dropout
    g, x = torch.randn(16, 2, 8), torch.randn(16, 2, 8)
    labels = (torch.arange(16) % 2).float()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(40):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(net(g, x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 1e-3


def test_canet_gate_scales_its_input() -> None:
    torch.manual_seed(0)
    net = HybridCANet(8, gate=True).eval()
    plain = HybridCANet(8).eval()
    plain.load_state_dict({k: v for k, v in net.state_dict().items() if "gate" not in k})
    g, x = torch.randn(3, 5, 8), torch.randn(3, 5, 8)
    pair = torch.cat([g, x], dim=-1) * net.gate(torch.cat([g, x], dim=-1))
    torch.testing.assert_close(net(g, x), plain(pair[..., :8], pair[..., 8:]))
