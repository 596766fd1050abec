"""Dropout: its mask, who repeats it and who draws it anew, and what it does in use."""

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numerics import assert_close, generator, randomise
from torch import Tensor

from torchbasics.errors import InputError
from torchbasics.layers import Dropout, Linear, ReLU
from torchbasics.losses import SigmoidCrossEntropy
from torchbasics.network import Network, redraw
from torchbasics.notation import dZ_from_autograd, examples_first, examples_last

# The same numbers, otherwise in memory: as they come, with the examples first, and the axes in between turned round.
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "examples last": lambda A: A.contiguous(),
    "examples first": lambda A: examples_last(examples_first(A).contiguous()),
    "reversed": lambda A: A.permute(*reversed(range(A.ndim))).contiguous().permute(*reversed(range(A.ndim))),
    "apart": lambda A: torch.zeros(*A.shape[:-1], 2 * A.shape[-1], dtype=A.dtype)[..., ::2].copy_(A),
}


def D_of(layer: Dropout, shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> Tensor:
    """What is kept of ones."""
    return layer(torch.ones(shape, dtype=dtype)) > 0


@settings(max_examples=30, deadline=None)
@given(
    shape=st.lists(st.integers(1, 6), min_size=2, max_size=4).map(tuple),
    keep_prob=st.sampled_from([0.05, 0.3, 0.5, 0.8, 1.0]),
    seed=st.integers(0, 2**40),
    redraws=st.integers(0, 3),
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_twin_drops_the_same(
    layout: Callable[[Tensor], Tensor],
    dtype: torch.dtype,
    shape: tuple[int, ...],
    keep_prob: float,
    seed: int,
    redraws: int,
) -> None:
    layer = Dropout(keep_prob, seed)
    layer.redraw()
    twin = layer.twin()
    for module in (layer, twin):
        for _ in range(redraws):
            module.redraw()
    g = generator(0)
    A_prev, dA = (torch.randn(shape, generator=g, dtype=torch.float64).to(dtype) for _ in range(2))
    first = examples_first(layout(A_prev)).requires_grad_()
    A = twin(first)
    A.backward(examples_first(dA) / shape[-1])
    assert torch.equal(layer(layout(A_prev)), examples_last(A.detach()))
    assert_close(layer.backward(layout(dA)), dZ_from_autograd(examples_last(first.grad)), "dA_prev", ulps=8)


def test_large_masks_agree_too() -> None:
    # Wherever the stock draws in another order from some size on.
    layer = Dropout(0.6, seed=5)
    A = torch.ones(300, 200)
    assert torch.equal(layer(A), examples_last(layer.twin()(examples_first(A))))
    assert torch.equal(layer(A), layer(LAYOUTS["examples first"](A)))


def test_is_the_courses_formula() -> None:
    keep_prob, shape = 0.7, (4, 3)
    layer, g = Dropout(keep_prob, seed=2).double(), generator(1)
    A_prev, dA = (torch.randn(shape, generator=g, dtype=torch.float64) for _ in range(2))
    D = D_of(layer, shape)
    assert D.any()
    assert not D.all()
    A, dA_prev = layer(A_prev), layer.backward(dA)
    for j in range(shape[0]):
        for i in range(shape[1]):
            assert A[j, i].item() == pytest.approx(A_prev[j, i].item() * D[j, i].item() / keep_prob, rel=1e-15)
            assert dA_prev[j, i].item() == pytest.approx(dA[j, i].item() * D[j, i].item() / keep_prob, rel=1e-15)


@pytest.mark.parametrize("keep_prob", [0.1, 0.5, 0.9])
def test_keeps_that_share_of_every_unit_and_of_every_example(keep_prob: float) -> None:
    n, m = 400, 300
    D = D_of(Dropout(keep_prob, seed=4), (n, m)).double()
    for count, shares in ((m, D.mean(dim=1)), (n, D.mean(dim=0)), (n * m, D.mean()[None])):
        # Of up to 400 shares none is 5 standard deviations off, but once in 4,000 seeds.
        assert (shares - keep_prob).abs().max() < 5 * (keep_prob * (1 - keep_prob) / count) ** 0.5
    # Neighbours are independent: 5 standard deviations of a correlation of n m pairs.
    centred = D - D.mean()
    for a, b in ((centred[1:], centred[:-1]), (centred[:, 1:], centred[:, :-1])):
        assert abs((a * b).mean() / D.var()) < 5 / (n * m) ** 0.5


def test_draws_anew_when_told_and_only_then() -> None:
    layer, shape = Dropout(0.5, seed=0), (20, 30)
    masks = []
    for _ in range(4):
        mask = D_of(layer, shape)
        D_of(layer, (3, 4))  # another shape in between
        assert torch.equal(D_of(layer, shape), mask)
        masks.append(mask)
        layer.redraw()
    for k, mask in enumerate(masks):
        assert not any(torch.equal(mask, other) for other in masks[:k])


def test_each_seed_has_masks_of_its_own() -> None:
    shape, masks = (20, 30), []
    for seed in range(5):
        layer = Dropout(0.5, seed)
        for _ in range(5):
            masks.append(D_of(layer, shape).double() - 0.5)
            layer.redraw()
    flat = torch.stack([mask.flatten() for mask in masks])
    correlation = 4 * flat @ flat.T / flat.shape[1]
    # Of 300 pairs none is correlated by more than 5 standard deviations.
    assert (correlation - torch.eye(25)).abs().max() < 5 / flat.shape[1] ** 0.5


def test_dtype_and_layout_do_not_matter() -> None:
    layer, shape = Dropout(0.4, seed=7), (5, 4, 6)
    D = D_of(layer, shape)
    for layout in LAYOUTS.values():
        for dtype in (torch.float32, torch.float64):
            assert torch.equal(layer(layout(torch.ones(shape, dtype=dtype))) > 0, D)


def test_goes_on_from_a_state_or_a_copy() -> None:
    layer, shape = Dropout(0.5, seed=3), (20, 30)
    for _ in range(3):
        layer.redraw()
    again, twin = Dropout(0.5, seed=3), layer.twin()
    again.load_state_dict(layer.state_dict())
    twin_again = Dropout(0.5, seed=3).twin()
    twin_again.load_state_dict(twin.state_dict())
    copied = copy.deepcopy(layer)
    for module in (layer, again, copied, twin, twin_again):
        module.redraw()
    mask, ones = D_of(layer, shape), torch.ones(30, 20)
    assert torch.equal(D_of(again, shape), mask)
    assert torch.equal(D_of(copied, shape), mask)
    assert torch.equal(examples_last(twin(ones)) > 0, mask)
    assert torch.equal(examples_last(twin_again(ones)) > 0, mask)
    # Independent from there on.
    copied.redraw()
    twin.redraw()
    assert torch.equal(D_of(layer, shape), mask)


def test_to_another_dtype_keeps_the_count() -> None:
    layer = Dropout(0.5, seed=3)
    layer.redraw()
    mask = D_of(layer, (20, 30))
    assert torch.equal(D_of(layer.double(), (20, 30)), mask)
    assert torch.equal(D_of(layer.half(), (20, 30), torch.float16), mask)


def test_torchs_own_generator_is_left_alone() -> None:
    layer = Dropout(0.5, seed=3)
    twin, state = layer.twin(), torch.get_rng_state()
    layer.redraw()
    layer(torch.ones(4, 5))
    twin(torch.ones(5, 4))
    assert torch.equal(torch.get_rng_state(), state)
    # Nor does it matter to the masks.
    mask = layer(torch.ones(4, 5))
    torch.manual_seed(1)
    assert torch.equal(layer(torch.ones(4, 5)), mask)


def test_in_use_nothing_is_dropped() -> None:
    layer, g = Dropout(0.5, seed=3), generator(2)
    A_prev, dA = torch.randn(4, 5, generator=g), torch.randn(4, 5, generator=g)
    twin = layer.twin().eval()
    layer.eval()
    assert torch.equal(layer(A_prev), A_prev)
    assert torch.equal(twin(A_prev), A_prev)
    layer.train()  # backward is of the forward that was
    assert torch.equal(layer.backward(dA), dA)
    A = layer(A_prev)
    layer.eval()
    assert torch.equal(layer.backward(A_prev), A)


def test_network_and_twin_drop_the_same_step_after_step() -> None:
    g = generator(3)
    layers = [Linear(5, 7), ReLU(), Dropout(0.6, seed=1), Linear(7, 7), ReLU(), Dropout(0.6, seed=2), Linear(7, 1)]
    network = Network(layers, SigmoidCrossEntropy()).double()
    assert network.names == ["Z1", "A1", "A1'", "Z2", "A2", "A2'", "Z3"]
    randomise(network, g)
    twin, loss = network.twin(), network.loss.twin()
    X, Y = torch.randn(5, 11, generator=g, dtype=torch.float64), torch.ones(1, 11, dtype=torch.float64)
    for _ in range(3):
        network.redraw()
        redraw(twin)
        twin.zero_grad()
        J = loss(twin(examples_first(X)), examples_first(Y))
        J.backward()
        assert network.cost(X, Y).item() == pytest.approx(J.item(), rel=1e-14)
        network.backward()
        for name, ours, theirs in network.pairs(twin):
            assert_close(ours.grad, theirs.grad.reshape(ours.shape), f"d{name}", ulps=256)
    ones = torch.ones(7, 11)
    assert not torch.equal(network.layers[2](ones), network.layers[5](ones)), "two layers share a mask"


@pytest.mark.parametrize("keep_prob", [0.0, -0.1, 1.1, float("nan")])
def test_says_what_keep_prob_it_needs(keep_prob: float) -> None:
    with pytest.raises(InputError, match=r"expected 0 < keep_prob <= 1 .* the share of units to keep"):
        Dropout(keep_prob, seed=0)


def test_says_what_seed_it_needs() -> None:
    with pytest.raises(InputError, match=r"Dropout got seed -1, expected 0 or more"):
        Dropout(0.5, seed=-1)
