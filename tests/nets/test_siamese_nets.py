"""The two Siamese networks: sizes, symmetry, gradients, and that they can learn."""

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs vestige[deep]")

from vestige.nets.hybrid import HybridSiamese  # noqa: E402
from vestige.nets.siamese import AdaptiveSimilarity, Siamese  # noqa: E402
from vestige.nets.trunks import ConvTrunk, tiny_trunk, tiny_vit  # noqa: E402
from vestige.registry.entries import InputError  # noqa: E402


def siamese(**options: Any) -> Siamese:
    return Siamese(tiny_trunk(), **options).eval()


def hybrid(**options: Any) -> HybridSiamese:
    return HybridSiamese(tiny_trunk(), tiny_vit(32), **options).eval()


NETS: dict[str, Callable[..., Any]] = {
    "plain": lambda **o: siamese(attention=False, **o),
    "attention": siamese,
    "single": lambda **o: siamese(tokens="single", **o),
    "hybrid": hybrid,
    "hybrid single": lambda **o: hybrid(tokens="single", **o),
}
every_net = pytest.mark.parametrize("name", NETS)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def images(n: int = 4, seed: int = 0) -> "torch.Tensor":
    return torch.randn((n, 3, 32, 32), generator=torch.Generator().manual_seed(seed))


def encoded(net: Any, x: "torch.Tensor") -> "torch.Tensor":
    return net.encode(net.extract(x))


def count(net: Any) -> int:
    return sum(p.numel() for p in net.parameters())


@every_net
@pytest.mark.parametrize("product", ["dot", "elementwise"])
def test_the_score_does_not_depend_on_the_order_of_the_pair(name: str, product: str) -> None:
    net = NETS[name](product=product)
    a, b = encoded(net, images()), encoded(net, images(seed=1))
    torch.testing.assert_close(net.compare(a, b), net.compare(b, a))
    assert net.compare(a, b).shape == (4,)
    assert net.compare(a, b).std() > 0


def head(dim: int) -> int:
    return (dim + 1) * 256 + 256 + 256 + 1


def attended(d: int) -> int:
    return 4 * (d * d + d) + 4 * d + (2 * d * d + 2 * d) + (2 * d * d + d)


def test_parameters_are_one_trunk_and_the_head() -> None:
    trunk = count(tiny_trunk())
    assert count(siamese(attention=False)) == trunk + head(64)
    assert count(siamese()) == trunk + 65 * 512 + attended(512) + head(512)
    assert count(siamese(tokens="single")) == count(siamese())
    assert count(AdaptiveSimilarity(64, "elementwise")) == 128 * 256 + 256 + 257


def test_parameters_of_the_hybrid() -> None:
    shared = count(tiny_trunk()) + count(tiny_vit(32)) + attended(256) + head(256)
    fused = 4 * (256 * 256 + 256) + 2 * 256 + 33 * 256
    scales = (17 + 33 + 65) * 256 + 3 * 256
    assert count(hybrid()) == shared + fused + scales
    assert count(hybrid(tokens="single")) == shared + fused + 65 * 256 + 256


@every_net
def test_gradients_reach_every_part_that_should_learn(name: str) -> None:
    net = NETS[name]().train()
    loss = net.loss(
        encoded(net, images()), encoded(net, images(seed=1)), torch.tensor([1, 0, 1, 0])
    )
    loss.backward()
    still = {k for k, p in net.named_parameters() if p.grad is None or (p.grad == 0).all()}
    query_and_key = {k for k, _ in net.named_parameters() if ".query." in k or ".key." in k}
    if "single" in name:
        assert query_and_key <= still
    still -= query_and_key
    # a key's bias shifts all weights alike; last norm and block of the trunk ViT see CLS or patches
    assert not {k for k in still if not k.startswith("trunk.")}, still
    assert any(p.grad is not None and (p.grad != 0).any() for p in net.trunk.parameters())


@pytest.mark.parametrize("name", ["attention", "hybrid"])
def test_with_patches_query_and_key_learn(name: str) -> None:
    net = NETS[name]()
    net.loss(encoded(net, images()), encoded(net, images(seed=1)), torch.ones(4)).backward()
    for part in (net.attention.attention.query, net.attention.attention.key):
        assert (part.weight.grad != 0).any()


@pytest.mark.parametrize("name", ["plain", "single", "hybrid single"])
def test_overfits_16_pairs_to_zero_loss(name: str) -> None:
    net = NETS[name]().train()
    with torch.no_grad():
        a, b = net.extract(images(16)), net.extract(images(16, seed=1))
    for i, standard in enumerate(net.standards):
        standard.learn(torch.cat([a[i + 1], b[i + 1]]))
    labels = torch.arange(16) % 2
    optimizer = torch.optim.Adam(net.head(), 3e-3 if name == "plain" else 1e-3)
    for _ in range(120):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            net.compare(net.encode(a), net.encode(b)), labels.float()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    logits = net.compare(net.encode(a), net.encode(b))
    last = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels.float())
    assert float(last.detach()) < 1e-3


def test_the_angular_term_pulls_used_pairs_together() -> None:
    torch.manual_seed(1)
    net = hybrid()
    plain = HybridSiamese(tiny_trunk(), tiny_vit(32), angular_weight=0).eval()
    plain.load_state_dict(net.state_dict())
    a, b = encoded(net, images()), encoded(net, images(seed=1))
    labels = torch.ones(4)
    cosines = torch.nn.functional.cosine_similarity(*net.vectors(a, b))
    extra = net.loss(a, b, labels) - plain.loss(a, b, labels)
    assert float(extra.detach()) == pytest.approx(
        0.5 * float((1 - cosines).mean().detach()), abs=1e-5
    )


def test_scales_are_tapped_at_three_depths() -> None:
    net = HybridSiamese(ConvTrunk(tiny_trunk((4, 8, 16, 32)).stages, (4, 8, 16, 32)), tiny_vit(32))
    features = net.extract(images(2))
    # 32 px: 8, 4 and 2 px after the last three stages; 8 > 7 is averaged
    assert [tuple(f.shape) for f in features] == [
        (2, 32), (2, 49, 8), (2, 16, 16), (2, 4, 32), (2, 16, 32)
    ]  # fmt: skip


def test_training_leaves_batch_statistics_alone() -> None:
    trunk = ConvTrunk(
        [torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2), torch.nn.BatchNorm2d(8))], (8,)
    )
    net = Siamese(trunk, attention=False).train()
    net.extract(images())
    assert (trunk.stages[0][1].running_mean == 0).all()
    assert net.similarity.training


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens": "all"}, "unknown tokens 'all'. Known: patches, single"),
        ({"product": "outer"}, "unknown product 'outer'. Known: dot, elementwise"),
    ],
)
def test_unknown_words_are_refused(options: dict[str, Any], message: str) -> None:
    for make in (siamese, hybrid):
        with pytest.raises(InputError, match=message):
            make(**options)


@pytest.mark.parametrize("options", [{"margin": 1.5}, {"angular_weight": -1.0}])
def test_a_margin_beyond_a_cosine_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="margin"):
        hybrid(**options)
