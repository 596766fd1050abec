"""Computation graphs: the notes' two by their printed numbers and by our own chapter 1, traced functions, words."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from torchbasics.errors import InputError
from torchbasics.graph import Graph, computation_graph
from torchbasics.graph.graph import U
from torchbasics.graph.operations import OPERATIONS, Operation
from torchbasics.graph.steps import NUDGE, chain, nudge, steps, verdict


def gradients(graph: Graph) -> dict[str, float]:
    return {node.name: node.gradient.item() for node in graph.nodes}


def test_the_notes_example() -> None:
    # Week 2: a = 5, b = 3, c = 2; dJ/dv = 3, dJ/da = 3, dJ/du = 3, dJ/db = 6, dJ/dc = 9.
    graph = computation_graph("3*(a+b*c)", a=5, b=3, c=2)
    assert {node.name: node.value.item() for node in graph.nodes} == {"a": 5, "b": 3, "c": 2, "u": 6, "v": 11, "J": 33}
    assert gradients(graph) == {"a": 3, "b": 6, "c": 9, "u": 3, "v": 3, "J": 1}
    assert [chain(graph, leaf) for leaf in graph.leaves] == [
        "dJ/da = dJ/dv dv/da = 3*1 = 3",
        "dJ/db = dJ/dv dv/du du/db = 3*1*2 = 6",
        "dJ/dc = dJ/dv dv/du du/dc = 3*1*3 = 9",
    ]
    # The notes' nudges: a = 5.001 makes J 33.003, b = 3.001 makes it 33.006.
    assert nudge(graph, graph.leaves[0]) == ("a = 5 -> 5.001", "J = 33 -> 33.003, 3 times as much; dJ/da = 3")
    assert nudge(graph, graph.leaves[1])[1].startswith("J = 33 -> 33.006, 6 times as much")
    assert verdict(graph) == "5 of 5 edges agree with autograd to rounding"


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(-2, 2), min_size=5, max_size=5), st.sampled_from([0, 1]))
def test_logistic_regression_is_chapter_ones(numbers: list[float], y: int) -> None:
    # dz = a - y, dw1 = x1 dz, dw2 = x2 dz, db = dz: the notes' closed form of the whole chain.
    w1, w2, b, x1, x2 = numbers
    text = "z = w1*x1 + w2*x2 + b; a = sigmoid(z); L = -(y*log(a) + (1-y)*log(1-a))"
    graph = computation_graph(text, w1=w1, w2=w2, b=b, x1=x1, x2=x2, y=y)
    z = w1 * x1 + w2 * x2 + b
    a = 1 / (1 + math.exp(-z))
    loss = -math.log(a) if y else -math.log(1 - a)
    found = gradients(graph)
    assert graph.J.name == "L"
    assert graph.J.value.item() == pytest.approx(loss, rel=1e-9, abs=1e-12)
    expected = {"z": a - y, "w1": x1 * (a - y), "w2": x2 * (a - y), "b": a - y, "x1": w1 * (a - y)}
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert all(edge.agrees for edge in graph.edges)


def test_a_value_used_twice_gets_the_sum() -> None:
    graph = computation_graph("x*x + x**3", x=2)
    assert gradients(graph)["x"] == 2 * 2 + 3 * 4
    assert chain(graph, graph.leaves[0]) == "dJ/dx = dJ/du du/dx + dJ/dv dv/dx = 1*(2 + 2) + 1*12 = 16"


def test_chains_with_negatives_and_a_value_that_enters_twice() -> None:
    assert chain(*first("x*x", x=3)) == "dJ/dx = 3 + 3 = 6"
    assert chain(*first("u = -x; J = u*u*y", x=3, y=-2)) == "dJ/dx = dJ/dv dv/du du/dx = (-2)*((-3) + (-3))*(-1) = -12"
    assert chain(*first("-x/4", x=1)) == "dJ/dx = dJ/du du/dx = 0.25*(-1) = -0.25"


def first(text: str, **values: float) -> tuple[Graph, Any]:
    graph = computation_graph(text, **values)
    return graph, graph.leaves[0]


@pytest.mark.parametrize(
    ("text", "a", "said"),
    [
        ("log(1 - a)", 0.9995, "J has no value there; dJ/da = -2000"),
        ("1/(1 - a)", 0.999, "J has no value there"),
        ("3*a", 5e15, None),
        ("3*a", 7.0, "J = 21 -> 21.003, 3 times as much; dJ/da = 3"),
    ],
)
def test_a_nudge_that_says_nothing_is_not_made_up(text: str, a: float, said: str | None) -> None:
    told = steps(computation_graph(text, a=a))
    assert ("nudge" in told) == (said is not None)
    assert said is None or said in told


def test_values_with_three_axes_are_shown_by_their_shape() -> None:
    graph = computation_graph("sum(X**2)", X=torch.ones(1, 2, 2))
    assert "(1, 2, 2), from 1 to 1" in steps(graph)
    assert graph._repr_svg_().startswith("<svg")


def test_a_product_of_batches_says_that_it_is_summed() -> None:
    graph = computation_graph("sum(A @ B)", A=torch.ones(2, 3, 4), B=torch.ones(4, 5))
    words = {edge.parent.name: edge.words for edge in graph.edges if edge.child.name == "u"}
    assert words == {"A": "dJ/du @ B^T", "B": "A^T @ dJ/du, summed over the repeats of B"}


def test_an_error_of_a_few_roundings_more_than_allowed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    # 9 units are allowed here: 8, and one for the single entry.
    for wrong, agrees in ((4 * U, True), (40 * U, False)):
        fields = {key: getattr(OPERATIONS["exp"], key) for key in Operation.__dataclass_fields__}
        fields["slopes"] = lambda v, x, wrong=wrong: (v * (1 + wrong),)
        monkeypatch.setitem(OPERATIONS, "exp", Operation(**fields))
        (edge,) = computation_graph("exp(a)", a=0.3).edges
        assert edge.agrees == agrees


def test_a_chain_starts_where_its_value_is_used_at_several_places() -> None:
    graph = computation_graph("s = a*b; J = s**2 + s", a=3, b=2)
    assert chain(graph, graph.leaves[0]) == "dJ/da = dJ/ds ds/da = 13*2 = 26"


def test_chains_do_not_grow_with_the_paths() -> None:
    # 2^40 paths, each of which is a product: nobody may walk them one by one.
    text = "; ".join(["x = a + a", *["x = x + x"] * 39])
    graph = computation_graph(text, a=1)
    assert gradients(graph)["a"] == 2.0**40
    assert len(steps(graph)) < 20_000


def test_a_function_keeps_its_names() -> None:
    def cost(W: Tensor, X: Tensor, b: Tensor, Y: Tensor) -> Tensor:
        Z = W @ X + b
        A = torch.sigmoid(Z)
        losses = -(Y * A.log() + (1 - Y) * torch.log(1 - A))
        return losses.mean()

    torch.manual_seed(3)
    values: dict[str, Any] = {"W": torch.randn(1, 3), "X": torch.randn(3, 4), "b": [[0.1]], "Y": [[1, 0, 1, 0]]}
    graph = computation_graph(cost, **values)
    named = [node.name for node in graph.nodes]
    assert [name for name in named if name in ("Z", "A", "losses", "J")] == ["Z", "A", "losses", "J"]
    found = {node.name: node.gradient for node in graph.nodes}
    A = next(node.value for node in graph.nodes if node.name == "A")
    # The notes' dZ = A - Y, dW = 1/m dZ X^T, db = 1/m sum(dZ).
    dZ = A - torch.tensor(values["Y"])
    torch.testing.assert_close(4 * found["Z"], dZ)
    torch.testing.assert_close(found["W"], dZ @ values["X"].double().T / 4)
    torch.testing.assert_close(found["b"], dZ.mean(1, keepdim=True))


def test_names_of_a_loop_get_primes_and_tracing_leaves_the_debugger_alone() -> None:
    import sys

    def rounds(x: Tensor, k: float = 0.5) -> Tensor:
        for _ in range(3):
            x = torch.tanh(x * k)
        return x.sum()

    tracer = lambda frame, event, argument: None  # noqa: E731
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        graph = computation_graph(rounds, x=[1.0, 2.0])
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    assert [node.name for node in graph.nodes] == ["x", "k", "u", "x'", "v", "x''", "w", "x'''", "J"]


SPELLINGS = [
    (lambda x, y: torch.sum(torch.add(x, y)), lambda x, y: (x + y).sum()),
    (lambda x, y: x.sub(y).sum(), lambda x, y: (x - y).sum()),
    (lambda x, y: torch.mul(x, y).mean(), lambda x, y: (x * y).mean()),
    (lambda x, y: torch.true_divide(x, y).sum(dim=0).amax(), lambda x, y: (x / y).sum(0).max()),
    (lambda x, y: torch.square(x).sum() + y.sum(), lambda x, y: (x**2).sum() + y.sum()),
    (lambda x, y: torch.mm(x, y.t()).sum(), lambda x, y: (x @ y.T).sum()),
    (lambda x, y: torch.matmul(x, y.transpose(0, 1)).sum(), lambda x, y: (x @ y.T).sum()),
    (lambda x, y: (x @ y.mT).sum(), lambda x, y: (x @ y.T).sum()),
    (lambda x, y: (x @ y.permute(1, 0)).sum(), lambda x, y: (x @ y.T).sum()),
    (lambda x, y: torch.max(x, dim=0).values.sum() + y.max(1)[0].sum(), lambda x, y: x.amax(0).sum() + y.amax(1).sum()),
    (lambda x, y: torch.max(x, y).sum(), lambda x, y: torch.maximum(x, y).sum()),
    (lambda x, y: F.relu(x).sum() + F.sigmoid(y).sum(), lambda x, y: x.clamp(min=0).sum() + torch.sigmoid(y).sum()),
    (lambda x, y: x.view(-1).sum() + torch.reshape(y, (3, 2)).exp().sum(), lambda x, y: x.sum() + y.exp().sum()),
    (lambda x, y: 2 / x.sum() - y.pow(2).sum(), lambda x, y: 2 / x.sum() - (y * y).sum()),
    (
        lambda x, y: torch.sum(input=x, dim=1, keepdim=True).mean() * y.mean(0).sum(),
        lambda x, y: x.sum(1).mean() * y.mean(0).sum(),
    ),
]


@pytest.mark.parametrize("place", range(len(SPELLINGS)))
def test_torchs_spellings_are_one_operation(place: int) -> None:
    spelled, plain = SPELLINGS[place]
    torch.manual_seed(place)
    x, y = torch.rand(2, 3, dtype=torch.float64) + 0.1, torch.rand(2, 3, dtype=torch.float64) + 0.1
    graph = computation_graph(spelled, x=x, y=y)
    asking = [value.clone().requires_grad_() for value in (x, y)]
    J = plain(*asking)
    J.backward()
    torch.testing.assert_close(graph.J.value.reshape(()), J.detach())
    for leaf in graph.leaves:
        torch.testing.assert_close(leaf.gradient, asking["xy".index(leaf.name)].grad)


def test_what_a_function_does_not_use_has_no_place() -> None:
    graph = computation_graph(lambda x, y: x.sum(), x=[1.0, 2.0], y=3.0)
    assert [node.name for node in graph.nodes] == ["x", "J"]


def test_what_a_function_holds_itself() -> None:
    K = torch.tensor([1.0, -2.0, 3.0])
    graph = computation_graph(lambda x: (K * x).sum(), x=[1, 1, 1])
    assert {node.name: node.gradient.tolist() for node in graph.leaves} == {"constant": [1, 1, 1], "x": [1, -2, 3]}


def branches(x: Tensor) -> Tensor:
    return x if x > 0 else -x


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (branches, "branches can't be traced"),
        (lambda x: torch.cumsum(x, 0).sum(), "cumsum(x, 0) is no operation"),
        (lambda x: 3, "returns 3"),
        (lambda x: (x, x), "returns (x, x)"),
        (torch.nn.Linear(2, 1), "expected an expression or a plain Python function"),
        (torch.exp, "expected an expression or a plain Python function"),
        (lambda x: torch.add(x, x, alpha=2), "expected 2 values and nothing else"),
        (lambda x, z: x * z, "no value for z"),
        (lambda x: x.transpose(0).sum(), "expected two axes"),
        (lambda x: x, "nothing is computed"),
    ],
)
def test_what_is_no_graph_is_one_line(function: Any, said: str) -> None:
    with pytest.raises(InputError) as refused:
        computation_graph(function, x=[1.0, 2.0])
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("sigmoid", {"slopes": lambda v, x: (v * v,)}),
        ("tanh", {"slopes": lambda v, x: ((1 - v * v) * (1 + 1e-12),)}),
        ("mul", {"slopes": lambda v, x, y: (x, y)}),
        ("matmul", {"backward": lambda dv, v, x, y: (dv @ y.mT, -(x.mT @ dv))}),
        ("mean", {"backward": lambda dv, v, x: (dv.expand(x.shape),)}),
    ],
)
def test_a_wrong_rule_is_found_at_its_edge(name: str, wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {key: getattr(OPERATIONS[name], key) for key in Operation.__dataclass_fields__}
    monkeypatch.setitem(OPERATIONS, name, Operation(**(fields | wrong)))
    torch.manual_seed(1)
    text = "A = sigmoid(W @ X); B = tanh(A)*A; J = mean(B)"
    graph = computation_graph(text, W=torch.randn(2, 3), X=torch.randn(3, 4))
    wrongly = {edge.child.operation.name for edge in graph.edges if edge.child.operation and not edge.agrees}
    assert wrongly == {name}
    assert "disagree with autograd" in verdict(graph)


def test_the_account_of_arrays() -> None:
    told = steps(computation_graph("J = sum((W @ X + b)**2)", W=[[1, 2]], X=[[1, 2, 3], [4, 5, 6]], b=0.5))
    assert "dJ/dW = dJ/du @ X^T" in told
    assert "dJ/dX = W^T @ dJ/du" in told
    assert "dJ/db = dJ/dv, summed over the 3 repeats of b" in told
    assert f"nudge: what J does when a leaf grows by {NUDGE:g}" in told
    assert "chain rule" not in told


def test_graphs_show_themselves() -> None:
    graph = computation_graph("3*(a+b*c)", a=5, b=3, c=2)
    assert str(graph) == steps(graph)
    assert graph._repr_svg_().startswith("<svg")
