"""Gradient checks as assertions: the failure's message is the report."""

from typing import Any


def assert_gradients(*args: Any, **options: Any) -> None:
    """Assert that a hand-derived backward is right; takes what `torchbasics.check` takes.

    Raises `AssertionError` with the whole report where something is wrong or can't be judged, and `InputError` for a
    call that can't be used.
    """
    __tracebackhide__ = True
    from torchbasics.check.api import check
    from torchbasics.check.output.terminal import headline
    from torchbasics.errors import InputError

    try:
        report = check(*args, **options)
    except InputError as error:
        # What the call lacks is in the message; where in our code that was noticed helps nobody.
        raise error.with_traceback(None) from None
    if not report:
        # Of the first line pytest makes its summary.
        raise AssertionError(f"{headline(report)}\n\n{report}")
