r"""`torchbasics.logistic` in all its forms against autograd.

Its functions return whole gradients, so that rounding is carried from Z on:

$$S_A^2 = (A(1-A))^2 S_Z^2 + (2A)^2, \qquad S_{dZ}^2 = S_A^2 + dZ^2, \qquad
  S_{dw}^2 = S_{dot}^2 + \frac1{m^2} X^2\, S_{dZ}^{2\,T}$$
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from torchbasics import logistic
from torchbasics.check.networks.judge import Sigma, judge
from torchbasics.check.networks.rounding import LOSSES, dot_sigma
from torchbasics.check.report import Report
from torchbasics.losses import SigmoidCrossEntropy

ALPHA = 0.5


def check_chapter_one() -> list[Report]:
    """A report on each function that has a gradient, at drawn values; float64, in which the loops compute."""
    g = torch.Generator().manual_seed(4)
    X = torch.randn(2, 7, generator=g, dtype=torch.float64)
    w, b = torch.randn(2, 1, generator=g, dtype=torch.float64), torch.randn((), generator=g, dtype=torch.float64)
    Y = torch.tensor([[0, 1, 1, 0, 1, 0, 1]], dtype=torch.float64)
    return [_report(name, form(w, b, X, Y), w, b, X, Y) for name, form in FORMS.items()]


Form = Callable[[Tensor, Tensor, Tensor, Tensor], dict[str, Any]]


def _one_example(w: Tensor, b: Tensor, X: Tensor, Y: Tensor) -> dict[str, Any]:
    """Its derivatives of every example, averaged as the notes do; and dz and the update of each."""
    (w1, w2), bias = w[:, 0].tolist(), b.item()
    steps = [
        logistic.one_example(x1, x2, w1, w2, bias, y, ALPHA)
        for x1, x2, y in zip(*X.tolist(), Y[0].tolist(), strict=True)
    ]
    return {
        "Z": [[step.z for step in steps]],
        "A": [[step.a for step in steps]],
        "J": np.mean([step.loss for step in steps]),
        "dZ": [[step.dz for step in steps]],
        "dw": np.mean([[[step.dw1], [step.dw2]] for step in steps], axis=0),
        "db": np.mean([step.db for step in steps]),
        "w - alpha dw": np.mean([[[step.w1], [step.w2]] for step in steps], axis=0),
        "b - alpha db": np.mean([step.b for step in steps]),
    }


def _loop_over_examples(w: Tensor, b: Tensor, X: Tensor, Y: Tensor) -> dict[str, Any]:
    (w1, w2), (x1, x2) = w[:, 0].tolist(), X.tolist()
    J, dw1, dw2, db = logistic.loop_over_examples(x1, x2, w1, w2, b.item(), Y[0].tolist())
    return {"J": J, "dw": [[dw1], [dw2]], "db": db}


def _loop_over_features(w: Tensor, b: Tensor, X: Tensor, Y: Tensor) -> dict[str, Any]:
    J, dw, db = logistic.loop_over_examples_and_features(w[:, 0].tolist(), b.item(), X.tolist(), Y[0].tolist())
    return {"J": J, "dw": [[entry] for entry in dw], "db": db}


def _vectorised(w: Tensor, b: Tensor, X: Tensor, Y: Tensor) -> dict[str, Any]:
    return logistic.vectorised(w, b, X, Y)._asdict()


def _propagate(w: Tensor, b: Tensor, X: Tensor, Y: Tensor) -> dict[str, Any]:
    gradients, J = logistic.propagate(w, b, X, Y)
    return {"J": J, **gradients}


def _propagate_numpy(w: Tensor, b: Tensor, X: Tensor, Y: Tensor) -> dict[str, Any]:
    gradients, J = logistic.propagate(w.numpy(), b.item(), X.numpy(), Y.numpy())
    return {"J": J, **gradients}


def _optimize(w: Tensor, b: Tensor, X: Tensor, Y: Tensor) -> dict[str, Any]:
    parameters, gradients, (J,) = logistic.optimize(w, b, X, Y, num_iterations=1, learning_rate=ALPHA)
    return {"J": J, **gradients, "w - alpha dw": parameters["w"], "b - alpha db": parameters["b"]}


FORMS: dict[str, Form] = {
    "one_example": _one_example,
    "loop_over_examples": _loop_over_examples,
    "loop_over_examples_and_features": _loop_over_features,
    "vectorised": _vectorised,
    "propagate": _propagate,
    "propagate with NumPy": _propagate_numpy,
    "optimize": _optimize,
}


def _report(form: str, found: dict[str, Any], w: Tensor, b: Tensor, X: Tensor, Y: Tensor) -> Report:
    right, S = _reference(w, b, X, Y)
    report = Report(f"logistic.{form}", "right", "equal to autograd", "the notes': dZ = m dJ/dZ")
    for name, value in found.items():
        yours = torch.as_tensor(np.asarray(value), dtype=torch.float64)
        report.quantities.append(judge(name, yours, right[name], _constant(S[name]), "autograd"))
    if any(report.wrong):
        report.verdict, report.reason = "wrong", ""
    return report


def _constant(S: Tensor) -> Sigma:
    return lambda exact: S


def _reference(w: Tensor, b: Tensor, X: Tensor, Y: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Every quantity by stock parts and autograd, and its S."""
    m = X.shape[1]
    leaves = w.clone().requires_grad_(), b.clone().requires_grad_()
    Z = nn.functional.linear(X.T, leaves[0].T, leaves[1][None]).T
    J = nn.functional.binary_cross_entropy_with_logits(Z, Y)
    dJ_dZ, dw, db = torch.autograd.grad(J, (Z, *leaves))
    Z, J, dZ = Z.detach(), J.detach(), m * dJ_dZ
    A = torch.sigmoid(Z)
    S_Z = dot_sigma(w.T, X, Z - b, exact=True) + (len(w) / 2) ** 0.5 * b.abs() + Z.abs()
    S_A = torch.hypot(A * (1 - A) * S_Z, 2 * A)
    S_dZ = torch.hypot(S_A, dZ)
    S_J = torch.hypot(LOSSES[SigmoidCrossEntropy](Z, Y, J, dZ)[0], torch.linalg.vector_norm(dZ * S_Z) / m)
    carried = (X.square() @ S_dZ.square().T).sqrt() / m
    S_dw = torch.hypot(dot_sigma(X, dZ.T / m, dw, exact=True, more=2), carried)
    S_db = torch.hypot(dot_sigma(dZ / m, dZ.new_ones(m, 1), db.reshape(1, 1), exact=True, more=2), S_dZ.norm() / m)
    right = {"Z": Z, "A": A, "J": J, "dZ": dZ, "dw": dw, "db": db}
    S = {"Z": S_Z, "A": S_A, "J": S_J, "dZ": S_dZ, "dw": S_dw, "db": S_db.reshape(())}
    for name, start in (("w", w), ("b", b)):
        right[f"{name} - alpha d{name}"] = start - ALPHA * right[f"d{name}"]
        S[f"{name} - alpha d{name}"] = 2 * start.abs() + S[f"d{name}"]
    return right, S
