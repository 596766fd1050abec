"""Every cost against the stock one, its derivative against autograd and central differences, and saturated inputs."""

import math

import pytest
import torch
from cases import LOSSES, LossCase, binary, classes, classes_or_padding, numbers, probabilities
from hypothesis import given, settings
from hypothesis import strategies as st
from numerics import (
    assert_close,
    autograd_quantities,
    central_differences,
    distinct_sizes,
    dtypes,
    generator,
    randomise,
    seeds,
)
from torch import Tensor, nn

from torchbasics.check.networks.layer import check_loss
from torchbasics.errors import InputError
from torchbasics.layers import Linear, LogSoftmax, Sigmoid, Tanh
from torchbasics.losses import (
    BinaryCrossEntropy,
    Hinge,
    Huber,
    KLDivergence,
    Loss,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)
from torchbasics.network import Network
from torchbasics.notation import dZ_from_autograd, examples_first, examples_last

every_loss = pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES.keys())
both_dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def shapes(largest: int = 9) -> st.SearchStrategy[list[int]]:
    """(n_y, m), or (n_y, T, m)."""
    return st.sampled_from([2, 3]).flatmap(lambda count: distinct_sizes(count, largest))


def draw(case: LossCase, shape: list[int], seed: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    g = generator(seed)
    predictions = case.predictions(torch.randn(shape, generator=g, dtype=dtype))
    return predictions, case.labels(tuple(shape), g).to(dtype)


def column(*values: float, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(values, dtype=dtype)[:, None]


@every_loss
@settings(max_examples=40, deadline=None)
@given(shape=shapes(), seed=seeds, dtype=dtypes)
def test_stock_cost_and_autograd_agree(case: LossCase, shape: list[int], seed: int, dtype: torch.dtype) -> None:
    predictions, Y = draw(case, shape, seed, dtype)
    loss = case.make()
    traced = predictions.clone().requires_grad_()
    J = case.stock(traced, Y)
    J.backward()
    cancelled = case.terms(predictions, Y).abs().sum() / shape[-1]
    ulps_J = case.ulps * max(1, (cancelled / J).nan_to_num(0).item())
    assert_close(loss(predictions, Y), J.detach(), "J", ulps_J)
    assert_close(loss.backward(), dZ_from_autograd(traced.grad), "derivative", case.ulps)

    first = examples_first(predictions).clone().requires_grad_()
    J_twin = loss.twin()(first, examples_first(Y))
    J_twin.backward()
    assert_close(J_twin.detach(), J.detach(), "the twin's J", ulps_J)
    assert_close(examples_last(first.grad), traced.grad, "the twin's derivative")


@every_loss
@settings(max_examples=20, deadline=None)
@given(shape=shapes(largest=5), seed=seeds)
def test_central_differences_agree(case: LossCase, shape: list[int], seed: int) -> None:
    predictions, Y = draw(case, shape, seed, torch.float64)
    loss = case.make()
    numeric = central_differences(lambda: loss(predictions, Y), predictions, h=1e-6)
    loss(predictions, Y)
    ours = loss.backward()
    # The third derivative of -log a grows as 1/a^3: relative to the largest entry, h^2/a^2 stays below 1e-6.
    assert (ours / shape[-1] - numeric).abs().max() <= 1e-6 * ours.abs().max()


@every_loss
@pytest.mark.parametrize("shape", [(1, 6), (4, 1), (4, 3, 5)])
@both_dtypes
def test_output_is_its_twins(case: LossCase, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    predictions, _ = draw(case, list(shape), 0, dtype)
    loss = case.make()
    A = loss.output(predictions)
    assert_close(A, examples_last(loss.output_twin()(examples_first(predictions))), "A[L]")


@every_loss
def test_backward_gives_what_nobody_else_holds(case: LossCase) -> None:
    # A step below may work in place on what it is given.
    predictions, Y = draw(case, [4, 3, 5], 1, torch.float64)
    given = predictions.clone(), Y.clone()
    loss = case.make()
    loss(predictions, Y)
    derivative = loss.backward()
    expected = derivative.clone()
    derivative.fill_(7)
    torch.testing.assert_close(loss.backward(), expected, rtol=0, atol=0)
    torch.testing.assert_close((predictions, Y), given, rtol=0, atol=0)


@every_loss
def test_the_order_in_memory_changes_nothing(case: LossCase) -> None:
    predictions, Y = draw(case, [4, 3, 5], 2, torch.float64)
    loss = case.make()
    J, derivative = loss(predictions, Y), loss.backward()
    first = examples_last(examples_first(predictions).contiguous())
    assert first.stride() != predictions.stride()
    assert_close(loss(first, Y), J, "J")
    assert_close(loss.backward(), derivative, "derivative")


@every_loss
def test_the_checker_finds_it_right(case: LossCase) -> None:
    for dtype in (torch.float64, torch.float32):
        for seed in range(5):
            report = check_loss(case.make(), *draw(case, [4, 7], seed, dtype))
            assert report, report


# Far from 0


@both_dtypes
def test_saturated_sigmoid_costs_what_it_should(dtype: torch.dtype) -> None:
    Z = torch.tensor([[1000.0, -1000.0, 1000.0, -1000.0, 40.0]], dtype=dtype)
    Y = torch.tensor([[0.0, 1.0, 1.0, 0.0, 0.0]], dtype=dtype)
    loss = SigmoidCrossEntropy()
    # -log(1 - sigmoid(z)) = z + log(1 + exp(-z)), which is z itself at z = 40 and beyond.
    assert loss(Z, Y).item() == pytest.approx((1000 + 1000 + 0 + 0 + 40) / 5, rel=1e-7)
    torch.testing.assert_close(loss.backward(), torch.tensor([[1.0, -1.0, 0.0, 0.0, 1.0]], dtype=dtype))


def test_small_probabilities_keep_their_digits() -> None:
    # log(1 + exp(-z)) at z = 30 is exp(-30) = 9.36e-14: a formula through 1 - A would give 0 in float32.
    J = SigmoidCrossEntropy()(torch.tensor([[30.0]]), torch.tensor([[1.0]]))
    assert J.item() == pytest.approx(9.357623e-14, rel=1e-6)


@both_dtypes
def test_saturation_through_A_stays_finite(dtype: torch.dtype) -> None:
    sigmoid, loss = Sigmoid(), BinaryCrossEntropy()
    Z = torch.tensor([[1000.0, -1000.0, 1000.0, -1000.0]], dtype=dtype)
    Y = torch.tensor([[1.0, 0.0, 0.0, 1.0]], dtype=dtype)
    J = loss(sigmoid(Z), Y)
    # Right examples cost 0 and give no gradient; wrong ones cost nn.BCELoss's 100, and a(1-a) = 0 stops their gradient.
    assert J.item() == 50
    torch.testing.assert_close(loss.backward(), torch.tensor([[0.0, 0.0, 1e12, -1e12]], dtype=dtype))
    torch.testing.assert_close(sigmoid.backward(loss.backward()), torch.zeros_like(Z))
    assert J.item() == loss.twin()(examples_first(sigmoid(Z)), examples_first(Y)).item()


@both_dtypes
def test_softmax_of_thousands_costs_what_it_should(dtype: torch.dtype) -> None:
    Z = torch.tensor([[1000.0, 1000.0, -1000.0, 1000.0], [-1000.0, -1000.0, -1000.0, 999.0]], dtype=dtype)
    Y = torch.tensor([[0.0, 1.0, 0.0, 1.0]], dtype=dtype)
    loss = SoftmaxCrossEntropy()
    # The class is 2000 ahead, 2000 behind, level, and 1 behind.
    assert loss(Z, Y).item() == pytest.approx((0 + 2000 + math.log(2) + math.log1p(math.e)) / 4, rel=1e-6)
    a = 1 / (1 + math.e)
    expected = torch.tensor([[0.0, 1.0, -0.5, 1 - a], [0.0, -1.0, 0.5, a - 1]], dtype=dtype)
    torch.testing.assert_close(loss.backward(), expected)


@both_dtypes
def test_smoothing_costs_a_sure_prediction(dtype: torch.dtype) -> None:
    # Each of the other three classes is asked for with 0.1 / 4, and is 1000 behind.
    loss = SoftmaxCrossEntropy(label_smoothing=0.1)
    J = loss(column(1000, 0, 0, 0, dtype=dtype), column(0, dtype=dtype))
    assert J.item() == pytest.approx(75, rel=1e-6)
    torch.testing.assert_close(loss.backward(), column(0.075, -0.025, -0.025, -0.025, dtype=dtype))


@both_dtypes
def test_log_probabilities_of_thousands_cost_what_they_should(dtype: torch.dtype) -> None:
    loss = KLDivergence()
    J = loss(column(-1000, 0, dtype=dtype), column(0.25, 0.75, dtype=dtype))
    assert J.item() == pytest.approx(0.25 * (math.log(0.25) + 1000) + 0.75 * math.log(0.75), rel=1e-6)


@both_dtypes
def test_hinge_and_huber_grow_as_the_score_does(dtype: torch.dtype) -> None:
    hinge, huber = Hinge(), Huber(0.5)
    Z, Y = torch.tensor([[1000.0, -1000.0, 1000.0]], dtype=dtype), torch.tensor([[0.0, 1.0, 1.0]], dtype=dtype)
    assert hinge(Z, Y).item() == pytest.approx((1001 + 1001 + 0) / 3)
    torch.testing.assert_close(hinge.backward(), torch.tensor([[1.0, -1.0, 0.0]], dtype=dtype))
    assert huber(1e30 * Z, Y).item() == pytest.approx(0.5 * 1e33)  # squared it would be beyond float32
    torch.testing.assert_close(huber.backward(), torch.tensor([[0.5, -0.5, 0.5]], dtype=dtype))


# Where the slope jumps


@both_dtypes
def test_hinge_at_exactly_1_has_torchs_derivative(dtype: torch.dtype) -> None:
    Z, Y = torch.tensor([[1.0, -1.0]], dtype=dtype), torch.tensor([[1.0, 0.0]], dtype=dtype)
    for beyond, slope in ((1, 0.0), (-1, 1.0), (0, 0.0)):
        loss = Hinge()
        at = torch.nextafter(Z, beyond * 2 * Z) if beyond else Z
        first = examples_first(at).clone().requires_grad_()
        loss.twin()(first, examples_first(Y)).backward()
        loss(at, Y)
        torch.testing.assert_close(loss.backward(), slope * torch.tensor([[-1.0, 1.0]], dtype=dtype), rtol=0, atol=0)
        torch.testing.assert_close(loss.backward(), dZ_from_autograd(examples_last(first.grad)), rtol=0, atol=0)


def test_huber_has_one_slope_where_its_pieces_meet() -> None:
    loss = Huber(0.5)
    A = torch.tensor([[0.5, -0.5, 0.5 - 1e-9, 0.5 + 1e-9]], dtype=torch.float64)
    first = examples_first(A).clone().requires_grad_()
    loss.twin()(first, torch.zeros_like(first)).backward()
    assert loss(A, torch.zeros_like(A)).item() == pytest.approx(0.125)
    torch.testing.assert_close(loss.backward(), torch.tensor([[0.5, -0.5, 0.5 - 1e-9, 0.5]], dtype=torch.float64))
    torch.testing.assert_close(loss.backward(), dZ_from_autograd(examples_last(first.grad)))


def test_a_hinge_predicts_1_where_the_score_is_above_0() -> None:
    A = Hinge().output(torch.tensor([[-1000.0, -0.1, 0.0, 0.1, 1000.0]]))
    assert (A > 0.5).tolist() == [[False, False, False, True, True]]
    assert (A.diff() > 0).all()


# The notes' sums, spelled out


def softmax_cross_entropy(Z: Tensor, Y: Tensor, eps: float = 0.0) -> tuple[float, Tensor]:
    """J and dZ of (n_y, T, m), one class of one time step of one example at a time."""
    n_y, T, m = Z.shape
    J, dZ = 0.0, torch.zeros_like(Z)
    for i in range(m):
        loss = 0.0
        for t in range(T):
            y = int(Y[0, t, i])
            if y == -100:
                continue
            total = sum(math.exp(Z[k, t, i]) for k in range(n_y))
            for k in range(n_y):
                a = math.exp(Z[k, t, i]) / total
                q = (1 - eps if k == y else 0) + eps / n_y
                loss -= q * math.log(a)
                dZ[k, t, i] = a - q
        J += loss / m
    return J, dZ


@settings(max_examples=15, deadline=None)
@given(shape=distinct_sizes(3, largest=5), seed=seeds, eps=st.sampled_from([0.0, 0.3]))
def test_softmax_cross_entropy_is_the_sum_over_time_and_classes(shape: list[int], seed: int, eps: float) -> None:
    g = generator(seed)
    Z, Y = numbers(tuple(shape), g), classes_or_padding(tuple(shape), g)
    J, dZ = softmax_cross_entropy(Z, Y, eps)
    loss = SoftmaxCrossEntropy(label_smoothing=eps)
    assert loss(Z, Y).item() == pytest.approx(J, rel=1e-12, abs=1e-13)
    torch.testing.assert_close(loss.backward(), dZ, rtol=0, atol=1e-14)


def test_stock_mean_weighs_by_the_labels_that_count() -> None:
    g = generator(5)
    Z, Y = numbers((4, 3, 5), g), classes_or_padding((4, 3, 5), g)
    mean = nn.CrossEntropyLoss()(examples_first(Z), examples_first(Y).squeeze(1).long())
    count = int((Y != -100).sum())
    assert 0 < count < Y.numel()
    assert SoftmaxCrossEntropy()(Z, Y).item() == pytest.approx(mean.item() * count / 5)


def test_what_is_ignored_has_no_say() -> None:
    g = generator(6)
    Z, Y = numbers((4, 3, 5), g), classes((4, 3, 5), g)
    Y[0, 1:, 2] = -100
    loss = SoftmaxCrossEntropy(label_smoothing=0.1)
    J, dZ = loss(Z, Y), loss.backward()
    assert dZ[:, 1:, 2].eq(0).all()
    assert dZ[:, 0, 2].ne(0).all()
    Z[:, 1:, 2] = torch.tensor([[-math.inf], [3], [1000], [-1000]])
    assert loss(Z, Y) == J
    assert SoftmaxCrossEntropy()(Z, torch.full_like(Y, -100)) == 0


def test_divergence_is_the_sum_over_outcomes() -> None:
    # 1/2 log(1/2 / 1/4) + 1/2 log(1/2 / 1/2), and an outcome that neither side expects.
    A, Y = column(math.log(0.25), math.log(0.5), math.log(0.25), -math.inf), column(0.5, 0.5, 0, 0)
    loss = KLDivergence()
    assert loss(A, Y).item() == pytest.approx(0.5 * math.log(2))
    assert loss.backward().flatten().tolist() == [-0.5, -0.5, 0, 0]
    torch.testing.assert_close(loss.output(A), column(0.25, 0.5, 0.25, 0))
    assert loss(column(math.log(0.5), -math.inf), column(0.5, 0.5)).item() == math.inf


@settings(max_examples=20, deadline=None)
@given(shape=shapes(), seed=seeds)
def test_divergence_is_0_where_the_columns_agree_and_positive_elsewhere(shape: list[int], seed: int) -> None:
    g = generator(seed)
    P, Y = (torch.softmax(numbers(tuple(shape), g), 0) for _ in range(2))
    loss = KLDivergence()
    assert abs(loss(Y.log(), Y).item()) <= 1e-14 * shape[0]
    assert loss(P.log(), Y) > 0 or shape[0] == 1


def test_huber_and_hinge_by_hand() -> None:
    # 0.2^2 / 2 and 0.5 (3 - 0.25); 1 + 0.25 and 1 - 0.25; each example's two outputs are added.
    A, Y = torch.tensor([[0.2, 1.0], [4.0, 1.0]]), torch.ones(2, 2)
    assert Huber(0.5)(A + torch.tensor([[1.0, 0], [0, 0]]), Y).item() == pytest.approx((0.02 + 0.5 * 2.75) / 2)
    Z, Y = torch.tensor([[0.25, 3.0], [0.25, -3.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    loss = Hinge()
    assert loss(Z, Y).item() == pytest.approx((1.25 + 0.75) / 2)
    assert loss.backward().tolist() == [[1, 0], [-1, 0]]


# Two ways to the same


def test_fused_form_is_the_chain_rule() -> None:
    g = generator(3)
    Z, Y = torch.randn(1, 7, generator=g, dtype=torch.float64), torch.randint(0, 2, (1, 7), generator=g).double()
    sigmoid, through_A, fused = Sigmoid(), BinaryCrossEntropy(), SigmoidCrossEntropy()
    assert_close(through_A(sigmoid(Z), Y), fused(Z, Y), "J", ulps=512)
    assert_close(sigmoid.backward(through_A.backward()), fused.backward(), "dZ", ulps=512)
    assert_close(fused.output(Z), sigmoid(Z), "A")


def test_fused_softmax_is_the_chain_rule_through_the_log_softmax() -> None:
    g = generator(4)
    Z, Y = numbers((4, 3, 5), g), classes((4, 3, 5), g)
    one_hot = torch.zeros_like(Z).scatter_(0, Y.long(), 1)
    log_softmax, divergence = LogSoftmax(), KLDivergence()
    for eps in (0.0, 0.2):
        fused = SoftmaxCrossEntropy(eps)
        Q = (1 - eps) * one_hot + eps / 4
        # The divergence is the cross-entropy less the labels' own entropy, 0 for one-hot ones.
        entropy = torch.special.entr(Q).sum() / 5
        assert_close(divergence(log_softmax(Z), Q) + entropy, fused(Z, Y), "J")
        assert_close(log_softmax.backward(divergence.backward()), fused.backward(), "dZ")
        assert_close(fused.backward(), torch.softmax(Z, 0) - Q, "A - Y")
    assert_close(divergence.output(log_softmax(Z)), fused.output(Z), "A")


def test_two_classes_are_a_sigmoid_of_their_difference() -> None:
    g = generator(8)
    Z, Y = numbers((2, 7), g), classes((2, 7), g)
    two, one = SoftmaxCrossEntropy(), SigmoidCrossEntropy()
    assert_close(two(Z, Y), one(Z.diff(dim=0), Y), "J")
    assert_close(two.backward()[1:], one.backward(), "dZ")


@pytest.mark.parametrize(
    ("loss", "last"),
    [
        (SoftmaxCrossEntropy(0.1), []),
        (Hinge(), []),
        (Huber(0.5), []),
        (KLDivergence(), [LogSoftmax()]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_network_ends_in_it(loss: Loss, last: list[LogSoftmax]) -> None:
    g = generator(9)
    network = Network([Linear(5, 4), Tanh(), Linear(4, 3), *last], loss).double()
    randomise(network, g)
    labels = {SoftmaxCrossEntropy: classes_or_padding, Hinge: binary, Huber: numbers, KLDivergence: probabilities}
    X, Y = numbers((5, 7), g), labels[type(loss)]((3, 7), g)
    expected = autograd_quantities(network, X, Y)
    for name, ours in network.quantities(X, Y).items():
        assert_close(ours, expected[name], name)


# What is refused


@every_loss
def test_labels_as_a_vector_are_refused(case: LossCase) -> None:
    # (1, m) - (m,) would broadcast silently, and (m, 1) - (m,) would be m x m.
    with pytest.raises(InputError, match=r"labels Y (have|of) shape \(4,\) .* \(1, 4\)"):
        case.make()(torch.full((1, 4), 0.5), torch.ones(4))


@pytest.mark.parametrize(
    ("loss", "A", "Y", "message"),
    [
        (
            SoftmaxCrossEntropy(),
            torch.zeros(3, 5),
            torch.zeros(3, 5),
            "SoftmaxCrossEntropy got labels Y of shape (3, 5) for Z of shape (3, 5), expected (1, 5), the number of "
            "each column's class: of one-hot columns Y.argmax(0, keepdim=True)",
        ),
        (
            SoftmaxCrossEntropy(),
            torch.zeros(3, 2, 5),
            torch.zeros(1, 5),
            "SoftmaxCrossEntropy got labels Y of shape (1, 5) for Z of shape (3, 2, 5), expected (1, 2, 5), the "
            "number of each column's class: of one-hot columns Y.argmax(0, keepdim=True)",
        ),
        (
            SoftmaxCrossEntropy(),
            torch.zeros(3, 4),
            torch.tensor([[0.0, 3, -1, 2]]),
            "SoftmaxCrossEntropy got the label 3 at (0, 1), expected whole numbers 0 to 2, or -100 for one that is "
            "not to count; classes are numbered from 0",
        ),
        (
            SoftmaxCrossEntropy(ignore_index=0),
            torch.zeros(3, 4),
            torch.tensor([[0.0, 1, 1.5, 2]]),
            "SoftmaxCrossEntropy got the label 1.5 at (0, 2), expected whole numbers 0 to 2, or 0 for one that is "
            "not to count; classes are numbered from 0",
        ),
        (
            SoftmaxCrossEntropy(),
            torch.zeros(3, 2),
            torch.tensor([[0.0, math.nan]]),
            "SoftmaxCrossEntropy got the label nan at (0, 1), expected whole numbers 0 to 2, or -100 for one that is "
            "not to count; classes are numbered from 0",
        ),
        (
            Hinge(),
            torch.zeros(1, 3),
            torch.tensor([[0.0, 1, -1]]),
            "Hinge got the label -1 at (0, 2), expected 0 or 1, which it reads as -1 and +1 itself",
        ),
        (
            KLDivergence(),
            torch.full((2, 3), -0.7),
            torch.tensor([[0.5, 0.5, 0.5], [0.5, 0.5, 0.6]]),
            "KLDivergence got a column of Y that adds up to 1.1 at (0, 2), expected 1: probabilities over the "
            "outputs, axis 0",
        ),
        (
            KLDivergence(),
            torch.full((2, 3), -0.7),
            torch.tensor([[0.5, 0.5, 1.5], [0.5, 0.5, -0.5]]),
            "KLDivergence got the probability -0.5 at (1, 2), expected 0 or more",
        ),
        (
            KLDivergence(),
            torch.full((2, 3), 0.5),
            torch.full((2, 3), 0.5),
            "KLDivergence got the log-probability 0.5 at (0, 0), expected 0 or less: let the last layer be "
            "LogSoftmax, not Softmax or none",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Loss) else "",
)
def test_labels_that_mean_nothing_are_refused_in_one_line(loss: Loss, A: Tensor, Y: Tensor, message: str) -> None:
    with pytest.raises(InputError) as refused:
        loss(A, Y)
    assert str(refused.value) == message


def test_labels_that_came_through_half_precision_are_probabilities() -> None:
    Y = torch.softmax(numbers((50, 9), generator(7)), 0).bfloat16().double()
    assert (Y.sum(0) - 1).abs().max() > 1e-4
    assert KLDivergence()(torch.full((50, 9), -math.log(50), dtype=torch.float64), Y) > 0


@pytest.mark.parametrize("eps", [-0.1, 1.0, math.nan])
def test_label_smoothing_says_what_it_needs(eps: float) -> None:
    with pytest.raises(InputError, match=r"got label_smoothing .*, expected 0 <= label_smoothing < 1"):
        SoftmaxCrossEntropy(label_smoothing=eps)


@pytest.mark.parametrize("delta", [0.0, -1.0, math.inf, math.nan])
def test_huber_says_what_delta_it_needs(delta: float) -> None:
    with pytest.raises(InputError, match=r"Huber got delta .*, expected delta > 0"):
        Huber(delta)


@pytest.mark.parametrize(("z", "dz"), [(-20.0, -1.0), (-30.0, -1e12 * math.exp(-30)), (-40.0, -1e12 * math.exp(-40))])
def test_through_A_a_wrong_example_is_given_up_beyond_27_6(z: float, dz: float) -> None:
    # dZ = (A - Y) / max(A (1 - A), 1e-12) * A (1 - A), and A = exp(z) far to the left; the fused form gives -1.
    Z, Y = torch.tensor([[z]], dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    sigmoid, loss, fused = Sigmoid(), BinaryCrossEntropy(), SigmoidCrossEntropy()
    loss(sigmoid(Z), Y)
    assert sigmoid.backward(loss.backward()).item() == pytest.approx(dz, rel=1e-7)
    fused(Z, Y)
    assert fused.backward().item() == pytest.approx(-1.0, rel=1e-7)
