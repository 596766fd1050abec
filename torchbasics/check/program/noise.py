"""Arrays that round more coarsely: every operation that rounds leaves its result a little off.

A line such as `dZ = dA * (1 - np.tanh(Z) ** 2)` rounds between its names too, and where tanh is near 1 the difference
makes of a rounding of 1 in the last place one of hundreds. The program itself runs on such arrays: they are arrays.
"""

from typing import Any

import numpy as np

EXACT = {
    np.negative, np.positive, np.absolute, np.fabs, np.sign, np.maximum, np.minimum, np.fmax, np.fmin, np.floor,
    np.ceil, np.rint, np.trunc, np.heaviside, np.copysign, np.conjugate,
}  # fmt: skip
"""Operations that don't round; those whose results are truth values or integers don't either."""

PRODUCTS = {np.dot, np.einsum, np.inner, np.vdot, np.convolve, np.interp}
"""What is no ufunc, nor made of ufuncs, and rounds."""


class Noisy(np.ndarray[Any, np.dtype[Any]]):
    """An array of which each operation's result is v (1 + size xi), xi normal."""

    size_of_noise: float
    generator: np.random.Generator

    def __array_finalize__(self, given: Any) -> None:
        """A view or a copy rounds as the array does that it is made from."""
        if isinstance(given, Noisy):
            self.size_of_noise, self.generator = given.size_of_noise, given.generator

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """The operation on plain arrays, and its result a little off."""
        if "out" in kwargs:
            kwargs["out"] = tuple(_plain(array) for array in kwargs["out"])
        result = getattr(ufunc, method)(*(_plain(value) for value in inputs), **kwargs)
        if isinstance(result, tuple):
            return tuple(self._wrapped(part) for part in result)
        return self._wrapped(result) if ufunc in EXACT else self._off(result)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """NumPy's own; made of ufuncs, most round by themselves."""
        result = super().__array_function__(function, types, args, kwargs)
        return self._off(result) if function in PRODUCTS else result

    def dot(self, other: Any, out: Any = None) -> Any:
        """As `np.dot`."""
        return np.dot(self, other, out)

    def _off(self, result: Any) -> Any:
        if not isinstance(result, np.ndarray | np.generic) or result.dtype.kind != "f":
            return self._wrapped(result)
        factor = 1 + self.size_of_noise * self.generator.normal(size=result.shape)
        if isinstance(result, np.generic):
            return result.dtype.type(float(result) * factor)
        plain = _plain(result)
        plain *= factor
        return self._wrapped(plain)

    def _wrapped(self, result: Any) -> Any:
        if not isinstance(result, np.ndarray) or isinstance(result, Noisy):
            return result
        return noisy(result, self.size_of_noise, self.generator)


def noisy(array: np.ndarray[Any, np.dtype[Any]], size: float, generator: np.random.Generator) -> Noisy:
    """A view of the array that rounds at this size."""
    view = array.view(Noisy)
    view.size_of_noise, view.generator = size, generator
    return view


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, Noisy) else value
