"""The values that a check in Python is given: by name, of a kind that has derivatives, and finite."""

import ast
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from torchbasics.check.program.find import Plan, is_gradient, quantity_names, reachable, returned_gradients
from torchbasics.check.program.inputs import frameworks
from torchbasics.check.program.run import DATA, LABELS, PARAMETERS
from torchbasics.check.program.source import Program
from torchbasics.check.program.tape import leaves, own_name_of, put
from torchbasics.errors import InputError, nearest


def named(given: tuple[Any, ...], program: Program, plan: Plan) -> dict[str, Any]:
    """The inputs by name, containers anew: from a dict, or in the order of the arguments of forward.

    Raises `InputError` for none, too many, and names that no function takes.
    """
    function = program.functions[plan.forward]
    arguments = [a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    arguments = arguments["." in plan.forward :]
    if not arguments:
        raise InputError(f"{plan.forward} takes no arguments by name; expected one such as forward(x, w)")
    wanted = f"expected a dict of {', '.join(arguments)}, or their values in that order"
    if not given:
        raise InputError(f"the inputs of {plan.forward} are missing; {wanted}")
    if len(given) > 1 and any(isinstance(value, Mapping) for value in given[:1]) and "parameters" not in arguments:
        raise InputError(f"{plan.forward} was given a dict of inputs and {len(given) - 1} more; {wanted}")
    if len(given) == 1 and isinstance(given[0], Mapping):
        inputs = dict(given[0])
    else:
        values = given[0] if len(given) == 1 and isinstance(given[0], tuple | list) else given
        if not values or len(values) > len(arguments):
            raise InputError(f"{plan.forward} was given {len(values)} values; {wanted}")
        inputs = dict(zip(arguments, values, strict=False))
    taken = {a.arg for name in plan.called for a in ast.walk(program.functions[name].args) if isinstance(a, ast.arg)}
    for name in inputs:
        if not isinstance(name, str) or not _is_taken(name, taken):
            raise InputError(f"inputs has {name!r}, which no function takes; {nearest(str(name), taken)}")
    return {name: np.asarray(value) if _is_numbers(value) else _anew(value) for name, value in inputs.items()}


def check_values(inputs: Mapping[str, Any]) -> None:
    """Raise `InputError` for a value that has no derivative, isn't there, or isn't finite."""
    for path, value in leaves(dict(inputs)):
        name = path[0] + "".join(f"[{key!r}]" for key in path[1:])
        if isinstance(value, Tensor):
            _check_tensor(name, value)
        elif isinstance(value, np.ndarray | np.generic):
            _check_array(name, value)
        elif hasattr(value, "__array__"):
            raise InputError(f"{name} is a {type(value).__name__}; expected a NumPy array: give np.asarray({name})")
        elif isinstance(value, complex):
            raise InputError(f"{name} is complex; expected a real number")
        elif isinstance(value, float):
            _check_finite(name, np.asarray(value))


def check_framework(inputs: Mapping[str, Any], program: Program, plan: Plan) -> None:
    """Raise `InputError` for tensors where the functions compute with NumPy. Arrays become tensors the other way."""
    tensors = [str(path[0]) for path, value in leaves(dict(inputs)) if isinstance(value, Tensor)]
    if tensors and frameworks(program, plan) == {"numpy"}:
        raise InputError(
            f"{tensors[0]} is a torch tensor and {plan.forward} computes with NumPy; give {tensors[0]}.numpy()"
        )


def as_floats(inputs: dict[str, Any], program: Program, plan: Plan) -> list[str]:
    """Turn integers whose gradient the program derives into floats, in place; a note that says so.

    What is an integer is a constant otherwise: a label, an index, a stride.
    """
    derived = set()
    for function in reachable(program, plan.called):
        names = {part.id for part in ast.walk(function) if isinstance(part, ast.Name)}
        names |= {
            part.value for part in ast.walk(function) if isinstance(part, ast.Constant) and type(part.value) is str
        }
        names |= set(returned_gradients(function).values())
        derived |= {of for name in names if is_gradient(name) for of in quantity_names(name)}
    changed = []
    for path, value in list(leaves(inputs)):
        name = own_name_of("", path)
        if name not in derived or isinstance(value, bool | np.bool_):
            continue
        if isinstance(value, np.ndarray | np.integer) and value.dtype.kind in "iu":
            put(inputs, path, value.astype(np.float64))
        elif isinstance(value, Tensor) and not value.is_floating_point() and value.dtype is not torch.bool:
            put(inputs, path, value.to(torch.get_default_dtype()))
        elif type(value) is int:
            put(inputs, path, float(value))
        else:
            continue
        changed.append(name)
    return [f"integers, taken as floats since their gradients are derived: {', '.join(changed)}"] if changed else []


def examples(name: str, values: Any, module: nn.Module) -> Tensor:
    """X, Y or A_prev as a tensor of its own in the module's dtype; raises `InputError` for what can't be one."""
    dtype = next((parameter.dtype for parameter in module.parameters()), None)
    try:
        tensor = torch.as_tensor(values).detach().clone()
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"{name} is a {type(values).__name__}; expected a tensor or an array of numbers") from None
    _check_tensor(name, tensor)
    if tensor.ndim == 0:
        raise InputError(f"{name} is a single number; expected shape (n, m), one example per column")
    if not tensor.is_floating_point():
        return tensor.to(dtype or torch.float64)
    if dtype is not None and tensor.dtype != dtype:
        came, expected = (str(kind).removeprefix("torch.") for kind in (tensor.dtype, dtype))
        convert = f"{name}.to(torch.{expected})" if isinstance(values, Tensor) else f"np.asarray({name}, np.{expected})"
        kind = type(module).__name__
        raise InputError(
            f"{name} is {came} and the {kind} is {expected}; give {convert}, or the {kind} after .to(torch.{came})"
        )
    return tensor


def _is_taken(name: str, arguments: set[str]) -> bool:
    alike = [pattern for pattern in (LABELS, DATA, PARAMETERS) if pattern.fullmatch(name)]
    return any(
        name.casefold() == argument.casefold() or any(pattern.fullmatch(argument) for pattern in alike)
        for argument in arguments
    )


def _is_numbers(value: Any) -> bool:
    """Whether it is an array that was written out: a list of numbers, or of such lists."""
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(inner, int | float) or _is_numbers(inner) for inner in value)


def _anew(value: Any) -> Any:
    """Containers anew, to be filled with other values."""
    if isinstance(value, Mapping):
        return {key: _anew(inner) for key, inner in value.items()}
    return [_anew(inner) for inner in value] if type(value) is list else value


def _check_tensor(name: str, value: Tensor) -> None:
    if value.layout is not torch.strided or value.is_quantized:
        raise InputError(f"{name} is {value.layout}; expected a dense tensor: give {name}.to_dense()")
    if value.device.type != "cpu":
        raise InputError(f"{name} is on {value.device}; expected it on the CPU: give {name}.cpu()")
    if value.is_complex():
        raise InputError(f"{name} is {value.dtype}; expected real numbers")
    _check_finite(name, value.detach().to(torch.float64).numpy() if value.is_floating_point() else value.numpy())


def _check_array(name: str, value: Any) -> None:
    if isinstance(value, np.ndarray) and type(value) is not np.ndarray:
        raise InputError(f"{name} is a {type(value).__name__}; expected a plain array: give np.asarray({name})")
    if value.dtype.kind in "iub":
        if value.size == 0:
            _check_finite(name, value)
    elif value.dtype not in (np.float64, np.float32, np.float16):
        convert = f": give {name}.astype(np.float64)" if value.dtype.kind == "f" else ""
        raise InputError(f"{name} is {value.dtype}; expected float64 or float32{convert}")
    else:
        _check_finite(name, value)


def _check_finite(name: str, value: np.ndarray[Any, np.dtype[Any]]) -> None:
    if value.size == 0:
        raise InputError(f"{name} is empty, of shape {value.shape}; expected numbers in it")
    wrong = np.argwhere(~np.isfinite(value))
    if len(wrong):
        index = tuple(int(i) for i in wrong[0])
        where = f" at {index}" if index else ""
        raise InputError(f"{name} is {value[index]}{where}; expected finite numbers: mend or drop it")
