"""The tracer against NumPy, function by function: equal values, and derivatives equal to difference quotients."""

import copy
from typing import Any

import pytest
from tracing import NP, J, K, M, P, Program, agrees, arrays, trace

from torchbasics.check.tracing.functions import FUNCTIONS
from torchbasics.check.tracing.rearrange import OVERWRITE, REARRANGE, VIEWS

PROGRAMS: dict[str, Program] = {
    "operators": lambda np, x: (2 * x - x / 3 + (1 - x) ** 3 - x**2 / (x**2 + 1), +x, -x, abs(x), x % 0.7, 2.0**x),
    "plain operands": lambda np, x: (P * x, P - x, P / (x**2 + 1), P @ x.T, np.float64(2) * x, M * x, x.T @ P),
    "integer power": lambda np, x: (x**0, x**1, x**3, np.power(x, 4), x ** np.array([[1], [2], [3]])),
    "augmented": lambda np, x: augmented(np, x),
    "where in ufuncs": lambda np, x: np.divide(1.0, x, out=np.zeros_like(x), where=np.abs(x) > 0.5),
    "out": lambda np, x: out(np, x),
    "outer": lambda np, x: np.multiply.outer(x, x[0]),
    "reduce": lambda np, x: (np.add.reduce(x), np.maximum.reduce(x, axis=1), np.multiply.reduce(x, axis=None)),
    "accumulate": lambda np, x: (np.add.accumulate(x), np.multiply.accumulate(x, axis=1)),
    "sum": lambda np, x: (np.sum(x), np.sum(x, axis=0), x.sum(1, keepdims=True), np.sum(x, axis=(0, 1)), x.sum(-1)),
    "sum of a list": lambda np, x: (np.sum([x[0, 0], x[1, 2]]), np.mean([np.sum(x), 1.0]), sum(x), sum(list(x[0]))),
    "sum where": lambda np, x: (np.sum(x, where=M), np.sum(x, initial=2.0), np.mean(x, axis=1, where=M)),
    "nansum": lambda np, x: (np.nansum(np.where(M, x, np.nan)), np.nanmean(np.where(M, x, np.nan), axis=1)),
    "mean": lambda np, x: (np.mean(x), x.mean(axis=0), np.mean(x, axis=1, keepdims=True), np.mean(x, axis=(0, 1))),
    "var": lambda np, x: (np.var(x), x.var(axis=1), np.var(x, axis=0, ddof=1, keepdims=True), np.var(x, (0, 1))),
    "std": lambda np, x: (np.std(x), x.std(axis=1), np.std(x, axis=0, ddof=1, keepdims=True)),
    "prod": lambda np, x: (np.prod(x), np.prod(x, axis=1), x.prod(axis=0, keepdims=True), np.prod(x, axis=(0, 1))),
    "max": lambda np, x: (np.max(x), x.max(axis=0), np.amax(x, axis=1, keepdims=True), np.max(x, initial=0.0)),
    "min": lambda np, x: (np.min(x), x.min(axis=0), np.amin(x, axis=1, keepdims=True), np.ptp(x, axis=0)),
    "builtin max": lambda np, x: (max(x[0]), min(x[0, 0], x[1, 1]), max(0, x[0, 0])),
    "median": lambda np, x: (np.median(x), np.median(x, axis=0), np.median(x, axis=1, keepdims=True)),
    "average": lambda np, x: (np.average(x), np.average(x, axis=1, weights=[1, 2, 3, 4]), np.average(x, weights=x**2)),
    "cumulative": lambda np, x: (np.cumsum(x), x.cumsum(axis=1), np.cumprod(x, axis=0), np.diff(x), np.diff(x, 2, 0)),
    "trace": lambda np, x: (np.trace(x), np.trace(x, 1), x.trace()),
    "products": lambda np, x: (x @ x.T, np.dot(x, x.T), x.dot(x[0]), x[0] @ x[1], np.dot(x[0], x[1]), np.dot(x, 3.0)),
    "products in 3-D": lambda np, x: products(np, x),
    "inner, outer": lambda np, x: (np.inner(x, x), np.inner(x[0], x[1]), np.outer(x, x[0]), np.vdot(x, x)),
    "tensordot": lambda np, x: (np.tensordot(x, x), np.tensordot(x, x, ([0, 1], [0, 1])), np.tensordot(x, x, (1, 1))),
    "einsum": lambda np, x: einsum(np, x),
    "kron": lambda np, x: np.kron(x, x[:2]),
    "convolve": lambda np, x: [np.convolve(x[0], x[1, :k], mode) for k in (2, 3) for mode in ("full", "same", "valid")],
    "norm": lambda np, x: (np.linalg.norm(x), np.linalg.norm(x, axis=1), np.linalg.norm(x, axis=0, keepdims=True)),
    "norms": lambda np, x: (
        [np.linalg.norm(x, p) for p in (1, np.inf, -np.inf, "fro", 2)],
        [np.linalg.norm(x, p, axis=1) for p in (1, 2, 3, np.inf)],
    ),
    "linalg": lambda np, x: linalg(np, x),
    "where": lambda np, x: (
        np.where(x > 0, x, 0.1 * x),
        np.where(M, x, -1.0),
        np.where([[True], [False], [True]], x, P),
    ),
    "where at a pole": lambda np, x: np.where(M, np.sqrt(np.where(M, np.abs(x) + 0.1, 0.0)), 0.0),
    "clip": lambda np, x: (
        np.clip(x, -0.5, 0.5),
        x.clip(0),
        x.clip(max=0.2),
        np.clip(x, None, 0.3),
        np.clip(x, -1, x.T[0, 0]),
    ),
    "select": lambda np, x: (np.select([x > 0.5, x > 0], [x, 2 * x], 1.5), np.choose(K[:, None] % 2, [x, -x])),
    "nan_to_num": lambda np, x: (
        np.nan_to_num(np.where(M, x, np.nan)),
        np.nan_to_num(np.where(M, x, np.inf), posinf=1.0),
    ),
    "sort": lambda np, x: (np.sort(x), np.sort(x, axis=0), np.sort(x, None), x[np.argsort(x[:, 0])], sorted(x[0])),
    "triangles": lambda np, x: (
        np.tril(x),
        np.triu(x, 1),
        np.diag(x),
        np.diag(x[0]),
        np.diagonal(x),
        np.diagflat(x[1]),
    ),
    "reshape": lambda np, x: (x.reshape(2, 6), x.reshape(-1, 1), np.reshape(x.T, (2, -1)), x.ravel(), x.T.flatten()),
    "reshape by columns": lambda np, x: (x.reshape(2, 6, order="F"), x.flatten("F"), np.ravel(x, "F")),
    "transpose": lambda np, x: (x.T, x[None].transpose(2, 0, 1), np.transpose(x[:, None], (1, 2, 0)), x.transpose()),
    "axes": lambda np, x: (
        np.swapaxes(x[None], 0, 2),
        x.swapaxes(0, 1),
        np.moveaxis(x[None], 0, -1),
        np.rollaxis(x, 1),
    ),
    "squeeze": lambda np, x: (
        np.squeeze(x[:1]),
        x[:, :1].squeeze(axis=1),
        np.squeeze(x[:1, :1]),
        np.squeeze(np.sum(x)),
    ),
    "new axes": lambda np, x: (
        np.expand_dims(x, 1),
        x[:, np.newaxis],
        np.atleast_2d(x[0]),
        np.atleast_3d(x),
        np.atleast_1d(x),
    ),
    "flips": lambda np, x: (
        np.flip(x),
        np.flip(x, 0),
        np.fliplr(x),
        np.flipud(x),
        np.rot90(x),
        np.rot90(x, 2),
        x[::-1, ::-2],
    ),
    "broadcasts": lambda np, x: (
        np.broadcast_to(x, (2, 3, 4)),
        np.broadcast_to(x[:, :1], (3, 5)),
        np.broadcast_arrays(x, P[0])[0],
    ),
    "splits": lambda np, x: (np.split(x, 2, axis=1), np.array_split(x, 2), np.hsplit(x, 2), np.vsplit(x, 3)),
    "more splits": lambda np, x: (
        np.unstack(x) if hasattr(np, "unstack") else (),
        np.dsplit(x[None], [1, 3]),
        np.matrix_transpose(x),
    ),
    "windows": lambda np, x: np.lib.stride_tricks.sliding_window_view(x, (2, 3)),
    "indices": lambda np, x: (
        x[1],
        x[1, 2],
        x[-1, ::2],
        x[..., 0],
        x[1:, None, :2],
        x[0][1],
        x.item(5),
        x.T[2:0:-1, 1],
    ),
    "fancy": lambda np, x: (
        x[J],
        x[J, K],
        x[:, K],
        x[M],
        x[x > 0],
        x[[0, 1]],
        x[range(3), K],
        x[J[:, None], K],
        x[None, J],
    ),
    "ix_": lambda np, x: x[np.ix_([2, 0], [1, 1, 3])],
    "take": lambda np, x: (np.take(x, [3, 5]), x.take(K, axis=1), np.take(x, 3), np.take_along_axis(x, K[:, None], 1)),
    "conditions": lambda np, x: (
        np.compress([True, False, True], x, 0),
        np.extract(M, x),
    ),
    "joins": lambda np, x: (np.concatenate([x, P]), np.concatenate((x, x[:, :1]), axis=1), np.stack([x, x**2], 1)),
    "stacks": lambda np, x: (np.vstack([x, x[0]]), np.hstack((x, P)), np.dstack([x, x]), np.column_stack([x, x[:, 0]])),
    "block": lambda np, x: (
        np.block([[x, x[:, :1]], [x[:1], P[:1, :1]]]),
        np.append(x, 3.0),
        np.append(x, x[:1], axis=0),
    ),
    "insert": lambda np, x: (np.insert(x, 1, 2.5, axis=1), np.insert(x[0], [1, 2], x[1, :2]), np.delete(x, 1, axis=0)),
    "pad": lambda np, x: (
        np.pad(x, 1),
        np.pad(x, ((0, 2), (1, 0)), "constant", constant_values=2.5),
        np.pad(x, (2, 1), "edge"),
    ),
    "pads": lambda np, x: [
        np.pad(x, ((1, 2), (0, 1)), mode=mode) for mode in ("reflect", "symmetric", "wrap", "constant")
    ],
    "pad with values": lambda np, x: np.pad(x, ((1, 1), (2, 0)), "constant", constant_values=((1, 2), (3, x[0, 0]))),
    "tiles": lambda np, x: (
        np.tile(x, (2, 1)),
        np.repeat(x, 2, axis=1),
        x.repeat([1, 0, 2], axis=0),
        np.resize(x, (2, 7)),
    ),
    "roll": lambda np, x: (np.roll(x, 2), np.roll(x, 1, axis=0), np.roll(x, (1, -1), (0, 1))),
    "copies": lambda np, x: (
        x.copy(),
        np.copy(x),
        np.array(x),
        x.astype(float),
        x.astype(np.float64),
        np.asarray(x),
        x[:],
    ),
    "arrays of numbers": lambda np, x: (
        np.array([[x[0, 0], 1.0], [2, x[1, 1]]]),
        np.array([x[0], x[2]]),
        np.array(x[0, 0]),
    ),
    "array ndmin": lambda np, x: (np.array(x[0], ndmin=2), np.asarray([x[0]]), np.array([x[0, 0]], dtype=np.float64)),
    "r_, c_": lambda np, x: (np.r_[x[0], 1.0, x[1], 0:2], np.c_[np.ones(3), x], np.c_[x[0], x[1]]),
    "full": lambda np, x: (
        np.full((2, 3), x[0, 0]),
        np.full_like(x, x[1, 1]),
        np.zeros_like(x) + x,
        np.ones_like(x) * x,
    ),
    "fill": lambda np, x: written(np, x, "fill"),
    "real": lambda np, x: (x.real, np.real(x), x.conj(), np.conjugate(x)),
    "flat": lambda np, x: [x.flat[3], sum(v**2 for v in x.flat)],
    "sinc": lambda np, x: np.sinc(x),
    "lists": lambda np, x: [x.tolist(), np.exp([x[0, 0], x[1, 1]]), np.maximum([x[0, 0], 0.3], 0)],
    "permutation": lambda np, x: permuted(np, x),
    "deepcopy": lambda np, x: (copy.deepcopy(x), copy.copy([x])),
} | {function.__name__: lambda np, x, name=function.__name__: written(np, x, name) for function in OVERWRITE}


def augmented(np: Any, x: Any) -> Any:
    y = x.copy()
    y += x**2
    y -= 1
    y *= x
    y /= 1 + x**2
    y **= 2
    y[1] += x[0]
    y[:, K] *= 2
    z = x[0, 0]
    z += 1
    return y, z, x


def out(np: Any, x: Any) -> Any:
    y = np.zeros((3, 4))
    np.multiply(x, x, out=y)
    np.exp(y, out=y)
    np.sum(x, axis=1, out=y[:, 2])
    return y


def products(np: Any, x: Any) -> Any:
    a, b = x.reshape(2, 3, 2), (x**2).reshape(2, 2, 3)
    return a @ b, np.matmul(a, x[0, :2]), np.dot(a, b), np.dot(a, x[0, :2]), np.inner(a, x[:, :2]), np.vecdot(x, P)


def einsum(np: Any, x: Any) -> Any:
    return (
        np.einsum("ij,kj->ik", x, x),
        np.einsum("ij,jk", x, x.T),
        np.einsum("ji", x),
        np.einsum("...j,j->...", x, x[0], optimize=True),
        np.einsum("ij,j...", x, x.T),
        np.einsum("ii->i", x[:, :3]),
        np.einsum("bA,aA->ab", x, P),
        np.einsum(x, [0, 1], x, [2, 1], [2, 0]),
        np.einsum(x, [0, 1], x.T, [1, 2]),
    )


def linalg(np: Any, x: Any) -> Any:
    A = x[:, :3] + 3 * np.eye(3)
    return (
        np.linalg.inv(A),
        np.linalg.pinv(x),
        np.linalg.det(A),
        np.linalg.solve(A, x),
        np.linalg.solve(A, x[:, 0]),
        np.linalg.matrix_power(A, 3),
        np.linalg.multi_dot([A, x, x.T]),
    )


def permuted(np: Any, x: Any) -> Any:
    np.random.seed(3)
    y = np.random.permutation(x)
    np.random.shuffle(y)
    z = x[0].copy()
    np.random.shuffle(z)
    return y, z, np.random.rand() * x


def written(np: Any, x: Any, name: str) -> Any:
    y = 2 * x
    match name:
        case "fill":
            y[0].fill(x[1, 1])
            y[1:].sort(axis=0)
        case "copyto":
            np.copyto(y, x[:1], where=M)
        case "fill_diagonal":
            np.fill_diagonal(y, x[0, 1])
        case "place":
            np.place(y, M, x[0, :2])
        case "put":
            np.put(y, [1, 1, 5], x[0, :3])
            y.put([0, 2], [x[2, 2], 1.0])
        case "put_along_axis":
            np.put_along_axis(y, K[:, None], x[:, :1], axis=1)
        case "putmask":
            np.putmask(y, M, x**2)
        case "shuffle":
            np.random.seed(1)
            np.random.shuffle(y)
    return y


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    agrees(PROGRAMS[name], *arrays((3, 4)))


def test_every_function_of_the_tables_runs() -> None:
    """Which is what makes the tables above mean something: each entry is reached by a program of this file."""
    reached: set[Any] = set()

    class Watched(dict[Any, Any]):
        def __getitem__(self, key: Any) -> Any:
            reached.add(key)
            return super().__getitem__(key)

    from torchbasics.check.tracing import dispatch

    with pytest.MonkeyPatch.context() as patch:
        for name in ("FUNCTIONS", "REARRANGE", "OVERWRITE"):
            patch.setattr(dispatch, name, Watched(getattr(dispatch, name)))
        views = dispatch._views
        patch.setattr(dispatch, "_views", lambda function, *rest: reached.add(function) or views(function, *rest))
        for program in PROGRAMS.values():
            program(NP, *map(trace, arrays((3, 4))))
    left = (FUNCTIONS.keys() | REARRANGE.keys() | OVERWRITE.keys() | VIEWS) - reached
    assert not {function.__name__ for function in left}
