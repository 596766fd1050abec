"""The smooth activations and the softmax against their formulas in Python's own floats; far from 0 as well."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from numerics import assert_close, distinct_sizes, generator, seeds
from torch import Tensor, nn

from torchbasics.check.networks.layer import check_layer
from torchbasics.errors import InputError
from torchbasics.layers import ELU, GELU, Layer, LogSoftmax, Sigmoid, SiLU, Softmax, Softplus
from torchbasics.notation import examples_first, examples_last

both_dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z > 0 else math.exp(z) / (1 + math.exp(z))


def Phi(z: float) -> float:
    return math.erfc(-z / math.sqrt(2)) / 2


def phi(z: float) -> float:
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


# Each g and g', of one number.
FORMULAS: dict[str, tuple[Callable[[], Layer], Callable[[float], float], Callable[[float], float]]] = {
    "elu": (ELU, lambda z: z if z > 0 else math.expm1(z), lambda z: 1 if z > 0 else math.exp(z)),
    "elu-0.3": (
        lambda: ELU(0.3),
        lambda z: z if z > 0 else 0.3 * math.expm1(z),
        lambda z: 1 if z > 0 else 0.3 * math.exp(z),
    ),
    "elu-2": (
        lambda: ELU(2.0),
        lambda z: z if z > 0 else 2 * math.expm1(z),
        lambda z: 1 if z > 0 else 2 * math.exp(z),
    ),
    "gelu": (GELU, lambda z: z * Phi(z), lambda z: Phi(z) + z * phi(z)),
    "silu": (SiLU, lambda z: z * sigmoid(z), lambda z: sigmoid(z) * (1 + z * (1 - sigmoid(z)))),
    "softplus": (Softplus, lambda z: max(z, 0) + math.log1p(math.exp(-abs(z))), sigmoid),
}
every_formula = pytest.mark.parametrize(("make", "g", "slope"), FORMULAS.values(), ids=FORMULAS.keys())
Formula = Callable[[float], float]


def grid(dtype: torch.dtype) -> Tensor:
    """Every 1/16 from -50 to 50, both zeros, and what lies around them."""
    around_0 = torch.tensor([0.0, -0.0, 1e-3, -1e-3, 1e-20, -1e-20, 1e-30, -1e-30], dtype=dtype)
    return torch.cat([torch.arange(-800, 801, dtype=dtype) / 16, around_0])[None]


def both_ways(layer: Layer, Z: Tensor) -> tuple[Tensor, Tensor]:
    """A, and dZ for dA = 1."""
    A = layer(Z)
    return A, layer.backward(torch.ones_like(Z))


@every_formula
@both_dtypes
def test_every_entry_is_the_formulas(make: Callable[[], Layer], g: Formula, slope: Formula, dtype: torch.dtype) -> None:
    Z = grid(dtype)
    A, dZ = both_ways(make(), Z)
    for ours, formula in ((A, g), (dZ, slope)):
        expected = torch.tensor([[formula(z) for z in Z[0].tolist()]], dtype=torch.float64)
        units = (ours - expected).abs() / (torch.finfo(dtype).eps * (1 + expected.abs()))
        # GELU's tail has z times the rounding of erf, up to z = 8.3 where it is gone.
        assert units.max() <= 6, f"{units.max():.1f} roundings at z = {Z[0, units.argmax()]:.4g}"


@every_formula
@both_dtypes
@pytest.mark.parametrize("z", [100.0, 1000.0, 1e10, 1e30])
def test_far_out_it_is_its_asymptote(
    make: Callable[[], Layer], g: Formula, slope: Formula, dtype: torch.dtype, z: float
) -> None:
    A, dZ = both_ways(make(), torch.tensor([[z, -z]], dtype=dtype))
    left = g(-1e3)  # -alpha or 0
    torch.testing.assert_close(A, torch.tensor([[z, left]], dtype=dtype), atol=1e-30, rtol=1e-7)
    torch.testing.assert_close(dZ, torch.tensor([[1.0, 0.0]], dtype=dtype), atol=1e-30, rtol=1e-7)


@both_dtypes
@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.0])
def test_elu_at_exactly_0_has_torchs_derivative(dtype: torch.dtype, alpha: float) -> None:
    layer = ELU(alpha)
    Z = torch.tensor([[0.0, -0.0, 1e-38, -1e-38]], dtype=dtype)
    A, dZ = both_ways(layer, Z)
    first = examples_first(Z).clone().requires_grad_()
    layer.twin()(first).sum().backward()
    torch.testing.assert_close(dZ, examples_last(first.grad))
    torch.testing.assert_close(dZ, torch.tensor([[alpha, alpha, 1.0, alpha]], dtype=dtype))
    assert A[0, :2].tolist() == [0, 0]


@both_dtypes
def test_gelu_at_0_and_in_its_left_tail(dtype: torch.dtype) -> None:
    # Phi(0) = 1/2 where A / Z is 0 / 0; and where 1 + erf is 0, A is 0 instead of -1e-7 and less.
    A, dZ = both_ways(GELU(), torch.tensor([[0.0, -0.0, -8.5]], dtype=dtype))
    assert A.tolist() == [[0, 0, 0]]
    assert dZ[0, :2].tolist() == [0.5, 0.5]
    assert dZ[0, 2].item() == pytest.approx(-8.5 * phi(-8.5), rel=1e-3)


def test_derivatives_keep_their_digits_far_to_the_left() -> None:
    # Through A, these would be 1 - 1 and rounding of 1.
    Z = torch.tensor([[-50.0]])
    for layer in (ELU(), Softplus()):
        assert both_ways(layer, Z)[1].item() == pytest.approx(math.exp(-50), rel=1e-5)
    assert both_ways(Softplus(), Z)[0].item() == pytest.approx(math.exp(-50), rel=1e-5)
    assert both_ways(SiLU(), Z)[1].item() == pytest.approx(-49 * math.exp(-50), rel=1e-5)


def test_softplus_goes_on_where_stock_softplus_stops() -> None:
    Z = torch.tensor([[20.001]], dtype=torch.float64)
    A = Softplus()(Z)
    missing = A - nn.Softplus()(Z)
    assert missing.item() == pytest.approx(math.log1p(math.exp(-20.001)), rel=1e-5)
    assert 5e5 < missing / (torch.finfo(torch.float64).eps / 2 * A) < 1e6
    assert_close(A, Softplus().twin()(Z), "A", ulps=2)
    assert torch.equal(Softplus()(Z.float()), nn.Softplus()(Z.float()))


@every_formula
@both_dtypes
def test_the_checker_finds_it_right_at_every_size(
    make: Callable[[], Layer], g: Formula, slope: Formula, dtype: torch.dtype
) -> None:
    for seed, size in enumerate((0.01, 1, 5, 20, 1000)):
        Z = size * torch.randn(5, 40, generator=generator(seed), dtype=torch.float64)
        report = check_layer(make(), Z.to(dtype), seed=seed)
        assert report, (size, report)


def test_sigmoid_keeps_the_digits_of_1_minus_a() -> None:
    # In float32 a is 1 - 4.5e-5, of which A - A^2 would keep three digits.
    for z in (10.0, -10.0):
        A, dZ = both_ways(Sigmoid(), torch.tensor([[z]]))
        a = A.double().item()
        assert dZ.item() == pytest.approx(a * (1 - a), rel=3e-7)


@pytest.mark.parametrize("alpha", [0.0, -1.0, math.inf, math.nan])
def test_elu_says_what_alpha_it_needs(alpha: float) -> None:
    with pytest.raises(InputError, match=r"ELU got alpha .*, expected alpha > 0"):
        ELU(alpha)


# Softmax


@settings(max_examples=20, deadline=None)
@given(shape=distinct_sizes(3, largest=5), seed=seeds)
def test_softmax_entry_by_entry_with_its_whole_jacobian(shape: list[int], seed: int) -> None:
    g = generator(seed)
    Z, dA = (torch.randn(shape, generator=g, dtype=torch.float64) for _ in range(2))
    n_y, T, m = shape
    A, dZ, log_dZ = torch.zeros_like(Z), torch.zeros_like(Z), torch.zeros_like(Z)
    for t in range(T):
        for i in range(m):
            total = sum(math.exp(z) for z in Z[:, t, i])
            for j in range(n_y):
                A[j, t, i] = math.exp(Z[j, t, i]) / total
            for j in range(n_y):
                for k in range(n_y):
                    a_j, a_k, same = A[j, t, i], A[k, t, i], float(j == k)
                    dZ[j, t, i] += dA[k, t, i] * a_k * (same - a_j)
                    log_dZ[j, t, i] += dA[k, t, i] * (same - a_j)
    softmax, log_softmax = Softmax(), LogSoftmax()
    assert_close(softmax(Z), A, "softmax")
    assert_close(softmax.backward(dA), dZ, "dZ of the softmax", ulps=1e3 if n_y == 1 else 64)
    torch.testing.assert_close(log_softmax(Z), A.log(), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(log_softmax.backward(dA), log_dZ, rtol=0, atol=1e-14)


@both_dtypes
def test_softmax_of_thousands(dtype: torch.dtype) -> None:
    Z = torch.tensor([[1000.0, -1000.0, 1e30, 1000.0], [1000.0, -1000.0, -1e30, 999.0], [-1000.0, 0.0, 0.0, 0.0]])
    a = 1 / (1 + math.exp(-1))
    A = torch.tensor([[0.5, 0, 1, a], [0.5, 0, 0, 1 - a], [0, 1, 0, 0]], dtype=dtype)
    log_A = torch.tensor(
        [
            [-math.log(2), -1000, 0, math.log(a)],
            [-math.log(2), -1000, -2e30, math.log(1 - a)],
            [-2000 - math.log(2), 0, -1e30, -1000 + math.log(a)],
        ],
        dtype=dtype,
    )
    dA = torch.tensor([1.0, 2.0, -4.0], dtype=dtype)[:, None].expand(3, 4)
    softmax, log_softmax = Softmax(), LogSoftmax()
    torch.testing.assert_close(softmax(Z.to(dtype)), A)
    torch.testing.assert_close(log_softmax(Z.to(dtype)), log_A)
    torch.testing.assert_close(softmax.backward(dA), A * (dA - (dA * A).sum(0)))
    torch.testing.assert_close(log_softmax.backward(dA), dA + A)


@pytest.mark.parametrize("make", [Softmax, LogSoftmax])
@settings(max_examples=20, deadline=None)
@given(shape=distinct_sizes(3), seed=seeds)
def test_a_shift_of_a_column_changes_nothing(make: Callable[[], Layer], shape: list[int], seed: int) -> None:
    g = generator(seed)
    layer = make()
    Z, dA = (torch.randn(shape, generator=g, dtype=torch.float64) for _ in range(2))
    A, dZ = layer(Z), layer.backward(dA)
    P = A if make is Softmax else A.exp()
    torch.testing.assert_close(P.sum(0), torch.ones(shape[1:], dtype=torch.float64))
    assert dZ.sum(0).abs().max() < 1e-14
    shifted = layer(Z + torch.randn(shape[1:], generator=g, dtype=torch.float64))
    torch.testing.assert_close(shifted, A)


@pytest.mark.parametrize("make", [Softmax, LogSoftmax])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (2, 1, 0), (1, 2, 0)])
def test_softmax_keeps_the_order_in_memory(make: Callable[[], Layer], order: tuple[int, ...]) -> None:
    g = generator(3)
    layer = make()
    Z, dA = (torch.randn(4, 3, 5, generator=g, dtype=torch.float64) for _ in range(2))
    A, dZ = layer(Z), layer.backward(dA)
    back = sorted(range(3), key=order.__getitem__)
    moved, moved_dA = (value.permute(order).contiguous().permute(back) for value in (Z, dA))
    assert_close(layer(moved), A, "A")
    assert layer(moved).stride() == moved.stride()
    assert_close(layer.backward(moved_dA), dZ, "dZ")
    assert layer.backward(moved_dA).stride() == moved.stride()


@pytest.mark.parametrize("make", [Softmax, LogSoftmax])
@both_dtypes
def test_the_checker_finds_softmax_right(make: Callable[[], Layer], dtype: torch.dtype) -> None:
    for seed, size in enumerate((0.01, 1, 5)):
        Z = size * torch.randn(6, 3, 10, generator=generator(seed), dtype=torch.float64)
        report = check_layer(make(), Z.to(dtype), seed=seed)
        assert report, (size, report)
