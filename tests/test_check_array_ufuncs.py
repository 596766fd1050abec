"""The tracer's ufuncs: NumPy's values, and derivatives equal to difference quotients, also at poles and ties."""

from typing import Any

import numpy as np
import pytest
import torch
from tracing import NP, P, Program, agrees, arrays, trace

from torchbasics.check.tracing.elementwise import ELEMENTWISE

STEPS = {np.sign, np.floor, np.ceil, np.trunc, np.floor_divide, np.heaviside}
BINARY = {ufunc for ufunc in ELEMENTWISE if ufunc.nin == 2} - {np.matmul, np.vecdot}


@pytest.mark.parametrize("ufunc", sorted(ELEMENTWISE.keys() - BINARY - STEPS - {np.matmul, np.vecdot}, key=str))
def test_unary(ufunc: Any) -> None:
    shift = 1.0 if ufunc is np.arccosh else 0.0
    agrees(lambda np, x: getattr(np, ufunc.__name__)(x + shift), *arrays((3, 4), positive=True))


@pytest.mark.parametrize("ufunc", sorted(BINARY - STEPS, key=str))
def test_binary(ufunc: Any) -> None:
    x, y = arrays((3, 4), (3, 1), positive=True)
    agrees(lambda np, x, y: getattr(np, ufunc.__name__)(x, y), x + 0.3, y)
    agrees(lambda np, x: getattr(np, ufunc.__name__)(x, 0.7), x)
    agrees(lambda np, x: getattr(np, ufunc.__name__)(P**2 + 0.1, x), x)


@pytest.mark.parametrize("ufunc", sorted(STEPS, key=str))
def test_steps_have_no_slope(ufunc: Any) -> None:
    x = arrays((3, 4))[0]
    agrees(lambda np, x: x * getattr(np, ufunc.__name__)(*[x, 0.7][: ufunc.nin]), x)


def test_derivatives_at_poles_stay_still() -> None:
    """np.where(x > 0, np.log(x), 0) has derivative 0 at x = 0, and so have the others where nothing comes back."""
    x = trace(np.array([0.0, 2.0]))
    with np.errstate(all="ignore"):
        for pole in (
            np.log(x),
            np.sqrt(x),
            1 / x,
            x**-0.5,
            np.power(x, np.array([-1.0, 0.5])),
            np.exp(1000 - 1000 * x),
        ):
            gradient = torch.autograd.grad(NP.sum(NP.where([False, True], pole, 0)).tensor, x.tensor)[0]
            assert torch.isfinite(gradient).all()
            assert gradient[0] == 0


@pytest.mark.parametrize("ties", [lambda np, x: np.maximum(x, 0), lambda np, x: np.max(x, axis=0)])
def test_ties_take_a_subgradient(ties: Program) -> None:
    x = trace(np.zeros((2, 3)))
    gradient = torch.autograd.grad(NP.sum(ties(NP, x)).tensor, x.tensor)[0]
    assert ((gradient >= 0) & (gradient <= 1)).all()
