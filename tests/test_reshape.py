"""Which number goes where, entry by entry; and what comes of sequences of differing lengths."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numerics import assert_close, autograd_quantities, central_differences, distinct_sizes, generator, randomise, seeds
from torch import Tensor

from torchbasics.data.base import ImageShape
from torchbasics.errors import InputError
from torchbasics.layers import Flatten, Images, Last, Layer, Linear, MeanOverTime, Rows, Tanh
from torchbasics.losses import SigmoidCrossEntropy
from torchbasics.network import Network
from torchbasics.notation import dZ_from_autograd, examples_first, examples_last


def numbered(*shape: int) -> Tensor:
    """Every entry another number, memory examples first."""
    return examples_last(torch.arange(math.prod(shape), dtype=torch.float64).view(shape[-1], *shape[:-1]))


def lengths_for(T: int, m: int, g: torch.Generator) -> Tensor:
    """Of each example, from 1 to T."""
    return torch.randint(1, T + 1, (m,), generator=g)


@given(sizes=distinct_sizes(4, largest=6))
def test_images_have_the_pixels_of_the_course(sizes: list[int]) -> None:
    H, W, C, m = sizes
    X = numbered(H * W * C, m)
    A = Images(H, W, C)(X)
    assert A.shape == (C, H, W, m)
    for c, h, w, i in torch.cartesian_prod(*map(torch.arange, A.shape)).tolist():
        assert A[c, h, w, i] == X[(h * W + w) * C + c, i]
    assert torch.equal(examples_first(A), ImageShape(H, W, C).images(X))


@given(sizes=distinct_sizes(4, largest=6))
def test_rows_are_those_of_the_image(sizes: list[int]) -> None:
    H, W, C, m = sizes
    X = numbered(H * W * C, m)
    A, images = Rows(H, W, C)(X), Images(H, W, C)(X)
    assert A.shape == (W * C, H, m)
    for c in range(C):
        for w in range(W):
            assert torch.equal(A[w * C + c], images[c, :, w])


@given(sizes=distinct_sizes(4, largest=6), channels_last=st.booleans())
def test_flatten_is_in_C_order(sizes: list[int], channels_last: bool) -> None:
    C, H, W, m = sizes
    A_prev = numbered(C, H, W, m)
    if channels_last:
        A_prev = examples_last(examples_first(A_prev).contiguous(memory_format=torch.channels_last))
    A = Flatten()(A_prev)
    assert A.shape == (C * H * W, m)
    for c in range(C):
        for h in range(H):
            for w in range(W):
                assert torch.equal(A[(c * H + h) * W + w], A_prev[c, h, w])
    sequences = A_prev[:, :, 0]
    for n in range(C):
        for t in range(H):
            assert torch.equal(Flatten()(sequences)[n * H + t], sequences[n, t])


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Images(3, 4, 2), (24, 5)),
        (Rows(3, 4, 2), (24, 5)),
        (Flatten(), (3, 4, 2, 5)),
        (Flatten(), (3, 4, 5)),
        (Flatten(), (3, 5)),
    ],
    ids=str,
)
@pytest.mark.parametrize("m", [5, 1, 0])
def test_backward_puts_every_number_back(layer: Layer, shape: tuple[int, ...], m: int) -> None:
    A_prev = numbered(*shape[:-1], m)
    assert torch.equal(layer.backward(layer(A_prev)), A_prev)
    # However the numbers lie in memory.
    assert torch.equal(layer.backward(layer(A_prev.contiguous()).contiguous()), A_prev)


def test_nothing_is_copied_that_lies_examples_first() -> None:
    X = numbered(24, 5)
    assert Images(3, 4, 2)(X).data_ptr() == X.data_ptr()
    assert examples_first(Images(3, 4, 2)(X)).is_contiguous(memory_format=torch.channels_last)
    assert Rows(3, 4, 2)(X).data_ptr() == X.data_ptr()
    A_prev = numbered(3, 4, 2, 5)
    assert Flatten()(A_prev).data_ptr() == A_prev.data_ptr()


over_time = pytest.mark.parametrize("kind", [Last, MeanOverTime])


def by_loops(kind: type[Layer], A_prev: Tensor, dA: Tensor, lengths: list[int]) -> tuple[Tensor, Tensor]:
    """(A, dA_prev), one example and one step after the other."""
    n, _, m = A_prev.shape
    A, dA_prev = A_prev.new_zeros(n, m), torch.zeros_like(A_prev)
    for i in range(m):
        for t in range(lengths[i]):
            if kind is MeanOverTime:
                A[:, i] += A_prev[:, t, i] / lengths[i]
                dA_prev[:, t, i] = dA[:, i] / lengths[i]
            elif t == lengths[i] - 1:
                A[:, i] = A_prev[:, t, i]
                dA_prev[:, t, i] = dA[:, i]
    return A, dA_prev


@over_time
@settings(max_examples=40, deadline=None)
@given(sizes=distinct_sizes(3), seed=seeds, order=st.permutations([0, 1, 2]), given_lengths=st.booleans())
def test_over_time_is_that_of_the_loops(
    kind: type[Layer], sizes: list[int], seed: int, order: list[int], given_lengths: bool
) -> None:
    n, T, m = sizes
    g = generator(seed)
    layer = kind()
    lengths = torch.full((m,), T)
    if given_lengths:
        layer.lengths = lengths = lengths_for(T, m, g)
    A_prev = torch.randn([sizes[axis] for axis in order], generator=g, dtype=torch.float64)
    A_prev = A_prev.permute([order.index(axis) for axis in range(3)])
    dA = torch.randn(n, m, generator=g, dtype=torch.float64)
    A, dA_prev = by_loops(kind, A_prev, dA, lengths.tolist())
    assert_close(layer(A_prev), A, "A")
    assert_close(layer.backward(dA), dA_prev, "dA_prev")
    assert layer.backward(dA).permute(order).is_contiguous()  # as A_prev lies, for the layer below

    twin = layer.twin()
    A_prev_first = examples_first(A_prev).clone().requires_grad_()
    A_first = twin(A_prev_first)
    (gradient,) = torch.autograd.grad(A_first, A_prev_first, examples_first(dA) / m)
    assert_close(examples_last(A_first.detach()), A, "the twin's A")
    assert_close(dZ_from_autograd(examples_last(gradient)), dA_prev, "the twin's dA_prev")


@over_time
def test_central_differences_agree_with_lengths(kind: type[Layer]) -> None:
    g = generator(3)
    layer = kind()
    layer.lengths = torch.tensor([2, 1, 4, 3, 2])
    A_prev = torch.randn(3, 4, 5, generator=g, dtype=torch.float64)
    dA = torch.randn(3, 5, generator=g, dtype=torch.float64)
    quotients = central_differences(lambda: (layer(A_prev) * dA).sum(), A_prev)
    layer(A_prev)
    assert (layer.backward(dA) - quotients).abs().max() < 1e-8


@over_time
def test_what_lies_beyond_the_lengths_counts_for_nothing(kind: type[Layer]) -> None:
    g = generator(4)
    layer, lengths = kind(), torch.tensor([2, 4, 1])
    layer.lengths = lengths
    A_prev = torch.randn(3, 4, 3, generator=g)
    spoilt = A_prev.clone()
    spoilt[:, torch.arange(4).unsqueeze(1) >= lengths] = math.nan
    A = layer(A_prev)
    assert torch.equal(layer(spoilt), A)
    assert torch.equal(layer.twin()(examples_first(spoilt)), examples_first(A))
    dA = torch.randn(3, 3, generator=g)
    dA[0, 0] = math.inf
    dA_prev = layer.backward(dA)
    assert torch.equal(dA_prev, by_loops(kind, A_prev, dA, [2, 4, 1])[1])


@over_time
def test_lengths_are_those_of_the_moment(kind: type[Layer]) -> None:
    A_prev, layer = torch.randn(3, 4, 2, generator=generator(5)), kind()
    whole = layer(A_prev)
    layer.lengths = torch.tensor([4, 4])
    assert_close(layer(A_prev), whole, "A")
    layer.lengths = torch.tensor([1, 3])
    twin = layer.twin()
    short = layer(A_prev)
    assert not torch.allclose(short, whole)
    layer.lengths = None
    assert torch.equal(layer(A_prev), whole)
    assert_close(examples_last(twin(examples_first(A_prev))), short, "the twin's A, with the lengths of its making")
    twin.lengths = None
    assert_close(examples_last(twin(examples_first(A_prev))), whole, "the twin's A")


@over_time
def test_everything_is_where_A_prev_is(kind: type[Layer]) -> None:
    # "meta" stands for any other device: what was made on the CPU could not be combined with it.
    for lengths in (None, torch.tensor([4, 1])):
        layer = kind()
        layer.lengths = lengths
        A_prev = torch.empty(3, 4, 2, device="meta")
        A = layer(A_prev)
        for found in (A, layer.backward(torch.empty_like(A)), layer.twin()(examples_first(A_prev))):
            assert found.device.type == "meta"


@over_time
@pytest.mark.parametrize("lengths", [None, torch.tensor([3, 1, 4, 2, 2, 1, 3])], ids=["all T", "lengths"])
def test_between_other_layers(kind: type[Layer], lengths: Tensor | None) -> None:
    layer, g = kind(), generator(6)
    layer.lengths = lengths
    network = Network([Linear(8, 24), Tanh(), Rows(4, 3, 2), layer, Linear(6, 1)], SigmoidCrossEntropy()).double()
    randomise(network, g)
    X = torch.randn(8, 7, generator=g, dtype=torch.float64)
    Y = torch.randint(0, 2, (1, 7), generator=g).double()
    right = autograd_quantities(network, X, Y)
    ours = network.quantities(X, Y)
    assert ours.keys() == right.keys()
    for name, value in ours.items():
        assert_close(value, right[name], name, ulps=512)


def with_lengths(layer: Layer, lengths: list[float] | list[list[int]]) -> Layer:
    layer.lengths = torch.tensor(lengths)
    return layer


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Flatten()(torch.zeros(7)),
            "Flatten got A_prev of shape (7,), expected (C, H, W, m), (n, T, m) or another with the examples on its "
            "last axis",
        ),
        (
            lambda: Images(5, 4, 3)(torch.zeros(61, 7)),
            "Images(height=5, width=4, channels=3) got X of shape (61, 7), expected (60, m): 5 x 4 x 3 numbers to an "
            "image, one image per column",
        ),
        (
            lambda: Rows(5, 4, 3)(torch.zeros(3, 5, 4, 7)),
            "Rows(height=5, width=4, channels=3) got X of shape (3, 5, 4, 7), expected (60, m): 5 x 4 x 3 numbers to "
            "an image, one image per column",
        ),
        (
            lambda: Images(5, 0, 3),
            "Images(height=5, width=0, channels=3) has no pixels, expected a height, a width and channels of 1 or more",
        ),
        (
            lambda: Last()(torch.zeros(5, 7)),
            "Last got A_prev of shape (5, 7), expected (n, T, m) with T 1 or more: the numbers of a step first, the "
            "examples last",
        ),
        (
            lambda: MeanOverTime()(torch.zeros(5, 0, 7)),
            "MeanOverTime got A_prev of shape (5, 0, 7), expected (n, T, m) with T 1 or more: the numbers of a step "
            "first, the examples last",
        ),
        (
            lambda: with_lengths(Last(), [1, 2])(torch.zeros(5, 4, 7)),
            "Last got lengths of shape (2,) for A_prev (5, 4, 7), expected (7,): one for each example; "
            "set_lengths(network, lengths) before each batch, None where all have T steps",
        ),
        (
            lambda: with_lengths(Last(), [[1, 2]])(torch.zeros(5, 4, 2)),
            "Last got lengths of shape (1, 2) for A_prev (5, 4, 2), expected (2,): one for each example; "
            "set_lengths(network, lengths) before each batch, None where all have T steps",
        ),
        (
            lambda: with_lengths(MeanOverTime(), [4, 0])(torch.zeros(5, 4, 2)),
            "MeanOverTime got length 0 for example 1, expected a whole number from 1 to T = 4: leave out examples "
            "without a step",
        ),
        (
            lambda: with_lengths(Last(), [5, 1])(torch.zeros(5, 4, 2)),
            "Last got length 5 for example 0, expected a whole number from 1 to T = 4: leave out examples without a "
            "step",
        ),
        (
            lambda: with_lengths(Last(), [1.0, 2.5])(torch.zeros(5, 4, 2)),
            "Last got length 2.5 for example 1, expected a whole number from 1 to T = 4: leave out examples without a "
            "step",
        ),
        (
            lambda: with_lengths(Last(), [math.nan, 2.0])(torch.zeros(5, 4, 2)),
            "Last got length nan for example 0, expected a whole number from 1 to T = 4: leave out examples without a "
            "step",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError) as refused:
        make()
    assert str(refused.value) == message
