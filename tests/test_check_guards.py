"""log(A + 1e-8) is derived as log(A): said, not failed; what is off for another reason is failed all the same."""

import pytest

from torchbasics.check.file import check_file
from torchbasics.check.options import Options
from torchbasics.check.report import Report

LOGISTIC = """
import numpy as np

{constant}

def forward(X, W, b):
    Z = W @ X + b
    A = 1 / (1 + np.exp(-Z))
    return A

def cost(A, Y{argument}):
    m = Y.shape[1]
    return -np.sum(Y * np.log(A + {guard}) + (1 - Y) * np.log(1 - A + {guard})) / m

def backward(X, Y, A):
    dZ = A - Y
    dW = dZ @ X.T / X.shape[1]
    db = np.sum(dZ, axis=1, keepdims=True) / X.shape[1]
    return {{"dW": dW, "db": db}}
"""


@pytest.fixture
def check(tmp_path):
    def run(edit=("", ""), *, constant="", argument="", guard="1e-8") -> Report:
        source = LOGISTIC.format(constant=constant, argument=argument, guard=guard)
        assert edit[0] in source
        path = tmp_path / "program.py"
        path.write_text(source.replace(*edit) if edit[0] else source)
        return check_file(path, Options(layers=(4, 2)))

    return run


@pytest.mark.parametrize(
    "guard",
    [
        {"guard": "1e-8"},
        {"guard": "1e-12"},
        {"guard": "eps", "argument": ", eps=1e-10"},
        {"guard": "EPSILON", "constant": "EPSILON = 1e-9"},
    ],
)
def test_a_guard_is_left_out_and_said(check, guard):
    report = check(**guard)
    assert report.verdict == "right", str(report)
    assert any("which the derivation leaves out" in note for note in report.notes)


def test_without_a_guard_nothing_is_said(check):
    assert not any("leaves out" in note for note in check(guard="0").notes)


@pytest.mark.parametrize("guard", ["1e-5", "0.001"])
def test_a_guard_that_matters_is_part_of_the_derivation(check, guard):
    assert [quantity.name for quantity in check(guard=guard).wrong] == ["dZ"]


@pytest.mark.parametrize("factor", ["1.00000001", "1.0009", "2"])
def test_a_guard_excuses_nothing_else(check, factor):
    report = check(("dZ = A - Y", f"dZ = {factor} * (A - Y)"))
    assert [quantity.name for quantity in report.wrong] == ["dZ"]
    report = check(("dW = dZ", f"dW = {factor} * dZ"))
    assert [quantity.name for quantity in report.wrong] == ["dW"]


def test_a_name_that_a_loop_compares_with_keeps_its_value(check):
    # Without it, the loop would not end.
    report = check(
        ("def cost", "def unused(x):\n    while x > EPSILON:\n        x /= 2\n    return x + EPSILON\n\n\ndef cost"),
        constant="EPSILON = 1e-9",
        guard="unused(1.0)",
    )
    assert report.verdict == "wrong"


def test_what_is_computed_and_not_returned_is_said(check):
    assert "backward doesn't return db" in check((', "db": db', ""), guard="0").notes
    assert not any("return" in note for note in check(guard="0").notes)
