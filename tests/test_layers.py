"""Every layer against its twin, against autograd of the twin, and against central differences."""

import io
from collections.abc import Callable

import pytest
import torch
from cases import LAYERS, LayerCase
from hypothesis import given, settings
from hypothesis import strategies as st
from numerics import assert_close, central_differences, dtypes, generator, randomise, seeds
from torch import Tensor

from torchbasics.errors import InputError
from torchbasics.layers import Embedding, Layer, LeakyReLU, Linear, LinearOverTime, ReLU
from torchbasics.notation import dZ_from_autograd, examples_first, examples_last

every_layer = pytest.mark.parametrize("case", LAYERS.values(), ids=LAYERS.keys())


def sizes_of(data: st.DataObject, case: LayerCase, spread: int) -> list[int]:
    """The case's sizes and m last, pairwise distinct, each at most `spread` above its smallest."""
    kinds = [case.smallest] * case.count + [case.fewest]
    drawn: list[int] = []
    for smallest in kinds:
        largest = min(smallest + spread, case.largest)
        drawn.append(data.draw(st.sampled_from([n for n in range(smallest, largest + 1) if n not in drawn])))
    return drawn


def some_sizes(case: LayerCase) -> list[int]:
    """Sizes that serve where they do not matter."""
    start = max(3, case.smallest, case.fewest)
    return list(range(start, start + case.count + 1))


def draw(case: LayerCase, sizes: list[int], seed: int, dtype: torch.dtype) -> tuple[Layer, Tensor, Tensor]:
    """The layer with random parameters, A_prev with the examples last, and a random cotangent dA."""
    *own, m = sizes
    g = generator(seed)
    layer = case.make(*own).to(dtype)
    randomise(layer, g)
    A_prev = case.inputs((*case.shape(*own), m), g).to(dtype)
    dA = torch.randn(layer(A_prev).shape, generator=g, dtype=dtype)
    return layer, A_prev, dA


def slope(J: Callable[[], Tensor], place: Tensor, direction: Tensor) -> Tensor:
    """dJ/dt at t = 0 by central differences, for `place` + t `direction`."""
    start, t = place.clone(), torch.zeros((), dtype=torch.float64)

    def J_at_t() -> Tensor:
        place.copy_(start + t * direction)
        return J()

    found = central_differences(J_at_t, t)
    place.copy_(start)
    return found


@every_layer
@settings(max_examples=40, deadline=None)
@given(data=st.data(), seed=seeds, dtype=dtypes)
def test_twin_and_its_autograd_agree(case: LayerCase, data: st.DataObject, seed: int, dtype: torch.dtype) -> None:
    layer, A_prev, dA = draw(case, sizes_of(data, case, spread=8), seed, dtype)
    twin = layer.twin()
    assert type(twin) is case.twin
    A_prev_first = examples_first(A_prev).clone().requires_grad_()
    A_first = twin(A_prev_first)
    # As many roundings more as the longest sum has more terms than those that assert_close thinks of.
    ulps = 64 * max(1, case.terms / 10)
    assert_close(layer(A_prev), examples_last(A_first.detach()), "A", ulps)

    m = A_prev.shape[-1]
    J = (A_first * examples_first(dA)).sum() / m  # dJ/dA = dA / m: the 1/m rule
    J.backward()
    dA_prev = layer.backward(dA)
    if A_prev_first.grad is not None:  # tokens have none
        assert_close(dA_prev, dZ_from_autograd(examples_last(A_prev_first.grad)), "dA_prev", ulps)
    names = [name for name, _ in layer.named_parameters()]
    assert names == [name for name, _, _ in layer.pairs(twin)]
    for name, ours, theirs in layer.pairs(twin):
        assert_close(ours.grad, theirs.grad.reshape(ours.shape), "d" + name, ulps)


@every_layer
@settings(max_examples=15, deadline=None)
@given(data=st.data(), seed=seeds)
def test_central_differences_agree(case: LayerCase, data: st.DataObject, seed: int) -> None:
    layer, A_prev, dA = draw(case, sizes_of(data, case, spread=case.count + 2), seed, torch.float64)
    if case.kink:  # differences straddle a kink: keep away from it
        A_prev = torch.where(A_prev < 0, A_prev - 0.01, A_prev + 0.01)
    m = A_prev.shape[-1]

    def J() -> Tensor:
        return (layer(A_prev) * dA).sum() / m

    J()
    ours = {"A_prev": layer.backward(dA) / m}
    ours |= {name: parameter.grad for name, parameter in layer.named_parameters()}
    places = {"A_prev": A_prev, **{name: parameter.data for name, parameter in layer.named_parameters()}}
    if layer.takes_tokens:
        del places["A_prev"]
    for name, place in places.items():
        # In a random direction, to which no mistake in dJ/dW is at right angles: two sweeps, however many entries.
        direction = torch.randn(place.shape, generator=generator(seed + 1), dtype=torch.float64)
        direction /= direction.norm()
        # Truncation h^2/6 f''' and rounding eps/h f are both below 1e-9 for f, f''' of order 1 to 10.
        assert ((ours[name] * direction).sum() - slope(J, place, direction)).abs() < 1e-8, name


@every_layer
def test_gradients_is_backward_without_dA_prev(case: LayerCase) -> None:
    layer, A_prev, dA = draw(case, some_sizes(case), seed=0, dtype=torch.float64)
    layer.backward(dA)
    expected = [parameter.grad.clone() for parameter in layer.parameters()]
    layer(A_prev)
    for parameter in layer.parameters():
        parameter.grad = None
    assert layer.gradients(dA) is None
    for parameter, gradient in zip(layer.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=0, atol=0)


@every_layer
def test_gradients_share_no_memory(case: LayerCase) -> None:
    # Whoever clips them changes each in place.
    layer, _, dA = draw(case, some_sizes(case), seed=3, dtype=torch.float64)
    layer.backward(dA)
    for k, parameter in enumerate(layer.parameters()):
        parameter.grad.fill_(k)
    for k, parameter in enumerate(layer.parameters()):
        assert (parameter.grad == k).all()


@every_layer
def test_twin_is_independent(case: LayerCase) -> None:
    layer, A_prev, _ = draw(case, some_sizes(case), seed=1, dtype=torch.float64)
    before, state = layer(A_prev).clone(), torch.get_rng_state()
    twin = layer.twin()
    assert torch.equal(state, torch.get_rng_state()), "making a twin drew from the global generator"
    for parameter in twin.parameters():
        assert parameter.requires_grad
        parameter.data.add_(1)
    torch.testing.assert_close(layer(A_prev), before, rtol=0, atol=0)


@every_layer
def test_no_autograd_inside(case: LayerCase) -> None:
    layer, A_prev, dA = draw(case, some_sizes(case), seed=2, dtype=torch.float64)
    assert not any(parameter.requires_grad for parameter in layer.parameters())
    assert not layer(A_prev).requires_grad
    assert not layer.backward(dA).requires_grad


def test_derivative_at_exactly_0_is_torchs() -> None:
    # The notes write g'(0) = 1 for both; `torchbasics.layers.activation` says so.
    zero, one = torch.tensor([[0.0, -0.0]]), torch.tensor([[1.0, 1.0]])
    for layer, at_0 in ((ReLU(), 0.0), (LeakyReLU(0.3), 0.3)):
        layer(zero)
        torch.testing.assert_close(layer.backward(one), torch.full((1, 2), at_0), rtol=0, atol=0)


def test_linear_says_what_shape_it_needs() -> None:
    with pytest.raises(InputError, match=r"Linear\(3, 2\) got A_prev of shape \(5, 3\), expected \(3, m\)"):
        Linear(3, 2)(torch.zeros(5, 3))


@pytest.mark.parametrize("slope", [-0.1, 0.0, 1.0])
def test_leaky_relu_says_what_slope_it_needs(slope: float) -> None:
    with pytest.raises(InputError, match="expected 0 < slope < 1"):
        LeakyReLU(slope)


@every_layer
def test_a_layer_can_be_saved_after_a_step(case: LayerCase) -> None:
    layer, A_prev, dA = draw(case, some_sizes(case), seed=3, dtype=torch.float64)
    A, dA_prev = layer(A_prev), layer.backward(dA)
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    torch.testing.assert_close(loaded.backward(dA), dA_prev, rtol=0, atol=0)
    torch.testing.assert_close(loaded(A_prev), A, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Linear(0, 2), "Linear got n_prev = 0, expected a whole number, 1 or more"),
        (lambda: LinearOverTime(3, -1), "LinearOverTime got n = -1"),
        (lambda: Embedding(0, 3), "Embedding got vocabulary = 0"),
    ],
)
def test_sizes_are_1_or_more(make: Callable[[], Layer], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
