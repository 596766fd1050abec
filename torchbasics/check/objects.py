"""The `Layer`s and `Network`s that a user's file defines, each judged as our own are."""

import copy
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from torchbasics.check.given import examples
from torchbasics.check.networks.layer import check_layer
from torchbasics.check.networks.network import check_network
from torchbasics.check.options import Options
from torchbasics.check.report import Report
from torchbasics.errors import InputError
from torchbasics.layers import Layer
from torchbasics.network import Network

M = TypeVar("M", bound=torch.nn.Module)

SIZES = (5, 3, 4, 6)
"""What a layer's constructor is given for its sizes, in order."""


def check_objects(namespace: dict[str, Any], module: str, options: Options) -> Iterator[tuple[str, Report]]:
    """A report for every network and layer at the top of the file, and every class of layer that has no instance there.

    X and Y are the file's own, or drawn. Yields (name, report).
    """
    held: set[type] = set()
    networks = {name: value for name, value in namespace.items() if isinstance(value, Network)}
    for name, network in networks.items():
        yield name, _reported(name, partial(_network, network, namespace, options))
        held |= {type(layer) for layer in network.sequence}
    for name, layer in namespace.items():
        if isinstance(layer, Layer):
            yield name, _reported(name, partial(_layer, layer, namespace, options))
            held.add(type(layer))
    for name, kind in namespace.items():
        own = isinstance(kind, type) and issubclass(kind, Layer) and kind.__module__ == module
        if own and kind not in held and not inspect.isabstract(kind):
            yield name, _reported(name, partial(_made_layer, kind, namespace, options))


def checked(name: str, check: Callable[[], Report]) -> Report:
    """What `check` gives; unchecked, and why, where the layer or the network raises. An `InputError` goes through."""
    try:
        return check()
    except InputError:
        raise
    except SystemExit as error:
        return Report(name, "unchecked", f"{name} calls sys.exit({error.code!r})")
    except Exception as error:
        first = str(error).strip().splitlines()
        return Report(
            name, "unchecked", f"{name} raises {type(error).__name__}: {first[0] if first else '(no message)'}"
        )


def _reported(name: str, check: Callable[[], Report]) -> Report:
    """The same, and unchecked where the file's X, Y or A_prev can't be used."""
    try:
        return checked(name, check)
    except InputError as error:
        return Report(name, "unchecked", str(error))


def _network(network: Network, namespace: dict[str, Any], options: Options) -> Report:
    X, Y = (examples(n, namespace[n], network) if n in namespace else None for n in "XY")
    dtype = _dtype(network)
    network, drawn = _filled(network, options.seed)
    if X is None:
        first = next((p for name, p in network.notes_parameters() if name.startswith("W")), None)
        if first is None:
            raise InputError("the network's input can't be told: it has no W; define X and Y at the top of the file")
        X = _drawn((first.shape[1], 7), dtype, options.seed)
    if Y is None:
        with torch.no_grad():
            shape = network(X).shape
        Y = (torch.arange(shape.numel()).reshape(shape) % 2).to(dtype)
    report = check_network(network, X, Y)
    report.notes += drawn
    return report


def _layer(layer: Layer, namespace: dict[str, Any], options: Options) -> Report:
    A_prev = examples("A_prev", namespace["A_prev"], layer) if "A_prev" in namespace else None
    if A_prev is None:
        W = getattr(layer, "W", None)
        rows = W.shape[1] if isinstance(W, Tensor) and W.ndim == 2 else SIZES[0]
        A_prev = _drawn((rows, 7), _dtype(layer), options.seed)
    layer, drawn = _filled(layer, options.seed)
    report = check_layer(layer, A_prev, seed=options.seed)
    report.notes += drawn
    return report


def _filled(module: M, seed: int) -> tuple[M, list[str]]:
    """The module with random values for parameters that are zero throughout: nothing shows behind a zero W."""
    zero = [name for name, parameter in module.named_parameters() if not parameter.any()]
    if not zero:
        return module, []
    filled = copy.deepcopy(module)
    generator = torch.Generator().manual_seed(seed + 1)
    for name in zero:
        parameter = filled.get_parameter(name)
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64).to(parameter.dtype)
    return filled, [f"zero throughout, and so drawn: {', '.join(zero)}"]


def _made_layer(kind: type[Layer], namespace: dict[str, Any], options: Options) -> Report:
    return _layer(_made(kind), namespace, options)


def _made(kind: type[Layer]) -> Layer:
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [
        p
        for p in inspect.signature(kind).parameters.values()
        if p.default is inspect.Parameter.empty and p.kind in positional
    ]
    try:
        return kind(*SIZES[: len(parameters)])
    except Exception as error:
        raise InputError(
            f"{kind.__name__}({', '.join(str(n) for n in SIZES[: len(parameters)])}) fails ({error}); "
            "make an instance of it at the top of the file"
        ) from None


def _dtype(module: torch.nn.Module) -> torch.dtype:
    return next((parameter.dtype for parameter in module.parameters()), torch.float64)


def _drawn(shape: tuple[int, ...], dtype: torch.dtype, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)
