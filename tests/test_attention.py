"""Attention against loops over every number, against torch.nn with every kind of mask, and what it promises."""

import math
from dataclasses import dataclass

import loops_attention as loops
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numerics import assert_close, autograd_quantities, distinct_sizes, dtypes, generator, randomise, seeds
from torch import Tensor

import torchbasics.layers.attention as attention
from torchbasics.check.networks.layer import check_layer
from torchbasics.check.networks.network import check_network
from torchbasics.errors import InputError
from torchbasics.layers import (
    GELU,
    Layer,
    LayerNorm,
    LinearOverTime,
    MultiHeadAttention,
    PositionalEncoding,
    Residual,
    ScaledDotProductAttention,
)
from torchbasics.losses import SquaredError
from torchbasics.network import Network
from torchbasics.notation import dZ_from_autograd, examples_first, examples_last


@dataclass(frozen=True)
class Plan:
    """A layer of either kind, pairwise-distinct sizes, and what hides keys."""

    multi: bool
    sizes: list[int]
    """Heads, features of each, T, m."""
    causal: bool
    mask: str
    lengths: bool
    seed: int
    dtype: torch.dtype = torch.float64

    def make(self) -> tuple[Layer, Tensor, Tensor]:
        """The layer with random parameters, A_prev and a random cotangent."""
        heads, d, T, m = self.sizes
        g = generator(self.seed)
        n = heads * d
        layer = (
            MultiHeadAttention(n, heads, self.causal) if self.multi else ScaledDotProductAttention(heads, self.causal)
        )
        layer = layer.to(self.dtype)
        randomise(layer, g)
        if self.mask != "none":
            layer.mask = torch.rand(T, T, generator=g) < 0.6
        if self.mask == "blind":
            layer.mask[torch.randint(0, T, (), generator=g)] = False
        if self.lengths:
            layer.lengths = torch.randint(0, T + 1, (m,), generator=g)
        A_prev = torch.randn(n if self.multi else 3 * n, T, m, generator=g, dtype=torch.float64).to(self.dtype)
        return layer, A_prev, torch.randn(n, T, m, generator=g, dtype=torch.float64).to(self.dtype)


plans = st.builds(
    Plan,
    multi=st.booleans(),
    sizes=distinct_sizes(4, largest=5),
    causal=st.booleans(),
    mask=st.sampled_from(["none", "some", "blind"]),
    lengths=st.booleans(),
    seed=seeds,
)


def visible(layer: Layer, T: int, m: int) -> np.ndarray:
    """visible[t, s, i]: may query t of example i look at key s?"""
    found = np.ones((T, T, m), dtype=bool)
    for t in range(T):
        for s in range(T):
            for i in range(m):
                hidden = layer.causal and s > t
                hidden = hidden or (layer.mask is not None and not layer.mask[t, s])
                found[t, s, i] = not (hidden or (layer.lengths is not None and s >= layer.lengths[i]))
    return found


def step(layer: Layer, A_prev: Tensor, dA: Tensor) -> dict[str, Tensor]:
    """A, dA_prev, and the parameters' gradients by their own names."""
    found = {"A": layer(A_prev), "dA_prev": layer.backward(dA)}
    return found | {name: parameter.grad for name, parameter in layer.named_parameters()}


def twin_step(layer: Layer, A_prev: Tensor, dA: Tensor) -> dict[str, Tensor]:
    """The same by the twin and autograd, in our shapes and scale."""
    twin, m = layer.twin(), A_prev.shape[-1]
    first = examples_first(A_prev).clone().requires_grad_()
    A = twin(first)
    ((A * examples_first(dA)).sum() / m).backward()
    found = {"A": examples_last(A.detach()), "dA_prev": dZ_from_autograd(examples_last(first.grad))}
    return found | {name: theirs.grad.reshape(ours.shape) for name, ours, theirs in layer.pairs(twin)}


@settings(max_examples=25, deadline=None)
@given(plan=plans)
def test_loops_agree(plan: Plan) -> None:
    layer, A_prev, dA = plan.make()
    ours = step(layer, A_prev, dA)
    heads, _, T, m = plan.sizes
    looks = visible(layer, T, m)
    if plan.multi:
        parameters = {name: parameter.numpy() for name, parameter in layer.named_parameters()}
        right = loops.multi_head(parameters, A_prev.numpy(), heads, looks, dA.numpy())
    else:
        A, P = loops.attention(A_prev.numpy(), heads, looks)
        right = {"A": A, "dA_prev": loops.attention_backward(A_prev.numpy(), dA.numpy(), P)}
    assert ours.keys() == right.keys()
    for name, value in right.items():
        assert_close(ours[name], torch.from_numpy(value), name, ulps=256)


@settings(max_examples=120, deadline=None)
@given(plan=plans, dtype=dtypes, block=st.integers(1, 60), causal_rows=st.integers(1, 4))
def test_twin_agrees_whatever_is_hidden_and_however_it_is_cut_into_blocks(
    plan: Plan, dtype: torch.dtype, block: int, causal_rows: int
) -> None:
    plan = Plan(plan.multi, plan.sizes, plan.causal, plan.mask, plan.lengths, plan.seed, dtype)
    layer, A_prev, dA = plan.make()
    right = twin_step(layer, A_prev, dA)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "BLOCK", block)
        patch.setattr(attention, "CAUSAL_ROWS", causal_rows)
        ours = step(layer, A_prev, dA)
    assert ours.keys() == right.keys()
    for name, value in right.items():
        assert torch.isfinite(value).all(), f"torch.nn has a {name} that is not finite"
        assert_close(ours[name], value, name, ulps=256)


@pytest.mark.parametrize("multi", [False, True], ids=["attention", "multi-head"])
@pytest.mark.parametrize("why", ["mask", "length 0"])
def test_a_query_that_may_look_at_nothing_gives_0_and_gets_0(multi: bool, why: str) -> None:
    layer, A_prev, dA = Plan(multi, [2, 3, 5, 4], False, "none", False, seed=3).make()
    blind = torch.zeros(5, 4, dtype=torch.bool)  # by step and example
    if why == "mask":
        layer.mask = torch.ones(5, 5, dtype=torch.bool)
        layer.mask[2] = False
        blind[2] = True
    else:
        layer.lengths = torch.tensor([5, 0, 3, 1])
        blind[:, 1] = True
    ours, right = step(layer, A_prev, dA), twin_step(layer, A_prev, dA)
    expected = layer.bo if multi else torch.zeros(6, 1, dtype=torch.float64)
    assert torch.equal(ours["A"][:, blind], expected.expand(6, int(blind.sum())))
    assert torch.equal(right["A"][:, blind], ours["A"][:, blind])
    # What comes back to it, and for its example's every step if they are all blind, is exactly 0 as well.
    moved = dA.clone()
    moved[:, blind] += 1
    other = step(layer, A_prev, moved)
    for name in ours.keys() - {"Wo", "bo"}:
        assert torch.equal(ours[name], other[name]), name
    if why == "length 0":
        assert not ours["dA_prev"][..., 1].any()
    elif not multi:
        assert not ours["dA_prev"][:6, 2].any()  # dQ; its K and V serve the other queries
    # As it is used for predictions, too.
    with torch.no_grad():
        A = layer.twin().eval()(examples_first(A_prev))
    assert_close(ours["A"], examples_last(A), "A")


@pytest.mark.parametrize("multi", [False, True], ids=["attention", "multi-head"])
def test_nothing_comes_from_what_is_hidden(multi: bool) -> None:
    layer, A_prev, dA = Plan(multi, [2, 3, 7, 4], True, "none", True, seed=5).make()
    layer.lengths = torch.tensor([7, 4, 1, 6])
    before = step(layer, A_prev, dA)
    # Later steps change nothing that is earlier, nor do steps beyond the end; and dA reaches earlier steps only.
    later = A_prev.clone()
    later[:, 5:] = 1e3
    torch.testing.assert_close(layer(later)[:, :5], before["A"][:, :5], rtol=1e-12, atol=1e-12)
    beyond = A_prev.clone()
    beyond[:, 4:, 1] = 1e3
    torch.testing.assert_close(layer(beyond)[:, :4], before["A"][:, :4], rtol=1e-12, atol=1e-12)
    first = dA.clone()
    first[:, 3:] = 0
    dA_prev = step(layer, A_prev, first)["dA_prev"]
    assert not dA_prev[:, 3:].any()
    assert dA_prev[:, :3].any()


def test_without_a_mask_the_steps_are_a_set() -> None:
    layer, A_prev, dA = Plan(True, [2, 3, 7, 4], False, "none", False, seed=7).make()
    order = torch.randperm(7, generator=generator(0))
    ours, other = step(layer, A_prev, dA), step(layer, A_prev[:, order], dA[:, order])
    for name, value in ours.items():
        expected = value[:, order] if name in ("A", "dA_prev") else value
        assert_close(other[name], expected, name, ulps=256)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_scores_of_any_size_are_finite(dtype: torch.dtype) -> None:
    # exp(1e4) is infinite; the softmax picks each query's best key, and its derivative is 0.
    T = 4
    one_hot = torch.eye(T, dtype=dtype)[..., None]
    order = [2, 0, 3, 1]
    V = torch.randn(T, T, 1, generator=generator(1), dtype=dtype)
    layer = ScaledDotProductAttention()
    A = layer(torch.cat([1e4 * one_hot[:, order], one_hot, V]))
    assert torch.equal(A, V[:, order])
    dA = torch.randn(T, T, 1, generator=generator(2), dtype=dtype)
    dQ, dK, dV = layer.backward(dA).split(T)
    assert not dQ.any()
    assert not dK.any()
    assert torch.equal(dV[:, order], dA)


def test_keeps_no_scores_and_lies_as_sequences_do() -> None:
    n, T, m, heads = 8, 64, 3, 4
    layer = MultiHeadAttention(n, heads)
    A_prev = torch.randn(m, T, n).permute(2, 1, 0)
    A = layer(A_prev)
    layer.backward(torch.randn_like(A))
    kept = {
        value.untyped_storage().data_ptr(): value.numel() for value in vars(layer).values() if isinstance(value, Tensor)
    }
    # A_prev itself, Q, K, V and O; the scores would be heads T / n = 32 times as many as A_prev.
    assert sum(kept.values()) == 5 * n * T * m
    assert examples_first(A).mT.is_contiguous()


def test_the_layout_of_memory_does_not_matter() -> None:
    for multi in (False, True):
        layer, A_prev, dA = Plan(multi, [2, 3, 5, 4], True, "some", True, seed=11).make()
        right = step(layer, A_prev, dA)
        for axes in ((2, 1, 0), (2, 0, 1), (1, 2, 0)):
            back = [axes.index(axis) for axis in range(3)]
            given = [value.permute(axes).contiguous().permute(back) for value in (A_prev, dA)]
            for name, value in step(layer, *given).items():
                assert_close(value, right[name], name)


def test_inputs_stay_as_they_are() -> None:
    for multi in (False, True):
        layer, A_prev, dA = Plan(multi, [2, 3, 5, 4], True, "blind", True, seed=13).make()
        A_prev, dA = (value.permute(2, 1, 0).contiguous().permute(2, 1, 0) for value in (A_prev, dA))
        before = A_prev.clone(), dA.clone()
        A = layer(A_prev)
        kept = A.clone()
        layer.backward(dA)
        assert torch.equal(A_prev, before[0])
        assert torch.equal(dA, before[1])
        assert torch.equal(A, kept)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("lengths", [False, True])
def test_the_check_judges_it_right_with_masks(dtype: torch.dtype, lengths: bool) -> None:
    layer, A_prev, _ = Plan(True, [2, 3, 5, 4], lengths, "blind", lengths, seed=17, dtype=dtype).make()
    assert check_layer(layer, A_prev)


def blocks(n: int, T: int) -> Network:
    """A transformer's encoder, of two blocks that normalise first."""
    layers: list[Layer] = [LinearOverTime(n, n), PositionalEncoding(n)]
    for causal in (False, True):
        layers += [Residual([LayerNorm(n), MultiHeadAttention(n, 2, causal)])]
        layers += [Residual([LayerNorm(n), LinearOverTime(n, 5), GELU(), LinearOverTime(5, n)])]
    return Network([*layers, LayerNorm(n)], SquaredError()).double()


def test_a_transformer_agrees_with_autograd_of_its_twin() -> None:
    n, T, m, g = 6, 7, 4, generator(19)
    network = blocks(n, T)
    randomise(network, g)
    X, Y = (torch.randn(n, T, m, generator=g, dtype=torch.float64) for _ in range(2))
    ours, right = network.quantities(X, Y), autograd_quantities(network, X, Y)
    assert ours.keys() == right.keys()
    for name, value in right.items():
        # About a dozen sums of at most 28 terms come one after the other.
        assert_close(ours[name], value, name, ulps=4096)
    assert {"Wqkv2", "Wo2", "W3", "b4", "Wqkv5", "bo5"} <= {name for name, _ in network.notes_parameters()}
    assert check_network(network, X, Y)


class ForgetsTheFactor(MultiHeadAttention):
    def attend_back(self, dO: Tensor) -> Tensor:
        dZ = super().attend_back(dO)
        dZ[..., : 2 * len(self.Wo)] *= math.sqrt(len(self.Wo) / self.heads)
        return dZ


def test_the_check_finds_a_forgotten_factor() -> None:
    layer = ForgetsTheFactor(6, 2).double()
    randomise(layer, generator(23))
    report = check_layer(layer, torch.randn(6, 5, 4, generator=generator(29), dtype=torch.float64))
    assert {quantity.name for quantity in report.wrong} >= {"dWqkv", "dbqkv", "dA_prev"}
    assert "dWo" not in {quantity.name for quantity in report.wrong}


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (MultiHeadAttention(6, 2), (5, 4, 3), r"MultiHeadAttention\(6, 2\) got .* \(5, 4, 3\), expected \(6, T, m\)"),
        (MultiHeadAttention(6, 2), (6, 4), r"got A_prev of shape \(6, 4\), expected \(6, T, m\)"),
        (MultiHeadAttention(6, 2), (6, 0, 3), r"shape \(6, 0, 3\), expected T and m of 1 or more"),
        (MultiHeadAttention(6, 2), (6, 4, 0), r"shape \(6, 4, 0\), expected T and m of 1 or more"),
        (ScaledDotProductAttention(2), (9, 4, 3), r"shape \(9, 4, 3\), expected \(3n, T, m\).* a multiple of .* 6"),
        (ScaledDotProductAttention(2), (0, 4, 3), "a multiple of 3 heads = 6"),
        (ScaledDotProductAttention(2), (12, 4), r"shape \(12, 4\), expected \(3n, T, m\)"),
        (ScaledDotProductAttention(2), (12, 0, 3), r"shape \(12, 0, 3\), expected T and m of 1 or more"),
        (ScaledDotProductAttention(2), (12, 4, 0), r"shape \(12, 4, 0\), expected T and m of 1 or more"),
        (PositionalEncoding(6), (6, 4), r"PositionalEncoding\(6\) got .* \(6, 4\), expected \(6, T, m\)"),
        (PositionalEncoding(6), (5, 4, 3), r"got A_prev of shape \(5, 4, 3\), expected \(6, T, m\)"),
    ],
)
def test_says_what_shape_it_needs(layer: Layer, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        layer(torch.zeros(shape))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "sizes", "message"),
    [
        (MultiHeadAttention, (6, 4), "got n 6 and heads 4: each head has n / heads .*, so take heads that divide n"),
        (MultiHeadAttention, (6, 0), "got heads = 0, expected a whole number, 1 or more"),
        (MultiHeadAttention, (0, 1), "got n = 0, expected a whole number, 1 or more"),
        (MultiHeadAttention, (-4, 2), "got n = -4, expected a whole number, 1 or more"),
        (ScaledDotProductAttention, (-1,), "got heads = -1, expected a whole number, 1 or more"),
        (PositionalEncoding, (0,), "got n = 0, expected a whole number, 1 or more"),
    ],
)
def test_says_which_sizes_it_needs(kind: type[Layer], sizes: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=rf"^{kind.__name__} {message}$"):
        kind(*sizes)


@pytest.mark.parametrize("layer", [MultiHeadAttention(6, 2), ScaledDotProductAttention(2)])
def test_says_what_mask_and_lengths_it_needs(layer: Layer) -> None:
    A_prev = torch.zeros(6, 4, 3)
    for mask in (torch.ones(3, 4, dtype=torch.bool), torch.ones(4, 4)):
        layer.mask = mask
        with pytest.raises(InputError, match=r"mask of torch.* expected torch.bool and \(4, 4\)"):
            layer(A_prev)
    layer.mask = [[True] * 4] * 4
    with pytest.raises(InputError, match=r"mask of list for A_prev .* expected torch.bool and \(4, 4\)"):
        layer(A_prev)
    layer.mask = None
    layer.lengths = torch.tensor([4, 2])
    with pytest.raises(InputError, match=r"lengths of shape \(2,\) .* expected \(3,\)"):
        layer(A_prev)
    layer.lengths = [4, 2, 1]
    with pytest.raises(InputError, match=r"\) got lengths as a list, expected a tensor of shape \(3,\)$"):
        layer(A_prev)
    for length in (-1, 5, 1.5, math.nan, math.inf):
        layer.lengths = torch.tensor([4, length, 2])
        with pytest.raises(
            InputError, match=f"length {length} for example 1, expected a whole number from 0 to T = 4$"
        ):
            layer(A_prev)


@pytest.mark.parametrize(("n", "T"), [(1, 3), (2, 5), (5, 4), (8, 300)])
def test_positions_are_sines_and_cosines(n: int, T: int) -> None:
    E = PositionalEncoding(n)(torch.zeros(n, T, 1, dtype=torch.float64))[..., 0]
    for j in range(n):
        rate = 10000 ** -((j - j % 2) / n)
        wave = math.cos if j % 2 else math.sin
        right = torch.tensor([wave(t * rate) for t in range(T)], dtype=torch.float64)
        torch.testing.assert_close(E[j], right, rtol=0, atol=1e-15 * T)


def test_a_step_further_is_the_same_rotation_wherever_it_begins() -> None:
    E = PositionalEncoding(6)(torch.zeros(6, 50, 1, dtype=torch.float64))[..., 0]
    points = torch.complex(E[1::2], E[::2])  # cos + i sin
    turn = points[:, 1:] / points[:, :-1]
    torch.testing.assert_close(turn, turn[:, :1].expand_as(turn), rtol=0, atol=1e-13)


def test_positions_follow_the_sequences_and_their_dtype() -> None:
    layer = PositionalEncoding(4)
    for T, dtype in ((3, torch.float64), (5, torch.float64), (5, torch.float32), (3, torch.float32)):
        A = layer(torch.ones(4, T, 2, dtype=dtype))
        assert A.dtype == dtype
        right = PositionalEncoding(4)(torch.zeros(4, T, 2, dtype=torch.float64)) + 1
        torch.testing.assert_close(A, right.to(dtype), rtol=0, atol=1e-6 if dtype == torch.float32 else 0)
