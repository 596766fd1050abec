"""Where tracing ends: plain answers, types, stand-ins, refusals and constants."""

import builtins
import io
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tracing import NP, STAND_INS, P, Program, agrees, arrays, flat, trace

from torchbasics.check.tracing.array import Traced, Untraceable

MATH: Any = STAND_INS.modules["math"]
FLOAT: Any = STAND_INS.builtins["float"]
TYPE: Any = STAND_INS.builtins["type"]


class TestAnswers:
    """What is no function of the values, or a step of them, is plain, and equal to NumPy's."""

    @pytest.mark.parametrize(
        "answer",
        [
            lambda np, x: x > 0,
            lambda np, x: np.argmax(x, axis=1),
            lambda np, x: x.argsort(),
            lambda np, x: np.nonzero(x > 0),
            lambda np, x: np.where(x),
            lambda np, x: (x.shape, x.size, x.ndim, len(x), np.shape(x), x.dtype, x.T.strides, x.nbytes),
            lambda np, x: np.isnan(x),
            lambda np, x: (np.allclose(x, x), np.array_equal(x, P), np.any(x > 0), (x > 0).all()),
            lambda np, x: x.astype(int),
            lambda np, x: (x > 0.5).astype(float),
            lambda np, x: int(10 * x[0, 0]),
            lambda np, x: np.zeros((2, 3), dtype=int),
            lambda np, x: np.zeros_like(x, dtype=bool),
            lambda np, x: np.array([1, 2]),
            lambda np, x: (x == x.max(axis=1, keepdims=True)) * 1,
            lambda np, x: f"{x[0, 0]:.3f} {x[1]} " + "%.2f" % x[0, 1] + str(x[2, 2]),  # noqa: UP031
            lambda np, x: (np.isscalar(x[0, 0]), np.isscalar(x), 0.3 in x, bool(x[0, 0])),
            lambda np, x: np.issubdtype(x.dtype, np.floating),
        ],
    )
    def test_equal_to_numpy(self, answer: Program) -> None:
        x = arrays((3, 4))[0]
        ours, right = answer(NP, trace(x)), answer(np, x)
        assert not isinstance(ours, Traced)
        assert type(ours) is type(right)
        np.testing.assert_equal(ours, right)

    def test_types(self) -> None:
        x = trace(np.ones((2, 3)))
        number = np.sum(x)
        assert isinstance(x, np.ndarray)
        assert not isinstance(x, float)
        assert isinstance(number, FLOAT)
        assert isinstance(number, float)
        assert isinstance(number, NP.float64)
        assert not isinstance(number, np.ndarray)
        assert isinstance(3.0, FLOAT)
        assert not isinstance(3, FLOAT)
        assert issubclass(np.float64, FLOAT)
        assert x.dtype == FLOAT
        assert x.dtype == NP.float64
        assert np.ones(2).dtype == FLOAT
        assert TYPE(x) == NP.ndarray
        assert TYPE(number) == NP.float64
        assert TYPE(3.0) is FLOAT
        assert TYPE(3) is int
        assert isinstance(NP.squeeze(x[:1, :1]), np.ndarray)
        assert isinstance(NP.squeeze(number), float) == isinstance(np.squeeze(np.float64(1)), float)
        assert NP.squeeze(x[:1, :1]).shape == ()
        assert NP.zeros(2, dtype=FLOAT).dtype == np.zeros(2, dtype=FLOAT).dtype == float

    def test_calls_of_types(self) -> None:
        assert FLOAT("1.5") == 1.5
        assert type(FLOAT(2)) is float
        assert type(NP.float64(2)) is np.float64
        assert np.finfo(NP.float64).eps == NP.finfo(FLOAT).eps == np.finfo(float).eps

    def test_random_streams_are_numpys(self) -> None:
        NP.random.seed(4)
        ours = NP.random.randn(3), NP.random.RandomState(2).rand(2), NP.random.default_rng(1).normal()
        np.random.seed(4)
        np.testing.assert_equal(
            ours, (np.random.randn(3), np.random.RandomState(2).rand(2), np.random.default_rng(1).normal())
        )

    def test_testing(self) -> None:
        x = trace(np.ones(2))
        NP.testing.assert_allclose(x, [1, 1])
        with pytest.raises(AssertionError):
            NP.testing.assert_allclose(x, [1, 2])


MATH_PROGRAMS: dict[str, Program] = {
    "logs": lambda math, x: [math.log(x), math.log(x, 3), math.log2(x), math.log10(x), math.log1p(x)],
    "exps": lambda math, x: [math.exp(x), math.expm1(x), math.exp2(x), math.pow(x, 3), math.sqrt(x), math.cbrt(x)],
    "circle": lambda math, x: [math.sin(x), math.cos(x), math.tan(x), math.asin(x), math.acos(x), math.atan(x)],
    "hyperbola": lambda math, x: [
        math.sinh(x),
        math.cosh(x),
        math.tanh(x),
        math.asinh(x),
        math.acosh(1 + x),
        math.atanh(x),
    ],
    "two": lambda math, x: [
        math.atan2(x, 2),
        math.hypot(x, 2.0),
        math.fmod(x, 0.4),
        math.copysign(x, -1),
        math.fabs(-x),
    ],
    "special": lambda math, x: [math.erf(x), math.erfc(x), math.lgamma(x), math.degrees(x), math.radians(x)],
    "sums": lambda math, x: [math.fsum([x, x * x, 1.0]), math.prod([x, x, 2])],
}


@pytest.mark.parametrize("name", MATH_PROGRAMS)
def test_math(name: str) -> None:
    agrees(lambda np, x: MATH_PROGRAMS[name](MATH if np is NP else math, x[0]), np.array([0.37]))


def test_math_of_plain_numbers() -> None:
    assert MATH.log(2.0) == math.log(2.0)
    assert MATH.pi == math.pi
    assert MATH.isnan(trace(np.array([1.0]))[0]) is False
    assert MATH.floor(trace(np.array([1.7]))[0]) == 1
    assert MATH.sqrt(trace(np.array([[4.0]]))).value == 2


REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    "np.asarray of NumPy's own": lambda np_, x: np.asarray(x),
    "the method dot of a plain array": lambda np_, x: P.T.dot(x),
    "an array into a plain one": lambda np_, x: P.copy().__setitem__(0, x[0]),
    "a number into a plain array": lambda np_, x: P.copy().__setitem__((0, 0), x[0, 0]),
    "into a plain array in place": lambda np_, x: P.copy().__iadd__(x),
    "copyto a plain array": lambda np_, x: np_.copyto(P.copy(), x),
    "out": lambda np_, x: np_.exp(x, out=P.copy()),
    "vectorize": lambda np_, x: np_.vectorize(lambda v: v * v)(x),
    "frompyfunc": lambda np_, x: np_.frompyfunc(lambda v: v * v, 1, 1)(x),
    "object array": lambda np_, x: np_.array([x, None], dtype=object),
    "astype object": lambda np_, x: x.astype(object),
    "complex": lambda np_, x: x * 1j,
    "complex()": lambda np_, x: complex(x[0, 0]),
    "float() of Python's own": lambda np_, x: float(x[0, 0]),
    "math of Python's own": lambda np_, x: math.log(x[0, 0] ** 2),
    "round": lambda np_, x: np_.round(x, 2),
    "round()": lambda np_, x: round(x[0, 0], 2),
    "round as a method": lambda np_, x: x.round(2),
    "fft": lambda np_, x: np_.fft.fft(x),
    "interp": lambda np_, x: np_.interp(x[0], [0, 1], [0, 1]),
    "apply_along_axis": lambda np_, x: np_.apply_along_axis(lambda v: v, 0, x),
    "nditer": lambda np_, x: list(np_.nditer(x)),
    "an integer sum": lambda np_, x: np_.sum(x, dtype=int),
    "pad by computed values": lambda np_, x: np_.pad(x, 1, "mean"),
    "pad odd": lambda np_, x: np_.pad(x, 1, "reflect", reflect_type="odd"),
    "modf": lambda np_, x: np_.modf(x),
    "divmod": lambda np_, x: divmod(x, 2),
    "multiply.at": lambda np_, x: np_.multiply.at(x, [0], 2.0),
    "add.reduceat": lambda np_, x: np_.add.reduceat(x, [0, 1]),
    "view as another type": lambda np_, x: x.view(np.int64),
    "flat of a transpose": lambda np_, x: x.T.flat,
    "resize in place": lambda np_, x: x.resize(2, 6),
    "savetxt": lambda np_, x: np.savetxt(io.StringIO(), x),
    "pickle": lambda np_, x: pickle.dumps(x),
    "random with a traced scale": lambda np_, x: np_.random.normal(x[0, 0], 1.0),
    "choice": lambda np_, x: np_.random.choice(x[0]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises(Untraceable) as error:
        REFUSED[name](NP, trace(arrays((3, 4))[0]))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("vectorize", "vectorize"),
        ("fft", "np.fft.fft"),
        ("interp", "np.interp"),
        ("round", "np.round"),
        ("modf", "modf"),
    ],
)
def test_a_refusal_names_the_function(name: str, named: str) -> None:
    with pytest.raises(Untraceable, match=named):
        REFUSED[name](NP, trace(arrays((3, 4))[0]))


def test_scipy_is_refused() -> None:
    special = pytest.importorskip("scipy.special")
    for function in (special.expit, special.logsumexp):
        with pytest.raises(Untraceable):
            function(trace(np.ones(3)))


def test_constants_go_through_anything() -> None:
    """What depends on no input loses no derivative."""
    Z = NP.zeros((2, 3))
    Z[0] = [1.0, 2.0, 4.0]
    np.testing.assert_array_equal(NP.round(Z / 3, 1).value, np.round(np.array([[1, 2, 4], [0, 0, 0]]) / 3, 1))
    np.testing.assert_array_equal(np.asarray(Z), [[1, 2, 4], [0, 0, 0]])
    assert math.log(Z[0, 1]) == math.log(2)
    plain = np.zeros(3)
    plain[:] = Z[0]
    np.testing.assert_array_equal(plain, [1, 2, 4])
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(Z)[0, 0] = 1.0


# what opens files, prints or sets options, and what is not set at all
OTHER = (
    "from",
    "gen",
    "load",
    "memmap",
    "save",
    "set",
    "show",
    "print",
    "test",
    "info",
    "empty_like",
    "dump",
    "tofile",
)
MODULES = {"numpy": (np, NP), "linalg": (np.linalg, NP.linalg), "fft": (np.fft, NP.fft), "method": (np.ndarray, None)}
PUBLIC = [
    (module, name)
    for module, (real, _) in MODULES.items()
    for name in dir(real)
    if not name.startswith(("_", *OTHER))
    and callable(getattr(real, name))
    and not isinstance(getattr(real, name), type)
]


@pytest.mark.parametrize(("module", "name"), PUBLIC)
@pytest.mark.filterwarnings("ignore")
def test_no_derivative_is_lost_silently(module: str, name: str) -> None:
    """Every function and method, in a table or not: the real numbers it returns are traced, or stay at a small step."""
    x = arrays((3, 3), positive=True)[0]
    real, stand_in = (getattr(each, name, None) for each in MODULES[module])
    for rest in [(), (2,), (x,), (x, x), (np.array([0, 2, 1]),), ([x],)]:
        try:
            before, after = real(x.copy(), *rest), real(x + 1e-3, *rest)
        except Exception:
            continue
        box = trace(x)
        try:
            result = stand_in(box, *rest) if stand_in else getattr(box, name)(*rest)
        except Exception:
            continue
        for ours, part, moved in zip(flat(result), flat(before), flat(after), strict=True):
            if isinstance(ours, Traced):
                np.testing.assert_allclose(ours.value, part, rtol=1e-9, atol=1e-12)
            if not isinstance(ours, Traced) or not ours.tensor.requires_grad:
                assert np.asarray(part).dtype.kind not in "fc" or np.array_equal(part, moved, equal_nan=True)


def test_every_way_to_import() -> None:
    """A program's own `__import__` and builtins are all that the stand-ins need."""
    source = """
from numpy import *
from numpy import sum as total, random
import numpy.linalg as la
import numpy as np, math
from math import exp

def program(x):
    random.seed(0)
    y = tanh(x) * random.rand(*x.shape)
    return float(total(y)) * exp(la.norm(x)) + math.log(np.zeros((1, 1))[0, 0] + 2 + x[0, 0] ** 2)
"""

    def standing_in(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        found = STAND_INS.modules.get(name if fromlist else name.split(".")[0])
        return builtins.__import__(name, globals, locals, fromlist, level) if found is None else found

    plain: dict[str, Any] = {}
    exec(source, plain)
    traced = {"__builtins__": {**vars(builtins), **STAND_INS.builtins, "__import__": standing_in}}
    exec(source, traced)
    agrees(lambda np, x: (traced if np is NP else plain)["program"](x), *arrays((3, 4)))
