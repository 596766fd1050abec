"""`check_network`, `check_layer` and `check_loss`: no false alarm, and every planted mistake found."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from numerics import generator, randomise, seeds
from test_network import Plan, plans, plans_at_kinks, realise
from torch import Tensor, nn

from torchbasics.check.networks.finite import finite_reference
from torchbasics.check.networks.layer import check_layer, check_loss
from torchbasics.check.networks.network import check_network
from torchbasics.check.report import Quantity, Report
from torchbasics.errors import InputError
from torchbasics.layers import Layer, LeakyReLU, Linear, ReLU, Sigmoid, Tanh
from torchbasics.layers.base import parameter
from torchbasics.losses import BinaryCrossEntropy, SigmoidCrossEntropy, SquaredError
from torchbasics.network import Network

both_dtypes = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
SIZES, M = [6, 5, 4, 3], 7
FORWARD = ["Z1", "A1", "Z2", "A2", "Z3", "J"]
BACKWARD = ["dZ3", "dW3", "db3", "dA2", "dZ2", "dW2", "db2", "dA1", "dZ1", "dW1", "db1"]


def problem(dtype: torch.dtype = torch.float64, seed: int = 5) -> tuple[Network, Tensor, Tensor]:
    """6-5-4-3, tanh and leaky ReLU, so that no derivative is 0 by chance."""
    g = generator(seed)
    layers = [Linear(6, 5), Tanh(), Linear(5, 4), LeakyReLU(0.2), Linear(4, 3)]
    network = Network(layers, SigmoidCrossEntropy()).to(dtype)
    randomise(network, g)
    X = torch.randn(6, M, generator=g, dtype=dtype)
    return network, X, torch.randint(0, 2, (3, M), generator=g).to(dtype)


def wrong(report: Report) -> list[str]:
    return [quantity.name for quantity in report.wrong]


def named(report: Report, name: str) -> Quantity:
    (found,) = [quantity for quantity in report.quantities if quantity.name == name]
    return found


def plant(network: Network, name: str, change: Callable[[Tensor], Tensor]) -> None:
    """Let the network's own backward give change(value) for the one quantity; what comes after works with that."""
    if name == f"d{network.names[-1]}":
        whole = network.loss.backward
        network.loss.backward = lambda: change(whole())
        return
    if name[1:] in network.names:
        layer = network.sequence[network.names.index(name[1:]) + 1]
        backward = layer.backward
        layer.backward = lambda dA: change(backward(dA))
        return
    layer = network.sequence[network.names.index("Z" + name[2:])]
    gradients, at = layer.gradients, layer.get_parameter(name[1])

    def wrongly(dZ: Tensor) -> None:
        gradients(dZ)
        at.grad = change(at.grad)

    layer.gradients = wrongly


@pytest.fixture
def first_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not whether the final gradients are right, which takes most of a check that finds a mistake.

    For tests that only ask what is wrong and why; those of `reason` and of mistakes that cancel are about the rest.
    """
    monkeypatch.setattr("torchbasics.check.networks.explain.right_overall", lambda done: {})


# No false alarm


@settings(max_examples=150, deadline=None)
@given(plan=plans_at_kinks())
def test_right_networks_are_right(plan: Plan) -> None:
    network, X, Y = realise(plan)
    report = check_network(network, X, Y)
    assert report, [(quantity.name, quantity.rounding_units, quantity.note) for quantity in report.wrong]
    assert all(quantity.rounding_units <= 6 * 2**0.5 for quantity in report.quantities)


@both_dtypes
@pytest.mark.parametrize("size", [1e-25, 1e-12, 1e12])
def test_the_size_of_the_numbers_does_not_matter(dtype: torch.dtype, size: float) -> None:
    # float32 holds no square of 1e-25 or 1e25: S has to come out all the same.
    g = generator(3)
    network = Network([Linear(6, 5), LeakyReLU(), Linear(5, 2)], SquaredError()).to(dtype)
    randomise(network, g)
    network.get_parameter("layers.0.b").zero_()
    network.get_parameter("layers.2.b").zero_()
    X = (torch.randn(6, M, generator=g, dtype=torch.float64) * size).to(dtype)
    Y = (torch.randn(2, M, generator=g, dtype=torch.float64) * size).to(dtype)
    assert check_network(network, X, Y)
    plant(network, "dA1", lambda dA: dA * (1 + 1e-4))
    assert wrong(check_network(network, X, Y)) == ["dA1"]


@both_dtypes
def test_saturated_networks_are_right(dtype: torch.dtype) -> None:
    for ending in ([Linear(5, 2)], SigmoidCrossEntropy()), ([Linear(5, 2), Sigmoid()], BinaryCrossEntropy()):
        network = Network([Linear(6, 5), Tanh(), *ending[0]], ending[1]).to(dtype)
        randomise(network, generator(4))
        for weight in network.parameters():
            weight.mul_(100)
        X = torch.randn(6, M, generator=generator(5), dtype=dtype)
        assert check_network(network, X, torch.tensor([[0, 1, 1, 0, 1, 0, 1]] * 2).to(dtype))


def test_the_whole_sweep_is_judged_in_its_order() -> None:
    report = check_network(*problem())
    assert [quantity.name for quantity in report.quantities] == FORWARD + BACKWARD
    assert [quantity.reference_kind for quantity in report.quantities] == ["torch.nn twin"] * 6 + ["autograd"] * 11
    assert report.convention.startswith("the notes'")


def test_nothing_is_left_behind() -> None:
    network, X, Y = problem()
    kept = torch.full((5, 6), 3.0, dtype=torch.float64)
    network.get_parameter("layers.0.W").grad = kept
    before = [at.clone() for at in network.parameters()]
    plant(network, "dW2", torch.neg)
    assert not check_network(network, X, Y)
    assert network.get_parameter("layers.0.W").grad is kept
    assert network.get_parameter("layers.0.b").grad is None
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


# Every mistake, where it is and only there


def one_entry(T: Tensor) -> Tensor:
    """Off by 1e-5 in float32, and in float64 by 2e-14 of the largest."""
    T = T.clone()
    T[0, -1] += 1e-5 if T.dtype == torch.float32 else 2e-14 * T.abs().max()
    return T


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "sign": torch.neg,
    "times m": lambda T: T * M,
    "0.09 %": lambda T: T * 1.0009,
    "one entry": one_entry,
    "one entry zeroed": lambda T: T.index_fill(0, torch.tensor([1]), 0.0),
    "first column only": lambda T: T * 1 + torch.nn.functional.pad(T[:, :1], (0, T.shape[1] - 1)),
    "NaN": lambda T: T.clone().index_fill_(1, torch.tensor([0]), torch.nan),
}


@pytest.mark.usefixtures("first_alone")
@both_dtypes
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("name", BACKWARD)
def test_a_wrong_gradient_is_found_and_stains_nothing(
    name: str, change: Callable[[Tensor], Tensor], dtype: torch.dtype
) -> None:
    network, X, Y = problem(dtype)
    plant(network, name, change)
    report = check_network(network, X, Y)
    if change is CHANGES["NaN"] and name[1] in "ZA":
        assert wrong(report)[0] == name  # what is NaN below is NaN on both sides
    else:
        assert wrong(report) == [name]
    quantity = named(report, name)
    reference, quotient = quantity.reference, quantity.difference_quotient
    assert reference is not None
    assert quotient == pytest.approx(reference, rel=1e-6, abs=1e-7)  # float32's own digits
    assert quantity.differs is not None
    assert quantity.worst_index is not None
    assert quantity.differs[quantity.worst_index]


@both_dtypes
def test_small_entries_set_to_zero_are_found(dtype: torch.dtype) -> None:
    network, X, Y = problem(dtype)
    X[2] *= 1e-6
    assert check_network(network, X, Y)
    plant(network, "dW1", lambda dW: torch.where(dW.abs() < 1e-5, 0.0, dW))
    report = check_network(network, X, Y)
    assert wrong(report) == ["dW1"]
    differs = named(report, "dW1").differs
    assert differs is not None
    assert (np.flatnonzero(differs.any(0)) == [2]).all()


def test_a_transpose_is_found_where_shapes_allow_it() -> None:
    g = generator(8)
    network = Network([Linear(4, 4), Tanh(), Linear(4, 3)], SquaredError()).double()
    randomise(network, g)
    X, Y = torch.randn(4, M, generator=g).double(), torch.randn(3, M, generator=g).double()
    plant(network, "dW1", lambda dW: dW.T)
    assert wrong(check_network(network, X, Y)) == ["dW1"]
    plant(network, "dA1", lambda dA: network.get_parameter("layers.2.W").T @ (dA * 0 + 1)[:3])
    assert wrong(check_network(network, X, Y)) == ["dA1", "dW1"]


@pytest.mark.parametrize("name", ["dZ3", "dA2", "dZ2", "dA1", "dZ1"])
def test_a_wrong_shape_is_a_finding(name: str) -> None:
    network, X, Y = problem()
    plant(network, name, lambda T: T.sum(1))
    report = check_network(network, X, Y)
    assert wrong(report)[0] == name
    assert "expected" in named(report, name).note
    assert set(wrong(report)) <= set(BACKWARD[BACKWARD.index(name) :])


def test_a_backward_that_raises_is_a_finding_where_it_raises() -> None:
    network, X, Y = problem()

    def broken(dA: Tensor) -> Tensor:
        return dA @ torch.ones(2, 2)

    network.sequence[3].backward = broken
    report = check_network(network, X, Y)
    assert wrong(report) == ["dZ2"]
    assert "LeakyReLU.backward raised RuntimeError" in named(report, "dZ2").note
    judged = {quantity.name for quantity in report.quantities}
    assert {"dZ3", "dW3", "db3", "dA2"} <= judged
    assert not judged & {"dW2", "dA1", "dW1"}


def test_a_gradient_of_another_shape_is_a_finding() -> None:
    # torch refuses to keep it in .grad.
    network, X, Y = problem()
    plant(network, "db2", lambda db: db.sum(0))
    report = check_network(network, X, Y)
    assert wrong(report) == ["dA1"]
    assert "Linear.backward raised RuntimeError" in str(report.notes)
    network, X, Y = problem()
    plant(network, "dW1", lambda dW: dW.T)
    report = check_network(network, X, Y)
    assert not report
    assert "Linear.gradients raised RuntimeError" in str(report.notes)


def test_a_forward_that_raises_leaves_the_network_unchecked() -> None:
    network, X, Y = problem()
    network.sequence[1].forward = lambda Z: Z @ Z
    report = check_network(network, X, Y)
    assert report.verdict == "unchecked"
    assert "raised RuntimeError" in report.reason


def test_a_layer_that_writes_no_gradient_is_found() -> None:
    class Forgetful(Linear):
        def gradients(self, dZ: Tensor) -> None:
            m = dZ.shape[-1]
            self.b.grad = dZ.sum(1, keepdim=True) / m

    network, X, Y = problem()
    first = Forgetful(6, 5).double()
    randomise(first, generator(1))
    report = check_network(Network([first, *network.sequence[1:]], network.loss), X, Y)
    assert wrong(report) == ["dW1"]
    assert "nothing was written" in named(report, "dW1").note


@pytest.mark.usefixtures("first_alone")
@pytest.mark.parametrize("one", ["dZ3", "dA2", "dW2"])
@pytest.mark.parametrize("other", ["dZ2", "db2", "dW1"])
def test_two_mistakes_are_both_found(one: str, other: str) -> None:
    network, X, Y = problem()
    plant(network, one, torch.neg)
    plant(network, other, lambda T: T * 3)
    assert set(wrong(check_network(network, X, Y))) == {one, other}


def test_mistakes_that_cancel_are_both_found_and_said_to_cancel() -> None:
    network, X, Y = problem()
    plant(network, "dA2", lambda T: 2 * T)
    plant(network, "dZ2", lambda T: T / 2)
    report = check_network(network, X, Y)
    assert wrong(report) == ["dA2", "dZ2"]
    assert "right all the same" in report.reason
    plant(network, "dW1", torch.neg)
    assert "of the final gradients dW1 are wrong" in check_network(network, X, Y).reason


def test_the_cause_is_named() -> None:
    network, X, Y = problem()
    plant(network, "dW2", lambda dW: dW * M)
    causes = named(check_network(network, X, Y), "dW2").causes
    assert [(cause.id, cause.certain) for cause in causes] == [("one_over_m_missing", True)]


def test_entry_values_are_the_networks_and_the_twins() -> None:
    network, X, Y = problem()
    right = network.quantities(X, Y)["dW2"].clone()
    plant(network, "dW2", lambda dW: dW + 0.25 * torch.nn.functional.one_hot(torch.tensor(3), 5) * torch.eye(4)[:, :1])
    quantity = named(check_network(network, X, Y), "dW2")
    assert quantity.worst_index == (0, 3)
    assert quantity.reference == pytest.approx(right[0, 3].item(), rel=1e-14)
    assert quantity.yours == pytest.approx(right[0, 3].item() + 0.25, rel=1e-14)


# The forward


class DoubledSigmoid(Sigmoid):
    """sigmoid(2Z), and the derivative of just that: only the twin can tell."""

    def forward(self, Z: Tensor) -> Tensor:
        self.A = torch.sigmoid(2 * Z)
        return self.A

    def backward(self, dA: Tensor) -> Tensor:
        return dA * 2 * self.A * (1 - self.A)


class NoBias(Linear):
    """Z = W A, with Linear's backward."""

    def forward(self, A_prev: Tensor) -> Tensor:
        return super().forward(A_prev) - self.b


def test_a_wrong_forward_is_found_at_its_layer() -> None:
    network, X, Y = problem()
    for k, layer, name in ((1, DoubledSigmoid(), "A1"), (2, NoBias(5, 4).double(), "Z2")):
        layers = list(network.sequence)
        randomise(layer, generator(2))
        layers[k] = layer
        report = check_network(Network(layers, network.loss), X, Y)
        assert wrong(report) == [name]
        assert "differs from nn." in named(report, name).note
    assert (
        "its own forward"
        in named(check_network(Network([layers[0], DoubledSigmoid()], SquaredError()), X, X[:5]), "dZ1").note
    )


def test_a_wrong_forward_and_a_wrong_backward_are_both_found() -> None:
    class Both(DoubledSigmoid):
        def backward(self, dA: Tensor) -> Tensor:
            return dA * 3 * self.A * (1 - self.A)

    network, X, Y = problem()
    layers = list(network.sequence)
    layers[1] = Both()
    assert wrong(check_network(Network(layers, network.loss), X, Y)) == ["A1", "dZ1"]


def test_a_wrong_cost_is_found() -> None:
    class Halved(SigmoidCrossEntropy):
        def forward(self, A: Tensor, Y: Tensor) -> Tensor:
            return super().forward(A, Y) / 2

    network, X, Y = problem()
    assert wrong(check_network(Network(network.sequence, Halved()), X, Y)) == ["J"]


# Kinks and conventions


class NotesReLU(ReLU):
    """g'(0) = 1, as the notes write it."""

    def backward(self, dA: Tensor) -> Tensor:
        return torch.where(self.Z >= 0, dA, 0.0)

    def forward(self, Z: Tensor) -> Tensor:
        self.Z = Z
        return super().forward(Z)


class NoMask(NotesReLU):
    """The mask A >= 0, true everywhere."""

    def backward(self, dA: Tensor) -> Tensor:
        return dA


@both_dtypes
def test_the_other_side_of_a_kink_is_said_and_not_failed(dtype: torch.dtype) -> None:
    network, X, Y = problem(dtype)
    layers = list(network.sequence)
    layers[0].W[1], layers[0].b[1] = 0, 0
    layers[1] = NotesReLU()
    report = check_network(Network(layers, network.loss), X, Y)
    assert report
    assert "the other side of a kink in 7 entries, the first at (1, 0), where Z1 is 0" in named(report, "dZ1").note
    assert not any(quantity.note for quantity in report.quantities if quantity.name != "dZ1")
    layers[1] = NoMask()
    assert wrong(check_network(Network(layers, network.loss), X, Y)) == ["dZ1"]


class AutogradLinear(Linear):
    """The gradients where dZ is dJ/dZ, with the 1/m in it already."""

    def gradients(self, dZ: Tensor) -> None:
        self.W.grad = dZ @ self.A_prev.T
        self.b.grad = dZ.sum(1, keepdim=True)


class AutogradCost(SigmoidCrossEntropy):
    """dZ = dJ/dZ."""

    def backward(self) -> Tensor:
        return super().backward() / self.Y.shape[-1]


def in_convention(linear: type[Linear], loss: type[SigmoidCrossEntropy]) -> tuple[Network, Tensor, Tensor]:
    _, X, Y = problem()
    network = Network([linear(6, 5), Tanh(), linear(5, 3)], loss()).double()
    randomise(network, generator(6))
    return network, X, Y


def test_autograds_convention_is_right_and_said() -> None:
    network, X, Y = in_convention(AutogradLinear, AutogradCost)
    report = check_network(network, X, Y)
    assert report
    assert report.convention.startswith("autograd's")
    plant(network, "dZ1", torch.neg)
    assert wrong(check_network(network, X, Y)) == ["dZ1"]


def test_half_a_convention_is_a_mistake() -> None:
    report = check_network(*in_convention(AutogradLinear, SigmoidCrossEntropy))
    assert wrong(report) == ["dW2", "db2", "dW1", "db1"]
    report = check_network(*in_convention(Linear, AutogradCost))
    assert wrong(report) == ["dZ2"]


# A user's own layers


class Softplus(Layer):
    """A = log(1 + e^Z)."""

    symbol = "A"

    def forward(self, Z: Tensor) -> Tensor:
        self.Z = Z
        return torch.log(1 + torch.exp(Z))

    def backward(self, dA: Tensor) -> Tensor:
        return dA / (1 + torch.exp(-self.Z))

    def twin(self) -> nn.Module:
        return nn.Softplus()


class Scale(Layer):
    """A = gamma * A_prev, one gamma per unit; without a twin."""

    symbol = "Z"

    def __init__(self, n: int) -> None:
        super().__init__()
        self.gamma = parameter(torch.zeros(n, 1))

    def forward(self, A_prev: Tensor) -> Tensor:
        self.A_prev = A_prev
        return self.gamma * A_prev

    def gradients(self, dA: Tensor) -> None:
        self.gamma.grad = (dA * self.A_prev).sum(1, keepdim=True) / dA.shape[-1]

    def backward(self, dA: Tensor) -> Tensor:
        self.gradients(dA)
        return self.gamma * dA

    def twin(self) -> nn.Module:
        raise NotImplementedError


def own_layers(dtype: torch.dtype, seed: int) -> tuple[Network, Tensor, Tensor]:
    g = generator(seed)
    network = Network([Linear(6, 5), Softplus(), Scale(5), Softplus(), Linear(5, 3)], SigmoidCrossEntropy()).to(dtype)
    randomise(network, g)
    return network, torch.randn(6, M, generator=g).to(dtype), torch.randint(0, 2, (3, M), generator=g).to(dtype)


@settings(max_examples=12, deadline=None)
@given(seed=seeds)
def test_layers_without_a_formula_for_rounding_raise_no_false_alarm(seed: int) -> None:
    for dtype in (torch.float64, torch.float32):
        report = check_network(*own_layers(dtype, seed))
        assert report, [(quantity.name, quantity.rounding_units) for quantity in report.wrong]


@pytest.mark.usefixtures("first_alone")
@both_dtypes
@pytest.mark.parametrize("name", ["dA2", "dZ2", "dZ1", "dA1"])
@pytest.mark.parametrize("change", ["sign", "times m", "0.09 %"])
def test_mistakes_in_layers_without_a_formula_are_found(name: str, change: str, dtype: torch.dtype) -> None:
    network, X, Y = own_layers(dtype, seed=9)
    plant(network, name, CHANGES[change])
    assert wrong(check_network(network, X, Y)) == [name]


def test_a_layer_without_a_twin_is_judged_by_its_own_forward_and_that_is_said() -> None:
    network, X, Y = own_layers(torch.float64, seed=1)
    report = check_network(network, X, Y)
    assert "Z2" not in [quantity.name for quantity in report.quantities]
    assert any("Scale has no twin" in note and "Z2 itself is not judged" in note for note in report.notes)
    scale = network.sequence[2]
    scale.gradients = lambda dA: setattr(scale.gamma, "grad", (dA * scale.A_prev).sum(1, keepdim=True))
    assert wrong(check_network(network, X, Y)) == ["dgamma2"]


def test_a_mistake_of_the_users_class_has_its_line() -> None:
    class Wrong(Softplus):
        def backward(self, dA: Tensor) -> Tensor:
            return dA

    network, X, Y = own_layers(torch.float64, seed=2)
    layers = list(network.sequence)
    layers[1] = Wrong()
    report = check_network(Network(layers, network.loss), X, Y)
    assert wrong(report) == ["dZ1"]
    assert named(report, "dZ1").line == Wrong.backward.__code__.co_firstlineno


def test_two_activations_in_a_row_are_told_apart() -> None:
    _, X, _ = problem()
    network = Network([Linear(6, 5), Tanh(), Softplus()], SquaredError()).double()
    randomise(network, generator(7))
    plant(network, "dA1", torch.neg)
    network.sequence[1].backward = lambda dA: -2 * dA * (1 - network.sequence[1].A ** 2)
    Y = torch.zeros(5, M, dtype=torch.float64)
    assert wrong(check_network(network, X, Y))[-1] == "dZ1"
    assert [quantity.name for quantity in check_network(network, X, Y).quantities][1:3] == ["A1", "A1'"]


# One layer, one loss, everything


def test_check_layer_finds_what_is_wrong() -> None:
    A_prev = torch.randn(5, M, generator=generator(1)).double()
    assert check_layer(Scale(5).double(), A_prev)
    assert wrong(check_layer(NoBias(5, 3).double(), A_prev)) == []  # b is 0
    biased = NoBias(5, 3).double()
    randomise(biased, generator(2))
    assert wrong(check_layer(biased, A_prev)) == ["A"]
    assert wrong(check_layer(AutogradLinear(5, 3).double(), A_prev)) == ["dW", "db"]
    assert wrong(check_layer(NoMask(), A_prev)) == ["dA_prev"]

    class GradientsOnlyInBackward(Linear):
        def backward(self, dZ: Tensor) -> Tensor:
            return super().backward(dZ)

        def gradients(self, dZ: Tensor) -> None:
            if torch.equal(self.A_prev, A_prev):
                super().gradients(dZ)
                self.W.grad *= self.calls
                self.calls -= 1

        calls = 2

    layer = GradientsOnlyInBackward(5, 3).double()
    assert "dW (gradients)" in wrong(check_layer(layer, A_prev))


def test_check_layer_does_not_trust_autograd_alone() -> None:
    class Detached(nn.Module):
        def forward(self, Z: Tensor) -> Tensor:
            return Z.detach() * Z

    class Square(Layer):
        symbol = "A"

        def forward(self, Z: Tensor) -> Tensor:
            self.Z = Z
            return Z * Z

        def backward(self, dA: Tensor) -> Tensor:
            return dA * self.Z  # the 2 is missing, as in what autograd sees of the twin

        def twin(self) -> nn.Module:
            return Detached()

    report = check_layer(Square(), torch.randn(4, M, generator=generator(1)).double())
    assert wrong(report) == ["dA_prev"]
    assert named(report, "dA_prev").reference_kind == "central difference"


@both_dtypes
def test_check_loss_finds_what_is_wrong(dtype: torch.dtype) -> None:
    class Signed(BinaryCrossEntropy):
        def backward(self) -> Tensor:
            return -super().backward()

    A = torch.rand(3, M, generator=generator(1)).to(dtype)
    Y = torch.randint(0, 2, (3, M), generator=generator(2)).to(dtype)
    assert check_loss(BinaryCrossEntropy(), A, Y)
    assert wrong(check_loss(Signed(), A, Y)) == ["dA"]


# The reference without autograd


@settings(max_examples=60, deadline=None)
@given(plan=plans())
def test_every_parameter_without_autograd(plan: Plan) -> None:
    network, X, Y = realise(plan)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch.autograd, "grad", None)
        patched.setattr(torch.Tensor, "backward", None)
        found = finite_reference(network, X, Y)
    ours = network.quantities(X, Y)
    assert list(found) == [f"d{name}" for name, _ in network.notes_parameters()]
    scale = 1.0 if not isinstance(network.loss, BinaryCrossEntropy) else 1e3  # through A: 1 - A loses digits
    for name, gradient in found.items():
        assert gradient.shape == ours[name].shape
        assert (gradient - ours[name]).abs().max() <= scale * 1e-12 * (1 + gradient.abs().max()), name


def test_parts_without_a_complex_form_are_differenced() -> None:
    network, X, Y = own_layers(torch.float64, seed=3)
    found, ours = finite_reference(network, X, Y), network.quantities(X, Y)
    assert list(found) == ["dW1", "db1", "dgamma2", "dW3", "db3"]
    for name, gradient in found.items():
        assert (gradient - ours[name]).abs().max() <= 1e-8, name


def test_a_layer_that_mixes_examples_is_differenced_entry_by_entry() -> None:
    class Centre(Layer):
        """A = Z less its mean over the examples."""

        symbol = "A"

        def forward(self, Z: Tensor) -> Tensor:
            return Z - Z.mean(-1, keepdim=True)

        def backward(self, dA: Tensor) -> Tensor:
            return dA - dA.mean(-1, keepdim=True)

        def twin(self) -> nn.Module:
            raise NotImplementedError

    network = Network([Linear(6, 5), Centre(), Tanh(), Linear(5, 3)], SigmoidCrossEntropy()).double()
    randomise(network, generator(4))
    _, X, Y = problem()
    assert check_network(network, X, Y)
    found, ours = finite_reference(network, X, Y), network.quantities(X, Y)
    for name, gradient in found.items():
        assert (gradient - ours[name]).abs().max() <= 1e-8, name


# What does not fit


def bad(change: str) -> tuple[Network, Any, Any, Any]:
    network, X, Y = problem()
    twin: Any = None
    if change == "rows":
        X = X[:-1]
    elif change == "labels":
        Y = Y[0]
    elif change == "NaN":
        X[4, 2] = torch.nan
    elif change == "dtype":
        X = X.float()
    elif change == "empty":
        X, Y = X[:, :0], Y[:, :0]
    elif change == "kind":
        X = "X"
    elif change == "twin":
        twin = nn.Linear(6, 3)
    elif change == "short twin":
        twin = network.twin()[:-1]
    elif change == "other twin":
        twin = network.twin()
        twin[2].weight.data[0, 0] += 1
    elif change == "twin of other parts":
        twin = nn.Sequential(nn.ReLU(), *network.twin()[1:])
    return network, X, Y, twin


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("rows", r"A_prev of shape \(5, 7\), expected \(6, m\)"),
        ("labels", r"labels Y have shape \(7,\)"),
        ("NaN", r"X is nan at \(4, 2\)"),
        ("dtype", "X is float32 and the network float64"),
        ("empty", r"X has shape \(6, 0\)"),
        ("kind", "X is a str"),
        ("twin", "the twin is a Linear, expected an nn.Sequential of 5"),
        ("short twin", "the twin is 4 modules"),
        ("other twin", "the twin's W2 differs"),
        ("twin of other parts", "Linear and its twin ReLU do not match"),
    ],
)
def test_what_does_not_fit_is_said_on_one_line(change: str, message: str) -> None:
    network, X, Y, twin = bad(change)
    with pytest.raises(InputError, match=message) as caught:
        check_network(network, X, Y, twin=twin)
    assert "\n" not in str(caught.value)


def test_a_parameter_that_has_no_partner_is_said() -> None:
    class Incomplete(Linear):
        twin_names = {"W": "weight"}  # noqa: RUF012

    with pytest.raises(InputError, match="Incomplete has the parameter b, which twin_names maps to none"):
        check_layer(Incomplete(5, 3), torch.randn(5, M))


def test_numpy_inputs_and_a_given_twin_are_taken() -> None:
    network, X, Y = problem()
    assert check_network(network, X.numpy(), Y.numpy().astype(int), twin=network.twin())
