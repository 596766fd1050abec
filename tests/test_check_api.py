"""`torchbasics.check` in Python: every call is judged or refused in one line, and leaves the process as it was."""
# ruff: noqa: RET504, RUF059  (the check reads names)

import builtins
import functools
import json
import linecache
import os
import re
import subprocess
import sys
import textwrap
import tomllib
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import torchbasics
from torchbasics.check.api import check
from torchbasics.check.report import Report
from torchbasics.errors import InputError
from torchbasics.layers import Linear, ReLU, Tanh
from torchbasics.losses import SigmoidCrossEntropy
from torchbasics.network import Network
from torchbasics.testing import assert_gradients

pytest_plugins = ["pytester"]

inputs = "a global of that name is the file's own business"
SCALE = 3.0
WEIGHTS = np.ones(4)
CALLS: list[int] = []
GENERATOR = np.random.default_rng(3)


def values(**shapes: tuple[int, ...]) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    return {name: generator.normal(size=shape) for name, shape in shapes.items()}


XW = values(x=(5, 3), w=(3, 4))


def wrong(found: Report) -> list[str]:
    return [quantity.name for quantity in found.wrong]


def squashed(z):
    # Filled entry by entry: what is traced has to know np.zeros.
    a = np.zeros(z.shape)
    for i in range(z.shape[0]):
        a[i] = np.tanh(z[i])
    return a


def forward(x, w):
    z = x @ w
    out = squashed(z)
    return out, (x, w, z)


def backward(dout, cache):
    x, w, z = cache
    dz = dout * (1 - squashed(z) ** 2)
    dw = x.T @ dz
    dx = dz @ w.T
    return dx, dw


def wrong_backward(dout, cache):
    x, w, z = cache
    dz = dout * (1 - squashed(z))
    dw = x.T @ dz
    dx = dz @ w.T
    return dx, dw


def multiply(x, w):
    out = x @ w
    return out


def multiply_back(x, dout):
    dw = x.T @ dout
    return dw


def doubly_back(x, dout):
    dw = 2 * x.T @ dout
    return dw


def propagate(w, b, X, Y):
    m = X.shape[1]
    A = 1 / (1 + np.exp(-(w.T @ X + b)))
    cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
    dw = X @ (A - Y).T / m
    db = np.sum(A - Y) / m
    return {"dw": dw, "db": db}, cost


LOGISTIC = {**values(w=(4, 1), X=(4, 7)), "b": 0.3, "Y": (np.arange(7) % 2).reshape(1, 7)}


class Power(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, n, w):
        ctx.save_for_backward(x, w)
        ctx.n = n
        return x**n * w

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        x, w = ctx.saved_tensors
        dx = ctx.n * grad * w * x ** (ctx.n - 1) if ctx.needs_input_grad[0] else None
        return dx, None, grad * x**ctx.n


class WrongPower(torch.autograd.Function):
    forward = Power.forward

    @staticmethod
    def backward(ctx, grad):
        return grad, None, grad


class SetUp(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x**2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        return grad


# Functions


def test_functions_are_judged_with_what_they_call() -> None:
    found = check(forward, backward, XW)
    assert found, found
    assert {q.name for q in found.quantities} >= {"dz", "dw", "dx"}
    assert found.file == __file__
    lines = {q.name: q.line for q in found.quantities}
    assert "dw = x.T @ dz" in Path(__file__).read_text().splitlines()[(lines["dw"] or 0) - 1]
    # Traced through a helper that fills an array of zeros: no need for differences.
    assert not [note for note in found.notes if "differences" in note]
    assert wrong(check(forward, wrong_backward, XW)) == ["dz"]


def test_one_function_does_everything_and_integers_are_numbers() -> None:
    assert check(propagate, LOGISTIC)
    found = check(propagate, {**LOGISTIC, "w": np.array([[1], [2], [0], [-1]]), "b": 2})
    assert found, found
    assert {q.name for q in found.quantities} >= {"dw", "db"}
    assert "integers, taken as floats since their gradients are derived: w, b" in found.notes


def test_a_cost_is_one_of_the_functions() -> None:
    def predict(w, X):
        A = np.exp(w.T @ X)
        return A

    def cost(A, Y):
        return np.mean((A - Y) ** 2)

    def derive(A, X, Y):
        dA = 2 * (A - Y)
        dw = X @ (dA * A).T / Y.shape[1]
        return dw

    given = {name: LOGISTIC[name] for name in ("w", "X", "Y")}
    found = check(predict, derive, given, cost=cost)
    assert found, found
    assert found.convention.endswith("(m = 7); dW and db are dJ/dW and dJ/db")


@pytest.mark.parametrize("form", ["dict", "tuple", "list", "positional", "lists", "float32"])
def test_inputs_come_by_name_or_in_order(form: str) -> None:
    x, w = XW.values()
    given: dict[str, tuple[Any, ...]] = {
        "dict": ({"w": w, "x": x},),
        "tuple": ((x, w),),
        "list": ([x, w],),
        "positional": (x, w),
        "lists": ([x.tolist(), w.tolist()],),
        "float32": (x.astype(np.float32), w.astype(np.float32)),
    }
    found = check(multiply, multiply_back, *given[form])
    assert found, found
    assert found.reason == "inputs: as given"


def test_names_mean_what_they_mean_to_the_function() -> None:
    base = SCALE + 1
    # Not to be had where the functions are defined once more.
    Array = np.ndarray

    def around(x, w: Array, /, power: Array = base) -> Array:
        z = base * (x @ w) + float(len(inputs)) * SCALE
        out = z**power
        return out, (x, w, z)

    def back(dout: Array, cache: Array) -> Array:
        x, w, z = cache
        dz = 4 * dout * z**3
        dw = base * x.T @ dz
        return dw

    found = check(around, back, XW)
    assert found, found


def test_data_of_the_module_is_not_written_to() -> None:
    def careless(x, w):
        CALLS.append(1)
        WEIGHTS[0] += 1
        out = (x @ w) * WEIGHTS / WEIGHTS[0] + GENERATOR.normal() * 0
        x *= 2
        return out, (x, w)

    def back(dout, cache):
        x, w = cache
        dw = (x / 2).T @ (dout * WEIGHTS / WEIGHTS[0])
        return dw

    state = GENERATOR.bit_generator.state
    before = {name: value.copy() for name, value in XW.items()}
    check(careless, back, XW)
    assert CALLS == []
    assert np.array_equal(WEIGHTS, np.ones(4))
    assert GENERATOR.bit_generator.state == state
    assert all(np.array_equal(XW[name], before[name]) for name in XW)


def twice(function):
    @functools.wraps(function)
    def run(*args, **kwargs):
        return 2 * function(*args, **kwargs)

    return run


REGISTRY: list[Any] = []


def registered(function):
    REGISTRY.append(function)
    return function


@registered
@twice
def doubled(z):
    return np.tanh(z)


@registered
def plainly(x, w):
    out = doubled(x @ w)
    return out, (x, w)


@twice
def whole(x, w):
    z = x @ w
    return z


def test_decorators_count_for_what_they_do() -> None:
    def back(dout, cache):
        x, w = cache
        dw = x.T @ (dout * 2 * (1 - np.tanh(x @ w) ** 2))
        return dw

    def without(dout, cache):
        x, w = cache
        dw = x.T @ (dout * (1 - np.tanh(x @ w) ** 2))
        return dw

    registry = REGISTRY.copy()
    assert check(plainly, back, XW)
    assert wrong(check(plainly, without, XW)) == ["dw"]
    assert registry == REGISTRY

    assert check(whole, doubly_back, XW)
    with pytest.raises(InputError, match="isn't a decorator in its source"):
        check(twice(forward), backward, XW)


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., types.ModuleType]]:
    """Write and import a module."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made: list[str] = []

    def make(name: str, source: str) -> types.ModuleType:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        made.append(name)
        return __import__(name)

    yield make
    for name in made:
        sys.modules.pop(name, None)


FRONT = """
from numpy import zeros_like, zeros as blank
import helping
import helping as h
from helping import squash
GAIN = 2.0

def forward(x, w):
    z = x @ w
    a = blank(z.shape)
    a[:] = squash(z)
    out = GAIN * a + h.squash(z) + helping.squash(z)
    return out, (x, w, z)
"""
HELPING = """
import numpy as np
GAIN = 1.0

def squash(z):
    dead = np.zeros(z.shape)
    for i in range(z.shape[0]):
        dead[i] = GAIN * np.tanh(z[i])
    return dead
"""
BACK = """
import numpy as np
GAIN = 4

def backward(dout, cache):
    x, w, z = cache
    dz = GAIN * dout * (1 - np.tanh(z) ** 2)
    dw = x.T @ dz
    return dw
"""


def test_functions_of_several_modules_keep_their_own_globals(modules: Callable[..., types.ModuleType]) -> None:
    modules("helping", HELPING)
    front, back = modules("front", FRONT), modules("back", BACK)
    found = check(front.forward, back.backward, XW)
    assert found, found
    assert not [note for note in found.notes if "differences" in note]
    assert front.GAIN == 2.0
    assert front.squash is sys.modules["helping"].squash
    back.GAIN = 3
    assert wrong(check(front.forward, back.backward, XW)) == ["dz"]


def test_a_source_that_is_not_what_runs_is_refused(modules: Callable[..., types.ModuleType], tmp_path: Path) -> None:
    back = modules("back", BACK)
    (tmp_path / "back.py").write_text(BACK.replace("1 - np.tanh(z) ** 2", "1 - np.tanh(z) ** 3"))
    os.utime(tmp_path / "back.py", (1, 1))
    with pytest.raises(InputError, match=r"source of backward isn't what runs: .*back\.py has changed"):
        check(forward, back.backward, XW)


def test_a_notebook_s_cells_are_sources() -> None:
    cells = [
        "import numpy as np\nK = 2.0",
        "\n\ndef f(x: 'q', w):\n    z = K * (x @ w)\n    return np.tanh(z), (x, w, z)",
        "def b(dout, cache):\n    x, w, z = cache\n    dz = dout * (1 - np.tanh(z) ** 2)\n    dw = x.T @ dz * K\n"
        "    return dw",
        "import torch\nclass Double(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n"
        "        return 2 * x\n    @staticmethod\n    def backward(ctx, grad):\n        return grad",
    ]
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        file = f"<ipython-input-{number}-0a1b>"
        linecache.cache[file] = (len(cell), None, cell.splitlines(keepends=True), file)
        exec(compile(cell, file, "exec"), namespace)
    found = check(namespace["f"], namespace["b"], XW)
    assert (found.verdict, found.file) == ("right", "f, b")
    assert {q.name: q.line for q in found.quantities} == {"dz": 3, "dw": 4}
    assert "lines count from the beginning of the cell that a function is in" in found.notes
    exec(compile(cells[2], "<string>", "exec"), bare := {})
    with pytest.raises(InputError, match=r"source of b can't be read \(<string>, line 1\); define it with def"):
        check(namespace["f"], bare["b"], XW)
    assert wrong(check(namespace["Double"], torch.ones(3, 2))) == ["dx"]


# torch


def test_an_autograd_function_is_judged() -> None:
    x, w = (torch.from_numpy(value) for value in values(x=(3, 4), w=(3, 4)).values())
    x.requires_grad_()
    found = check(Power, x, 3, w)
    assert found, found
    assert [q.name for q in found.quantities] == ["dx", "dw"]
    assert (x.grad, x.requires_grad) == (None, True)
    assert check(Power, {"x": x, "n": 2, "w": w})


def test_torch_functions_take_arrays_and_tensors_of_any_mode() -> None:
    def predict(x, w):
        out = torch.tanh(x @ w)
        return out, (x, w, out)

    def derive(dout, cache):
        x, w, out = cache
        dw = x.T @ (dout * (1 - out**2))
        return dw

    assert check(predict, derive, XW)
    with torch.inference_mode():
        single = {name: torch.from_numpy(value).float() for name, value in XW.items()}
        found = check(predict, derive, single)
    assert found, found
    assert not [note for note in found.notes if "differences" in note]


def small() -> Network:
    torch.manual_seed(0)
    return Network([Linear(3, 4), Tanh(), Linear(4, 1)], SigmoidCrossEntropy())


X, Y = torch.randn(3, 6), torch.ones(1, 6)


def test_networks_and_layers_are_judged() -> None:
    assert check(small(), X, Y)
    assert check(small(), X.numpy(), [[1, 0, 1, 1, 0, 0]])
    assert check(small().double(), X.double().numpy(), Y.int())
    assert check(Linear(3, 2), X, seed=4)
    assert check(ReLU(), np.arange(-4, 5).reshape(3, 3) + 0.5)

    class Broken(Linear):
        def backward(self, dA):
            raise KeyError("W")

    class Leaves(Linear):
        def forward(self, A_prev):
            sys.exit(2)

    found = check(Broken(3, 2), X)
    assert not found
    assert "KeyError" in str(found)
    found = check(Leaves(3, 2), X)
    assert (found.verdict, found.reason) == ("unchecked", "Leaves calls sys.exit(2)")


# What can't be used is refused in one line that says what to do


class Model:
    def forward(self, x, w):
        return x @ w


def _lambda() -> Any:
    return lambda x, w: x @ w


def _closing(k: float) -> tuple[Any, Any]:
    def f(x, w):
        out = k * (x @ w)
        return out

    def b(x, w, dout):
        dw = k * x.T @ dout
        return dw

    return f, b


def _stateful() -> Any:
    count = 0

    def f(x, w):
        nonlocal count
        count += 1
        return x @ w

    return f


def _compiled() -> Any:
    # What torch.compile gives has this; torch.compile itself takes seconds to import its compiler.
    function = functools.wraps(forward)(lambda *given: forward(*given))
    function._torchdynamo_orig_callable = forward
    return function


def _stream(x, w):
    yield x @ w


def _starred(*args, **kwargs):
    return args


def takes(x, w, dout, lambd):
    dw = x.T @ dout * lambd
    return dw


NAN = {**XW, "x": XW["x"] * np.nan}
F64 = torch.ones(3, 6, dtype=torch.float64)
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "nothing": (lambda: check(), "was given None; expected functions"),
    "a number": (lambda: check(3), "was given 3; expected functions"),
    "a class": (lambda: check(Linear, X), r"the class Linear; expected an instance, Linear\(...\)"),
    "a class of ours": (lambda: check(Model, X), "the class Model; expected functions"),
    "a module": (lambda: check(nn.Linear(3, 2), X), "of which autograd does the backward: there is no derivation"),
    "a lambda": (lambda: check(_lambda(), backward, XW), "is a lambda; expected a function with a def"),
    "a partial": (lambda: check(functools.partial(forward, w=1), backward, XW), "a functools.partial of forward; exp"),
    "a method": (lambda: check(Model().forward, backward, XW), "Model.forward, bound to its object; expected a func"),
    "a ufunc": (lambda: check(np.tanh, backward, XW), "ufunc 'tanh'>; expected a plain function"),
    "a builtin": (lambda: check(len, [1, 2]), "built-in function len>; expected a plain function"),
    "apply": (lambda: check(Power.apply, X), "was given Power.apply; give the class, Power"),
    "cached": (lambda: check(functools.cache(forward), backward, XW), "what it was made of is its __wrapped__"),
    "compiled": (lambda: check(_compiled(), backward, XW), "what it was made of is its __wrapped__"),
    "a generator": (lambda: check(_stream, backward, XW), "_stream is a generator or coroutine"),
    "nonlocal": (lambda: check(_stateful(), takes, XW), r"f assigns to count of the function around it \(nonlocal\)"),
    "closures": (
        lambda: check(_closing(2.0)[0], _closing(3.0)[1], XW),
        r"f and b mean different things by k \(2.0 and",
    ),
    "one name": (lambda: check(_closing(2.0)[0], _stateful(), XW), "two of the functions are called f: rename one"),
    "only stars": (lambda: check(_starred, backward, XW), "_starred takes no arguments by name"),
    "no inputs": (lambda: check(forward, backward), "the inputs of forward are missing; expected a dict of x, w"),
    "no backward": (lambda: check(forward, None, XW), "the backward is None; expected a function"),
    "a cost's name": (lambda: check(forward, backward, XW, cost="J"), "cost is 'J'; expected a function that returns"),
    "an option": (lambda: check(forward, backward, XW, inputs=XW), r"no option 'inputs' for functions; \(known: cost"),
    "a negative seed": (lambda: check(forward, backward, XW, seed=-1), "seed is -1; expected a whole number from 0"),
    "too many": (lambda: check(forward, backward, *[XW["x"]] * 3), "was given 3 values; expected a dict of x, w"),
    "too few": (lambda: check(forward, backward, XW["x"]), "inputs has no 'w', which forward takes: give it"),
    "a name missing": (lambda: check(forward, backward, {"x": XW["x"]}), "inputs has no 'w', which forward takes"),
    "one for backward": (lambda: check(_closing(2.0)[0], takes, XW), "inputs has no 'lambd', which takes takes, and f"),
    "a name unknown": (lambda: check(forward, backward, {**XW, "V": 1}), "inputs has 'V', which no function takes; "),
    "nan": (lambda: check(forward, backward, NAN), r"x is nan at \(0, 0\); expected finite numbers: mend or drop"),
    "an empty one": (lambda: check(forward, backward, XW["x"][:0], XW["w"]), r"x is empty, of shape \(0, 3\)"),
    "a matrix": (lambda: check(forward, backward, np.ma.array(XW["x"]), XW["w"]), "MaskedArray; expected a plain arr"),
    "complex": (lambda: check(forward, backward, XW["x"] * 1j, XW["w"]), "x is complex128; expected float64"),
    "long": (lambda: check(forward, backward, XW["x"].astype("g"), XW["w"]), r"give x.astype\(np.float64\)"),
    "words": (lambda: check(forward, backward, np.array(["a"]), XW["w"]), "x is <U1; expected float64 or float32"),
    "tensors": (lambda: check(forward, backward, torch.ones(5, 3), XW["w"]), r"computes with NumPy; give x.numpy\(\)"),
    "meta": (lambda: check(Power, torch.ones(3, device="meta"), 2, X), r"x is on meta; expected it on the CPU"),
    "sparse": (lambda: check(Power, torch.eye(3).to_sparse(), 2, X), r"dense tensor: give x.to_dense\(\)"),
    "two backwards": (lambda: check(Power, backward, X), "Power, ...\\) was given a function; it has its own backward"),
    "set up": (lambda: check(SetUp, X), "SetUp has a setup_context; expected forward"),
    "inherited": (lambda: check(type("Sub", (Power,), {}), X), "Sub has no forward and backward of its own"),
    "borrowed": (lambda: check(WrongPower, X, 2, X), "source of the class WrongPower can't be read"),
    "no data": (lambda: check(small()), r"was given nothing; expected X \(n_x, m\) and Y"),
    "no labels": (lambda: check(small(), X), r"was given Tensor; expected X \(n_x, m\) and Y"),
    "a network's option": (lambda: check(small(), X, Y, cost=len), "no option 'cost' for a network"),
    "doubles": (lambda: check(small(), F64, Y), r"X is float64 and the Network is float32; give X.to\(torch.float32\)"),
    "NumPy's": (lambda: check(small(), F64.numpy(), Y), r"give np.asarray\(X, np.float32\), or the Network after .to"),
    "rows": (lambda: check(small(), X.T, Y), "one example per column, so transpose examples that are rows"),
    "labels' shape": (
        lambda: check(small(), X, Y[:, :4]),
        r"labels Y have shape \(1, 4\) and the predictions \(1, 6\)",
    ),
    "a twin": (lambda: check(small(), X, Y, twin=nn.ReLU()), "the twin is a ReLU, expected an nn.Sequential of 3"),
    "a layer's nothing": (lambda: check(Linear(3, 2)), r"was given nothing; expected A_prev \(n_prev, m\) alone"),
    "a layer's backward": (lambda: check(Linear(3, 2), backward), "A_prev .* alone: it has its own backward"),
    "a layer's nan": (lambda: check(Linear(3, 2), X / 0), r"A_prev is -?inf at \(0, 0\); expected finite numbers"),
    "a layer's words": (lambda: check(Linear(3, 2), "X"), "A_prev is a str; expected a tensor or an array of numbers"),
    "a layer's number": (lambda: check(Linear(3, 2), 3.0), "A_prev is a single number; expected shape"),
    "no file": (lambda: check("no_such_file.py"), "there is no file 'no_such_file.py'; expected a .py file"),
    "source text": (lambda: check("def f(x):\n" * 999), "there is no file 'def f.*expected a .py file"),
    "a folder": (lambda: check("."), "is a folder; give its files one by one"),
    "a file and more": (lambda: check(__file__, XW), r"check\(path\) was given dict too; a file has its own inputs"),
    "a file's option": (lambda: check(__file__, sed=1), "no option 'sed' for a file; did you mean 'seed'"),
    "a file's cost": (lambda: check(__file__, cost=len), "cost is <built-in function len>; of a file, expected a f"),
    "a file's layers": (lambda: check(__file__, layers=3), r"layers is a tuple of sizes, \(5, 4, 1\)"),
    "a file's dtype": (lambda: check(__file__, dtype=np.float32), "dtype is .*; expected 'float64' or 'float32'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused_in_one_line(case: str) -> None:
    call, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as refusal:
        call()
    assert "\n" not in str(refusal.value)
    # Of the check's own code nothing is to be seen.
    assert [entry.name for entry in refusal.traceback][-1] == "check"
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


def fails(x, w):
    raise ValueError("boom")


def leaves(x, w):
    sys.exit(3)


def asks(x, w):
    out = x @ w * float(input("how much? "))
    return out


def diverges(x, w):
    z = x @ w / 0
    return z, (x, w, z)


def nameless(dout, cache):
    return None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ((fails, backward), "line [0-9]+: ValueError: boom"),
        ((leaves, backward), r"calls sys.exit\(3\)"),
        ((asks, takes), r"it calls input\(\), and nobody answers"),
        ((diverges, backward), "(NaN|infinity) first appears in z"),
        ((forward, nameless), "nameless has no gradient by name"),
    ],
    ids=["raises", "exits", "asks", "diverges", "nameless"],
)
def test_what_the_derivation_lacks_is_in_the_report(given: tuple[Any, Any], reason: str) -> None:
    asked = builtins.input
    found = check(*given, {**XW, **({"lambd": 1.0} if given[1] is takes else {})})
    assert found.verdict == "unchecked"
    assert re.search(reason, found.reason), found.reason
    assert builtins.input is asked


# The process


DISTURBING = """
import os, sys, random, warnings
import numpy as np, torch, wave
from local_helper import SIZE
from local_package.inside import DEPTH
import reached

def disturb():
    np.random.seed(1)
    random.seed(1)
    torch.manual_seed(1)
    torch.set_default_dtype(torch.float16)
    torch.set_default_device("meta")
    np.seterr(divide="raise")
    os.chdir("/")
    sys.path.append("/nowhere")
    sys.modules["wave"] = sys
    warnings.simplefilter("error")

def forward(x, w):
    disturb()
    z = x @ w
    return z

def backward(dz, x):
    dw = x.T @ dz
    return dw
"""
LOOKING = """
import builtins, random, os, sys, warnings
import numpy as np, torch, torchbasics

def state():
    return {
        "numpy": [np.random.get_state()[1].tolist(), np.random.get_state()[2]], "random": random.getstate(),
        "torch": torch.get_rng_state().tolist(), "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(), "errors": np.geterr(), "folder": os.getcwd(), "path": sys.path.copy(),
        "wave": sys.modules.get("wave"), "filters": warnings.filters.copy(), "grad": torch.is_grad_enabled(),
        "input": builtins.input, "local": [n for n in sys.modules if n.startswith(("local_", "reached"))],
    }

import wave
warnings.simplefilter("always", ResourceWarning)
np.random.seed(5)
before = state()
report = torchbasics.check("disturbing.py")
assert report, report
after = state()
assert after == before, [name for name in before if after[name] != before[name]]
import disturbing
before = state()
report = torchbasics.check(disturbing.forward, disturbing.backward, np.ones((2, 3)), np.ones((3, 4)))
assert report, report
after = state()
assert after == before, [name for name in before if after[name] != before[name]]
"""


def test_the_process_is_left_as_it_was(tmp_path: Path) -> None:
    # In one of its own: here, beartype draws random numbers whenever it looks at a list.
    (tmp_path / "local_package").mkdir()
    (tmp_path / "local_package" / "__init__.py").write_text("")
    (tmp_path / "local_package" / "inside.py").write_text("DEPTH = 2")
    (tmp_path / "local_helper.py").write_text("SIZE = 2")
    (tmp_path / "reached.py").write_text("import local_helper")
    (tmp_path / "disturbing.py").write_text(DISTURBING)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(torchbasics.__file__).parents[1]), "."])}
    command = [sys.executable, "-c", LOOKING]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_another_default_device_is_not_for_the_check() -> None:
    network, given = small(), {"x": torch.ones(2, 3) / 3, "n": 2, "w": torch.ones(2, 3)}
    torch.set_default_device("meta")
    try:
        assert check(Power, given)
        assert check(network, X, Y)
        assert torch.get_default_device().type == "meta"
    finally:
        torch.set_default_device(None)


# What comes back


@pytest.mark.parametrize("verdict", ["right", "wrong", "unchecked"])
def test_every_report_has_every_form(verdict: str, capsys: pytest.CaptureFixture[str]) -> None:
    functions = {"right": (multiply, multiply_back), "wrong": (multiply, doubly_back), "unchecked": (fails, backward)}
    found = check(*functions[verdict], XW)
    assert found.verdict == verdict
    assert bool(found) == (verdict == "right")
    print(found)
    text = capsys.readouterr().out
    assert {"right": "right: ", "wrong": "first dw", "unchecked": "could not be checked: "}[verdict] in text
    assert found._repr_html_().lstrip().startswith("<")
    assert json.loads(json.dumps(found.to_json()))["verdict"] == verdict


def test_the_module_is_called_and_costs_nothing_before() -> None:
    code = (
        "import sys, types, torchbasics\n"
        "assert 'torch' not in sys.modules\n"
        "torchbasics.check\n"
        "import torchbasics.testing, torchbasics.pytest_plugin\n"
        "assert not {'torch', 'numpy'} & set(sys.modules)\n"
        "api = types.ModuleType('api')\n"
        "api.check = lambda *args, **options: (args, options)\n"
        "sys.modules['torchbasics.check.api'] = api\n"
        "assert torchbasics.check(1, 2, seed=3) == ((1, 2), {'seed': 3})\n"
        "try: torchbasics.chekc\n"
        "except AttributeError as error: assert 'chekc' in str(error)\n"
        "else: raise AssertionError\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_assertion_is_the_report() -> None:
    assert_gradients(multiply, multiply_back, XW, seed=3)
    for functions in ((multiply, doubly_back), (fails, backward)):
        with pytest.raises(AssertionError) as failure:
            assert_gradients(*functions, XW)
        message = str(failure.value)
        assert str(check(*functions, XW)) in message
        assert message.splitlines()[0]
    with pytest.raises(InputError, match="inputs of forward are missing") as refusal:
        assert_gradients(forward, backward)
    assert [entry.name for entry in refusal.traceback][-1] == "assert_gradients"


def plugin() -> str:
    root = Path(torchbasics.__file__).parents[1]
    points = tomllib.loads((root / "pyproject.toml").read_text())["project"]["entry-points"]
    return str(points["pytest11"]["torchbasics"])


def test_a_foreign_project_has_the_fixture(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makepyfile(
        test_mine="""
        import sys
        import pytest
        assert not {"torch", "numpy"} & set(sys.modules)

        def test_without_it():
            assert not {"torch", "numpy"} & set(sys.modules)

        def forward(x, w):
            out = x @ w
            assert out.shape
            return out

        def backward(x, dout):
            dw = x.T @ dout * len(x)
            assert dw.shape
            return dw

        def test_mine(gradients):
            import numpy as np
            gradients(forward, backward, np.arange(6.0).reshape(3, 2), np.ones((2, 4)))

        def test_misuse(gradients):
            gradients(forward, backward)
        """
    )
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(torchbasics.__file__).parents[1]))
    monkeypatch.setenv("COLUMNS", "160")
    done = pytester.runpytest_subprocess("-p", plugin(), "-p", "no:cacheprovider")
    done.assert_outcomes(passed=1, failed=2)
    out = str(done.stdout)
    assert "test_mine - AssertionError: dw, line 14: " in out
    assert "E       wrong: 1 of 1 quantities, first dw" in out
    assert "test_misuse - torchbasics.errors.InputError: the inputs of forward are missing" in out
    # Of our own code nothing is to be seen.
    assert "torchbasics/" not in out.replace(str(pytester.path), "")
    assert "raise " not in out
