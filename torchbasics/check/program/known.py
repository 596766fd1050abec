r"""The forward sweep against the models that are known: a derivation can be right for a forward that is not.

A function called sigmoid, tanh or relu is held against torch's of that name. Where W1, b1 and Z1 are named as in the
notes and fit them, Z1 is held against W1 X + b1, and A1 against the sigmoid; a difference is a mistake only when it is
one that people make, and otherwise a note or nothing, for a forward may be anything.
"""

import re
from collections.abc import Callable, Mapping

import numpy as np
import torch

from torchbasics.check.program.recorded import Run
from torchbasics.check.program.tape import is_float, plain
from torchbasics.check.report import Cause, Quantity
from torchbasics.check.step import Array


def _sigmoid(z: Array) -> Array:
    return torch.sigmoid(torch.from_numpy(z)).numpy()


ACTIVATIONS: Mapping[str, tuple[str, Callable[[Array], Array]]] = {
    "sigmoid": ("1 / (1 + exp(-z))", _sigmoid),
    "tanh": ("(exp(z) - exp(-z)) / (exp(z) + exp(-z))", np.tanh),
    "relu": ("max(0, z)", lambda z: np.maximum(0.0, z)),
}
MISTAKEN: Mapping[str, tuple[str, Callable[[Array], Array]]] = {
    "sigmoid": ("the sign of the exponent is missing: 1 / (1 + exp(z)) is sigmoid(-z)", lambda z: _sigmoid(-z)),
    "tanh": ("its terms are the wrong way round: it is -tanh(z)", lambda z: -np.tanh(z)),
    "relu": ("it is min(0, z): the comparison is the wrong way round", lambda z: np.minimum(0.0, z)),
}


def judge_forward(run: Run) -> tuple[list[Quantity], list[str]]:
    """The forward quantities that are wrong, and notes on those that are not as the notes have them."""
    wrong = [found for name in ACTIVATIONS if (found := _function(run, name)) is not None]
    notes: list[str] = []
    named = {label: run.recording.values[index] for index, label in run.forward.labels.items()}
    values = {label: value.content for label, value in named.items()}
    for label in [label for label in values if re.fullmatch(r"[Zz]\d+", label)]:
        layer = int(label[1:])
        W, b, Z = values.get(f"W{layer}"), values.get(f"b{layer}"), values[label]
        A_prev = values.get(f"{'A' if label[0] == 'Z' else 'a'}{layer - 1}", _data(values) if layer == 1 else None)
        if W is None or b is None or A_prev is None or W.ndim != 2 or A_prev.ndim != 2:
            continue
        if W.shape[1] != A_prev.shape[0] or (W.shape[0], A_prev.shape[1]) != Z.shape or b.size != W.shape[0]:
            continue
        expected = W @ A_prev + b.reshape(-1, 1)
        previous = "X" if layer == 1 else f"A{layer - 1}"
        if not _equal(Z, expected, run.rounding):
            mistakes = {
                f"b{layer} is left out": W @ A_prev,
                f"b{layer} is subtracted": W @ A_prev - b.reshape(-1, 1),
                f"W{layer} {previous} is negated": b.reshape(-1, 1) - W @ A_prev,
            }
            Z_prev = values.get(f"Z{layer - 1}")
            if Z_prev is not None and Z_prev.shape == A_prev.shape:
                mistakes[f"Z{layer - 1} stands for {previous}"] = W @ Z_prev + b.reshape(-1, 1)
            said = [text for text, value in mistakes.items() if _equal(Z, value, run.rounding)]
            if said:
                line = run.recording.events[named[label].cut].line
                formula = f"{label} = W{layer} {previous} + b{layer}"
                wrong.append(_quantity(label, line, Z, expected, f"{said[0]} in {formula}", formula))
            else:
                notes.append(f"{label} isn't W{layer} {previous} + b{layer}: the forward sweep is taken as it stands")
        A = values.get(f"{'A' if label[0] == 'Z' else 'a'}{layer}")
        if A is None or A.shape != Z.shape:
            continue
        text, mistaken = MISTAKEN["sigmoid"]
        named_so = any(quantity.name == "sigmoid" for quantity in wrong)
        if not named_so and _equal(A, mistaken(Z), run.rounding):
            known = f"{'A' if label[0] == 'Z' else 'a'}{layer}"
            line = run.recording.events[named[known].cut].line
            formula, right = ACTIVATIONS["sigmoid"]
            wrong.append(_quantity(known, line, A, right(Z), text, f"{known} = {formula}"))
    return wrong, notes


def _function(run: Run, name: str) -> Quantity | None:
    """The program's function of that name at some values, where it takes one array and gives one of its shape."""
    node = run.program.functions.get(name)
    if node is None or len(node.args.args) != 1:
        return None
    z = np.random.default_rng(0).normal(size=(4, 7)) * 2
    given = torch.from_numpy(z) if run.is_torch else z
    try:
        result = run.program.namespace[name](given)
    except Exception:
        return None
    parts = result if isinstance(result, tuple) else (result,)
    A = next((plain(part) for part in parts if is_float(part) and np.shape(part) == z.shape), None)
    formula, function = ACTIVATIONS[name]
    expected = function(z)
    text, mistaken = MISTAKEN[name]
    # Any other function may be meant as it is: LeCun's 1.7159 tanh(2/3 z), a sigmoid that is clipped.
    if A is None or not _equal(A, mistaken(z), max(run.rounding, 2.0**-40)):
        return None
    return _quantity(name, node.lineno, A, expected, f"{name}: {text}", f"{name}(z) = {formula}")


def _quantity(name: str, line: int, yours: Array, expected: Array, text: str, formula: str) -> Quantity:
    difference = np.abs(yours - expected)
    worst = tuple(int(i) for i in np.unravel_index(int(np.argmax(difference)), difference.shape))
    largest = float(np.abs(expected).max(initial=0.0)) or 1.0
    return Quantity(
        name, "wrong", line, yours.shape, float(difference[worst] / (2.0**-53 * largest)),
        float(difference[worst] / largest), worst, float(yours[worst]), float(expected[worst]), "torch.nn twin",
        causes=[Cause("wrong_forward", text, formula)], note="of the forward sweep",
        differs=difference > 1e-6 * largest, error=yours - expected,
    )  # fmt: skip


def _data(values: Mapping[str, Array]) -> Array | None:
    return next((values[name] for name in ("X", "x", "A0", "A_prev") if name in values), None)


def _equal(a: Array, b: Array, rounding: float) -> bool:
    largest = np.abs(b).max(initial=0.0)
    return a.shape == b.shape and bool((np.abs(a - b) <= 1e3 * rounding * largest + 1e-300).all())
