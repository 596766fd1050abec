"""Gradient checks as assertions: the failure's message is the report."""

from typing import Any


def assert_gradients(*args: Any, **options: Any) -> None:
    """Assert that a hand-derived backward is right; takes what `torchbasics.check` takes.

    Raises `AssertionError` with the whole report where something is wrong or can't be judged.
    """
    __tracebackhide__ = True
    from torchbasics.check.api import check
    from torchbasics.check.output.terminal import headline

    report = check(*args, **options)
    if not report:
        # Of the first line pytest makes its summary.
        raise AssertionError(f"{headline(report)}\n\n{report}")
