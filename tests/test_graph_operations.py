"""Every operation's hand-derived derivative against autograd of its forward and against central differences."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from torchbasics.graph.graph import Graph, sent_back
from torchbasics.graph.operations import OPERATIONS
from torchbasics.graph.reading import Step

H = 1e-6


def positive(*shape: int) -> Tensor:
    return torch.rand(shape, dtype=torch.float64) + 0.5


def signed(*shape: int) -> Tensor:
    """Not within a step of 0, where relu has a kink."""
    values = torch.randn(shape, dtype=torch.float64)
    return values + 0.01 * values.sign()


# One row or several for each operation: its arguments of given sizes n, m, k, and its settings.
Row = tuple[str, Callable[[int, int, int], list[Tensor]], dict[str, Any]]
ROWS: list[Row] = [
    *(
        (name, draw, {})
        for name in ("add", "sub", "mul", "maximum")
        for draw in (
            lambda n, m, k: [signed(n, m), signed(n, m)],
            lambda n, m, k: [signed(n, m), signed(n, 1)],
            lambda n, m, k: [signed(m), signed(n, m)],
            lambda n, m, k: [signed(n, 1, k), signed(m, 1)],
            lambda n, m, k: [signed(), signed(n, m)],
        )
    ),
    ("div", lambda n, m, k: [signed(n, m), positive(1, m)], {}),
    ("div", lambda n, m, k: [signed(n, 1), positive(n, m)], {}),
    ("pow", lambda n, m, k: [positive(n, m), signed(n, 1)], {}),
    ("pow", lambda n, m, k: [positive(), signed(n, m)], {}),
    *((name, lambda n, m, k: [signed(n, m)], {}) for name in ("neg", "exp", "sigmoid", "tanh", "relu")),
    *((name, lambda n, m, k: [positive(n, m)], {}) for name in ("log", "sqrt")),
    ("matmul", lambda n, m, k: [signed(n, k), signed(k, m)], {}),
    ("matmul", lambda n, m, k: [signed(k), signed(k, m)], {}),
    ("matmul", lambda n, m, k: [signed(n, k), signed(k)], {}),
    ("matmul", lambda n, m, k: [signed(k), signed(k)], {}),
    ("matmul", lambda n, m, k: [signed(2, n, k), signed(k, m)], {}),
    ("matmul", lambda n, m, k: [signed(k), signed(2, k, m)], {}),
    ("matmul", lambda n, m, k: [signed(2, 1, n, k), signed(3, k, m)], {}),
    *(
        (name, lambda n, m, k: [signed(n, m, k)], settings)
        for name in ("sum", "mean", "max")
        for settings in (
            {},
            {"axis": 0},
            {"axis": -1, "keepdims": True},
            {"axis": (0, 2)},
            {"axis": (1, -1), "keepdims": True},
            {"keepdims": True},
        )
    ),
    ("reshape", lambda n, m, k: [signed(n, m, k)], {"shape": (-1,)}),
    ("reshape", lambda n, m, k: [signed(1, m, k)], {"shape": (1, 1, -1, 1)}),
    ("transpose", lambda n, m, k: [signed(n, m, k)], {}),
    ("transpose", lambda n, m, k: [signed(n, m, k)], {"axes": (2, 0, 1)}),
    ("transpose", lambda n, m, k: [signed(n, m, k)], {"axes": (-2, -1, 0)}),
    ("transpose", lambda n, m, k: [signed(n, m, k)], {"swap": (-2, 0)}),
]


def test_every_operation_has_a_row() -> None:
    assert {name for name, _, _ in ROWS} == set(OPERATIONS)


def one_operation(name: str, values: list[Tensor], settings: dict[str, Any], dv: Tensor) -> Graph:
    """The graph of J = sum(dv * operation(x, y)), in which a random dv comes back to the operation."""
    leaves = [Step(letter) for letter in "xy"[: len(values)]]
    v = Step("v", OPERATIONS[name], tuple(leaves), settings)
    weights = Step("weights", constant=dv)
    product = Step("p", OPERATIONS["mul"], (v, weights))
    steps = [*leaves, v, weights, product, Step("J", OPERATIONS["sum"], (product,))]
    return Graph("", steps, dict(zip("xy", values, strict=False)))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[2]}")
@settings(deadline=None, max_examples=6)
@given(n=st.integers(1, 4), m=st.integers(2, 5), k=st.integers(1, 3), seed=st.integers(0, 2**20))
def test_derivative(row: Row, n: int, m: int, k: int, seed: int) -> None:
    name, draw, options = row
    torch.manual_seed(seed)
    values = draw(n, m, k)
    forward = OPERATIONS[name].forward
    dv = torch.randn_like(forward(*values, **options))
    graph = one_operation(name, values, options, dv)

    asking = [value.clone().requires_grad_() for value in values]
    forward(*asking, **options).backward(dv)
    for place, value in enumerate(values):
        leaf = graph.nodes[place]
        assert leaf.gradient.shape == value.shape
        torch.testing.assert_close(leaf.gradient, asking[place].grad, rtol=1e-12, atol=1e-12)
        # Autograd shares our forward: this shares nothing.
        direction = torch.randn_like(value)
        nudged = [
            forward(*values[:place], value + sign * H * direction, *values[place + 1 :], **options) for sign in (1, -1)
        ]
        difference = (dv * (nudged[0] - nudged[1])).sum() / (2 * H)
        size = (dv.abs() * forward(*values, **options).abs()).sum() + leaf.gradient.abs().sum()
        assert abs((leaf.gradient * direction).sum() - difference) <= 1e-7 * (1 + size)
    assert all(edge.agrees for edge in graph.edges)


def test_at_ties_and_kinks_it_is_torchs() -> None:
    zero, one = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
    for name, values, expected in [
        ("relu", [zero], [0.0]),
        ("maximum", [one, one], [0.5, 0.5]),
        ("pow", [zero, 2 * one], [0.0, 0.0]),
        ("pow", [zero, zero], [0.0, 0.0]),
        ("pow", [zero, one], [1.0, 0.0]),
    ]:
        graph = one_operation(name, values, {}, one)
        assert [node.gradient.item() for node in graph.nodes[: len(values)]] == expected, name
    x = torch.tensor([[1.0, 3.0, 3.0], [3.0, 2.0, 0.0]], dtype=torch.float64)
    graph = one_operation("max", [x], {}, one)
    torch.testing.assert_close(graph.nodes[0].gradient, (x == 3) / torch.tensor(3.0, dtype=torch.float64))


@pytest.mark.parametrize("name", sorted(name for name, operation in OPERATIONS.items() if operation.slopes))
def test_factors_in_words_are_the_slopes(name: str) -> None:
    # The words are the user's formula: worked out as Python, they must give the number.
    operation = OPERATIONS[name]
    torch.manual_seed(7)
    count = next(len(draw(1, 1, 1)) for row, draw, _ in ROWS if row == name)
    values = [positive() for _ in range(count)]
    v = operation.forward(*values)
    assert operation.factors is not None
    words = operation.factors("v", *"xy"[:count])
    slopes = operation.slopes(v, *values) if operation.slopes else ()
    for word, slope in zip(words, slopes, strict=True):
        # A space between two factors is a product.
        formula = word.replace("; half where equal", "")
        for said, meant in ((" log", "*log"), (" (1", "*(1"), ("2 v", "2*v"), ("y x", "y*x")):
            formula = formula.replace(said, meant)
        known = dict(zip("xy", (value.item() for value in values), strict=False)) | {"v": v.item()}
        found = eval(formula, {"log": math.log}, known)
        assert found == pytest.approx(slope.item(), rel=1e-12), word


def test_what_the_others_send_back_in_words() -> None:
    words = {name: OPERATIONS[name].sent for name in OPERATIONS if OPERATIONS[name].sent is not None}
    assert {name: sent("dv", *"xy"[: 1 + (name == "matmul")]) for name, sent in words.items() if name != "reshape"} == {
        "matmul": ("dv @ y^T", "x^T @ dv"),
        "sum": ("dv to every entry of x",),
        "mean": ("1/n dv to every one of the n entries of x",),
        "max": ("dv to the largest entry of x",),
        "transpose": ("dv with its axes put back",),
    }
    assert OPERATIONS["reshape"].sent("dv", "x", shape=(2, 3)) == ("dv in the shape of x",)
    # At a kink the words must say which side it is on.
    assert OPERATIONS["relu"].factors("v", "x") == ("(x > 0)",)


def test_what_is_sent_back_depends_on_nothing_but_the_node() -> None:
    x, y = torch.tensor(2.0, dtype=torch.float64), torch.tensor(5.0, dtype=torch.float64)
    graph = one_operation("mul", [x, y], {}, torch.tensor(-3.0, dtype=torch.float64))
    v = graph.nodes[2]
    assert [sent.item() for sent in sent_back(v, torch.ones(()))] == [5.0, 2.0]
    assert [edge.slope for edge in graph.edges if edge.child is v] == [5.0, 2.0]
    assert [node.gradient.item() for node in graph.nodes[:2]] == [-15.0, -6.0]
