"""What the tests of the outputs share: reports with every kind of finding in them, and words that try to break out."""

import math
from typing import Any

import numpy as np

from torchbasics.check.report import Cause, Quantity, Report, Verdict

BREAKOUT = "<script>alert(1)</script>[bold]\" onload='x' &amp; | `"


def right(name: str = "dZ2", **changes: Any) -> Quantity:
    values: dict[str, Any] = {
        "line": 39,
        "shape": (1, 7),
        "rounding_units": 0.9,
        "relative_error": 1.2e-16,
        "worst_index": (0, 3),
        "yours": 0.25,
        "reference": 0.25,
        "reference_kind": "autograd",
    }
    return Quantity(name, "right", **{**values, **changes})


def one_over_m_missing(**changes: Any) -> Quantity:
    """The issue's own example: dW2 without its 1/m."""
    differs = np.random.default_rng(0).random((5, 7)) < 0.4
    differs[3, 1] = True
    cause = Cause(
        "one_over_m_missing",
        "yours / autograd = 7.00 = m everywhere: the 1/m of  dW2 = 1/m dZ2 A1^T  is missing",
        "dW2 = 1/m dZ2 A1^T",
    )
    values: dict[str, Any] = {
        "line": 41,
        "shape": (5, 7),
        "rounding_units": 1.3e15,
        "relative_error": 6.0,
        "worst_index": (3, 1),
        "yours": 0.4210,
        "reference": 0.0602,
        "reference_kind": "autograd",
        "difference_quotient": 0.0602,
        "causes": [cause],
        "differs": differs,
        "error": np.where(differs, 0.3608, 0.0),
    }
    return Quantity("dW2", "wrong", **{**values, **changes})


def report(*quantities: Quantity, file: str = "net.py", **changes: Any) -> Report:
    verdict: Verdict = "wrong" if any(quantity.verdict == "wrong" for quantity in quantities) else "right"
    return Report(file, **{"verdict": verdict, "quantities": list(quantities), **changes})


def hostile() -> Report:
    """Every word of it is `BREAKOUT`."""
    wrong = one_over_m_missing(
        causes=[Cause(BREAKOUT, BREAKOUT, BREAKOUT, certain=False)], note=BREAKOUT, reference_kind=BREAKOUT
    )
    wrong.name = BREAKOUT
    words = {"reason": BREAKOUT, "convention": BREAKOUT, "unmatched": [BREAKOUT], "notes": [BREAKOUT]}
    return report(right(BREAKOUT, note=BREAKOUT), wrong, file=BREAKOUT, **words)


def not_finite() -> Quantity:
    return one_over_m_missing(
        shape=(2,),
        rounding_units=math.inf,
        relative_error=math.nan,
        worst_index=(1,),
        yours=math.nan,
        reference=-math.inf,
        difference_quotient=None,
        causes=[],
        differs=np.array([False, True]),
        error=np.array([0.0, math.nan]),
    )
