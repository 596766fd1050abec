"""Every cost against the stock one, its derivative against autograd and central differences, and saturated inputs."""

import math

import pytest
import torch
from cases import LOSSES, LossCase
from hypothesis import given, settings
from numerics import assert_close, central_differences, distinct_sizes, dtypes, generator, seeds
from torch import Tensor

from torchbasics.errors import InputError
from torchbasics.layers import Sigmoid
from torchbasics.losses import BinaryCrossEntropy, SigmoidCrossEntropy
from torchbasics.notation import dZ_from_autograd, examples_first, examples_last

every_loss = pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES.keys())


def draw(case: LossCase, sizes: list[int], seed: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    n_y, m = sizes
    g = generator(seed)
    predictions = case.predictions(torch.randn(n_y, m, generator=g, dtype=dtype))
    Y = torch.randint(0, 2, (n_y, m), generator=g).to(dtype)
    return predictions, Y


@every_loss
@settings(max_examples=60, deadline=None)
@given(sizes=distinct_sizes(2), seed=seeds, dtype=dtypes)
def test_stock_cost_and_autograd_agree(case: LossCase, sizes: list[int], seed: int, dtype: torch.dtype) -> None:
    predictions, Y = draw(case, sizes, seed, dtype)
    loss = case.make()
    traced = predictions.clone().requires_grad_()
    J = case.stock(traced, Y)
    J.backward()
    # Through A, the rounding of A and 1 - A is carried into J and dA 1 / min(A, 1 - A) <= 200 times for normal z.
    ulps = 512 if isinstance(loss, BinaryCrossEntropy) else 64
    assert_close(loss(predictions, Y), J.detach(), "J", ulps)
    assert_close(loss.backward(), dZ_from_autograd(traced.grad), "derivative", ulps)

    first = examples_first(predictions).clone().requires_grad_()
    J_twin = loss.twin()(first, examples_first(Y))
    J_twin.backward()
    assert_close(J_twin.detach(), J.detach(), "the twin's J")
    assert_close(examples_last(first.grad), traced.grad, "the twin's derivative")


@every_loss
@settings(max_examples=20, deadline=None)
@given(sizes=distinct_sizes(2, largest=5), seed=seeds)
def test_central_differences_agree(case: LossCase, sizes: list[int], seed: int) -> None:
    predictions, Y = draw(case, sizes, seed, torch.float64)
    loss = case.make()
    numeric = central_differences(lambda: loss(predictions, Y), predictions, h=1e-6)
    loss(predictions, Y)
    ours = loss.backward()
    # The third derivative of -log a grows as 1/a^3: relative to the largest entry, h^2/a^2 stays below 1e-6.
    assert (ours / Y.shape[1] - numeric).abs().max() <= 1e-6 * ours.abs().max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
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


@every_loss
def test_labels_as_a_vector_are_refused(case: LossCase) -> None:
    # (1, m) - (m,) would broadcast silently, and (m, 1) - (m,) would be m x m.
    with pytest.raises(InputError, match=r"labels Y have shape \(4,\) and the predictions \(1, 4\)"):
        case.make()(torch.full((1, 4), 0.5), torch.ones(4))


def test_fused_form_is_the_chain_rule() -> None:
    g = generator(3)
    Z, Y = torch.randn(1, 7, generator=g, dtype=torch.float64), torch.randint(0, 2, (1, 7), generator=g).double()
    sigmoid, through_A, fused = Sigmoid(), BinaryCrossEntropy(), SigmoidCrossEntropy()
    assert_close(through_A(sigmoid(Z), Y), fused(Z, Y), "J", ulps=512)
    assert_close(sigmoid.backward(through_A.backward()), fused.backward(), "dZ", ulps=512)
    assert_close(fused.output(Z), sigmoid(Z), "A")


@pytest.mark.parametrize(("z", "dz"), [(-20.0, -1.0), (-30.0, -1e12 * math.exp(-30)), (-40.0, -1e12 * math.exp(-40))])
def test_through_A_a_wrong_example_is_given_up_beyond_27_6(z: float, dz: float) -> None:
    # dZ = (A - Y) / max(A (1 - A), 1e-12) * A (1 - A), and A = exp(z) far to the left; the fused form gives -1.
    Z, Y = torch.tensor([[z]], dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    sigmoid, loss, fused = Sigmoid(), BinaryCrossEntropy(), SigmoidCrossEntropy()
    loss(sigmoid(Z), Y)
    assert sigmoid.backward(loss.backward()).item() == pytest.approx(dz, rel=1e-7)
    fused(Z, Y)
    assert fused.backward().item() == pytest.approx(-1.0, rel=1e-7)
