"""Arrays that share memory, and writes to them: the tracer does what NumPy does."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tracing import NP, J, K, agrees, arrays, trace


def test_writes_in_every_way() -> None:
    def program(np: Any, x: Any, y: Any) -> Any:
        Z = np.zeros((3, 4, 2))
        Z[0, 1, 1] = x[0, 0] * y[0]
        Z[:, 2] += x[:, :2]
        Z[..., 0] = y[1]
        Z[J, K, 1] += x[0, :3]
        Z[J, K] = x[:, 1:3]
        Z[[1, 1, 0], [3, 3, 1]] = x[:, 2:]
        Z[Z > 0.4] *= y[0]
        Z[Z < -0.4] = 0
        Z[1, ::-1, :][::2] = x[1:, :2]
        Z[:, None, 1] = x[:, None, :2]
        Z[2, :2, :] = [[y[0], 1.0], [y[1], y[2]]]
        np.add.at(Z, ([0, 0, 1], 1), x[:, :2])
        np.subtract.at(Z, (J, K, 0), y[:3])
        return Z

    agrees(program, *arrays((3, 4), (5,)))


class TestViews:
    """NumPy's own sharing of memory, on sequences of views and writes."""

    @staticmethod
    def step(draw: Callable[[int], int], pool: list[Any], np_: Any) -> None:
        a = pool[draw(len(pool))]
        views: list[Callable[[Any], Any]] = [
            lambda a: a.T,
            lambda a: a[draw(len(a))] if a.ndim and len(a) else a,
            lambda a: a[..., :: (-1, 2, 1)[draw(3)]] if a.ndim else a,
            lambda a: a[1:] if a.ndim else a,
            lambda a: a.reshape(-1),
            lambda a: a.ravel(),
            lambda a: a[None],
            lambda a: np_.squeeze(a),
            lambda a: np_.flip(a),
            lambda a: np_.moveaxis(a, 0, -1) if a.ndim else a,
            lambda a: np_.reshape(a, (2, -1)) if a.size % 2 == 0 else a,
            lambda a: a.copy(),
            lambda a: a[[0, 0]] if a.ndim and a.shape[0] else a,
            lambda a: a[:, ::-2] if a.ndim > 1 else a,
            lambda a: a.swapaxes(0, -1) if a.ndim else a,
        ]
        writes: list[Callable[[Any], Any]] = [
            lambda a: a.__setitem__(..., a * 2 + 1),
            lambda a: a.__setitem__(a > 0, -0.5),
            lambda a: a.__setitem__(slice(1, None), a[:-1] + 3) if a.ndim else None,
            lambda a: a.__iadd__(a[:1]) if a.ndim else None,
            lambda a: a.__imul__(0.7),
            lambda a: a.__setitem__([0, 0], np_.cos(a[-1:])) if a.ndim and a.shape[0] else None,
            lambda a: np_.add.at(a, [0, -1, 0], 0.25) if a.ndim and a.shape[0] else None,
        ]
        if draw(2):
            view = views[draw(len(views))](a)
            if isinstance(view, np.ndarray):
                pool.append(view)
        elif a.ndim:
            writes[draw(len(writes))](a)

    @given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**32 - 1))
    def test_equal_after_every_step(self, p: int, q: int, r: int, seed: int) -> None:
        x = np.random.default_rng(seed).normal(size=(p, q, r))
        real, traced = [x.copy()], [trace(x)]
        for i in range(12):
            streams = [np.random.default_rng([seed, i]) for _ in range(2)]
            self.step(lambda n, rng=streams[0]: int(rng.integers(max(n, 1))), real, np)  # type: ignore[misc]
            self.step(lambda n, rng=streams[1]: int(rng.integers(max(n, 1))), traced, NP)  # type: ignore[misc]
            assert len(real) == len(traced)
            for ours, right in zip(traced, real, strict=True):
                np.testing.assert_allclose(ours.value, right, rtol=1e-12, atol=1e-12, strict=True)

    def test_a_number_taken_out_stays(self) -> None:
        Z = trace(np.arange(3.0))
        a, view = Z[1], Z[1:2]
        Z[1] = 7.0
        assert (a.value, view.value[0]) == (1, 7)

    def test_what_is_read_only_stays_so(self) -> None:
        x = trace(np.arange(3.0))
        for view in (np.broadcast_to(x, (2, 3)), np.diagonal(NP.outer(x, x))):
            with pytest.raises(ValueError, match="read-only"):
                view[0] = 1.0

    def test_replace_writes_through(self) -> None:
        Z = trace(np.zeros((2, 3)))
        leaf = torch.tensor([5.0, 6.0], dtype=torch.float64, requires_grad=True)
        Z[:, 1].replace(leaf)
        np.testing.assert_array_equal(Z.value, [[0, 5, 0], [0, 6, 0]])
        whole = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
        Z.replace(whole)
        assert Z.tensor is whole
