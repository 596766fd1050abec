"""The norms: values spelled out in loops, running statistics, use after training, blocks, and what they refuse."""

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numerics import assert_close, autograd_quantities, dtypes, generator, randomise, seeds
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.initialisation import initialise
from torchbasics.layers import (
    BatchNorm1d,
    BatchNorm2d,
    GroupNorm,
    Layer,
    LayerNorm,
    Linear,
    ReLU,
    RMSNorm,
    norm,
)
from torchbasics.losses import SigmoidCrossEntropy
from torchbasics.network import Network
from torchbasics.notation import dZ_from_autograd, examples_first, examples_last

# A layer and the shape of a Z for it, m last.
EVERY: dict[str, tuple[Callable[[], Layer], tuple[int, ...]]] = {
    "batch-norm": (lambda: BatchNorm1d(4), (4, 7)),
    "batch-norm-over-time": (lambda: BatchNorm1d(4), (4, 3, 7)),
    "batch-norm-of-images": (lambda: BatchNorm2d(4), (4, 3, 2, 7)),
    "layer-norm": (lambda: LayerNorm(6), (6, 7)),
    "layer-norm-over-time": (lambda: LayerNorm(6), (6, 3, 7)),
    "rms-norm": (lambda: RMSNorm(6), (6, 7)),
    "rms-norm-over-time": (lambda: RMSNorm(6), (6, 3, 7)),
    "group-norm": (lambda: GroupNorm(2, 8), (8, 7)),
    "group-norm-over-time": (lambda: GroupNorm(2, 6), (6, 5, 7)),
    "group-norm-of-images": (lambda: GroupNorm(2, 6), (6, 3, 4, 7)),
}
every_norm = pytest.mark.parametrize(("make", "shape"), EVERY.values(), ids=EVERY.keys())
batch_norms = st.sampled_from([(BatchNorm1d, ()), (BatchNorm1d, (3,)), (BatchNorm2d, (3, 2))])


def numbers(shape: tuple[int, ...], g: torch.Generator, dtype: torch.dtype = torch.float64) -> Tensor:
    """Normal numbers around 1, and 2 wide."""
    return (1 + 2 * torch.randn(shape, generator=g, dtype=torch.float64)).to(dtype)


def by_autograd(layer: Layer, Z: Tensor, dZ_tilde: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Z_tilde, dZ and the parameters' gradients by the twin."""
    twin = layer.twin().train(layer.training)
    first = examples_first(Z).clone().requires_grad_()
    Z_tilde = twin(first)
    Z_tilde.backward(examples_first(dZ_tilde) / Z.shape[-1])
    gradients = {name: theirs.grad.reshape(ours.shape) for name, ours, theirs in layer.pairs(twin)}
    return examples_last(Z_tilde.detach()), dZ_from_autograd(examples_last(first.grad)), gradients


def assert_agree(layer: Layer, Z: Tensor, dZ_tilde: Tensor, ulps: float = 256) -> None:
    """Our values are the twin's and its autograd's."""
    Z_tilde, dZ, gradients = by_autograd(layer, Z, dZ_tilde)
    assert_close(layer(Z), Z_tilde, "Z_tilde", ulps)
    assert_close(layer.backward(dZ_tilde), dZ, "dZ", ulps)
    for name, gradient in gradients.items():
        assert_close(layer.get_parameter(name).grad, gradient, f"d{name}", ulps)


def in_loops(
    z: list[float], dz_norm: list[float], epsilon: float, *, centred: bool = True
) -> tuple[list[float], list[float]]:
    """z_norm and dz of the K numbers that share a mean and a variance, one path of the derivative after another."""
    K = len(z)
    mu = sum(z) / K if centred else 0.0
    sigma2 = sum((value - mu) ** 2 for value in z) / K
    std = (sigma2 + epsilon) ** 0.5
    dsigma2 = dmu = 0.0
    for k in range(K):
        dsigma2 += dz_norm[k] * (z[k] - mu) * -0.5 * std**-3
    for k in range(K):
        dmu += -dz_norm[k] / std - dsigma2 * 2 * (z[k] - mu) / K
    dz = []
    for k in range(K):
        own, through_sigma2 = dz_norm[k] / std, dsigma2 * 2 * (z[k] - mu) / K
        dz.append(own + through_sigma2 + (dmu / K if centred else 0.0))
    return [(value - mu) / std for value in z], dz


def entries_of(kind: str, shape: tuple[int, ...]) -> list[list[tuple[int, ...]]]:
    """The places of the numbers that share a mean, list by list."""
    lists: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for flat in range(torch.Size(shape).numel()):
        place = tuple(int(i) for i in torch.unravel_index(torch.tensor(flat), shape))
        if kind.startswith("batch"):
            key = place[:1]
        elif kind.startswith("group"):
            key = (place[0] // (shape[0] // 2), place[-1])
        else:
            key = place[1:]
        lists.setdefault(key, []).append(place)
    return list(lists.values())


@pytest.mark.parametrize("kind", EVERY)
def test_values_are_those_of_loops(kind: str) -> None:
    make, shape = EVERY[kind]
    g = generator(3)
    layer = make().double()
    layer.epsilon = 0.3  # so large that its place shows
    randomise(layer, g)
    gamma, beta = layer.gamma[:, 0], layer.beta[:, 0] if hasattr(layer, "beta") else torch.zeros(shape[0])
    Z, dZ_tilde = numbers(shape, g), torch.randn(shape, generator=g, dtype=torch.float64)
    Z_tilde, dZ = torch.zeros_like(Z), torch.zeros_like(Z)
    dgamma, dbeta = torch.zeros_like(gamma), torch.zeros_like(gamma)
    for places in entries_of(kind, shape):
        z, dz_norm = [Z[p].item() for p in places], [(gamma[p[0]] * dZ_tilde[p]).item() for p in places]
        z_norm, dz = in_loops(z, dz_norm, layer.epsilon, centred=not kind.startswith("rms"))
        for p, a, d in zip(places, z_norm, dz, strict=True):
            Z_tilde[p], dZ[p] = gamma[p[0]] * a + beta[p[0]], d
            dgamma[p[0]] += dZ_tilde[p] * a / shape[-1]
            dbeta[p[0]] += dZ_tilde[p] / shape[-1]
    assert_close(layer(Z), Z_tilde, "Z_tilde")
    assert_close(layer.backward(dZ_tilde), dZ, "dZ")
    assert_close(layer.gamma.grad, dgamma[:, None], "dgamma")
    if not kind.startswith("rms"):
        assert_close(layer.beta.grad, dbeta[:, None], "dbeta")


@every_norm
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_blocks_of_examples_give_what_the_whole_gives(
    make: Callable[[], Layer], shape: tuple[int, ...], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    g = generator(4)
    layer = make().to(dtype)
    randomise(layer, g)
    *n, m = shape
    # Examples one after another in memory, as images and sequences lie; 3 of 7 in a block leave 1 in the last.
    Z, dZ_tilde = (examples_last(numbers((m, *n), g, dtype)) for _ in range(2))
    monkeypatch.setattr(norm, "BLOCK", 3 * Z[..., 0].numel() + 1)
    assert [len(z[0].flatten()) * len(z) // Z[..., 0].numel() for (z,) in norm._blocks(Z)] == [3, 3, 1]
    assert_agree(layer, Z, dZ_tilde)
    monkeypatch.setattr(norm, "BLOCK", 1)  # less than an example
    assert_agree(layer, Z, dZ_tilde)


@every_norm
def test_any_layout_gives_the_same_and_nothing_given_is_changed(
    make: Callable[[], Layer], shape: tuple[int, ...]
) -> None:
    g = generator(5)
    layer = make().double()
    randomise(layer, g)
    Z, dZ_tilde = numbers(shape, g), torch.randn(shape, generator=g, dtype=torch.float64)
    layer(Z)
    dZ = layer.backward(dZ_tilde)
    dgamma = layer.get_parameter("gamma").grad
    *n, m = shape
    last_first = examples_last(examples_first(Z).contiguous())
    apart = torch.zeros(*n, 2 * m, dtype=torch.float64)[..., ::2].copy_(Z)
    features_last = torch.empty(m, *n[1:], n[0], dtype=torch.float64).movedim((0, -1), (-1, 0)).copy_(Z)
    for again in (last_first, apart, features_last):
        for cotangent in (dZ_tilde, examples_last(examples_first(dZ_tilde).contiguous())):
            kept = again.clone(), cotangent.clone()
            layer(again)
            assert_close(layer.backward(cotangent), dZ, "dZ")
            assert_close(layer.get_parameter("gamma").grad, dgamma, "dgamma")
            torch.testing.assert_close((again, cotangent), kept, rtol=0, atol=0)
    # A cotangent of one number for all, as a sum gives: no memory of its own.
    assert_agree(layer, Z, torch.ones((), dtype=torch.float64).expand(shape) * examples_last(torch.arange(1.0, m + 1)))


@every_norm
def test_keeps_no_more_than_autograd(make: Callable[[], Layer], shape: tuple[int, ...]) -> None:
    layer = make()
    before = set(vars(layer))
    Z = numbers(shape, generator(6), torch.float32)
    layer(Z)
    K = Z.numel() / len(entries_of(next(k for k, v in EVERY.items() if v[1] == shape and v[0] is make), shape))
    cached = [value for name, value in vars(layer).items() if name not in before]
    flat = [t for value in cached for t in (value if isinstance(value, list) else [value])]
    tensors = [t for value in flat for t in (value if isinstance(value, tuple) else [value]) if isinstance(t, Tensor)]
    assert sum(t is Z for t in tensors) == 1
    assert sum(t.numel() for t in tensors if t is not Z) <= 2 * Z.numel() / K


@settings(max_examples=30, deadline=None)
@given(kind=batch_norms, m=st.integers(3, 6), n=st.integers(1, 5), batches=st.integers(1, 4), seed=seeds, dtype=dtypes)
def test_running_statistics_are_the_twins(
    kind: tuple[type[Layer], tuple[int, ...]], m: int, n: int, batches: int, seed: int, dtype: torch.dtype
) -> None:
    make, rest = kind
    g = generator(seed)
    layer = make(n).to(dtype)
    randomise(layer, g)
    twin = layer.twin()
    for _ in range(batches):
        Z = numbers((n, *rest, m), g, dtype)
        assert_close(layer(Z), examples_last(twin(examples_first(Z)).detach()), "Z_tilde", 256)
    for name in ("running_mean", "running_var"):
        assert_close(layer.get_buffer(name), twin.get_buffer(name)[:, None], name)
    # In use, both start from what they have gathered, and it stays.
    layer.eval()
    kept = copy.deepcopy(layer.state_dict())
    Z, dZ_tilde = numbers((n, *rest, 1), g, dtype), torch.randn((n, *rest, 1), generator=g).to(dtype)
    assert_agree(layer, Z, dZ_tilde)
    torch.testing.assert_close(dict(layer.state_dict()), dict(kept), rtol=0, atol=0)


def test_running_variance_counts_K_less_1() -> None:
    layer = BatchNorm1d(1).double()
    layer(torch.tensor([[1.0, 2.0, 6.0]], dtype=torch.float64))
    # mean 3, squares 4 + 1 + 9 = 14: of K = 3 it is 14/3 in Z_norm and 14/2 in the running variance.
    assert layer.running_mean.item() == pytest.approx(0.1 * 3, rel=1e-12)
    assert layer.running_var.item() == pytest.approx(0.9 + 0.1 * 7, rel=1e-12)
    assert layer.mu.item() == pytest.approx(3, rel=1e-12)
    assert layer.r.item() == pytest.approx((14 / 3 + 1e-5) ** -0.5, rel=1e-12)


@pytest.mark.parametrize("name", ["batch-norm", "batch-norm-over-time", "batch-norm-of-images"])
def test_in_use_statistics_are_constants(name: str) -> None:
    make, shape = EVERY[name]
    g = generator(7)
    layer = make().double()
    randomise(layer, g)
    layer.running_mean.copy_(torch.randn(shape[0], 1, generator=g))
    layer.running_var.copy_(0.5 + torch.rand(shape[0], 1, generator=g))
    Z, dZ_tilde = numbers(shape, g), torch.randn(shape, generator=g, dtype=torch.float64)
    in_training = layer(Z)
    layer.eval()
    assert_agree(layer, Z, dZ_tilde)
    assert not torch.allclose(layer(Z), in_training)
    # gradients alone, as the first layer of a network does.
    _, _, expected = by_autograd(layer, Z, dZ_tilde)
    layer.gradients(dZ_tilde)
    assert_close(layer.gamma.grad, expected["gamma"], "dgamma")
    assert_close(layer.beta.grad, expected["beta"], "dbeta")


def test_backward_is_of_the_forward_that_was() -> None:
    make, shape = EVERY["batch-norm"]
    g = generator(8)
    layer = make().double()
    Z, dZ_tilde = numbers(shape, g), torch.randn(shape, generator=g, dtype=torch.float64)
    _, dZ, _ = by_autograd(layer, Z, dZ_tilde)
    layer(Z)
    layer.eval()
    assert_close(layer.backward(dZ_tilde), dZ, "dZ")


@every_norm
def test_dZ_has_no_part_that_the_norm_undoes(make: Callable[[], Layer], shape: tuple[int, ...]) -> None:
    g = generator(9)
    layer = make().double()
    layer.epsilon = 1e-30
    Z = numbers(shape, g)
    layer(Z)
    dZ = layer.backward(torch.randn(shape, generator=g, dtype=torch.float64))
    kind = next(k for k, v in EVERY.items() if v[1] == shape and v[0] is make)
    for places in entries_of(kind, shape):
        z, dz = (torch.stack([values[p] for p in places]) for values in (Z, dZ))
        stretch = z if kind.startswith("rms") else z - z.mean()
        assert abs((dz * stretch).sum()) < 1e-12
        if not kind.startswith("rms"):
            assert abs(dz.sum()) < 1e-12


def test_groups_of_one_and_of_all() -> None:
    g = generator(10)
    Z = numbers((6, 5), g)
    assert_close(GroupNorm(1, 6).double()(Z), LayerNorm(6).double()(Z), "Z_tilde")
    images = numbers((6, 3, 4, 5), g)
    stock = nn.functional.instance_norm(examples_first(images))
    assert_close(GroupNorm(6, 6).double()(images), examples_last(stock), "Z_tilde")


def deep_with_norm() -> Network:
    """Four examples of a norm in a network, one of them of an activation."""
    layers: list[Layer] = [Linear(5, 4), BatchNorm1d(4), ReLU(), Linear(4, 6), LayerNorm(6), GroupNorm(2, 6)]
    return Network([*layers, RMSNorm(6), Linear(6, 1)], SigmoidCrossEntropy()).double()


def test_network_names_them_and_agrees_with_autograd() -> None:
    network, g = deep_with_norm(), generator(11)
    randomise(network, g)
    X, Y = numbers((5, 9), g), torch.randint(0, 2, (1, 9), generator=g).double()
    names = ["Z1", "Z_tilde1", "A1", "Z2", "Z_tilde2", "Z_tilde3", "Z_tilde4", "Z5"]
    assert network.names == names
    parameters = [name for name, _ in network.notes_parameters()]
    assert parameters[:4] == ["W1", "b1", "gamma1", "beta1"]
    assert parameters[4:8] == ["W2", "b2", "gamma2", "beta2"]
    ours, reference = network.quantities(X, Y), autograd_quantities(network, X, Y)
    assert ours.keys() == reference.keys()
    for name, value in reference.items():
        assert ours[name].shape == value.shape, name
        assert (ours[name] - value).abs().max() <= 1e-12 * (1 + value.abs().max()), name
    # What is added to every example alike, mu takes away again.
    assert ours["db1"].abs().max() < 1e-14


def test_starts_as_the_stock_norm_does() -> None:
    network = initialise(deep_with_norm(), "he", seed=1)
    for name, parameter in network.notes_parameters():
        if name.startswith(("gamma", "beta")):
            assert (parameter == name.startswith("gamma")).all()


def test_state_goes_on_with_the_running_statistics() -> None:
    layer, g = BatchNorm1d(3), generator(12)
    for _ in range(3):
        layer(numbers((3, 5), g, torch.float32))
    again = BatchNorm1d(3)
    again.load_state_dict(layer.state_dict())
    Z = numbers((3, 2), g, torch.float32)
    assert torch.equal(layer.eval()(Z), again.eval()(Z))
    assert set(layer.state_dict()) == {"gamma", "beta", "running_mean", "running_var"}


@pytest.mark.parametrize(
    ("layer", "shape"), [(BatchNorm1d(3), (3, 1)), (BatchNorm1d(3), (3, 1, 1)), (BatchNorm2d(3), (3, 1, 1, 1))]
)
def test_one_number_has_no_spread(layer: Layer, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"one number per unit to train on, .* two examples or more, or call eval\(\)"):
        layer(torch.ones(shape))
    assert torch.equal(layer.get_buffer("running_mean"), torch.zeros(3, 1)), "it has moved them all the same"
    layer.eval()(torch.ones(shape))


def test_one_example_of_more_numbers_is_enough() -> None:
    g = generator(13)
    for layer, shape in ((BatchNorm1d(3), (3, 6, 1)), (BatchNorm2d(3), (3, 2, 4, 1))):
        Z, dZ_tilde = numbers(shape, g), torch.randn(shape, generator=g, dtype=torch.float64)
        assert_agree(layer.double(), Z, dZ_tilde)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (BatchNorm1d(3), (4, 5), r"BatchNorm1d\(n=3\) got Z of shape \(4, 5\), expected \(3, m\) or \(3, T, m\)"),
        (BatchNorm1d(3), (3, 2, 2, 5), r"expected \(3, m\) or \(3, T, m\): units or channels first, examples last"),
        (BatchNorm1d(3), (3,), r"got Z of shape \(3,\)"),
        (BatchNorm2d(3), (3, 5), r"BatchNorm2d\(n=3\) got Z of shape \(3, 5\), expected \(3, H, W, m\)"),
        (BatchNorm2d(3), (5, 3, 2, 2), r"expected \(3, H, W, m\)"),
        (LayerNorm(3), (5, 3), r"LayerNorm\(n=3\) got Z of shape \(5, 3\), expected \(3, m\) or \(3, T, m\)"),
        (RMSNorm(3), (5, 4, 3), r"RMSNorm\(n=3\) got Z of shape \(5, 4, 3\)"),
        (GroupNorm(2, 4), (5, 4), r"GroupNorm\(groups=2, n_C=4\) .* \(4, m\) or \(4, T, m\) or \(4, H, W, m\)"),
    ],
)
def test_says_what_shape_it_needs(layer: Layer, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        layer(torch.zeros(shape))


@pytest.mark.parametrize(("groups", "n_C"), [(4, 6), (0, 6), (-2, 6), (7, 6)])
def test_groups_have_to_divide(groups: int, n_C: int) -> None:
    with pytest.raises(InputError, match=rf"GroupNorm got {groups} groups for 6 channels, expected a divisor of 6"):
        GroupNorm(groups, n_C)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (BatchNorm1d(3), (3, 0)),
        (BatchNorm1d(3), (3, 0, 4)),
        (BatchNorm2d(3), (3, 2, 2, 0)),
        (LayerNorm(3), (3, 0)),
        (RMSNorm(3), (3, 5, 0)),
        (GroupNorm(1, 3), (3, 2, 2, 0)),
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_of_nothing_there_are_no_statistics(layer: Layer, shape: tuple[int, ...], training: bool) -> None:
    before = {name: buffer.clone() for name, buffer in layer.named_buffers()}
    with pytest.raises(InputError, match="in which there is nothing: expected one or more of every axis"):
        layer.train(training)(torch.zeros(shape))
    for name, buffer in layer.named_buffers():
        assert torch.equal(buffer, before[name])


@pytest.mark.parametrize("kind", [BatchNorm1d, BatchNorm2d, LayerNorm, RMSNorm])
def test_sizes_and_epsilon_are_numbers_that_make_sense(kind: type[Layer]) -> None:
    name = kind.__name__
    for n in (0, -1):
        with pytest.raises(InputError, match=f"{name} got n = {n}, expected a whole number, 1 or more"):
            kind(n)
    for epsilon in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match=f"{name} got epsilon {epsilon}, expected 0 or a positive number"):
            kind(2, epsilon)
