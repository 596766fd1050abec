"""Who is asking: a traced number sees only that somebody wants it plain, and the message is to name them."""

import dis
import sys
from types import FrameType

LIBRARIES = frozenset({"numpy", "scipy", "sklearn", "pandas", "torch", "matplotlib"})
# ourselves, and the checks of types that tests put around our functions
WRAPPERS = frozenset({"torchbasics", "jaxtyping", "beartype", ""})


def _walk() -> tuple[str | None, FrameType | None]:
    """The library's function that the user's program called, if Python runs one, and the program's frame."""
    name = None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.split(".")[0] in LIBRARIES:
            name = f"{module}.{frame.f_code.co_qualname}"
        elif module.split(".")[0] not in WRAPPERS:
            break
        frame = frame.f_back
    return name, frame


def caller() -> str:
    """The library's function that the user's program called."""
    return _walk()[0] or "compiled code (a method of a plain array, or writing into one)"


def formats() -> bool:
    """Whether the program is at a "%f" % number: text, which has no derivative to lose."""
    name, frame = _walk()
    if name is not None or frame is None:
        return False
    code = frame.f_code.co_code
    operation, argument = code[frame.f_lasti], code[frame.f_lasti + 1]
    return dis.opname[operation] == "BINARY_OP" and dis._nb_ops[argument][1] in ("%", "%=")  # type: ignore[attr-defined]
