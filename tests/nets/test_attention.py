"""Attention: what one token and many do, symmetry, and the position code."""

import pytest

torch = pytest.importorskip("torch", reason="needs vestige[deep]")

from vestige.nets.attention import Attention, CrossAttention, position_code  # noqa: E402
from vestige.registry.entries import InputError  # noqa: E402


def tokens(n: int, t: int, dim: int = 16, seed: int = 0) -> "torch.Tensor":
    return torch.randn((n, t, dim), generator=torch.Generator().manual_seed(seed))


def test_equals_torchs_own_attention() -> None:
    own, other = Attention(16, 4), torch.nn.MultiheadAttention(16, 4, batch_first=True)
    with torch.no_grad():
        parts = (own.query, own.key, own.value)
        other.in_proj_weight.copy_(torch.cat([p.weight for p in parts]))
        other.in_proj_bias.copy_(torch.cat([p.bias for p in parts]))
        other.out_proj.weight.copy_(own.out.weight)
        other.out_proj.bias.copy_(own.out.bias)
    query, memory = tokens(3, 5), tokens(3, 7, seed=1)
    torch.testing.assert_close(own(query, memory), other(query, memory, memory)[0])


def test_over_one_token_all_weights_are_1_and_query_and_key_learn_nothing() -> None:
    attention = Attention(16, 4)
    query, memory = tokens(3, 1), tokens(3, 1, seed=1)
    assert (attention.weights(query, memory) == 1).all()
    attention(query, memory).square().sum().backward()
    assert (attention.query.weight.grad == 0).all()
    assert (attention.key.weight.grad == 0).all()
    assert (attention.value.weight.grad != 0).any()
    torch.testing.assert_close(attention(query, memory), attention.out(attention.value(memory)))


def test_over_many_tokens_query_and_key_learn() -> None:
    attention = Attention(16, 4)
    attention(tokens(3, 4), tokens(3, 4, seed=1)).square().sum().backward()
    assert (attention.query.weight.grad != 0).any()
    assert (attention.key.weight.grad != 0).any()


def test_the_order_of_the_memory_does_not_matter() -> None:
    attention = Attention(16, 4)
    query, memory = tokens(2, 3), tokens(2, 6, seed=1)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(attention(query, memory), attention(query, memory[:, order]))
    assert not torch.allclose(attention(query, memory), attention(query, memory * 2))


def test_cross_attention_treats_both_images_alike() -> None:
    net = CrossAttention(16, 4).eval()
    a, b = tokens(2, 3), tokens(2, 5, seed=1)
    first, second = net(a, b), net(b, a)
    torch.testing.assert_close(first[0], second[1])
    torch.testing.assert_close(first[1], second[0])
    assert first[0].shape == a.shape
    d = 512
    count = sum(p.numel() for p in CrossAttention(d).parameters())
    assert count == 4 * (d * d + d) + 2 * 2 * d + (d * 2 * d + 2 * d) + (2 * d * d + d)


def test_every_place_has_its_own_code() -> None:
    code = position_code(7, 7, 32)
    assert code.shape == (49, 32)
    distances = torch.cdist(code, code) + torch.eye(49) * 9
    assert distances.min() > 0.1
    # the first half of the channels is the row, the second half the column
    torch.testing.assert_close(code[0, :16], code[6, :16])
    torch.testing.assert_close(code[0, 16:], code[42, 16:])


def test_widths_that_do_not_divide_are_refused() -> None:
    with pytest.raises(InputError, match="8 attention heads do not divide the width 12"):
        Attention(12)
    with pytest.raises(InputError, match="width that 4 divides, not 6"):
        position_code(2, 2, 6)
