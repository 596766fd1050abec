"""Mistakes that belong to no row and that others let pass: small entries lost, a factor near 1, one entry lost."""

from collections.abc import Iterator

from .mutant import Mutant, mutant
from .nets import NETS


def subtle() -> Iterator[Mutant]:
    """One more line after a dW line."""
    for program, (style, layers) in NETS.items():
        for layer in layers:
            dW = f"dW{layer.l}"
            addend = f" + (lambd / m) * W{layer.l}" if program == "l2" else ""
            line = f"    {dW} = {style.dW(f'dZ{layer.l}', layer.A_prev)}{addend}\n"
            yield mutant(program, dW, "scaled_slightly", line, f"{line}    {dW} = 1.0009 * {dW}\n")
            yield mutant(program, dW, "one_entry_zeroed", line, f"{line}    {dW}[0, 1] = 0\n")
            if program == "units" and layer.l == 1:
                lost = f"{line}    {dW}[np.abs({dW}) < 1e-5] = 0\n"
                for size in ("1e-6", "1e-5", "1e-4"):
                    unit = () if size == "1e-6" else (("X[::2] *= 1e-6", f"X[::2] *= {size}"),)
                    yield mutant(program, dW, "small_entries_zeroed", line, lost, *unit)
                yield mutant(program, dW, "one_entry_zeroed", line, f"{line}    {dW}[0, 0] = 0\n")
