"""What a user's program gets in the place of `numpy`, `math` and some builtins, so that what it creates can be traced.

Most of NumPy calls back into the array itself and needs nothing here: what does is what makes arrays from nothing or
from lists, and what turns arrays into numbers.
"""

import builtins
import functools
import math
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from torchbasics.check.tracing.array import Traced, TracedArray, plain, tensors
from torchbasics.check.tracing.dispatch import call
from torchbasics.check.tracing.elementwise import ELEMENTWISE
from torchbasics.check.tracing.functions import FUNCTIONS, Untraceable, as_tensor, leaves
from torchbasics.check.tracing.rearrange import rearrange


@dataclass(frozen=True)
class Stand_ins:
    """What to give a program."""

    modules: dict[str, object]
    """By the name it imports: numpy, numpy.random, numpy.testing, math. The rest of numpy is itself."""

    builtins: dict[str, object]
    """By name: float and type."""


def stand_ins() -> Stand_ins:
    """Make the stand-ins; `numpy` is a module of which any attribute that has no stand-in is NumPy's own."""
    random = Module(
        np.random, {"shuffle": _dispatched(np.random.shuffle), "permutation": _dispatched(np.random.permutation)}
    )
    testing = Module(
        np.testing, {name: _plainly(getattr(np.testing, name)) for name in dir(np.testing) if "assert" in name}
    )
    numpy = Module(np, {**_numpy(), "random": random, "testing": testing})
    modules: dict[str, object] = {
        "numpy": numpy,
        "numpy.random": random,
        "numpy.testing": testing,
        "math": Module(math, _math()),
    }
    return Stand_ins(modules, {"float": Float, "type": Type})


class Module(types.ModuleType):
    """A module with some attributes replaced."""

    def __init__(self, module: types.ModuleType, replaced: dict[str, object]) -> None:
        super().__init__(module.__name__, module.__doc__)
        self.__dict__.update(replaced)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def __dir__(self) -> list[str]:
        return dir(self._module)


class Kind(type):
    """Of a floating type's stand-in, equal to it in every question that a program asks, but for what a call does."""

    real: type
    dtype: Any

    def __call__(cls, value: Any = 0.0, *args: Any) -> Any:
        if isinstance(value, Traced):
            if isinstance(value, TracedArray):
                return value.item() if cls.real is float or not value.ndim else value.copy()
            return value
        if isinstance(value, list | tuple) and _holds_traced(value):
            return _array(value, cls.real)
        return cls.real(value, *args)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.real)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls.real)

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is cls.real

    def __hash__(cls) -> int:
        return hash(cls.real)

    def __repr__(cls) -> str:
        return repr(cls.real)


def _kind(real: type) -> Kind:
    # NumPy takes any class with a `dtype` for that dtype.
    return Kind(real.__name__, (real,), {"real": real, "dtype": np.dtype(real), "__module__": real.__module__})


Float = _kind(float)
KINDS: dict[Any, Kind] = {real: _kind(real) for real in (np.float64, np.float32, np.float16, np.longdouble)}


class TypeKind(type):
    """Of `type`'s stand-in: a traced number's type is np.float64, a traced array's np.ndarray."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) != 1:
            return builtins.type(*args, **kwargs)
        found = args[0].__class__ if isinstance(args[0], Traced) else builtins.type(args[0])
        return Float if found is float else KINDS.get(found, found)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, type)


class Type(type, metaclass=TypeKind):
    """The stand-in for `type`."""


def _holds_traced(value: Any) -> bool:
    return any(isinstance(leaf, Traced) for leaf in leaves(value))


def _dispatched(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, which NumPy does not dispatch, or not for lists."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        args = tuple(_array(arg) if type(arg) in (list, tuple) and _holds_traced(arg) else arg for arg in args)
        # NumPy does not dispatch what is random.
        random = function in (np.random.shuffle, np.random.permutation) and _holds_traced(args)
        return call(function, args, kwargs) if random else function(*args, **kwargs)

    if isinstance(function, np.ufunc):
        for name in ("at", "reduce", "accumulate", "outer", "reduceat"):
            setattr(run, name, getattr(function, name))
    return run


def _plainly(function: Any) -> Any:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        return function(*plain(args), **plain(kwargs))

    return run


def _allocates(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with its floating results traced, so that traced values can be written into them."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if isinstance(result, np.ndarray) and not isinstance(result, Traced) and result.dtype.kind == "f":
            return Traced(torch.from_numpy(result.astype(np.float64)), scalar=False)
        return result

    return run


def _array(value: Any, dtype: Any = None, *, copy: bool | None = True, ndmin: int = 0, **kwargs: Any) -> Any:
    if not _holds_traced(value):
        return _allocates(np.array)(value, dtype, copy=copy, ndmin=ndmin, **kwargs)
    kind = "f" if dtype is None else np.dtype(dtype).kind
    if kind in "biu":
        return np.array(plain(value), dtype)
    if kind != "f":
        raise Untraceable(f"an array of {np.dtype(dtype)} cannot be traced")
    if isinstance(value, TracedArray) and not copy and value.ndim >= ndmin:
        return value
    tensor = as_tensor(tensors(value))
    tensor = tensor.reshape([1] * (ndmin - tensor.ndim) + list(tensor.shape))
    return Traced(tensor.clone(), scalar=False)


def _asarray(value: Any, dtype: Any = None, **kwargs: Any) -> Any:
    kwargs.setdefault("copy", None)
    return _array(value, dtype, **kwargs)


def _full(shape: Any, fill_value: Any, dtype: Any = None, **kwargs: Any) -> Any:
    if not _holds_traced(fill_value) or (dtype is not None and np.dtype(dtype).kind != "f"):
        return _allocates(np.full)(shape, plain(fill_value), dtype, **kwargs)
    return Traced(as_tensor(tensors(fill_value)).expand(np.empty(shape, np.int8).shape).clone(), scalar=False)


class Joiner:
    """np.r_ or np.c_: what stands in its brackets, side by side."""

    def __init__(self, joiner: Any) -> None:
        self.joiner = joiner

    def __getitem__(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        if not _holds_traced(list(keys)):
            return _allocates(self.joiner.__getitem__)(key)
        if any(isinstance(part, str) for part in keys):
            raise Untraceable("np.r_ with a string cannot be traced")
        parts = [np.r_[part] if isinstance(part, slice) else tensors(part) for part in keys]
        return Traced(rearrange(lambda positions: self.joiner[tuple(positions)], [parts], {}))


def _numpy() -> dict[str, object]:
    names = "zeros ones eye identity linspace logspace arange tri copy ones_like zeros_like full_like"
    replaced: dict[str, object] = {name: _allocates(getattr(np, name)) for name in names.split()}
    # What np.empty holds is anything, and must not be nan.
    replaced |= {"empty": _allocates(np.zeros), "empty_like": _allocates(np.zeros_like)}
    replaced |= {"array": _array, "full": _full, "r_": Joiner(np.r_), "c_": Joiner(np.c_)}
    replaced |= dict.fromkeys(("asarray", "asanyarray", "ascontiguousarray", "asfortranarray"), _asarray)
    for name in dir(np):
        real = getattr(np, name, None)
        if isinstance(real, type) and real in KINDS:
            replaced[name] = KINDS[real]
        elif callable(real) and name not in replaced and (real in FUNCTIONS or real in ELEMENTWISE):
            replaced[name] = _dispatched(real)
    return replaced


def _math() -> dict[str, object]:
    ufuncs = {
        "pow": np.power,
        "fabs": np.absolute,
        "asin": np.arcsin,
        "acos": np.arccos,
        "atan": np.arctan,
        "atan2": np.arctan2,
        "asinh": np.arcsinh,
        "acosh": np.arccosh,
        "atanh": np.arctanh,
        **{name: getattr(np, name) for name in MATH.split()},
    }
    replaced: dict[str, object] = {name: _math_function(name, ufunc) for name, ufunc in ufuncs.items()}
    replaced["log"] = _math_function(
        "log", lambda x, base=None: np.log(x) if base is None else np.log(x) / np.log(base)
    )
    replaced["erf"] = _math_function("erf", lambda x: Traced(torch.erf(x.tensor)))
    replaced["erfc"] = _math_function("erfc", lambda x: Traced(torch.erfc(x.tensor)))
    replaced["lgamma"] = _math_function("lgamma", lambda x: Traced(torch.lgamma(x.tensor)))
    for name in ("fsum", "prod"):
        replaced[name] = _math_function(name, np.sum if name == "fsum" else np.prod)
    for name in ("isnan", "isinf", "isfinite", "isclose", "floor", "ceil", "trunc"):
        replaced[name] = _plainly(getattr(math, name))
    return replaced


# the functions that math and NumPy call alike
MATH = "exp exp2 expm1 log1p log2 log10 sqrt cbrt sin cos tan sinh cosh tanh hypot copysign fmod degrees radians"


def _math_function(name: str, traced: Callable[..., Any]) -> Callable[..., Any]:
    """math's function for plain numbers and `traced` for traced ones, which may be arrays of one entry."""
    real = getattr(math, name)

    @functools.wraps(real)
    def run(*args: Any, **kwargs: Any) -> Any:
        if not _holds_traced(args):
            return real(*args, **kwargs)
        if isinstance(args[0], list | tuple):
            return traced(Traced(as_tensor(tensors(args[0]))))
        if name in ("fsum", "prod"):
            return traced(*args, **kwargs)
        return traced(*(arg.item() if isinstance(arg, TracedArray) else arg for arg in args))

    return run
