"""L2 and L1 as terms of J: cost and dW against autograd through the twin and against central differences."""

import pytest
import torch
from hypothesis import given, settings
from numerics import assert_close, autograd_quantities, central_differences, distinct_sizes, dtypes, generator, seeds
from test_network import Plan, growth, plans, realise

from torchbasics.check.networks.finite import finite_reference
from torchbasics.check.networks.network import check_network
from torchbasics.errors import InputError
from torchbasics.initialisation import initialise
from torchbasics.layers import LayerNorm
from torchbasics.losses import SquaredError
from torchbasics.models import deep
from torchbasics.network import Network
from torchbasics.regularisation import L1, L2, Penalty

every_penalty = pytest.mark.parametrize(
    "penalties", [[L2(0.7)], [L1(0.3)], [L2(0.7), L1(0.3)]], ids=["l2", "l1", "both"]
)


def drawn(sizes: list[int], seed: int, dtype: torch.dtype) -> tuple[Network, torch.Tensor, torch.Tensor]:
    """A deep network with random weights and biases, X and Y."""
    m, *layers = sizes
    g = generator(seed)
    network = initialise(deep([*layers, 1]), "he", seed).to(dtype)
    for name, parameter in network.notes_parameters():
        if name.startswith("b"):
            parameter.data.copy_(torch.randn(parameter.shape, generator=g, dtype=dtype))
    X = torch.randn(layers[0], m, generator=g, dtype=dtype)
    return network, X, torch.randint(0, 2, (1, m), generator=g).to(dtype)


@every_penalty
@settings(max_examples=25, deadline=None)
@given(sizes=distinct_sizes(4), seed=seeds, dtype=dtypes)
def test_J_and_every_gradient_agree_with_autograd(
    penalties: list[Penalty], sizes: list[int], seed: int, dtype: torch.dtype
) -> None:
    network, X, Y = drawn(sizes, seed, dtype)
    plain = network.quantities(X, Y)
    network.penalties.extend(penalties)
    ours, reference = network.quantities(X, Y), autograd_quantities(network, X, Y)
    # As without a penalty, which adds two roundings of its own: relative to the largest entry or 1.
    rounding = 32 * torch.finfo(dtype).eps * growth(network, reference[network.names[-1]])
    for name in ("J", *(f"d{name}" for name, _ in network.notes_parameters())):
        assert (ours[name] - reference[name]).abs().max() <= rounding * (1 + reference[name].abs().max()), name
        changed = not torch.equal(ours[name], plain[name])
        assert changed == (name == "J" or name.startswith("dW")), name


@settings(max_examples=20, deadline=None)
@given(plan=plans(largest=6))
def test_central_differences_of_the_penalised_J_agree(plan: Plan) -> None:
    network, X, _ = realise(plan)
    weights = network.weights()
    m = X.shape[-1]
    for penalty in (L2(0.7), L1(0.3)):
        for W in weights:
            W.data += torch.where(W >= 0, 0.01, -0.01)  # away from the kink of abs
        for W, gradient in zip(weights, penalty.gradients(weights, m), strict=True):
            numeric = central_differences(lambda penalty=penalty: penalty.cost(weights, m), W.data)
            assert (gradient - numeric).abs().max() < 1e-8


def test_the_sums_are_divided_by_the_examples_at_hand() -> None:
    # The notes' formulas, worked by hand: W = [3, -4], lambda = 0.5, m = 5.
    W = [torch.tensor([[3.0, -4.0]], dtype=torch.float64)]
    assert L2(0.5).cost(W, 5).item() == pytest.approx(0.5 / 10 * 25, rel=1e-15)
    assert L1(0.5).cost(W, 5).item() == pytest.approx(0.5 / 5 * 7, rel=1e-15)
    assert L2(0.5).gradients(W, 5)[0].tolist() == [[pytest.approx(0.3), pytest.approx(-0.4)]]
    assert L1(0.5).gradients(W, 5)[0].tolist() == [[pytest.approx(0.1), pytest.approx(-0.1)]]


def test_l1_takes_0_at_exactly_0() -> None:
    W = torch.zeros(1, 2, requires_grad=True)
    L1(3.0).twin_cost([W], 2).backward()
    assert W.grad is not None
    assert W.grad.tolist() == L1(3.0).gradients([W.detach()], 2)[0].tolist() == [[0.0, 0.0]]


@every_penalty
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_check_judges_them_and_the_complex_step_agrees(penalties: list[Penalty], dtype: torch.dtype) -> None:
    network, X, Y = drawn([9, 6, 5, 4], 1, dtype)
    network.penalties.extend(penalties)
    report = check_network(network, X, Y)
    assert report, str(report)
    network.quantities(X, Y)
    right = finite_reference(network, X, Y)
    for name, parameter in network.notes_parameters():
        assert (parameter.grad - right[f"d{name}"]).abs().max() < (1e-9 if dtype == torch.float64 else 1e-6), name


class Halved(L2):
    """dW gains half of what J says."""

    def gradients(self, weights: list[torch.Tensor], m: int) -> list[torch.Tensor]:
        return [W * (self.strength / (2 * m)) for W in weights]


class Forgotten(L2):
    """J has no penalty, dW has."""

    def cost(self, weights: list[torch.Tensor], m: int) -> torch.Tensor:
        return weights[0].new_zeros(())


def test_a_wrong_penalty_is_found_where_it_is() -> None:
    network, X, Y = drawn([9, 6, 5, 4], 2, torch.float64)
    network.penalties.append(Halved(0.7))
    report = check_network(network, X, Y)
    assert [quantity.name for quantity in report.wrong] == ["dW3", "dW2", "dW1"]
    for quantity in report.wrong:
        assert "the regularisation's term is 0.5 times" in quantity.causes[0].text
        assert quantity.difference_quotient == pytest.approx(quantity.reference, rel=1e-6)
    network.penalties[0] = Forgotten(0.7)
    assert [quantity.name for quantity in check_network(network, X, Y).wrong] == ["J"]


@pytest.mark.parametrize("strength", [-0.1, float("inf"), float("nan")])
def test_lambda_is_checked(strength: float) -> None:
    with pytest.raises(InputError, match="expected 0 or a positive number"):
        L2(strength)


@pytest.mark.parametrize("penalty", [L2(0.7), L1(0.3)], ids=["l2", "l1"])
def test_without_weights_there_is_nothing_to_penalise(penalty: Penalty) -> None:
    X, Y = torch.randn(3, 5), torch.randn(3, 5)
    plain, penalised = (Network([LayerNorm(3)], SquaredError(), penalties) for penalties in ([], [penalty]))
    assert penalised.cost(X, Y) == plain.cost(X, Y)
    penalised.backward()
    twin = penalised.twin()
    assert_close(penalised.twin_cost(twin)(twin(X.T), Y.T).detach(), plain.cost(X, Y), "J")
