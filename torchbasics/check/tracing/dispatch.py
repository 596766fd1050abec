"""What a NumPy function or ufunc does with traced arrays: looked up by kind, and refused by name if it is in no table.

A function of values that depend on no input is constant, and NumPy itself computes it.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torchbasics.check.tracing.array import Traced, TracedArray, box, plain, tensors, write
from torchbasics.check.tracing.elementwise import ELEMENTWISE, QUESTIONS
from torchbasics.check.tracing.functions import FUNCTIONS, Untraceable, as_tensor
from torchbasics.check.tracing.memory import accumulate
from torchbasics.check.tracing.rearrange import OVERWRITE, REARRANGE, VIEWS, rearrange

# the functions whose result does not change with the values, or changes in jumps: run on plain arrays
ANSWERS = frozenset(
    {
        np.all,
        np.allclose,
        np.any,
        np.argmax,
        np.argmin,
        np.argpartition,
        np.argsort,
        np.argwhere,
        np.array2string,
        np.array_equal,
        np.array_equiv,
        np.array_repr,
        np.array_str,
        np.can_cast,
        np.common_type,
        np.count_nonzero,
        np.digitize,
        np.empty_like,
        np.flatnonzero,
        np.isclose,
        np.iscomplex,
        np.iscomplexobj,
        np.isneginf,
        np.isposinf,
        np.isreal,
        np.isrealobj,
        np.lexsort,
        np.min_scalar_type,
        np.nanargmax,
        np.nanargmin,
        np.ndim,
        np.nonzero,
        np.ones_like,
        np.result_type,
        np.searchsorted,
        np.shape,
        np.size,
        np.zeros_like,
    }
)
REDUCTIONS: dict[Any, Any] = {np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min}
SCANS: dict[Any, Any] = {np.add: np.cumsum, np.multiply: np.cumprod}


def call(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """`function(*args, **kwargs)` with traced arrays among the arguments.

    Raises `Untraceable` for a function, or an argument of it, that is in no table.
    """
    name = _name(function)
    kwargs = dict(kwargs)
    out = kwargs.pop("out", None)
    if out is not None:
        return _into(name, out, call(function, args, kwargs))
    if function in ANSWERS or (function is np.where and len(args) == 1):
        return _constants(function(*plain(tuple(args)), **plain(kwargs)))
    _check_dtype(name, kwargs.pop("dtype", None))
    if function in (np.atleast_1d, np.atleast_2d, np.atleast_3d) and len(args) > 1:
        return tuple(function(array) for array in args)
    if function in VIEWS and args and isinstance(args[0], Traced):
        return _views(function, args[0], args[1:], kwargs)
    if function in OVERWRITE and args and isinstance(args[0], TracedArray):
        return write(args[0], rearrange(function, tensors(tuple(args)), tensors(kwargs), OVERWRITE[function]))
    if function in REARRANGE:
        return _boxed(rearrange(function, tensors(tuple(args)), tensors(kwargs), REARRANGE[function]))
    if function in FUNCTIONS and _takes(FUNCTIONS[function], args, kwargs):
        return _boxed(FUNCTIONS[function](*tensors(tuple(args)), **tensors(kwargs)))
    return constant(name, function, args, kwargs)


def call_ufunc(ufunc: Any, method: str, inputs: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """`ufunc(*inputs, **kwargs)` or one of its methods, with traced arrays among the arguments.

    Raises `Untraceable` for a ufunc, a method or an argument that is in no table.
    """
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    kwargs = dict(kwargs)
    outs = kwargs.pop("out", None) or ()
    if len(outs) > 1 or (outs and method == "at"):
        raise Untraceable(f"{name} with out= cannot be traced")
    if outs:
        return _into(name, outs[0], _computed(ufunc, method, name, inputs, kwargs, outs[0]))
    return _computed(ufunc, method, name, inputs, kwargs, None)


def _computed(ufunc: Any, method: str, name: str, inputs: Sequence[Any], kwargs: dict[str, Any], before: Any) -> Any:
    if ufunc in QUESTIONS:
        return getattr(ufunc, method)(*plain(tuple(inputs)), **plain(kwargs))
    _check_dtype(name, kwargs.pop("dtype", None))
    if method == "at" and ufunc in (np.add, np.subtract) and isinstance(inputs[0], TracedArray):
        return _add_at(inputs[0], inputs[1], as_tensor(tensors(inputs[2])) * (1 if ufunc is np.add else -1))
    if method in ("reduce", "accumulate"):
        table = REDUCTIONS if method == "reduce" else SCANS
        if ufunc in table:
            return call(table[ufunc], inputs, {"axis": 0, **kwargs})
    if ufunc in ELEMENTWISE and method in ("__call__", "outer") and not kwargs.keys() - {"where", "casting", "order"}:
        operands = [as_tensor(tensors(value)) for value in inputs]
        if method == "outer":
            operands[0] = operands[0].reshape(*operands[0].shape, *(1 for _ in operands[1].shape))
        where = kwargs.get("where", True)
        if where is True:
            return Traced(ELEMENTWISE[ufunc](*operands))
        chosen = torch.as_tensor(np.asarray(plain(where)))
        # 1 is in the domain of every ufunc: what is not chosen must not send nan back.
        result = ELEMENTWISE[ufunc](*(torch.where(chosen, operand, 1.0) for operand in operands))
        return Traced(torch.where(chosen, result, 0.0 if before is None else as_tensor(tensors(before))))
    if method == "at":
        raise Untraceable(f"{name} cannot be traced")
    return constant(name, getattr(ufunc, method), inputs, kwargs)


def constant(name: str, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """NumPy's own result; `Untraceable` if an argument depends on an input, or would be written to."""
    if _depends(args) or _depends(kwargs):
        raise Untraceable(f"{name} cannot be traced")
    try:
        return _constants(function(*plain(tuple(args)), **plain(dict(kwargs))))
    except ValueError as error:
        if "read-only" in str(error):
            raise Untraceable(f"{name} cannot be traced: it writes into its argument") from None
        raise


def _name(function: Any) -> str:
    module = str(getattr(function, "__module__", None) or "numpy")
    return f"{module.replace('numpy', 'np', 1)}.{function.__name__}"


def _depends(value: Any) -> bool:
    if isinstance(value, Traced):
        return value.tensor.requires_grad
    if isinstance(value, Mapping):
        value = value.values()
    elif type(value) not in (list, tuple):
        return False
    return any(_depends(entry) for entry in value)


def _check_dtype(name: str, dtype: Any) -> None:
    """Raise `Untraceable` unless a result of `dtype` is floating."""
    if dtype is not None and np.dtype(dtype).kind != "f":
        raise Untraceable(f"{name} with dtype={np.dtype(dtype)} cannot be traced")


_signature = functools.cache(inspect.signature)


def _takes(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    try:
        _signature(function).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _boxed(result: Any) -> Any:
    """A function's tensors as traced arrays; one without axes is a number, as NumPy returns it."""
    if isinstance(result, Tensor):
        return Traced(result)
    return type(result)(_boxed(part) for part in result) if isinstance(result, list | tuple) else result


def _constants(result: Any) -> Any:
    """A plain result with its floating arrays boxed, so that traced values can be written into them."""
    if isinstance(result, np.ndarray) and result.dtype.kind == "f":
        return Traced(torch.from_numpy(result.astype(np.float64)), scalar=False)
    return type(result)(_constants(part) for part in result) if type(result) in (list, tuple) else result


def _into(name: str, out: Any, result: Any) -> Any:
    """Write a result where `out` says."""
    out = out[0] if isinstance(out, tuple) else out
    if isinstance(out, TracedArray):
        out[...] = result
        return out
    if isinstance(out, Traced):
        # A number cannot change: x += 1 gives another one.
        return result
    if _depends(result):
        raise Untraceable(f"{name} into a plain array cannot be traced")
    out[...] = plain(result)
    return out


def _views(function: Callable[..., Any], array: Traced, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The views that NumPy's `function` makes of the array's layout, or copies where it copies."""
    if not isinstance(array, TracedArray):
        if function is np.squeeze:
            return array
        # A number cannot change: what is made of it shares nothing with it.
        array = Traced(array.tensor.clone(), scalar=False)
    parts = function(array.layout, *args, **kwargs)

    def shared(part: Any) -> bool:
        if isinstance(part, list | tuple):
            return all(shared(each) for each in part)
        return part.size > 0 and np.may_share_memory(part, array.memory.layout)

    def view(part: Any) -> Any:
        return type(part)(view(each) for each in part) if isinstance(part, list | tuple) else box(array.memory, part)

    if shared(parts):
        return view(parts)
    return _boxed(rearrange(function, [array.tensor, *args], kwargs))


def _add_at(array: TracedArray, index: Any, values: Tensor) -> None:
    positions = array.memory.positions(array.layout)[plain(index)]
    if not array.layout.flags.writeable:
        raise ValueError("assignment destination is read-only")
    accumulate(array.memory, np.asarray(positions), values)
