"""Convolutions against the course's loops in every order of memory and by every way to dW; identities; refusals."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loops_conv import Hyperparameters, conv_backward, conv_forward, transpose_backward, transpose_forward
from numerics import assert_close, autograd_quantities, dtypes, generator, randomise, seeds
from torch import Tensor

from torchbasics.errors import InputError
from torchbasics.layers import Conv1d, Conv2d, ConvTranspose2d, Flatten, Layer, Linear, Tanh
from torchbasics.layers import conv as conv_module
from torchbasics.losses import SigmoidCrossEntropy
from torchbasics.network import Network
from torchbasics.notation import examples_first, examples_last

# How (n_C, n_H, n_W, m) may lie in memory: from the slowest axis to the fastest.
ORDERS = {
    "examples first": (3, 0, 1, 2),
    "channels last": (3, 1, 2, 0),
    "examples last": (0, 1, 2, 3),
    "odd": (2, 0, 3, 1),
}
orders = st.sampled_from(list(ORDERS.values()))


def lying(A: Tensor, order: tuple[int, ...]) -> Tensor:
    """The same numbers, lying in this order in memory."""
    return A.permute(order).contiguous().permute([order.index(axis) for axis in range(4)])


def drawn(shape: tuple[int, ...], g: torch.Generator, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=g, dtype=torch.float64).to(dtype)


def random(layer: Layer, seed: int, dtype: torch.dtype = torch.float64) -> Layer:
    """The layer with random parameters."""
    layer.to(dtype)
    randomise(layer, generator(seed))
    return layer


def dW_of(layer: Layer) -> Tensor:
    assert layer.W.grad is not None
    return layer.W.grad


def pairs(smallest: int, largest: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(smallest, largest), st.integers(smallest, largest))


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[tuple[int, int], tuple[int, int], Hyperparameters, tuple[int, ...]]:
    """((n_C_prev, n_C), kernel, hyperparameters, (n_H_prev, n_W_prev, m)) of a convolution that is possible."""
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    channels = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    kernel, stride, pad, dilation = draw(pairs(1, 3)), draw(pairs(1, 3)), draw(pairs(0, 3)), draw(pairs(1, 2))
    extents = [d * (f - 1) + 1 for f, d in zip(kernel, dilation, strict=True)]
    smallest = [max(1, extent - 2 * p) for extent, p in zip(extents, pad, strict=True)]
    n_H, n_W = (draw(st.integers(size, size + 4)) for size in smallest)
    return channels, kernel, Hyperparameters(stride, pad, dilation, groups), (n_H, n_W, draw(st.integers(1, 3)))


@st.composite
def ways(draw: st.DrawFn) -> dict[str, int]:
    """Numbers for conv.py that bring every way to dW about, in blocks of rows, of examples, or in one."""
    return {
        "IMAGES": draw(st.sampled_from([1, 30, 100_000])),
        "COLUMNS": draw(st.sampled_from([1, 200, 250_000])),
        "MANY_WEIGHTS": draw(st.sampled_from([0, 1000])),
        "SHORT": draw(st.sampled_from([0, 1000])),
    }


def magnitudes(layer: Layer, A_prev: Tensor, dZ: Tensor) -> tuple[Tensor, ...]:
    """Of every entry of Z, dA_prev, m dW and m db the sum of its terms' absolute values, in float64.

    Each entry is a sum of products, so that the same sums of |A_prev|, |dZ|, |W| and |b| are these.
    """
    twin = layer.twin().double()
    for parameter in twin.parameters():
        parameter.data.abs_()
    A = examples_first(A_prev).double().abs().requires_grad_()
    Z = twin(A)
    Z.backward(examples_first(dZ).double().abs())
    return examples_last(Z.detach()), examples_last(A.grad), twin.weight.grad, twin.bias.grad


def assert_as_the_loops(layer: Layer, A_prev: Tensor, dZ: Tensor, Z: Tensor, loops: tuple, terms: int) -> None:
    """Z and what `backward` gives, against the loops' Z, dA_prev, m dW and m db: sums of at most so many terms.

    Terms may cancel, so the bound goes by their sizes and not by what is left of them: n products added up in whatever
    order are off by at most n eps of these (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). Both
    sides are such sums; 4 more roundings are for b, 1 / m, and m times it here.
    """
    m = dZ.shape[-1]
    dA_prev = layer.backward(dZ)
    ours = {"Z": Z, "dA_prev": dA_prev, "dW": m * dW_of(layer).double(), "db": m * layer.b.grad.double().flatten()}
    roundings = 2 * (terms + 4) * torch.finfo(dZ.dtype).eps
    for (name, found), right, size in zip(ours.items(), loops, magnitudes(layer, A_prev, dZ), strict=True):
        assert found.shape == size.shape, name
        off = (found.double() - torch.from_numpy(right).view(size.shape)).abs()
        assert (off <= roundings * size).all(), name


@settings(max_examples=120, deadline=None)
@given(case=convolutions(), order=orders, dZ_order=orders, dtype=dtypes, ways=ways(), seed=seeds)
def test_a_convolution_is_that_of_the_loops(
    case: tuple, order: tuple[int, ...], dZ_order: tuple[int, ...], dtype: torch.dtype, ways: dict, seed: int
) -> None:
    (n_C_prev, n_C), kernel, hparameters, (n_H_prev, n_W_prev, m) = case
    layer = random(Conv2d(n_C_prev, n_C, kernel, *hparameters), seed, dtype)
    g = generator(seed)
    A_prev = lying(drawn((n_C_prev, n_H_prev, n_W_prev, m), g, dtype), order)
    Z = layer(A_prev)
    dZ = lying(drawn(Z.shape, g, dtype), dZ_order)
    numbers = [one.double().numpy() for one in (dZ, A_prev, layer.W)]
    loops = conv_forward(*numbers[1:], layer.b.double().numpy(), hparameters), *conv_backward(*numbers, hparameters)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ways.items():
            patch.setattr(conv_module, name, value)
        assert_as_the_loops(layer, A_prev, dZ, Z, loops, max(dZ[0].numel(), layer.W[0].numel() * n_C))


@settings(max_examples=120, deadline=None)
@given(
    case=convolutions(),
    more=pairs(0, 2),
    order=orders,
    dZ_order=orders,
    dtype=dtypes,
    ways=ways(),
    seed=seeds,
)
def test_a_transposed_convolution_is_that_of_the_loops(
    case: tuple,
    more: tuple[int, int],
    order: tuple[int, ...],
    dZ_order: tuple[int, ...],
    dtype: torch.dtype,
    ways: dict,
    seed: int,
) -> None:
    (n_C_prev, n_C), kernel, hparameters, (n_H_prev, n_W_prev, m) = case
    stride, pad, dilation, groups = hparameters
    # Less than torch's limit, and less padding than would leave nothing.
    output_padding = tuple(min(a, max(s, d) - 1) for a, s, d in zip(more, stride, dilation, strict=True))
    extents = [d * (f - 1) + 1 for f, d in zip(kernel, dilation, strict=True)]
    pad = tuple(min(p, (extent - 1) // 2) for p, extent in zip(pad, extents, strict=True))
    hparameters = Hyperparameters(stride, pad, dilation, groups)
    layer = ConvTranspose2d(
        n_C_prev, n_C, kernel, stride, pad, output_padding=output_padding, dilation=dilation, groups=groups
    )
    random(layer, seed, dtype)
    g = generator(seed)
    A_prev = lying(drawn((n_C_prev, n_H_prev, n_W_prev, m), g, dtype), order)
    Z = layer(A_prev)
    dZ = lying(drawn(Z.shape, g, dtype), dZ_order)
    numbers = [one.double().numpy() for one in (dZ, A_prev, layer.W)]
    b = layer.b.double().numpy()
    loops = (
        transpose_forward(*numbers[1:], b, hparameters, output_padding),
        *transpose_backward(*numbers, hparameters),
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ways.items():
            patch.setattr(conv_module, name, value)
        assert_as_the_loops(layer, A_prev, dZ, Z, loops, max(dZ[0].numel(), layer.W.numel()))


@settings(max_examples=80, deadline=None)
@given(case=convolutions(), features_last=st.booleans(), dtype=dtypes, ways=ways(), seed=seeds)
def test_a_convolution_of_sequences_is_that_of_the_loops(
    case: tuple, features_last: bool, dtype: torch.dtype, ways: dict, seed: int
) -> None:
    (n_C_prev, n_C), (_, f), ((_, stride), (_, pad), (_, dilation), groups), (_, T, m) = case
    layer = random(Conv1d(n_C_prev, n_C, f, stride, pad, dilation, groups), seed, dtype)
    g = generator(seed)
    A_prev = drawn((n_C_prev, T, m), g, dtype)
    if features_last:
        A_prev = A_prev.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    Z = layer(A_prev)
    dZ = drawn(Z.shape, g, dtype)
    # A sequence is an image of one row.
    hparameters = Hyperparameters((1, stride), (0, pad), (1, dilation), groups)
    numbers = [one.double().unsqueeze(axis).numpy() for one, axis in ((dZ, 1), (A_prev, 1), (layer.W, 2))]
    loops = conv_forward(*numbers[1:], layer.b.double().numpy(), hparameters), *conv_backward(*numbers, hparameters)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ways.items():
            patch.setattr(conv_module, name, value)
        assert_as_the_loops(layer, A_prev, dZ, Z, loops, max(dZ[0].numel(), layer.W[0].numel() * n_C))


@settings(max_examples=40, deadline=None)
@given(case=convolutions(), seed=seeds)
def test_the_transposed_convolution_is_the_transposed_map(case: tuple, seed: int) -> None:
    # <W * A, Y> = <A, W transposed Y>, with the rows that the stride leaves over as output_padding.
    (n_C_prev, n_C), kernel, hparameters, (n_H, n_W, m) = case
    stride, pad, dilation, groups = hparameters
    g = generator(seed)
    forth = random(Conv2d(n_C_prev, n_C, kernel, *hparameters), seed)
    forth.b.data.zero_()
    A = drawn((n_C_prev, n_H, n_W, m), g)
    Z = forth(A)
    left = tuple(
        size + 2 * p - (d * (f - 1) + 1) - s * (places - 1)
        for size, p, d, f, s, places in zip((n_H, n_W), pad, dilation, kernel, stride, Z.shape[1:3], strict=True)
    )
    back = ConvTranspose2d(n_C, n_C_prev, kernel, stride, pad, left, dilation, groups).double()
    back.W.data.copy_(forth.W)
    Y = drawn(Z.shape, g)
    torch.testing.assert_close((Z * Y).sum(), (A * back(Y)).sum(), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(forth.backward(Y), back(Y), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(back.backward(A), forth(A), rtol=1e-10, atol=1e-10)


@settings(max_examples=20, deadline=None)
@given(sizes=st.tuples(*[st.integers(1, 5)] * 5), dtype=dtypes, ways=ways(), seed=seeds)
def test_a_window_as_large_as_the_image_is_a_linear_layer(
    sizes: tuple[int, ...], dtype: torch.dtype, ways: dict, seed: int
) -> None:
    n_C_prev, n_H, n_W, n_C, m = sizes
    convolution = random(Conv2d(n_C_prev, n_C, (n_H, n_W)), seed, dtype)
    linear = Linear(n_C_prev * n_H * n_W, n_C).to(dtype)
    linear.W.data.copy_(convolution.W.view(n_C, -1))
    linear.b.data.copy_(convolution.b.view(n_C, 1))
    g = generator(seed)
    A_prev, dZ = drawn((n_C_prev, n_H, n_W, m), g, dtype), drawn((n_C, m), g, dtype)
    ulps = 64 * 125 / 10  # up to 5 x 5 x 5 terms
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ways.items():
            patch.setattr(conv_module, name, value)
        assert_close(convolution(A_prev).view(n_C, m), linear(A_prev.reshape(-1, m)), "Z", ulps)
        dA_prev = convolution.backward(dZ.view(n_C, 1, 1, m))
        assert_close(dA_prev, linear.backward(dZ).view(A_prev.shape), "dA_prev", ulps)
        assert_close(dW_of(convolution).view(n_C, -1), dW_of(linear), "dW", ulps)


@pytest.mark.parametrize("numbers", [1, 60, 100, 200, 500, 1000])
@pytest.mark.parametrize("many", [0, 1000], ids=["by convolution", "by products"])
def test_dW_is_the_same_in_any_blocks(many: int, numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # An example has 2 x 12 x 7 = 168 numbers.
    layer = random(Conv2d(2, 3, (3, 2), stride=(2, 3), padding=(2, 0)), seed=0, dtype=torch.float32)
    g = generator(0)
    A_prev = drawn((2, 12, 7, 5), g, torch.float32)
    dZ = drawn(layer(A_prev).shape, g, torch.float32)
    layer.backward(dZ)
    whole = dW_of(layer)
    monkeypatch.setattr(conv_module, "MANY_WEIGHTS", many)
    monkeypatch.setattr(conv_module, "IMAGES", numbers)
    monkeypatch.setattr(conv_module, "COLUMNS", 6 * numbers)
    layer.gradients(dZ)
    assert_close(dW_of(layer), whole, "dW", ulps=64 * 5 * 7 * 2 / 10)


def test_how_large_a_block_is() -> None:
    images = torch.empty(128, 64, 32, 32, device="meta")
    assert conv_module._block_size(images, 32, 3 * 2**16) == (2, 96)
    assert conv_module._block_size(images, 32, 2**14) == (1, 8)
    assert conv_module._block_size(images, 32, 1) == (1, 1)


@pytest.mark.parametrize("kind", [Conv2d, ConvTranspose2d])
def test_groups_are_layers_side_by_side(kind: type[Conv2d]) -> None:
    g = generator(0)
    together = random(kind(6, 4, (3, 2), stride=(1, 2), padding=1, groups=2), seed=1)
    A_prev = drawn((6, 5, 7, 3), g)
    Z = together(A_prev)
    dZ = drawn(Z.shape, g)
    dA_prev = together.backward(dZ)
    for group in range(2):
        alone = kind(3, 2, (3, 2), stride=(1, 2), padding=1).double()
        ins, outs = slice(3 * group, 3 * group + 3), slice(2 * group, 2 * group + 2)
        first = together.W.shape[0] // 2
        of_W = slice(first * group, first * group + first)
        alone.W.data.copy_(together.W[of_W])
        alone.b.data.copy_(together.b[outs])
        assert_close(alone(A_prev[ins]), Z[outs], "Z")
        assert_close(alone.backward(dZ[outs]), dA_prev[ins], "dA_prev", 256)
        assert_close(dW_of(alone), dW_of(together)[of_W], "dW", 256)


def test_what_the_stride_leaves_over_has_no_gradient() -> None:
    # Windows of 2 lie on columns 0 and 1, 3 and 4: 2 and 5 are between them, 6 after them.
    layer = random(Conv2d(2, 3, 2, stride=3), seed=0)
    Z = layer(drawn((2, 7, 7, 4), generator(0)))
    assert Z.shape == (3, 2, 2, 4)
    dA_prev = layer.backward(torch.ones_like(Z))
    assert dA_prev.shape == (2, 7, 7, 4)
    for off in (2, 5, 6):
        assert not dA_prev[:, off].any()
        assert not dA_prev[:, :, off].any()
    assert dA_prev[:, [0, 1, 3, 4]][:, :, [0, 1, 3, 4]].all()


def test_windows_that_lie_on_padding_alone_give_b() -> None:
    layer = random(Conv2d(2, 3, 2, padding=4), seed=0)
    A_prev = drawn((2, 5, 6, 3), generator(0))
    Z = layer(A_prev)
    assert Z.shape == (3, 12, 13, 3)
    assert torch.equal(Z[:, :3], layer.b.expand(3, 3, 13, 3))
    dZ = torch.zeros_like(Z)
    dZ[:, :3] = 1
    assert not layer.backward(dZ).any()
    assert not dW_of(layer).any()
    torch.testing.assert_close(layer.b.grad, torch.full((3, 1, 1, 1), 3 * 13.0, dtype=torch.float64))


@pytest.mark.parametrize("order", ["examples first", "channels last"])
@pytest.mark.parametrize("kind", [Conv2d, ConvTranspose2d])
def test_what_comes_out_lies_in_memory_as_what_went_in(kind: type[Conv2d], order: str) -> None:
    # Then the layers after it, and those before it, work on it as it is.
    layer = random(kind(2, 3, 3, padding=1), seed=0, dtype=torch.float32)
    A_prev = lying(torch.rand(2, 5, 7, 4), ORDERS[order])
    Z = layer(A_prev)
    assert Z.stride() == lying(Z, ORDERS[order]).stride()
    dA_prev = layer.backward(torch.rand_like(Z))
    assert dA_prev.stride() == A_prev.stride()
    assert dW_of(layer).is_contiguous()


@pytest.mark.parametrize("layer", [Conv2d(2, 3, 3), ConvTranspose2d(2, 3, 3), Conv1d(2, 3, 3)], ids=str)
def test_only_a_prev_is_kept_and_nothing_is_changed(layer: Layer) -> None:
    random(layer, seed=0)
    shape = (2, 5, 4) if isinstance(layer, Conv1d) else (2, 5, 6, 4)
    A_prev = examples_last(drawn((shape[-1], *shape[:-1]), generator(0)))
    Z = layer(A_prev)
    dZ = drawn(Z.shape, generator(1))
    before = [one.clone() for one in (A_prev, Z, dZ)]
    dA_prev = layer.backward(dZ)
    kept = [value for value in vars(layer).values() if isinstance(value, Tensor)]
    assert [one.data_ptr() for one in kept] == [A_prev.data_ptr()]
    assert torch.equal(layer.backward(dZ), dA_prev), "a second backward gives something else"
    for now, then in zip((A_prev, Z, dZ), before, strict=True):
        assert torch.equal(now, then)


def test_a_network_of_convolutions_is_its_twin() -> None:
    layers = [
        Conv2d(3, 4, 3, stride=2, padding=1),
        Tanh(),
        ConvTranspose2d(4, 2, 2, stride=2),
        Tanh(),
        Conv2d(2, 5, (3, 2), dilation=2),
        Tanh(),
        Flatten(),
        Linear(5 * 4 * 6, 1),
    ]
    network = Network(layers, SigmoidCrossEntropy()).double()
    randomise(network, generator(0))
    g = generator(1)
    X, Y = drawn((3, 8, 8, 6), g), torch.randint(0, 2, (1, 6), generator=g).double()
    ours = network.quantities(X, Y)
    theirs = autograd_quantities(network, X, Y)
    assert {"Z1", "dZ3", "dW1", "db1", "dW2", "dW3", "dW4"} <= ours.keys()
    for name in ours:
        assert_close(ours[name], theirs[name], name, ulps=4096)


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (
            lambda: Conv2d(3, 8, 5),
            (32, 32, 3, 10),
            r"Conv2d\(n_C_prev=3, n_C=8, kernel=5\) got A_prev of shape \(32, 32, 3, 10\), expected \(3, H, W, m\)",
        ),
        (lambda: Conv2d(3, 8, 5), (3, 32, 10), r"got A_prev of shape \(3, 32, 10\), expected \(3, H, W, m\)"),
        (lambda: Conv2d(3, 8, 1, padding=2), (3, 0, 4, 10), r"\(3, 0, 4, 10\), expected \(3, H, W, m\)"),
        (lambda: ConvTranspose2d(4, 2, 3), (2, 5, 5, 1), r"\(2, 5, 5, 1\), expected \(4, H, W, m\)"),
        (lambda: Conv1d(4, 2, 3), (4, 5, 5, 1), r"\(4, 5, 5, 1\), expected \(4, T, m\)"),
        (
            lambda: Conv2d(3, 8, (3, 5), padding=(0, 1), dilation=(2, 1)),
            (3, 4, 6, 2),
            r"A_prev whose H x W is 4 x 8, padding included, with no room for a window of 5 x 5; take a smaller kernel",
        ),
        (lambda: Conv1d(3, 8, 4), (3, 3, 2), "A_prev whose T is 3, padding included, with no room for a window of 4;"),
        (
            lambda: ConvTranspose2d(3, 8, 2, padding=(0, 3)),
            (3, 4, 5, 2),
            r"got A_prev of shape \(3, 4, 5, 2\), which would make Z 5 x 0 pixels; take less padding",
        ),
    ],
)
def test_images_that_do_not_fit_are_refused(make: object, shape: tuple[int, ...], message: str) -> None:
    assert callable(make)
    with pytest.raises(InputError, match=message) as caught:
        make()(torch.zeros(shape))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv2d(3, 8, 3, stride=0), r"Conv2d\(.*stride=0\) got stride 0, expected 1 or more"),
        (lambda: Conv2d(3, 8, 3, stride=(1, 0)), r"got stride \(1, 0\), expected 1 or more"),
        (lambda: Conv2d(3, 8, 0), "got kernel 0, expected 1 or more"),
        (lambda: Conv2d(0, 8, 3), "got n_C_prev 0, expected 1 or more"),
        (lambda: Conv2d(3, 8, 3, padding=-1), "got padding -1, expected 0 or more"),
        (lambda: Conv2d(3, 8, 3, dilation=(0, 1)), r"got dilation \(0, 1\), expected 1 or more"),
        (lambda: Conv2d(3, 8, 3, groups=0), "got groups 0, expected 1 or more"),
        (lambda: Conv2d(6, 8, 3, groups=3), "got groups 3, expected a divisor of n_C_prev 6 and of n_C 8"),
        (lambda: Conv2d(6, 8, 3, groups=4), "got groups 4, expected a divisor of n_C_prev 6 and of n_C 8"),
        (lambda: Conv1d(3, 8, 3, stride=0), r"Conv1d\(n_C_prev=3, n_C=8, kernel=3, stride=0\) got stride 0"),
        (lambda: ConvTranspose2d(3, 8, 3, output_padding=-1), "got output_padding -1, expected 0 or more"),
        (
            lambda: ConvTranspose2d(3, 8, 3, stride=2, output_padding=(1, 2)),
            "got output_padding 2, expected less than the stride 2 or the dilation 1",
        ),
    ],
)
def test_settings_that_can_not_be_are_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(InputError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_layers_say_what_is_not_as_usual() -> None:
    assert str(Conv2d(3, 8, 5)) == "Conv2d(n_C_prev=3, n_C=8, kernel=5)"
    assert str(Conv2d(4, 8, (5, 3), 2, (0, 1), groups=2)) == (
        "Conv2d(n_C_prev=4, n_C=8, kernel=(5, 3), stride=2, padding=(0, 1), groups=2)"
    )
    assert str(Conv1d(3, 8, 5, padding=2, dilation=3)) == "Conv1d(n_C_prev=3, n_C=8, kernel=5, padding=2, dilation=3)"
    assert str(ConvTranspose2d(3, 8, 5, 2, output_padding=1)) == (
        "ConvTranspose2d(n_C_prev=3, n_C=8, kernel=5, stride=2, output_padding=1)"
    )
