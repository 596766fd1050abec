"""A function to its trace by `torch.fx`, in which every value has the name that the function gives it.

`torch.fx` runs the function on stand-ins for its arguments and writes down what happens to them; it has names of its
own for the values. The function's, such as u in `u = b * c`, are read off its local variables as it runs.
"""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from torch import fx

from torchbasics.errors import InputError


@contextmanager
def _local_names(function: Callable[..., Any], names: dict[fx.Node, str]) -> Iterator[None]:
    """While the function runs, note the first local variable that each traced value is bound to."""

    def look(frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code is function.__code__:
            for name, value in frame.f_locals.items():
                if isinstance(value, fx.Proxy):
                    names.setdefault(value.node, name)
            return look
        return None

    before = sys.gettrace()
    sys.settrace(look)
    try:
        yield
    finally:
        sys.settrace(before)


def trace(function: Callable[..., Any]) -> tuple[fx.Graph, fx.Tracer, dict[fx.Node, str]]:
    """The trace of a plain Python function of tensors, its tracer, and the function's own names of the values.

    Raises `InputError` for what can't be traced, such as an `if` on a value.
    """
    if not inspect.isfunction(function):
        raise InputError(
            f"a computation graph got {function!r}, expected an expression or a plain Python function; wrap it, as in "
            "lambda a, b: ..."
        )
    tracer, names = fx.Tracer(), dict[fx.Node, str]()
    try:
        with _local_names(function, names):
            graph = tracer.trace(function)
    except Exception as error:
        said = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{function.__name__} can't be traced: {said}; expected a computation of its arguments by torch's "
            "functions, without an if on a value"
        ) from error
    return graph, tracer, names
