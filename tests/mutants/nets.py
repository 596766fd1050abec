"""The fully connected programs: the templates of `dense` on every layer, and mistakes that only one of them has."""

from collections.abc import Iterator

from .dense import (
    AT,
    AT_METHOD,
    COURSE,
    COURSE_OVER_M,
    DOT,
    EINSUM,
    MATMUL,
    Layer,
    Style,
    of_dA,
    of_db,
    of_dW,
    of_dZ_hidden,
    of_output,
)
from .mutant import Mutant, mutant

INT_MASK = "np.multiply({dA}, {g})"

NETS: dict[str, tuple[Style, tuple[Layer, ...]]] = {
    "two_layer_tanh": (
        COURSE,
        (
            Layer(2, "A1", "A2 - Y"),
            Layer(1, "X", "{dA} * {g}", "tanh", "(1 - np.power(A1, 2))", dA_named=False),
        ),
    ),
    "units": (
        COURSE,
        (
            Layer(2, "A1", "A2 - Y"),
            Layer(1, "X", "{dA} * {g}", "tanh", "(1 - np.power(A1, 2))", dA_named=False),
        ),
    ),
    "two_layer_relu": (
        AT_METHOD,
        (Layer(2, "A1", ""), Layer(1, "X", "{dA} * {g}", "relu", "(Z1 > 0)")),
    ),
    "regression_net": (
        MATMUL,
        (Layer(2, "A1", ""), Layer(1, "X", "{dA} * {g}", "sigmoid", "A1 * (1 - A1)")),
    ),
    "three_layer": (
        DOT,
        (
            Layer(3, "A2", "A3 - Y"),
            Layer(2, "A1", INT_MASK, "tanh", "1 - A2**2"),
            Layer(1, "X", INT_MASK, "relu", "np.int64(A1 > 0)"),
        ),
    ),
    "leaky": (
        EINSUM,
        (
            Layer(3, "A2", "A3 - Y"),
            Layer(2, "A1", "{dA} * {g}", "sigmoid", "A2 * (1 - A2)"),
            Layer(1, "X", "{dA} * {g}", "leaky", "np.where(Z1 > 0, 1, SLOPE)"),
        ),
    ),
    "softmax": (
        COURSE,
        (Layer(2, "A1", "A2 - Y"), Layer(1, "X", "{dA} * {g}", "tanh", "(1 - A1 * A1)")),
    ),
    "l2": (
        COURSE,
        (
            Layer(3, "A2", "A3 - Y"),
            Layer(2, "A1", INT_MASK, "relu", "np.int64(A2 > 0)"),
            Layer(1, "X", INT_MASK, "relu", "np.int64(A1 > 0)"),
        ),
    ),
    "dropout": (
        COURSE,
        (
            Layer(3, "A2", "A3 - Y"),
            Layer(2, "A1", INT_MASK, "relu", "np.int64(Z2 > 0)"),
            Layer(1, "X", INT_MASK, "relu", "np.int64(Z1 > 0)"),
        ),
    ),
    "residual": (
        AT,
        (
            Layer(3, "S", "A3 - Y"),
            Layer(2, "A1", "{dA} * {g}", "tanh", "(1 - A2**2)"),
            Layer(1, "X", "{dA} * {g}", "tanh", "(1 - A1**2)"),
        ),
    ),
    "batchnorm_net": (COURSE_OVER_M, (Layer(2, "A1", "A2 - Y"),)),
}


def templates() -> Iterator[Mutant]:
    """Every template on every layer that has the line."""
    for program, (style, layers) in NETS.items():
        for layer in layers:
            addend = f" + (lambd / m) * W{layer.l}" if program == "l2" else ""
            # A sum with W needs W's shape: in l2 a transposed product runs only between equal layers, in `_square`.
            yield from (
                wrong
                for wrong in of_dW(program, style, layer, addend)
                if not (addend and wrong.cause in ("transpose_missing", "A_for_A_prev"))
            )
            yield from of_db(program, style, layer)
            if layer.activation:
                yield from of_dZ_hidden(program, style, layer)
                # residual's dA lines are a sum of two paths, in `others`; dropout's go on for two more lines.
                if program not in ("residual", "dropout"):
                    yield from of_dA(program, style, layer)
            elif layer.dZ_line:
                yield from of_output(program, layer)


def others() -> Iterator[Mutant]:
    """What the templates don't reach."""
    yield from _through_dA2()
    yield from _stale()
    yield from _square()
    yield from _not_zeroed()
    yield from _residual()


def _through_dA2() -> Iterator[Mutant]:
    relu, regression = "two_layer_relu", "regression_net"
    right = "dA2 = -(Y / A2) + (1 - Y) / (1 - A2)\n"
    yield mutant(relu, "dA2", "parenthesis", right, "dA2 = -(Y / A2 + (1 - Y) / (1 - A2))\n")
    yield mutant(relu, "dA2", "parenthesis", right, "dA2 = -(Y / A2) - (1 - Y) / (1 - A2)\n")
    yield mutant(relu, "dA2", "sign_flipped|operand_sign", right, "dA2 = Y / A2 - (1 - Y) / (1 - A2)\n")
    right = "dZ2 = dA2 * A2 * (1 - A2)\n"
    for program in (relu, regression):
        yield mutant(program, "dZ2", "output_derivative_missing|derivative_missing", right, "dZ2 = dA2\n")
        yield mutant(program, "dZ2", "derivative_fed_Z", right, "dZ2 = dA2 * Z2 * (1 - Z2)\n")
        yield mutant(program, "dZ2", "other_activation", right, "dZ2 = dA2 * (1 - A2**2)\n")
        yield mutant(program, "dZ2", "other_activation", right, "dZ2 = dA2 * (Z2 > 0)\n")
        yield mutant(program, "dZ2", "function_for_derivative", right, "dZ2 = dA2 * A2\n")
    yield mutant(regression, "dZ2", "derivative_fed_A", right, "dZ2 = dA2 * sigmoid(A2) * (1 - sigmoid(A2))\n")
    yield mutant(relu, "dZ2", "extra_output_derivative", right, "dZ2 = (A2 - Y) * A2 * (1 - A2)\n")
    right = "dA2 = 2 * (A2 - Y)\n"
    yield mutant(regression, "dA2", "factor_two", right, "dA2 = A2 - Y\n")
    yield mutant(regression, "dA2", "factor_two", right, "dA2 = 4 * (A2 - Y)\n")
    yield mutant(regression, "dA2", "sign_flipped|operand_sign", right, "dA2 = 2 * (Y - A2)\n")


def _stale() -> Iterator[Mutant]:
    # dA[L] has one row and broadcasts over the units below.
    yield mutant("two_layer_relu", "dZ1", "stale_dA", "dZ1 = dA1 * (Z1 > 0)\n", "dZ1 = dA2 * (Z1 > 0)\n")
    yield mutant("regression_net", "dZ1", "stale_dA", "dZ1 = dA1 * A1 * (1 - A1)\n", "dZ1 = dA2 * A1 * (1 - A1)\n")
    for program, old in (
        ("three_layer", "dZ1 = np.multiply(dA1, np.int64(A1 > 0))"),
        ("leaky", "dZ1 = dA1 * np.where(Z1 > 0, 1, SLOPE)"),
        ("l2", "dZ1 = np.multiply(dA1, np.int64(A1 > 0))"),
    ):
        yield mutant(program, "dZ1", "stale_dA", old, old.replace("dA1", "dA2")).sized(4, 6, 6, 1)


def _square() -> Iterator[Mutant]:
    # With as many units in both layers a missing transpose runs, and so do * for dot and A[l] for A[l-1].
    for program, right, no_transpose in (
        ("three_layer", "W2.T.dot(dZ2)", "W2.dot(dZ2)"),
        ("leaky", 'np.einsum("ij,im->jm", W2, dZ2)', 'np.einsum("ij,jm->im", W2, dZ2)'),
        ("l2", "np.dot(W2.T, dZ2)", "np.dot(W2, dZ2)"),
        ("dropout", "np.dot(W2.T, dZ2)", "np.dot(W2, dZ2)"),
    ):
        old = f"    dA1 = {right}\n"
        yield mutant(program, "dA1", "transpose_missing", old, f"    dA1 = {no_transpose}\n").sized(4, 6, 6, 1)
    for program in ("three_layer", "leaky", "l2", "dropout"):
        style, layers = NETS[program]
        addend = " + (lambd / m) * W2" if program == "l2" else ""
        for square in of_dW(program, style, layers[1], addend):
            if square.cause in ("transpose_missing", "A_for_A_prev"):
                yield square.sized(4, 6, 6, 1)
    yield mutant("residual", "dA1", "transpose_missing", "    dA1 += W2.T @ dZ2\n", "    dA1 += W2 @ dZ2\n")
    # One output unit and one example's row broadcast where a product was meant.
    for program, old, new in (
        ("three_layer", "1 / m * dZ3.dot(A2.T)", "1 / m * dZ3 * A2"),
        ("two_layer_tanh", "1 / m * np.dot(dZ2, A1.T)", "1 / m * dZ2 * A1"),
        ("two_layer_relu", "dZ2 @ A1.T / m", "dZ2 * A1 / m"),
        ("regression_net", "1 / m * np.matmul(dZ2, A1.T)", "1 / m * np.multiply(dZ2, A1)"),
    ):
        layer = 3 if program == "three_layer" else 2
        yield mutant(program, f"dW{layer}", "elementwise_for_dot", old, new)
    # m examples and m units: * runs where dot was meant, and nothing is summed.
    yield mutant(
        "residual",
        "dA1",
        "elementwise_for_dot",
        "dA1 += W2.T @ dZ2",
        "dA1 += W2.T * dZ2",
        (
            "n_x, n, m = rng.choice(np.arange(3, 9), 3, replace=False)",
            "n_x, n = rng.choice(np.arange(3, 9), 2, replace=False)\n    m = n",
        ),
    )


def _not_zeroed() -> Iterator[Mutant]:
    signature = "def backward_propagation(parameters, cache, X, Y):"
    every = "dW3|db3|dW2|db2|dW1|db1"
    yield mutant(
        "softmax",
        every,
        "gradients_not_zeroed",
        "    grads = {}\n",
        "",
        (signature, signature.replace("Y)", "Y, grads={})")),
        ("        grads[name] = value\n", "        grads[name] = grads.get(name, 0) + value\n"),
    )
    yield mutant(
        "two_layer_tanh",
        every,
        "gradients_not_zeroed",
        '    grads = {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}\n',
        '    for name, value in (("dW1", dW1), ("db1", db1), ("dW2", dW2), ("db2", db2)):\n'
        "        grads[name] = grads.get(name, 0) + value\n",
        (signature, "grads = {}\n\n\n" + signature),
    )


def _residual() -> Iterator[Mutant]:
    program, right = "residual", "    dA1 = dS.copy()\n    dA1 += W2.T @ dZ2\n"
    yield mutant(program, "dA1", "assigned_not_accumulated", right, "    dA1 = dS.copy()\n    dA1 = W2.T @ dZ2\n")
    yield mutant(program, "dA1", "assigned_not_accumulated", right, "    dA1 = dS\n")
    yield mutant(program, "dA1", "dW_for_W", right, "    dA1 = dS + dW2.T @ dZ2\n")
    yield mutant(program, "dA1", "operand_sign", right, "    dA1 = dS - W2.T @ dZ2\n")
    yield mutant(program, "dA1", "W_updated_first", right, "    W2 = W2 - 0.5 * dW2\n    dA1 = dS + W2.T @ dZ2\n")
    yield mutant(program, "dS", "dW_for_W", "dS = W3.T @ dZ3", "dS = dW3.T @ dZ3")
    yield mutant(program, "dS", "sign_flipped|operand_sign", "dS = W3.T @ dZ3", "dS = -W3.T @ dZ3")
    yield mutant(
        program, "dS", "W_updated_first", "    dS = W3.T @ dZ3\n", "    W3 = W3 - 0.5 * dW3\n    dS = W3.T @ dZ3\n"
    )
