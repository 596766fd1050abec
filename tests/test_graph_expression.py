"""Expressions: what is read is what was written, nothing of it is executed, and the rest is refused in one line."""

import ast
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from torchbasics.errors import InputError
from torchbasics.graph import computation_graph
from torchbasics.graph.values import read_values

VALUES = {"a": 0.7, "b": -1.3, "c": 2.1}
ATOMS = st.sampled_from(["a", "b", "c", "2", "0.5", "(-3)"])


def _compound(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(parts, st.sampled_from(["+", "-", "*", " - ", " * "]), parts).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
        st.tuples(parts, parts).map(lambda t: f"{t[0]}+{t[1]}*{t[0]}"),
        parts.map(lambda part: f"-{part}**2"),
        parts.map(lambda part: f"{part}/(1 + exp(-({part})))"),
        st.tuples(st.sampled_from(["sigmoid", "tanh", "relu"]), parts).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(parts, parts).map(lambda t: f"max({t[0]}, {t[1]})"),
    )


@settings(deadline=None, max_examples=150)
@given(st.recursive(ATOMS, _compound, max_leaves=12))
def test_precedence_and_values_are_pythons(text: str) -> None:
    # The text is of our own making here, so that Python itself may say what it comes to.
    torched: dict[str, Any] = {name: torch.tensor(value, dtype=torch.float64) for name, value in VALUES.items()}
    for leaf in torched.values():
        leaf.requires_grad_()
    known = {"exp": torch.exp, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}

    def tensor(value: Any) -> torch.Tensor:
        return value if isinstance(value, torch.Tensor) else torch.tensor(float(value), dtype=torch.float64)

    functions = {name: lambda x, f=function: f(tensor(x)) for name, function in known.items()}
    functions["max"] = lambda x, y: torch.maximum(tensor(x), tensor(y))
    expected = tensor(eval(text, functions, torched))
    used = [name for name in VALUES if name in text.replace("max", "").replace("tanh", "")]
    used = [name for name in used if any(letter == name for letter in _names(text))]
    if not used or _is_a_name(text) or not expected.isfinite() or abs(expected) > 1e12:
        return
    graph = computation_graph(f"J = {text}", **{name: VALUES[name] for name in used})
    torch.testing.assert_close(graph.J.value, expected.detach(), rtol=1e-12, atol=1e-12)
    if expected.requires_grad and not graph.J.is_leaf:
        gradients = torch.autograd.grad(expected, [torched[name] for name in used], allow_unused=True)
        for name, gradient in zip(used, gradients, strict=True):
            (leaf,) = [node for node in graph.leaves if node.name == name]
            torch.testing.assert_close(leaf.gradient, gradient, rtol=1e-9, atol=1e-9)


def _is_a_name(text: str) -> bool:
    return isinstance(ast.parse(text, mode="eval").body, ast.Name)


def _names(text: str) -> list[str]:
    lines = "\n".join(map(str.strip, text.splitlines()))
    return [node.id for node in ast.walk(ast.parse(lines)) if isinstance(node, ast.Name)]


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("3*(a+b*c)", ["u = b*c", "v = a + u", "J = 3*v"]),
        ("u = b*c; v = a + u; J = 3*v", ["u = b*c", "v = a + u", "J = 3*v"]),
        ("  u = b*c\n\n  3*(a + u)", ["u = b*c", "v = a + u", "J = 3*v"]),
        ("L = -log(a)", ["u = log(a)", "L = -u"]),
        ("a = a*b; a = a + c", ["a' = a*b", "a'' = a' + c"]),
        ("k = 2; J = k*a", ["J = 2*a"]),
        ("np.exp(a) + torch.tanh(b)", ["u = exp(a)", "v = tanh(b)", "J = u + v"]),
        ("max(0, a)", ["J = max(0, a)"]),
        ("max(a, 0)", ["J = max(a, 0)"]),
        ("a**-1", ["J = a**(-1)"]),
        ("exp(log(4))*a", ["J = 4*a"]),
        ("u*w1 + b", ["v = u*w1", "J = v + b"]),
    ],
)
def test_names_are_the_users_or_the_notes(text: str, formulas: list[str]) -> None:
    used = {name: 2.0 for name in _names(text) if name not in ("np", "torch", "exp", "log", "tanh", "max", "k")}
    bound = {"J", "L"} | ({"u", "v"} if text.lstrip().startswith("u =") else set())
    graph = computation_graph(text, **{name: value for name, value in used.items() if name not in bound})
    assert [node.formula for node in graph.nodes if not node.is_leaf] == formulas


def test_arrays_and_their_methods() -> None:
    torch.manual_seed(0)
    W, X, b, Y = (torch.randn(shape, dtype=torch.float64) for shape in ((2, 3), (3, 5), (2, 1), (2, 5)))
    text = (
        "Z = W @ X + b; A = sigmoid(Z); E = (A - Y).reshape(5, 2).T; "
        "J = mean(E**2) + E.max(axis=1).sum() + np.sum(W, axis=0, keepdims=True).mean()"
    )
    graph = computation_graph(text, W=W, X=X, b=b, Y=Y)
    asking = [value.clone().requires_grad_() for value in (W, X, b, Y)]
    E = (torch.sigmoid(asking[0] @ asking[1] + asking[2]) - asking[3]).reshape(5, 2).T
    J = (E**2).mean() + E.amax(1).sum() + asking[0].sum(0, keepdim=True).mean()
    J.backward()
    torch.testing.assert_close(graph.J.value, J.detach())
    for name, value in zip("WXbY", asking, strict=True):
        (leaf,) = [node for node in graph.leaves if node.name == name]
        torch.testing.assert_close(leaf.gradient, value.grad)
    assert all(edge.agrees for edge in graph.edges)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch owned')",
        "().__class__.__bases__[0].__subclasses__()",
        "(lambda: 1)()",
        "[x for x in a]",
        "a.__class__",
        "open('owned', 'w')",
        "exec('1')",
        "a.real.__init__()",
        "f'{a}'",
        "a := 3",
        "import os",
        "np.load('x')",
        "torch.load(a)",
        "a if a else a",
        "not a",
        "a < 1",
        "a[0]",
        "'a'*3",
        "True*a",
        "1j*a",
        "a; b; c",
        "a, b = b, a",
        "u += a",
        "def f(): pass",
        "exp(*a)",
        "exp(**a)",
        "exp(a, b)",
        "transpose(2)*a",
        "(2).T*a",
        "k = 2; k.T*a",
        "1" + "0" * 400 + "*a",
        "a/1e999",
        "reshape(a, {[1]})",
        "sum(a, axis=())",
        "sum(a, 0, axis=0)",
        "sum(a, axis=99999999999999999999999)",
        "transpose(a, (3, 2))",
        "transpose(a, (0, 1))",
        "a",
        "sum(a, out=b)",
        "reshape(a)",
        "reshape(a, b)",
        "a.T.T()",
        "9.0**9**9*a",
        "a + log(0)",
        "1/0*a",
        "x" * 20_000,
        "(" * 3000 + "a" + ")" * 3000,
        "-" * 5000 + "a",
        "a" + "+a" * 4900,
        "",
        "  ;",
        "\0",
        "3*(a+b",
        "a^2",
        "3a",
    ],
)
def test_anything_else_is_one_line(text: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as refused:
        computation_graph(text, a=1.0, b=2.0, c=3.0)
    line = str(refused.value)
    assert "\n" not in line
    assert len(line) < 500
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "values", "said"),
    [
        ("3*(a+b*c)", {"a": 1, "b": 2}, "no value for c"),
        ("3*a", {"a": 1, "d": 2}, "no variable d"),
        ("log(a)", {"a": -1}, "log(a) is not finite at a = -1"),
        ("1/a", {"a": 0}, "J = 1/a is not finite at a = 0"),
        ("sqrt(a)", {"a": 0}, "dJ/da is not finite"),
        ("W @ X", {"W": [[1, 2]], "X": [[1, 2]]}, "W (1, 2), X (1, 2) don't fit"),
        ("a*b", {"a": [1, 2], "b": [3, 4]}, "expected a single number; end with sum(a*b)"),
        ("sum(a, axis=3)", {"a": [1, 2]}, "don't fit"),
        ("a", {"a": [1, float("nan")]}, "not finite"),
        ("a", {"a": []}, "no numbers"),
        ("a", {"a": "three"}, "expected a number"),
    ],
)
def test_values_that_do_not_go_with_it(text: str, values: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refused:
        computation_graph(text, **values)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sum(np.max(W, 0))", lambda W: W.amax(0).sum()),
        ("sum(torch.max(W, 1))", lambda W: W.amax(1).sum()),
        ("sum(W.max(0))", lambda W: W.amax(0).sum()),
        ("sum(max(W, 0))", lambda W: W.clamp(min=0).sum()),
        ("sum(np.sum(W, 0)**2)", lambda W: (W.sum(0) ** 2).sum()),
        ("sum(mean(W, 1)**2)", lambda W: (W.mean(1) ** 2).sum()),
        ("sum(torch.transpose(W, 0, 1) @ W)", lambda W: (W.T @ W).sum()),
        ("sum(W.transpose(1, 0) @ W)", lambda W: (W.T @ W).sum()),
        ("sum(np.transpose(W, (1, 0)) @ W)", lambda W: (W.T @ W).sum()),
        ("sum(transpose(W) @ W)", lambda W: (W.T @ W).sum()),
    ],
)
def test_the_libraries_spellings_mean_what_they_mean_there(text: str, expected: Any) -> None:
    W = torch.tensor([[1.0, 2.0, -5.0], [-3.0, 4.0, 0.5]], dtype=torch.float64, requires_grad=True)
    J = expected(W)
    (gradient,) = torch.autograd.grad(J, W)
    graph = computation_graph(text, W=W)
    assert graph.J.value.item() == pytest.approx(J.item(), rel=1e-12)
    torch.testing.assert_close(graph.leaves[0].gradient, gradient)


def test_a_single_number_is_its_own_sum() -> None:
    for text in ("sum(a, axis=0)", "mean(a, axis=-1)", "max(a, axis=0)", "a.T * 1"):
        graph = computation_graph(text, a=3)
        assert (graph.J.value.item(), graph.leaves[0].gradient.item()) == (3, 1)


def test_values_are_read() -> None:
    values = read_values("a=5, b = -3e-1,W=[[1,2],[3,4]],v=(1, 2),X=randn(2,3),x=randn(4),s=randn()", seed=4)
    assert {name: tuple(value.shape) for name, value in values.items()} == {
        "a": (),
        "b": (),
        "W": (2, 2),
        "v": (2,),
        "X": (2, 3),
        "x": (4,),
        "s": (),
    }
    assert values["b"].item() == -0.3
    assert all(value.dtype == torch.float64 for value in values.values())
    torch.testing.assert_close(values["X"], read_values("X=randn(2,3)", seed=4)["X"])
    assert not torch.equal(values["X"], read_values("X=randn(2,3)", seed=5)["X"])
    assert read_values("", seed=1) == {}
    assert read_values("a=" + "1" + "0" * 22, seed=1)["a"].item() == 1e22
    # Python reads a name with the micro sign as one with the Greek letter.
    assert computation_graph("3*\u00b5", **read_values("\u00b5=2", seed=1)).J.value.item() == 6


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a=",
        "=3",
        "a=b",
        "a=1,a=2",
        "a=[1,[2]]",
        "a=__import__('os')",
        "a=nan",
        "a=1e999",
        "a=[]",
        "a=randn(0)",
        "a=randn(10000,10000)",
        "a=randn(-1)",
        "a=True",
        "a='1'",
        "2=3",
        "a=1e400",
        "a={1}",
        "a=randn(99999999999999999999)",
        "a=randn(4294967296,4294967296)",
        "a=[True, 2]",
        "a=2j",
    ],
)
def test_what_is_no_value_is_one_line(text: str) -> None:
    with pytest.raises(InputError) as refused:
        read_values(text, seed=1)
    assert "--at" in str(refused.value)
    assert "\n" not in str(refused.value)
