"""`check_layer`, `check_loss`, `check_network` on every kind of layer: no false alarm, each mistake, nothing moved."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from numerics import generator, randomise
from torch import Tensor, nn

from torchbasics.check.networks import rounding
from torchbasics.check.networks.finite import finite_reference
from torchbasics.check.networks.layer import check_layer, check_loss
from torchbasics.check.networks.network import check_network
from torchbasics.check.report import Quantity, Report
from torchbasics.layers import (
    ELU,
    GRU,
    LSTM,
    RNN,
    BatchNorm1d,
    BatchNorm2d,
    Chain,
    Dropout,
    Embedding,
    GroupNorm,
    Layer,
    LayerNorm,
    Linear,
    LinearOverTime,
    LogSoftmax,
    MultiHeadAttention,
    PositionalEncoding,
    ReLU,
    Residual,
    RMSNorm,
    ScaledDotProductAttention,
    Softmax,
    Tanh,
)
from torchbasics.layers.conv import Conv1d, Conv2d, ConvTranspose2d
from torchbasics.layers.pool import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from torchbasics.layers.reshape import Images, Last, MeanOverTime, Rows
from torchbasics.losses import (
    BinaryCrossEntropy,
    Hinge,
    Huber,
    KLDivergence,
    Loss,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SquaredError,
)
from torchbasics.network import Network, set_lengths
from torchbasics.notation import examples_first, examples_last
from torchbasics.regularisation import L1, L2

both_dtypes = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


def normal(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=dtype)


def wrong(report: Report) -> list[str]:
    return [quantity.name for quantity in report.wrong]


def named(report: Report, name: str) -> Quantity:
    (found,) = [quantity for quantity in report.quantities if quantity.name == name]
    return found


def with_values(layer: Layer, seed: int, dtype: torch.dtype = torch.float64) -> Layer:
    layer = layer.to(dtype)
    randomise(layer, generator(seed))
    return layer


# No false alarm: rounding


class OwnTranspose(ConvTranspose2d):
    """A subclass, which may compute otherwise: the rounding of its kind is no longer known."""


WIDE: dict[str, tuple[Callable[[], Layer], tuple[int, ...]]] = {
    # Where float32 and float64 are added up by different code, sampling float32's rounding is not enough.
    "transposed convolution": (lambda: ConvTranspose2d(16, 6, 4, stride=2, padding=1), (16, 7, 7, 5)),
    "linear over time": (lambda: LinearOverTime(40, 30), (40, 12, 20)),
    "batch norm in use": (lambda: BatchNorm2d(6).eval(), (6, 14, 14, 16)),
    "batch norm": (lambda: BatchNorm2d(6), (6, 14, 14, 16)),
    "a convolution within another layer": (
        lambda: Chain([ConvTranspose2d(16, 6, 4, stride=2, padding=1), Tanh()]),
        (16, 7, 7, 5),
    ),
    "a convolution of your own": (lambda: OwnTranspose(16, 6, 4, stride=2, padding=1), (16, 7, 7, 5)),
    # Made in float64 in either dtype, and its angles go as far as T.
    "positional encoding": (lambda: PositionalEncoding(7), (7, 300, 3)),
}


@pytest.mark.parametrize("name", WIDE)
def test_long_sums_are_no_mistakes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchbasics.check.networks.layer.EVERY_ENTRY", 0)  # it is rounding that is in question
    make, shape = WIDE[name]
    report = check_layer(with_values(make(), 9), normal(*shape, seed=9), seed=9)
    assert report, [(quantity.name, quantity.rounding_units) for quantity in report.wrong]


def test_sums_of_products_have_the_dot_products_sigma() -> None:
    # A 1 x 1 convolution is a linear layer of every pixel: the same S, entry by entry.
    from torchbasics.check.networks.local import Local

    W, b, A_prev, dZ = normal(3, 5, seed=1), normal(3, 1, seed=2), normal(5, 7, seed=3), normal(3, 7, seed=4)
    S = []
    for layer, shape in ((Linear(5, 3), (7,)), (Conv2d(5, 3, 1), (1, 1, 7))):
        layer = layer.double()
        layer.W.copy_(W.view(layer.W.shape))
        layer.b.copy_(b.view(layer.b.shape))
        step = Local(layer, layer.twin(), A_prev.view(5, *shape), dZ.view(3, *shape), 7.0, True)
        for exact in (False, True):
            S.append(rounding.LAYERS[type(layer)](step, step.reference(), exact))
    for other in S[1:]:
        torch.testing.assert_close(other.A.view(3, 7), S[0].A)
        torch.testing.assert_close(other.dA_prev.view(5, 7), S[0].dA_prev)
        for name in "Wb":
            torch.testing.assert_close(other.gradients[name].view(3, -1), S[0].gradients[name])


def test_a_log_softmax_of_a_sure_column_is_right() -> None:
    for seed in range(10):
        assert check_layer(LogSoftmax(), 10 * normal(50, 40, seed=seed), seed=seed)


# No false alarm: kinks


class Weak(ELU):
    """g(z) / 10^k of ELU(0.3): its kink, and its slopes, are tiny."""

    size = 1.0

    def forward(self, Z: Tensor) -> Tensor:
        return super().forward(Z) * self.size

    def backward(self, dA: Tensor) -> Tensor:
        return super().backward(dA) * self.size

    def twin(self) -> nn.Module:
        return Scaled(super().twin(), self.size)


class Scaled(nn.Module):
    def __init__(self, part: nn.Module, size: float) -> None:
        super().__init__()
        self.part, self.size = part, size

    def forward(self, Z: Tensor) -> Tensor:
        scaled: Tensor = self.part(Z) * self.size
        return scaled


@pytest.mark.parametrize("size", [1.0, 1e-2, 1e-4, 1e-5, 3e-6, 1e-6, 1e-7])
def test_a_kink_is_no_mistake_however_small(size: float) -> None:
    layer = Weak(0.3).double()
    layer.size = size
    A_prev = normal(2, 7, seed=1)
    A_prev[0] = torch.tensor([0.0, 3e-6, -3e-6, 1e-8, -1e-8, 4e-5, -1e-12])
    report = check_layer(layer, A_prev)
    assert report, [(one.name, one.yours, one.reference, one.reference_kind) for one in report.wrong]


class Lying(nn.Module):
    """f, of which autograd sees `share` of the slope."""

    def __init__(self, f: Callable[[Tensor], Tensor], share: float) -> None:
        super().__init__()
        self.f, self.share = f, share

    def forward(self, Z: Tensor) -> Tensor:
        return self.share * self.f(Z) + (1 - self.share) * self.f(Z).detach()


class Lied(Layer):
    """A = f(Z) with `share` of its slope, as its twin has it: only differences can tell."""

    symbol = "A"

    def __init__(self, f: Callable[[Tensor], Tensor], share: float) -> None:
        super().__init__()
        self.f, self.share = f, share

    def forward(self, Z: Tensor) -> Tensor:
        self.Z = Z
        return self.f(Z)

    def backward(self, dA: Tensor) -> Tensor:
        Z = self.Z.clone().requires_grad_()
        (slope,) = torch.autograd.grad(self.f(Z).sum(), Z)
        return self.share * slope * dA

    def twin(self) -> nn.Module:
        return Lying(self.f, self.share)


SMOOTH: dict[str, Callable[[Tensor], Tensor]] = {
    "square": lambda Z: Z * Z,
    "line": lambda Z: 3 * Z,
    "tanh": torch.tanh,
    "steep": lambda Z: torch.tanh(100 * Z) / 30,
    "wave": lambda Z: torch.sin(30 * Z),
}


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("size", [1e-3, 1000.0])
def test_a_wrong_slope_of_a_smooth_function_is_no_kink(name: str, size: float) -> None:
    Z = size * normal(3, 5, seed=2)
    assert check_layer(Lied(SMOOTH[name], 1.0).double(), Z)
    at = Z.clone().requires_grad_()
    if torch.autograd.grad(SMOOTH[name](at).sum(), at)[0].abs().max() < 1e-4:
        return  # saturated everywhere
    for share in (0.99, 0.5, -1.0):
        report = check_layer(Lied(SMOOTH[name], share).double(), Z)
        assert wrong(report) == ["dA_prev"], (share, name)
        assert named(report, "dA_prev").reference_kind == "central difference"


def test_a_small_error_where_a_smooth_slope_turns_is_no_kink() -> None:
    # Within the smallest step the slope changes by more than the error, and by an eighth of that in an eighth of it.
    def knee(Z: Tensor) -> Tensor:
        return torch.tanh(1e4 * Z) / 1e4

    # Where it turns most.
    Z = 6.6e-5 + 1e-6 * normal(3, 5, seed=2)
    assert check_layer(Lied(knee, 1.0).double(), Z)
    assert wrong(check_layer(Lied(knee, 1 - 2.5e-7).double(), Z)) == ["dA_prev"]


# No false alarm: losses far out


LOSSES: dict[str, tuple[Callable[[], Loss], Callable[[Tensor], Tensor], str]] = {
    "squared error": (SquaredError, lambda Z: Z, "numbers"),
    "huber": (lambda: Huber(0.5), lambda Z: Z, "numbers"),
    "hinge": (Hinge, lambda Z: Z, "binary"),
    "sigmoid": (SigmoidCrossEntropy, lambda Z: Z, "binary"),
    "binary": (BinaryCrossEntropy, torch.sigmoid, "binary"),
    "softmax": (SoftmaxCrossEntropy, lambda Z: Z, "classes"),
    "smoothed": (lambda: SoftmaxCrossEntropy(0.1), lambda Z: Z, "classes"),
    "divergence": (KLDivergence, lambda Z: torch.log_softmax(Z, dim=0), "probabilities"),
}


def labels(kind: str, size: float) -> Tensor:
    g = generator(5)
    if kind == "numbers":
        return size * torch.randn(4, 7, generator=g).double()
    if kind == "probabilities":
        return torch.softmax(torch.randn(4, 7, generator=g).double(), dim=0)
    if kind == "classes":
        return torch.randint(0, 4, (1, 7), generator=g).double()
    return torch.randint(0, 2, (4, 7), generator=g).double()


@both_dtypes
@pytest.mark.parametrize("size", [1e-3, 30.0, 1000.0, 1e6])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_right_at_any_size(name: str, size: float, dtype: torch.dtype) -> None:
    make, predictions, kind = LOSSES[name]
    A, Y = predictions(size * normal(4, 7, seed=3)).to(dtype), labels(kind, size).to(dtype)
    report = check_loss(make(), A, Y)
    assert report, [(one.worst_index, one.yours, one.reference, one.reference_kind) for one in report.wrong]


@pytest.mark.parametrize("size", [1.0, 1000.0])
@pytest.mark.parametrize("name", LOSSES)
def test_a_wrong_loss_is_wrong_at_any_size(name: str, size: float) -> None:
    make, predictions, kind = LOSSES[name]
    A, Y = predictions(size * normal(4, 7, seed=3)), labels(kind, size)
    loss = make()
    right = loss.backward
    loss.backward = lambda: right() * 1.001
    assert wrong(check_loss(loss, A, Y)) == ["dA"]


def test_the_edge_of_the_probabilities_is_judged() -> None:
    A = torch.tensor([[0.0, 1.0, 1e-9, 1 - 1e-9, 1e-14, 0.5]], dtype=torch.float64)
    for Y in (torch.zeros_like(A), torch.ones_like(A)):
        report = check_loss(BinaryCrossEntropy(), A, Y)
        assert report, [(one.worst_index, one.yours, one.reference) for one in report.wrong]


# Nothing is left behind


class Restless(Layer):
    """A = gamma * A_prev, and a layer that changes whatever it has at every step."""

    symbol = "Z"
    twin_names: ClassVar[dict[str, str]] = {"gamma": "gamma"}

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, 1), requires_grad=False)
        self.register_buffer("seen", torch.zeros(3))
        self.steps, self.kept, self.numbers, self.running = 0, {"a": 1}, [1, 2], torch.zeros(2)

    def forward(self, A_prev: Tensor) -> Tensor:
        self.A_prev = A_prev
        self.steps += 1
        self.kept[str(self.steps)] = self.steps
        self.numbers.append(self.steps)
        self.running += torch.rand(2)
        self.get_buffer("seen").add_(1)
        return self.gamma * A_prev

    def gradients(self, dA: Tensor) -> None:
        self.gamma.grad = (dA * self.A_prev).sum().view(1, 1) / dA.shape[-1]

    def backward(self, dA: Tensor) -> Tensor:
        self.gradients(dA)
        self.train(False)
        return self.gamma * dA

    def twin(self) -> nn.Module:
        raise NotImplementedError


def state(module: nn.Module) -> dict[str, Any]:
    """All that a module has: of tensors themselves and their numbers."""
    found: dict[str, Any] = {}
    for name, part in module.named_modules():
        for key, value in vars(part).items():
            held = value if isinstance(value, dict) else {"": value}
            for inner, one in held.items():
                kept = one.clone() if isinstance(one, Tensor) else list(one) if isinstance(one, list) else one
                found[f"{name}.{key}.{inner}"] = id(one), kept
    for name, parameter in module.named_parameters():
        found[f"{name}.grad"] = id(parameter.grad), parameter.requires_grad
    return found


def same(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    assert before.keys() == after.keys()

    def equal(a: Any, b: Any) -> bool:
        return a[0] == b[0] and (
            a[1] == b[1] if not isinstance(a[1], Tensor) else a[1].is_meta or torch.equal(a[1], b[1])
        )

    return [key for key in before if not equal(before[key], after[key])]


def restless(dtype: torch.dtype) -> tuple[Network, Tensor, Tensor]:
    layers = [
        LinearOverTime(5, 4),
        BatchNorm1d(4),
        Restless(),
        Dropout(0.7, seed=1),
        GRU(4, 3, num_layers=2),
        MultiHeadAttention(3, 1),
        MeanOverTime(),
        Linear(3, 2),
    ]
    network = Network(layers, SigmoidCrossEntropy(), [L2(0.3)]).to(dtype)
    randomise(network, generator(3))
    set_lengths(network, torch.tensor([4, 1, 3, 4, 2, 2, 4]))
    X, Y = normal(5, 4, 7, seed=4, dtype=dtype), torch.randint(0, 2, (2, 7), generator=generator(5)).to(dtype)
    return network, X, Y


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("training", [True, False])
def test_a_check_leaves_the_network_as_it_was(training: bool) -> None:
    network, X, Y = restless(torch.float64)
    network.cost(2 * X, Y)
    network.train(training)
    network.sequence[7].W.grad = torch.ones(2, 3, dtype=torch.float64)
    before, random = state(network), torch.get_rng_state()
    check_network(network, X, Y)
    assert same(before, state(network)) == []
    for layer, shape in zip(network.sequence, [(5, 4, 7), *[(4, 4, 7)] * 4, *[(3, 4, 7)] * 2, (3, 7)], strict=True):
        check_layer(layer, normal(*shape, seed=1))
    assert same(before, state(network)) == []
    check_loss(network.loss, normal(2, 7, seed=6), Y)
    assert same(before, state(network)) == []
    assert torch.equal(random, torch.get_rng_state())


def test_a_backward_can_follow_a_check() -> None:
    network, X, Y = restless(torch.float64)
    network.cost(X, Y)
    network.backward()
    expected = {name: parameter.grad.clone() for name, parameter in network.named_parameters()}
    network.cost(X, Y)
    check_network(network, 3 * X, 1 - Y)
    network.backward()
    for name, parameter in network.named_parameters():
        assert torch.equal(parameter.grad, expected[name]), name


def test_a_twin_that_is_given_is_left_as_it_was() -> None:
    network = Network([Linear(5, 4), BatchNorm1d(4), Tanh(), Linear(4, 2)], SigmoidCrossEntropy()).double()
    randomise(network, generator(3))
    twin = network.twin()
    before = {name: value.clone() for name, value in twin.state_dict().items()}
    assert check_network(network, normal(5, 7, seed=1), torch.ones(2, 7, dtype=torch.float64), twin=twin)
    for name, value in twin.state_dict().items():
        assert torch.equal(value, before[name]), name


# The reference without autograd


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("over_time", [False, True])
def test_lengths_are_the_examples_own_without_autograd(over_time: bool, norm: bool) -> None:
    head: list[Layer] = [LinearOverTime(4, 2)] if over_time else [Last(), Linear(4, 2)]
    between: list[Layer] = [BatchNorm1d(12)] if norm else []
    layers = [Linear(5, 12), *between, Tanh(), Rows(4, 3, 1), LSTM(3, 4), *head]
    network = Network(layers, SigmoidCrossEntropy()).double()
    randomise(network, generator(3))
    set_lengths(network, torch.tensor([4, 1, 3, 4, 2, 2, 4]))
    shape = (2, 4, 7) if over_time else (2, 7)
    X, Y = normal(5, 7, seed=4), torch.randint(0, 2, shape, generator=generator(5)).double()
    found, ours = finite_reference(network, X, Y), network.quantities(X, Y)
    assert list(found) == [f"d{name}" for name, _ in network.notes_parameters()]
    for name, gradient in found.items():
        assert (gradient - ours[name]).abs().max() <= 1e-8, name


# Every mistake


def unflipped(self: Any, dZ: Tensor) -> Tensor:
    """dA_prev as the convolution of dZ with W itself, not turned by 180 degrees."""
    self.gradients(dZ)
    f_H, f_W = self.window.kernel
    padded = nn.functional.pad(examples_first(dZ), (f_W - 1, f_W - 1, f_H - 1, f_H - 1))
    return examples_last(nn.functional.conv2d(padded, self.W.transpose(0, 1)))


def without_stride(self: Any, dZ: Tensor) -> Tensor:
    """dA_prev with the windows one pixel apart, cut or filled up to A_prev's size."""
    self.gradients(dZ)
    found = nn.functional.conv_transpose2d(examples_first(dZ), self.W)
    room = torch.zeros_like(self.images)
    H, W = (min(a, b) for a, b in zip(found.shape[2:], room.shape[2:], strict=True))
    room[:, :, :H, :W] = found[:, :, :H, :W]
    return examples_last(room)


def without_padding(self: Any, dZ: Tensor) -> Tensor:
    """dA_prev from its corner on, where the padding was."""
    self.gradients(dZ)
    _, _, H, W = self.images.shape
    found = nn.functional.conv_transpose2d(examples_first(dZ), self.W, stride=self.window.stride)
    return examples_last(found[:, :, :H, :W].clone())


def to_all_maxima(self: Any, dA: Tensor) -> Tensor:
    """The course's mask, x == max(x), without overlaps."""
    f = self.kernel
    return (self.A_prev == grown(self.A, f)) * grown(dA, f)


def grown(A: Tensor, f: int) -> Tensor:
    return A.repeat_interleave(f, dim=1).repeat_interleave(f, dim=2)


class Remembering(MaxPool2d):
    def forward(self, A_prev: Tensor) -> Tensor:
        self.A_prev, self.A = A_prev, super().forward(A_prev)
        return self.A


def normalising(self: Any, Z: Tensor) -> Tensor:
    """The norm's own forward, of which Z is kept."""
    self.given = Z
    Z_tilde: Tensor = type(self).__mro__[1].forward(self, Z)  # type: ignore[attr-defined]  # the right one
    return Z_tilde


def without_mean(self: Any, dZ_tilde: Tensor) -> Tensor:
    """dZ without mean(dZ_norm)."""
    dZ: Tensor = type(self).__mro__[1].backward(self, dZ_tilde)  # type: ignore[attr-defined]  # the right one
    axes = 0 if isinstance(self, LayerNorm) else tuple(range(1, dZ.ndim))
    dZ_norm = dZ_tilde * self.gamma.view(-1, *(1,) * (dZ.ndim - 1))
    r = (self.given.var(dim=axes, correction=0, keepdim=True) + self.epsilon).rsqrt()
    return dZ + r * dZ_norm.mean(dim=axes, keepdim=True)


def without_projection(self: Any, dZ_tilde: Tensor) -> Tensor:
    """dZ = r dZ_norm: what goes through r is missing."""
    RMSNorm.backward(self, dZ_tilde)
    return dZ_tilde * self.gamma * (self.given.square().mean(dim=0) + self.epsilon).rsqrt()


NO_MEAN = {"forward": normalising, "backward": without_mean}
NO_PROJECTION = {"forward": normalising, "backward": without_projection}


def last_token_only(self: Any, dA: Tensor) -> None:
    """dE[token] = where += is needed."""
    m = dA.shape[-1]
    self.E.grad = torch.zeros_like(self.E)
    self.E.grad[self.tokens.flatten()] = dA.permute(1, 2, 0).flatten(0, 1) / m


def last_step_only(self: Any, dA: Tensor, way: str) -> Any:
    """dz of the last step alone goes into the gradients."""
    for steps, dZ_x, dZ_a in RNN.sweep_back(self, dA, way):
        for dz in {id(one): one for one in (*dZ_x, *dZ_a)}.values():
            dz[:-1] = 0
        yield steps, dZ_x, dZ_a


def without_dc_next(self: Any, dA: Tensor, way: str) -> Any:
    """dc = da * Gamma_o * (1 - tanh^2 c) alone."""
    _, a, ((gates, c_prev, tanh_c),) = self.caches[way]
    Gamma_i, Gamma_f, c_tilde, Gamma_o = gates
    dZ, onward = torch.empty_like(gates), torch.zeros_like(a[0])
    for t in reversed(range(len(tanh_c))):
        da = dA[t] + onward
        dc = da * Gamma_o[t] * (1 - tanh_c[t] ** 2)
        dZ[0, t] = dc * c_tilde[t] * Gamma_i[t] * (1 - Gamma_i[t])
        dZ[1, t] = dc * c_prev[t] * Gamma_f[t] * (1 - Gamma_f[t])
        dZ[2, t] = dc * Gamma_i[t] * (1 - c_tilde[t] ** 2)
        dZ[3, t] = da * tanh_c[t] * Gamma_o[t] * (1 - Gamma_o[t])
        onward = sum(dZ[k, t] @ W for k, W in enumerate(self.get_parameter("Waa" + way).chunk(4)))
    yield slice(0, len(tanh_c)), list(dZ), list(dZ)


def without_root(self: Any, dO: Tensor) -> Tensor:
    """dQ and dK without the 1 / sqrt(d)."""
    dZ = ScaledDotProductAttention.attend_back(self, dO)
    n = dZ.shape[-1] // 3
    dZ[..., : 2 * n] *= (n / self.heads) ** 0.5
    return dZ


def without_mask(self: Any, dO: Tensor) -> Tensor:
    """P on the way back as if every query had looked at every key."""
    self.causal = False
    try:
        return ScaledDotProductAttention.attend_back(self, dO)
    finally:
        self.causal = True


def changed(kind: type[Layer], **methods: Any) -> type[Layer]:
    """A subclass with other methods."""
    return type(f"Wrong{kind.__name__}", (kind,), methods)


def without_m(kind: Any, name: str) -> type[Layer]:
    """A subclass that writes m times the one gradient."""

    def gradients(self: Any, dA: Tensor) -> None:
        kind.gradients(self, dA)
        self.get_parameter(name).grad *= dA.shape[-1]

    def backward(self: Any, dA: Tensor) -> Tensor:
        dA_prev: Tensor = kind.backward(self, dA)
        self.get_parameter(name).grad *= dA.shape[-1]
        return dA_prev

    return changed(kind, gradients=gradients, backward=backward)


IMAGES, STEPS, UNITS = (3, 6, 5, 7), (4, 3, 7), (4, 7)

# (the layer, A_prev's shape, what is wrong)
MISTAKES: dict[str, tuple[Callable[[], Layer], tuple[int, ...], set[str]]] = {
    "conv: W not flipped": (lambda: changed(Conv2d, backward=unflipped)(3, 2, 3), IMAGES, {"A_prev"}),
    "conv: stride ignored": (lambda: changed(Conv2d, backward=without_stride)(3, 2, 2, 2), IMAGES, {"A_prev"}),
    "conv: padding ignored": (
        lambda: changed(Conv2d, backward=without_padding)(3, 2, 3, 1, 1),
        IMAGES,
        {"A_prev"},
    ),
    "conv: db without 1/m": (lambda: without_m(Conv2d, "b")(3, 2, 3), IMAGES, {"b"}),
    "conv over sequences: dW without 1/m": (lambda: without_m(Conv1d, "W")(4, 2, 3), STEPS, {"W"}),
    "transposed conv: dW without 1/m": (lambda: without_m(ConvTranspose2d, "W")(3, 2, 3, 2), IMAGES, {"W"}),
    "linear over time: dW without 1/m": (lambda: without_m(LinearOverTime, "W")(4, 2), STEPS, {"W"}),
    "max pool: dA to every one of equal maxima": (
        lambda: changed(Remembering, backward=to_all_maxima)(2),
        (3, 6, 4, 7),
        {"A_prev"},
    ),
    "average pool: not divided": (
        lambda: changed(AvgPool2d, backward=lambda self, dA: 4 * AvgPool2d.backward(self, dA))(2),
        IMAGES,
        {"A_prev"},
    ),
    "adaptive pool: divided twice": (
        lambda: changed(AdaptiveAvgPool2d, backward=lambda self, dA: AdaptiveAvgPool2d.backward(self, dA) / 2)(2, 3),
        IMAGES,
        {"A_prev"},
    ),
    "batch norm: mean missing": (
        lambda: changed(BatchNorm1d, **NO_MEAN)(4),
        UNITS,
        {"A_prev"},
    ),
    "batch norm of images: mean missing": (
        lambda: changed(BatchNorm2d, **NO_MEAN)(3),
        IMAGES,
        {"A_prev"},
    ),
    "layer norm: mean missing": (
        lambda: changed(LayerNorm, **NO_MEAN)(4),
        UNITS,
        {"A_prev"},
    ),
    "layer norm: dgamma without 1/m": (lambda: without_m(LayerNorm, "gamma")(4), UNITS, {"gamma"}),
    "rms norm: mean missing": (
        lambda: changed(RMSNorm, **NO_PROJECTION)(4),
        UNITS,
        {"A_prev"},
    ),
    "group norm: dbeta without 1/m": (lambda: without_m(GroupNorm, "beta")(1, 3), IMAGES, {"beta"}),
    "dropout: mask not applied": (
        lambda: changed(Dropout, backward=lambda self, dA: dA / self.keep_prob)(0.6, seed=1),
        UNITS,
        {"A_prev"},
    ),
    "dropout: 1/keep_prob missing": (
        lambda: changed(Dropout, backward=lambda self, dA: Dropout.backward(self, dA) * self.keep_prob)(0.6, seed=1),
        UNITS,
        {"A_prev"},
    ),
    "rnn: last step only": (
        lambda: changed(RNN, sweep_back=last_step_only)(4, 3),
        STEPS,
        {"A_prev", "Wax", "Waa", "ba"},
    ),
    "rnn: dWaa without 1/m": (lambda: without_m(RNN, "Waa")(4, 3), STEPS, {"Waa"}),
    "lstm: dc_next missing": (
        lambda: changed(LSTM, sweep_back=without_dc_next)(4, 3),
        STEPS,
        {"A_prev", "Wax", "Waa", "ba"},
    ),
    "gru: dbaa without 1/m": (lambda: without_m(GRU, "baa")(4, 3), STEPS, {"baa"}),
    "attention: 1/sqrt(d) missing": (
        lambda: changed(ScaledDotProductAttention, attend_back=without_root)(2),
        (12, 5, 7),
        {"A_prev"},
    ),
    "attention: mask missing": (
        lambda: changed(ScaledDotProductAttention, attend_back=without_mask)(2, causal=True),
        (12, 5, 7),
        {"A_prev"},
    ),
    "self-attention: dWo without 1/m": (lambda: without_m(MultiHeadAttention, "Wo")(4, 2), STEPS, {"Wo"}),
    "residual: dA missing": (
        lambda: changed(Residual, backward=lambda self, dA: self.F.backward(dA))([Linear(4, 4), Tanh()]),
        UNITS,
        {"A_prev"},
    ),
    "residual: F missing": (
        lambda: changed(Residual, backward=lambda self, dA: dA + 0 * self.F.backward(dA))([Linear(4, 4), Tanh()]),
        UNITS,
        {"A_prev"},
    ),
    "softmax as if element by element": (
        lambda: changed(Softmax, backward=lambda self, dA: dA * self.A * (1 - self.A))(),
        UNITS,
        {"A_prev"},
    ),
    "log softmax: sum missing": (
        lambda: changed(LogSoftmax, backward=lambda self, dA: dA - self.A.exp() * dA)(),
        UNITS,
        {"A_prev"},
    ),
    "mean over time: 1/T missing": (
        lambda: changed(MeanOverTime, backward=lambda self, dA: 3 * MeanOverTime.backward(self, dA))(),
        STEPS,
        {"A_prev"},
    ),
    "last: every step": (
        lambda: changed(Last, backward=lambda self, dA: Last.backward(self, dA) + dA[:, None] / 3)(),
        STEPS,
        {"A_prev"},
    ),
    "images: axes exchanged": (
        lambda: changed(Images, backward=lambda self, dA: dA.permute(3, 2, 1, 0).flatten(1).T)(2, 2, 3),
        (12, 7),
        {"A_prev"},
    ),
}


def ties(A_prev: Tensor) -> Tensor:
    """Rounded and cut off at 0, as it comes from a ReLU: windows of equal maxima are common."""
    return (2 * A_prev).round().clamp(min=0)


def given(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    A_prev = normal(*shape, seed=7, dtype=dtype)
    return ties(A_prev) if "equal maxima" in name else A_prev


def dtype_of(name: str) -> torch.dtype:
    """One for the layer alone, and the other one for the layer in a network."""
    return (torch.float32, torch.float64)[list(MISTAKES).index(name) % 2]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mistakes are no matter of rounding: few samples of it, no differences, and no explanation."""
    monkeypatch.setattr("torchbasics.check.networks.sampling.SAMPLES", 6)
    monkeypatch.setattr("torchbasics.check.networks.sampling.MORE_SAMPLES", 6)
    monkeypatch.setattr("torchbasics.check.networks.layer.EVERY_ENTRY", 0)
    monkeypatch.setattr("torchbasics.check.networks.network.explain", lambda *given: None)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_and_nothing_else(name: str) -> None:
    dtype = dtype_of(name)
    make, shape, expected = MISTAKES[name]
    layer = with_values(make(), 1, dtype)
    A_prev = given(name, shape, dtype)
    expected = {f"d{one}" for one in expected}
    report = check_layer(layer, A_prev)
    assert {one.removesuffix(" (gradients)") for one in wrong(report)} == expected


BELOW: dict[int, Callable[[int], Layer]] = {
    2: lambda n: Linear(n, n),
    3: lambda n: LinearOverTime(n, n),
    4: lambda n: Conv2d(n, n, 1),
}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_in_its_place_in_a_network(name: str) -> None:
    make, shape, expected = MISTAKES[name]
    below: list[Layer] = [BELOW[len(shape)](shape[0])]
    if "equal maxima" in name:
        below.append(ReLU())
    layer = make()
    dtype = torch.float64 if dtype_of(name) == torch.float32 else torch.float32
    network = Network([*below, layer], SquaredError()).to(dtype)
    randomise(network, generator(2))
    network.train(layer.training)
    X = given(name, shape, dtype)
    Y = normal(*network.outputs(X).shape, seed=3, dtype=dtype)
    k = len(below)
    names = network.own_names[k] | {"A_prev": network.names[k - 1]}
    report = check_network(network, X, Y)
    assert set(wrong(report)) == {f"d{names[one]}" for one in expected}
    # The layer that it is a wrong version of, at the same numbers, is right.
    layer.__class__ = type(layer).__mro__[1]
    assert check_network(network, X, Y)


@pytest.mark.usefixtures("quick")
@both_dtypes
def test_a_wrong_embedding_is_found(dtype: torch.dtype) -> None:
    wrongly = changed(Embedding, gradients=last_token_only)
    tokens = torch.randint(0, 6, (5, 7), generator=generator(1)).to(dtype)
    layer = with_values(wrongly(6, 3), 1, dtype)
    assert {one.removesuffix(" (gradients)") for one in wrong(check_layer(layer, tokens))} == {"dE"}
    network = Network([layer, LinearOverTime(3, 2)], SquaredError()).to(dtype)
    randomise(network, generator(2))
    Y = normal(2, 5, 7, seed=3, dtype=dtype)
    assert wrong(check_network(network, tokens, Y)) == ["dE1"]
    layer.__class__ = Embedding
    assert check_network(network, tokens, Y)


class WithoutM(L2):
    """lambda W, without the 1/m."""

    def gradients(self, weights: Any, m: int) -> list[Tensor]:
        return super().gradients(weights, 1)


class Doubled(L1):
    """2 lambda / m sign(W)."""

    def gradients(self, weights: Any, m: int) -> list[Tensor]:
        return [2 * gradient for gradient in super().gradients(weights, m)]


class Unhalved(L2):
    """lambda / m in J, where it is lambda / (2m)."""

    def cost(self, weights: Any, m: int) -> Tensor:
        return 2 * super().cost(weights, m)


@pytest.mark.usefixtures("quick")
@both_dtypes
@pytest.mark.parametrize(
    ("kind", "expected"), [(WithoutM, {"dW1", "dW2"}), (Doubled, {"dW1", "dW2"}), (Unhalved, {"J"})]
)
def test_a_wrong_penalty_is_found(kind: Any, expected: set[str], dtype: torch.dtype) -> None:
    for penalty, names in ((kind(0.7), expected), (kind.__mro__[1](0.7), set())):
        network = Network([Linear(5, 4), Tanh(), Linear(4, 3)], SigmoidCrossEntropy(), [penalty]).to(dtype)
        randomise(network, generator(3))
        X, Y = normal(5, 7, seed=1, dtype=dtype), torch.ones(3, 7, dtype=dtype)
        assert set(wrong(check_network(network, X, Y))) == names


class TiesTo(Remembering):
    """dA of equal maxima to the last of them, or in equal parts: as right as to the first."""

    share = False

    def backward(self, dA: Tensor) -> Tensor:
        mask = (self.A_prev == grown(self.A, 2)).double()
        windows = mask.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).movedim(2, 3).flatten(3, 4)  # C, H, W, 4, m
        last = windows.flip(3).cumsum(3).flip(3)
        parts = windows / windows.sum(3, keepdim=True) if self.share else windows * (last == 1)
        whole = parts.unflatten(3, (2, 2)).movedim(3, 2).flatten(3, 4).flatten(1, 2)
        return whole.to(dA) * grown(dA, 2)


@both_dtypes
@pytest.mark.parametrize("share", [True, False])
def test_any_of_equal_maxima_is_right(share: bool, dtype: torch.dtype) -> None:
    layer = TiesTo(2)
    layer.share = share
    report = check_layer(layer, ties(normal(2, 6, 4, 5, seed=1, dtype=dtype)))
    assert report, wrong(report)
    assert "the other side of a kink" in named(report, "dA_prev").note
