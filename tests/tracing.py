"""Running one program on NumPy and on traced arrays, and comparing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from torchbasics.check.tracing.array import Traced
from torchbasics.check.tracing.stand_in import stand_ins

STAND_INS = stand_ins()
NP: Any = STAND_INS.modules["numpy"]

Program = Callable[..., Any]
M = np.array([[True, False, True, True], [False, False, True, False], [True, True, False, True]])
J, K = np.array([2, 0, 2]), np.array([1, 3, 0])
P = np.random.default_rng(5).normal(size=(3, 4))


def arrays(*shapes: tuple[int, ...], positive: bool = False) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(7)
    values = [rng.normal(size=shape) for shape in shapes]
    return [0.1 + 0.8 * np.abs(x) / (1 + np.abs(x)) if positive else x for x in values]


def trace(x: np.ndarray[Any, Any]) -> Traced:
    return Traced(torch.from_numpy(x.copy()).requires_grad_())


def flat(result: Any) -> list[Any]:
    return [leaf for part in result for leaf in flat(part)] if type(result) in (list, tuple) else [result]


def agrees(program: Program, *inputs: np.ndarray[Any, Any], h: float = 1e-5) -> None:
    """The traced program has NumPy's values and shapes, and autograd's gradient is the difference quotient's.

    Every result is weighed by a random cotangent: one of ones would hide errors that sum to 0.
    """
    expected = [np.asarray(part) for part in flat(program(np, *(x.copy() for x in inputs)))]
    rng = np.random.default_rng(11)
    cotangents = [rng.normal(size=part.shape) for part in expected]

    def weighed(*values: np.ndarray[Any, Any]) -> float:
        results = flat(program(np, *(x.copy() for x in values)))
        return float(sum(np.sum(c * r) for c, r in zip(cotangents, results, strict=True)))

    boxes = [trace(x) for x in inputs]
    # Programs may write to their inputs: the leaves are those of before.
    leaves = [box.tensor for box in boxes]
    traced = flat(program(NP, *boxes))
    assert all(isinstance(part, Traced) for part in traced)
    for ours, right in zip(traced, expected, strict=True):
        np.testing.assert_allclose(ours.value, right, rtol=1e-12, atol=1e-13, strict=True)
    cost = sum(((torch.from_numpy(c) * part.tensor).sum() for c, part in zip(cotangents, traced, strict=True)))
    assert isinstance(cost, torch.Tensor)
    gradients = torch.autograd.grad(cost, leaves)
    for n, (x, gradient) in enumerate(zip(inputs, gradients, strict=True)):
        quotient = np.empty_like(x)
        for index in np.ndindex(x.shape):
            up, down = [v.copy() for v in inputs], [v.copy() for v in inputs]
            up[n][index] += h
            down[n][index] -= h
            quotient[index] = (weighed(*up) - weighed(*down)) / (2 * h)
        np.testing.assert_allclose(gradient.numpy(), quotient, rtol=1e-6, atol=1e-7)
