"""Pooling against the course's loops in every order of memory; ties, NaN, overlaps; what is kept, what refused."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loops_pool import adaptive_spans, average_pool, create_mask_from_window, first_in_window, max_pool, spans
from numerics import assert_close, autograd_quantities, generator, randomise, seeds
from torch import Tensor

from torchbasics.errors import InputError
from torchbasics.layers import AdaptiveAvgPool2d, AvgPool2d, Flatten, Images, Layer, Linear, MaxPool2d, ReLU
from torchbasics.layers import pool as pool_module
from torchbasics.losses import SigmoidCrossEntropy
from torchbasics.network import Network
from torchbasics.notation import dZ_from_autograd, examples_first, examples_last

# How (n_C, n_H, n_W, m) may lie in memory: from the slowest axis to the fastest.
ORDERS = {
    "examples first": (3, 0, 1, 2),
    "channels last": (3, 1, 2, 0),
    "examples last": (0, 1, 2, 3),
    "odd": (2, 0, 3, 1),
}
orders = st.sampled_from(list(ORDERS.values()))
LAYERS = [MaxPool2d(3, 2, 1), AvgPool2d(3, 2, 1), AdaptiveAvgPool2d(2, 3), AdaptiveAvgPool2d(1, 1)]
every_layer = pytest.mark.parametrize("layer", LAYERS, ids=str)


def lying(A: Tensor, order: tuple[int, ...]) -> Tensor:
    """The same numbers, lying in this order in memory."""
    back = [order.index(axis) for axis in range(4)]
    return A.permute(order).contiguous().permute(back)


def drawn(shape: tuple[int, ...], g: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=g, dtype=torch.float64)


def by_autograd(layer: Layer, A_prev: Tensor, dA: Tensor) -> tuple[Tensor, Tensor]:
    """(A, dA_prev) of the twin."""
    A_prev_first = examples_first(A_prev).detach().clone().requires_grad_()
    A = layer.twin()(A_prev_first)
    (gradient,) = torch.autograd.grad(A, A_prev_first, examples_first(dA) / dA.shape[-1])
    return examples_last(A.detach()), dZ_from_autograd(examples_last(gradient))


@st.composite
def pools(draw: st.DrawFn) -> tuple[int, int, int, bool, tuple[int, int, int, int]]:
    """(f, s, p, ceil_mode, shape of A_prev) of a pooling that is possible."""
    f, s = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    p, ceil_mode = draw(st.integers(0, f // 2)), draw(st.booleans())
    smallest = max(1, f - 2 * p - (s - 1 if ceil_mode else 0))
    n_C, m = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    n_H, n_W = draw(st.integers(smallest, 7)), draw(st.integers(smallest, 7))
    return f, s, p, ceil_mode, (n_C, n_H, n_W, m)


@settings(max_examples=60, deadline=None)
@given(pool=pools(), order=orders, dA_order=orders, seed=seeds, ties=st.booleans())
def test_the_maximum_is_that_of_the_loops(
    pool: tuple, order: tuple[int, ...], dA_order: tuple[int, ...], seed: int, ties: bool
) -> None:
    f, s, p, ceil_mode, shape = pool
    g = generator(seed)
    A_prev = torch.randint(-1, 2, shape, generator=g).double() if ties else drawn(shape, g)
    layer = MaxPool2d(f, s, p, ceil_mode)
    A = layer(lying(A_prev, order))
    dA = drawn(A.shape, g)
    rows, columns = (spans(size, f, s, p, ceil_mode) for size in shape[1:3])
    right_A, right_dA_prev = max_pool(A_prev.numpy(), rows, columns, p, dA.numpy(), first_in_window)
    assert torch.equal(A, torch.from_numpy(right_A))
    assert_close(layer.backward(lying(dA, dA_order)), torch.from_numpy(right_dA_prev), "dA_prev")


@settings(max_examples=60, deadline=None)
@given(pool=pools(), order=orders, dA_order=orders, seed=seeds)
def test_the_average_is_that_of_the_loops(
    pool: tuple, order: tuple[int, ...], dA_order: tuple[int, ...], seed: int
) -> None:
    f, s, p, ceil_mode, shape = pool
    g = generator(seed)
    A_prev = drawn(shape, g)
    layer = AvgPool2d(f, s, p, ceil_mode)
    A = layer(lying(A_prev, order))
    dA = drawn(A.shape, g)
    rows, columns = (spans(size, f, s, p, ceil_mode) for size in shape[1:3])
    right_A, right_dA_prev = average_pool(A_prev.numpy(), rows, columns, p, dA.numpy())
    assert_close(A, torch.from_numpy(right_A), "A")
    assert_close(layer.backward(lying(dA, dA_order)), torch.from_numpy(right_dA_prev), "dA_prev")


@pytest.mark.parametrize("ceil_mode", [False, True], ids=["floor", "ceil"])
@pytest.mark.parametrize("kind", [MaxPool2d, AvgPool2d])
def test_every_small_window_is_that_of_the_loops(kind: type[MaxPool2d | AvgPool2d], ceil_mode: bool) -> None:
    # What is drawn at random above meets a window that reaches over padding rarely.
    g = generator(0)
    for f, s, H in itertools.product(range(1, 5), range(1, 5), range(4, 8)):
        for p in range(f // 2 + 1):
            A_prev = drawn((1, H, 5, 1), g)
            layer = kind(f, s, p, ceil_mode)
            dA = drawn(layer(A_prev).shape, g)
            rows, columns = (spans(size, f, s, p, ceil_mode) for size in (H, 5))
            if kind is MaxPool2d:
                _, right = max_pool(A_prev.numpy(), rows, columns, p, dA.numpy(), first_in_window)
            else:
                _, right = average_pool(A_prev.numpy(), rows, columns, p, dA.numpy())
            assert_close(layer.backward(dA), torch.from_numpy(right), f"dA_prev of {layer}")


@settings(max_examples=60, deadline=None)
@given(sizes=st.tuples(*[st.integers(1, 9)] * 4), order=orders, dA_order=orders, seed=seeds)
def test_the_adaptive_average_is_that_of_the_loops(
    sizes: tuple[int, ...], order: tuple[int, ...], dA_order: tuple[int, ...], seed: int
) -> None:
    n_H_prev, n_W_prev, n_H, n_W = sizes
    g = generator(seed)
    A_prev, dA = drawn((2, n_H_prev, n_W_prev, 3), g), drawn((2, n_H, n_W, 3), g)
    layer = AdaptiveAvgPool2d(n_H, n_W)
    rows, columns = adaptive_spans(n_H_prev, n_H), adaptive_spans(n_W_prev, n_W)
    right_A, right_dA_prev = average_pool(A_prev.numpy(), rows, columns, 0, dA.numpy())
    assert_close(layer(lying(A_prev, order)), torch.from_numpy(right_A), "A")
    ulps = 64 * 81 / 10  # up to 9 x 9 terms
    assert_close(layer.backward(lying(dA, dA_order)), torch.from_numpy(right_dA_prev), "dA_prev", ulps)


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_of_equal_maxima_the_first_takes_it_all(order: tuple[int, ...]) -> None:
    # As torch has it. The course's mask gives the whole dA to each of them.
    A_prev = torch.zeros(2, 4, 4, 3, dtype=torch.float64)
    A_prev[:, 2, 3] = A_prev[:, 3, 2] = 5.0
    dA = torch.arange(24.0, dtype=torch.float64).view(2, 2, 2, 3) + 1
    layer = MaxPool2d(2)
    layer(lying(A_prev, order))
    dA_prev = layer.backward(dA)
    expected = torch.zeros_like(A_prev)
    expected[:, 0, 0], expected[:, 0, 2], expected[:, 2, 0], expected[:, 2, 3] = (
        dA[:, 0, 0],
        dA[:, 0, 1],
        dA[:, 1, 0],
        dA[:, 1, 1],
    )
    assert torch.equal(dA_prev, expected)
    assert torch.equal(dA_prev, by_autograd(layer, A_prev, dA)[1])
    rows = spans(4, 2, 2, 0, False)
    _, courses = max_pool(A_prev.numpy(), rows, rows, 0, dA.numpy(), create_mask_from_window)
    assert courses[0, :, :, 0].sum() == 4 * (1 + 4 + 7) + 2 * 10
    assert dA_prev[0, :, :, 0].sum() == 1 + 4 + 7 + 10


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_not_a_number_and_infinity_are_torchs(order: tuple[int, ...]) -> None:
    nan, inf = math.nan, math.inf
    rows = [[1.0, nan, 3.0, nan], [nan, 2.0, nan, 5.0], [-inf, -inf, inf, inf], [-inf, -inf, 1.0, inf]]
    A_prev = torch.tensor(rows, dtype=torch.float64)[None, :, :, None].repeat(17, 1, 1, 2)
    for layer in (MaxPool2d(2), MaxPool2d(3, 2, 1), MaxPool2d(2, 2, 1), AvgPool2d(2), AvgPool2d(3, 1, 1)):
        A = layer(lying(A_prev, order))
        dA = torch.rand(A.shape, dtype=torch.float64)
        dA[:, 0, 0, 0], dA[:, -1, -1, 1] = inf, nan
        right_A, right_dA_prev = by_autograd(layer, A_prev, dA)
        torch.testing.assert_close(A, right_A, equal_nan=True)
        torch.testing.assert_close(layer.backward(dA), right_dA_prev, equal_nan=True)


@every_layer
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_some_examples_at_a_time_are_as_good_as_all(
    layer: Layer, order: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    g = generator(0)
    A_prev = lying(drawn((2, 5, 7, 8), g), order)
    dA = drawn(layer(A_prev).shape, g)
    right = by_autograd(layer, A_prev, dA)[1]
    for count in (1, 3, 8, 9):
        monkeypatch.setattr(pool_module, "_at_a_time", lambda dA_prev, count=count: count)
        assert_close(layer.backward(dA), right, f"dA_prev, {count} at a time")


def test_how_many_at_a_time() -> None:
    assert pool_module._at_a_time(torch.empty(128, 64, 32, 32)) == 4
    assert pool_module._at_a_time(torch.empty(2, 3, 1000, 1000)) == 1
    assert pool_module._at_a_time(torch.empty(7, 3, 1000, 1000, device="meta")) == 7  # another device gets them whole


@every_layer
def test_what_goes_in_is_left_alone(layer: Layer) -> None:
    g = generator(1)
    A_prev = drawn((2, 5, 7, 3), g)
    A = layer(A_prev)
    dA = drawn(A.shape, g)
    before = [one.clone() for one in (A_prev, A, dA)]
    dA_prev = layer.backward(dA)
    assert torch.equal(layer.backward(dA), dA_prev), "a second backward gives something else"
    for now, then in zip((A_prev, A, dA), before, strict=True):
        assert torch.equal(now, then)


@every_layer
@pytest.mark.parametrize("order", ["examples first", "channels last"])
def test_dA_prev_lies_in_memory_as_A_prev_does(layer: Layer, order: str) -> None:
    # For the layer below, which is faster where both lie alike.
    A_prev = lying(torch.rand(2, 5, 7, 3), ORDERS[order])
    assert layer.backward(torch.rand_like(layer(A_prev))).stride() == A_prev.stride()


def test_no_more_is_kept_than_the_places_of_the_maxima() -> None:
    for layer in LAYERS:
        A = layer(torch.rand(2, 8, 8, 3))
        kept = [value for value in vars(layer).values() if isinstance(value, Tensor)]
        assert [one.numel() for one in kept] == ([A.numel()] if isinstance(layer, MaxPool2d) else [])


@every_layer
def test_no_examples_are_no_mistake(layer: Layer) -> None:
    A = layer(torch.zeros(2, 5, 7, 0))
    assert A.shape[-1] == 0
    assert layer.backward(A).shape == (2, 5, 7, 0)


@pytest.mark.parametrize("pool", [MaxPool2d(2), AvgPool2d(3, 2, 1), AdaptiveAvgPool2d(3, 1)], ids=str)
def test_between_other_layers(pool: Layer) -> None:
    # ReLU's zeros make ties, and the two linear layers both orders of memory.
    layers = [Linear(5, 6 * 4 * 2), ReLU(), Images(6, 4, 2), pool, Flatten()]
    g = generator(2)
    n = Network(layers, SigmoidCrossEntropy()).double()(torch.zeros(5, 1, dtype=torch.float64)).shape[0]
    network = Network([*layers, Linear(n, 1)], SigmoidCrossEntropy()).double()
    randomise(network, g)
    X, Y = drawn((5, 7), g), torch.randint(0, 2, (1, 7), generator=g).double()
    right = autograd_quantities(network, X, Y)
    ours = network.quantities(X, Y)
    assert ours.keys() == right.keys()
    for name, value in ours.items():
        assert_close(value, right[name], name, ulps=512)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaxPool2d(0), "MaxPool2d(kernel=0, stride=0, padding=0) got kernel 0, expected 1 or more"),
        (lambda: AvgPool2d(2, 0), "AvgPool2d(kernel=2, stride=0, padding=0) got stride 0, expected 1 or more"),
        (
            lambda: MaxPool2d(3, 2, 2),
            "MaxPool2d(kernel=3, stride=2, padding=2) got padding 2, expected 0 to 1, half the kernel: no window may "
            "hold nothing but padding",
        ),
        (
            lambda: AvgPool2d(3, 2, -1),
            "AvgPool2d(kernel=3, stride=2, padding=-1) got padding -1, expected 0 to 1, half the kernel: no window may "
            "hold nothing but padding",
        ),
        (
            lambda: AdaptiveAvgPool2d(2, 0),
            "AdaptiveAvgPool2d(n_H=2, n_W=0) gives images of 2 by 0 pixels, expected 1 or more of both",
        ),
        (
            lambda: MaxPool2d(5, padding=1)(torch.zeros(2, 3, 2, 7)),
            "MaxPool2d(kernel=5, stride=5, padding=1) got A_prev of shape (2, 3, 2, 7): its 2 columns and 2 x 1 of "
            "padding hold no window of 5; take a smaller kernel, or pool less before",
        ),
        (
            lambda: AvgPool2d(5, 2, ceil_mode=True)(torch.zeros(2, 3, 5, 7)),
            "AvgPool2d(kernel=5, stride=2, padding=0, ceil_mode=True) got A_prev of shape (2, 3, 5, 7): its 3 rows and "
            "2 x 0 of padding hold no window of 5; take a smaller kernel, or pool less before",
        ),
        (
            lambda: MaxPool2d(2)(torch.zeros(8, 7)),
            "MaxPool2d(kernel=2, stride=2, padding=0) got A_prev of shape (8, 7), expected (n_C, n_H_prev, n_W_prev, "
            "m): channels, rows and columns of images, 1 or more of each, and the examples last",
        ),
        (
            lambda: AdaptiveAvgPool2d(1, 1)(torch.zeros(2, 3, 0, 7)),
            "AdaptiveAvgPool2d(n_H=1, n_W=1) got A_prev of shape (2, 3, 0, 7), expected (n_C, n_H_prev, n_W_prev, m): "
            "channels, rows and columns of images, 1 or more of each, and the examples last",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError) as refused:
        make()
    assert str(refused.value) == message


@settings(max_examples=60, deadline=None)
@given(
    f=st.integers(1, 4),
    s=st.integers(1, 4),
    p=st.integers(0, 3),
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    ceil_mode=st.booleans(),
)
def test_what_is_refused_is_what_torch_refuses(f: int, s: int, p: int, size: tuple[int, int], ceil_mode: bool) -> None:
    X = torch.zeros(3, 2, *size)
    try:
        expected = torch.nn.MaxPool2d(f, s, p, ceil_mode=ceil_mode)(X).shape
    except RuntimeError:
        with pytest.raises(InputError):
            MaxPool2d(f, s, p, ceil_mode)(examples_last(X))
    else:
        assert examples_first(MaxPool2d(f, s, p, ceil_mode)(examples_last(X))).shape == expected


@every_layer
def test_everything_is_where_A_prev_is(layer: Layer) -> None:
    # "meta" stands for any other device: what was made on the CPU could not be combined with it.
    for order in ORDERS.values():
        A = layer(lying(torch.empty(2, 5, 7, 3, device="meta"), order))
        assert A.device.type == "meta"
        assert layer.backward(torch.empty_like(A)).device.type == "meta"
