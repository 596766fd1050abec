"""The programs of tests/programs, and how to run one without the checker: its cost, its gradients, its inputs.

Nothing here knows what `torchbasics check` knows. Each program's functions are named in the table, and arguments are
bound by their names.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SOURCES = Path(__file__).resolve().parents[1] / "programs"
Array = np.ndarray[Any, np.dtype[Any]]
Namespace = dict[str, Any]
Inputs = dict[str, Any]


@dataclass(frozen=True)
class Program:
    """One file of tests/programs."""

    name: str
    forward: str
    cost: str
    """Empty where the program is a layer on its own, graded by sum(R * out) for a random R."""

    backward: str
    returns: tuple[str, ...]
    """What the forward function returns, by the names that later arguments have."""

    gradients: tuple[str, ...] = ()
    """What the backward function returns, unless it is a dictionary."""

    depth: int = 0
    """Layers of weights, where parameters come from the file's initialiser; 0: from its `inputs`, or w and b."""

    named: bool = False
    """The functions have other names than the usual, which a user would have to give."""

    @property
    def source(self) -> str:
        """The correct program."""
        return (SOURCES / f"{self.name}.py").read_text()

    def sizes(self, random: np.random.Generator) -> tuple[int, ...]:
        """Pairwise distinct n[0], ..., n[L-1], and n[L] = 1; () where sizes aren't ours to choose."""
        return (*(int(n) for n in random.choice(np.arange(3, 10), self.depth, replace=False)), 1) if self.depth else ()


def _sweep(name: str, output: str, depth: int = 0, **more: Any) -> Program:
    functions = ("forward_propagation", "compute_cost", "backward_propagation")
    return Program(name, *functions, (output, "cache"), depth=depth, **more)


def _plain(name: str, returns: tuple[str, ...], **more: Any) -> Program:
    return Program(name, "forward", "compute_cost", "backward", returns, **more)


PROGRAMS = {
    program.name: program
    for program in (
        *(Program(name, "propagate", "", "", ()) for name in ("logistic", "logistic_steps", "logistic_loop")),
        _plain("linear_regression", ("y_hat",), gradients=("dw", "db")),
        _sweep("two_layer_tanh", "A2", 2),
        _sweep("two_layer_relu", "A2", 2),
        _sweep("regression_net", "A2", 2),
        _sweep("three_layer", "A3", 3),
        _sweep("leaky", "A3", 3),
        *(
            Program(name, "L_model_forward", "compute_cost", "L_model_backward", ("AL", "caches"), depth=3)
            for name in ("l_layer", "l_layer_first_edition")
        ),
        _sweep("softmax", "A2"),
        _plain("softmax_jacobian", ("A", "cache")),
        Program("softmax_rows", "forward", "compute_loss", "backward", ("scores", "cache"), named=True),
        Program(
            "batchnorm",
            "batchnorm_forward",
            "",
            "batchnorm_backward",
            ("out", "cache"),
            ("dx", "dgamma", "dbeta"),
            named=True,
        ),
        _sweep("batchnorm_net", "A2"),
        Program("conv", "conv_forward", "", "conv_backward", ("Z", "cache"), ("dA_prev", "dW", "db"), named=True),
        *(
            Program(name, "pool_forward", "", "pool_backward", ("A", "cache"), ("dA_prev",), named=True)
            for name in ("pool", "pool_average")
        ),
        _sweep("cnn", "A2"),
        Program("rnn", "rnn_forward", "", "rnn_backward", ("a", "y_pred", "caches"), named=True),
        _sweep("rnn_many_to_one", "Ay"),
        _plain("gated", ("y_hat", "cache")),
        Program("lstm", "lstm_forward", "", "lstm_backward", ("a", "y", "c", "caches"), named=True),
        _plain("attention", ("out", "cache")),
        *(
            Program(name, f"{function}_forward", "", f"{function}_backward", ("out", "cache"), named=True)
            for name, function in (("attention_heads", "multi_head"), ("attention_jacobian", "attention"))
        ),
        Program(
            "dropout",
            "forward_propagation_with_dropout",
            "compute_cost",
            "backward_propagation_with_dropout",
            ("A3", "cache"),
            depth=3,
            named=True,
        ),
        Program(
            "l2",
            "forward_propagation",
            "compute_cost_with_regularization",
            "backward_propagation_with_regularization",
            ("A3", "cache"),
            depth=3,
            named=True,
        ),
        _sweep("residual", "A3"),
        _plain("embedding", ("A", "cache")),
        _sweep("units", "A2"),
    )
}


def load(source: str) -> Namespace:
    """Run a program's source; its functions by name."""
    namespace: Namespace = {"__name__": "program"}
    exec(compile(source, "program.py", "exec"), namespace)
    return namespace


def draw(program: Program, namespace: Namespace, seed: int, sizes: tuple[int, ...] = ()) -> Inputs:
    """Inputs of drawn sizes and random values; biases too are random."""
    if "inputs" in namespace:
        inputs: Inputs = namespace["inputs"](seed)
        return inputs
    random = np.random.default_rng(seed)
    m = int(random.integers(10, 14))
    labels = random.permutation(np.arange(m) % 2)[None, :].astype(float)
    if not program.depth:
        n = int(random.integers(2, 9))
        w, X = random.normal(size=(n, 1)), random.normal(size=(n, m))
        return {"w": w, "b": float(random.normal()), "X": X, "Y": labels}
    sizes = sizes or program.sizes(random)
    parameters = {}
    for layer in range(1, len(sizes)):
        n, n_prev = sizes[layer], sizes[layer - 1]
        parameters[f"W{layer}"] = random.normal(size=(n, n_prev)) / np.sqrt(n_prev)
        parameters[f"b{layer}"] = random.normal(size=(n, 1)) / 2
    return {"X": random.normal(size=(sizes[0], m)), "parameters": parameters, "Y": labels}


def parameters_of(inputs: Inputs) -> Inputs:
    """Inputs and parameters in one dictionary, by their own names."""
    return {**{name: value for name, value in inputs.items() if name != "parameters"}, **inputs.get("parameters", {})}


def with_value(inputs: Inputs, name: str, value: Any) -> Inputs:
    """The inputs with another value for one."""
    if name in inputs:
        return {**inputs, name: value}
    return {**inputs, "parameters": {**inputs["parameters"], name: value}}


def cost(program: Program, namespace: Namespace, inputs: Inputs) -> float:
    """J, or sum(R * out)."""
    return _sweeps(program, namespace, inputs)[0]


def gradients(program: Program, namespace: Namespace, inputs: Inputs) -> dict[str, Array]:
    """The program's own gradients of inputs and parameters by the names of these."""
    known = parameters_of(inputs)
    results = {}
    for name, value in _sweeps(program, namespace, inputs)[1]().items():
        of = name if name in known else name.removeprefix("d")
        if of in known:
            results[of] = np.array(value, dtype=float)
    assert results
    return results


def _sweeps(program: Program, namespace: Namespace, inputs: Inputs) -> tuple[float, Callable[[], dict[str, Any]]]:
    if program.forward == "propagate":
        found, J = namespace["propagate"](**inputs)
        return float(J), lambda: dict(found)
    pool = dict(inputs)
    results = _call(namespace, program.forward, pool)
    pool |= dict(zip(program.returns, results if isinstance(results, tuple) else (results,), strict=True))
    output = pool[program.returns[0]]
    if program.cost:
        J = float(_call(namespace, program.cost, pool))
    else:
        cotangent = np.random.default_rng(output.size).normal(size=output.shape)
        # Whatever a layer's backward calls it, its first argument is the gradient of what the forward returned first.
        pool[next(iter(inspect.signature(namespace[program.backward]).parameters))] = cotangent
        J = float(np.sum(cotangent * output))

    def backward() -> dict[str, Any]:
        result = _call(namespace, program.backward, pool)
        if isinstance(result, dict):
            return result
        return dict(zip(program.gradients, result if isinstance(result, tuple) else (result,), strict=True))

    return J, backward


def _call(namespace: Namespace, function: str, pool: Inputs) -> Any:
    names = inspect.signature(namespace[function]).parameters
    return namespace[function](**{name: pool[name] for name in names if name in pool})
