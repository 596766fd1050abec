"""Is my derivation right, where does it first go wrong, and why?

`torchbasics check FILE` on the command line, and in Python

    torchbasics.check(forward, backward, inputs)
    torchbasics.check(network, X, Y)

take a derivation as it stands, in NumPy, torch or this package's own layers, and give a
`torchbasics.check.report.Report`: one line per quantity of the backward sweep, each judged given the values that the
derivation itself passes down, so that one mistake is one line. It is truthy when everything is right; printing it
prints it, and a notebook shows it with pictures of where the entries are wrong.
`torchbasics.testing.assert_gradients` is the same in a test.

A file is checked by running it: its code can do whatever the user may. On the command line it runs in a process of its
own, with a limit on time and on memory, which is no sandbox.

Nothing heavy is imported before the first call.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torchbasics.check.report import Report


class _Callable(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> "Report":
        """Check a network, a file or a pair of functions: see `torchbasics.check.api.check`."""
        from torchbasics.check.api import check

        return check(*args, **options)


sys.modules[__name__].__class__ = _Callable
