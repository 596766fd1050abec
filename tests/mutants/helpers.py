"""Mistakes in the L-layer helpers, where one line serves every layer, and in logistic and linear regression."""

from collections.abc import Iterator

from .mutant import Mutant, mutant

# A line of a helper is wrong in every layer that calls it, and first in the highest: 3 of 3, and 2 for ReLU.
DEPTH = 3


def l_layer() -> Iterator[Mutant]:
    """Both editions: the same mistakes in their two ways of writing."""
    for program, scale in (("l_layer", "1.0 / {m} * {x}"), ("l_layer_first_edition", "{x} / {m}")):
        yield from _linear_backward(program, scale)
    yield from _activations()
    for program, right, joined, twice_negative, flipped in (
        (
            "l_layer",
            "dAL = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))",
            "dAL = -(np.divide(Y, AL) + np.divide(1 - Y, 1 - AL))",
            "dAL = -np.divide(Y, AL) - np.divide(1 - Y, 1 - AL)",
            "dAL = np.divide(Y, AL) - np.divide(1 - Y, 1 - AL)",
        ),
        (
            "l_layer_first_edition",
            "dAL = -np.divide(Y, AL) + np.divide(1 - Y, 1 - AL)",
            "dAL = -(np.divide(Y, AL) + np.divide(1 - Y, 1 - AL))",
            "dAL = -np.divide(Y, AL) - np.divide(1 - Y, 1 - AL)",
            "dAL = -(-np.divide(Y, AL) + np.divide(1 - Y, 1 - AL))",
        ),
    ):
        yield mutant(program, "dAL|dA3", "parenthesis", right, joined)
        yield mutant(program, "dAL|dA3", "parenthesis", right, twice_negative)
        yield mutant(program, "dAL|dA3", "sign_flipped|operand_sign", right, flipped)
    # Without its leading minus the sum is right where y = 0 and negated where y = 1.
    yield mutant(
        "l_layer_first_edition",
        "dAL|dA3",
        "parenthesis|operand_sign",
        "dAL = -np.divide(Y, AL) + np.divide(1 - Y, 1 - AL)",
        "dAL = np.divide(Y, AL) + np.divide(1 - Y, 1 - AL)",
    )
    # The next layer down is handed dA[L] again: with one output unit it broadcasts.
    yield mutant(
        "l_layer_first_edition",
        "dZ2",
        "stale_dA",
        'grads["dA" + str(l + 2)], caches[l], activation="relu"',
        'dAL, caches[l], activation="relu"',
    )
    yield mutant(
        "l_layer",
        "dZ3",
        "other_activation",
        'linear_activation_backward(dAL, current_cache, "sigmoid")',
        'linear_activation_backward(dAL, current_cache, "relu")',
    )
    yield mutant(
        "l_layer",
        "dZ2",
        "other_activation",
        'linear_activation_backward(grads["dA" + str(l + 1)], current_cache, "relu")',
        'linear_activation_backward(grads["dA" + str(l + 1)], current_cache, "sigmoid")',
    )


def _linear_backward(program: str, scale: str) -> Iterator[Mutant]:
    dW, db, dA = f"dW{DEPTH}", f"db{DEPTH}", f"dA{DEPTH - 1}"
    outer, total = "np.dot(dZ, A_prev.T)", "np.sum(dZ, axis=1, keepdims=True)"
    right_dW, right_db = f"    dW = {scale.format(m='m', x=outer)}\n", f"    db = {scale.format(m='m', x=total)}\n"
    right_dA = "    dA_prev = np.dot(W.T, dZ)\n"

    for cause, side in (
        ("one_over_m_missing", outer),
        ("factor_two", "2 * " + scale.format(m="m", x=outer)),
        ("sign_flipped|operand_sign", "-" + scale.format(m="m", x=outer)),
        ("divided_by_other", scale.format(m="A_prev.shape[0]", x=outer)),
    ):
        yield mutant(program, dW, cause, right_dW, f"    dW = {side}\n")
    if program == "l_layer":
        side = scale.format(m="m", x="np.dot(A_prev, dZ.T)")
        yield mutant(program, dW, "transpose_missing", right_dW, f"    dW = {side}\n")
    for cause, side in (
        ("one_over_m_missing", total),
        ("divided_by_other", scale.format(m="A_prev.shape[0]", x=total)),
        ("db_wrong_axis", scale.format(m="m", x="np.sum(dZ, axis=0, keepdims=True)")),
        ("db_from_dW", "np.sum(dW, axis=1, keepdims=True)"),
    ):
        yield mutant(program, db, cause, right_db, f"    db = {side}\n")
    # The output has one unit, over which a sum without an axis loses nothing but the shape.
    for cause, side in (
        ("db_no_axis", scale.format(m="m", x="np.sum(dZ)")),
        ("keepdims_lost", scale.format(m="m", x="np.sum(dZ, axis=1)")),
        ("db_averaged_over_units", "np.squeeze(np.mean(dZ))"),
    ):
        yield mutant(program, "db3|db2", cause, right_db, f"    db = {side}\n")
    for cause, side in (
        ("db_no_axis", scale.format(m="m", x="np.sum(dZ, keepdims=True)")),
        ("db_averaged_over_units", "np.full((dZ.shape[0], 1), np.mean(dZ))"),
        ("db_averaged_over_units", scale.format(m="m", x="np.sum(dZ)") + " / dZ.shape[0] * np.ones((dZ.shape[0], 1))"),
    ):
        yield mutant(program, "db2", cause, right_db, f"    db = {side}\n")
    for cause, side in (
        ("dW_for_W", "np.dot(dW.T, dZ)"),
        ("one_over_m_twice", "1 / m * np.dot(W.T, dZ)"),
        ("sign_flipped|operand_sign", "-np.dot(W.T, dZ)"),
        ("W_updated_first", "np.dot((W - 0.3 * dW).T, dZ)"),
    ):
        yield mutant(program, dA, cause, right_dA, f"    dA_prev = {side}\n")
    yield mutant(program, dA, "W_updated_first", right_dA, "    W = W - 0.0075 * dW\n" + right_dA)


def _activations() -> Iterator[Mutant]:
    program = "l_layer"
    right = "    dZ[Z <= 0] = 0\n"
    relu = "dZ2"
    missing = "derivative_missing|mask_always_true"
    yield mutant(program, relu, missing, right, "")
    yield mutant(program, relu, missing, right, "    A = np.maximum(0, Z)\n    dZ[A < 0] = 0\n")
    yield mutant(program, relu, "function_for_derivative", right, "    dZ = dA * np.maximum(0, Z)\n")
    yield mutant(program, relu, "sign_flipped|operand_sign", right, right + "    dZ = -dZ\n")
    right = "    dZ = dA * s * (1 - s)\n"
    for cause, side in (
        ("output_derivative_missing|derivative_missing", "dA"),
        ("derivative_fed_Z", "dA * Z * (1 - Z)"),
        ("function_for_derivative", "dA * s"),
        ("other_activation", "dA * (1 - s**2)"),
        ("one_over_m_twice", "dA * s * (1 - s) / dA.shape[1]"),
        ("derivative_fed_A", "dA * (1 / (1 + np.exp(-s))) * (1 - 1 / (1 + np.exp(-s)))"),
    ):
        quantity = "dZ3|dW3" if cause == "one_over_m_twice" else "dZ3"
        yield mutant(program, quantity, cause, right, f"    dZ = {side}\n")
    program = "l_layer_first_edition"
    right = "        dZ = dA * (Z > 0)\n"
    for cause, side in (
        (missing, "dA"),
        (missing, "dA * (np.maximum(Z, 0) >= 0)"),
        ("function_for_derivative", "dA * np.maximum(Z, 0)"),
        ("one_over_m_twice", "dA * (Z > 0) / Z.shape[1]"),
        ("other_activation", "dA * (1 - np.maximum(Z, 0) ** 2)"),
    ):
        yield mutant(program, relu, cause, right, f"        dZ = {side}\n")
    right = "        dZ = dA * A * (1 - A)\n"
    for cause, side in (
        ("output_derivative_missing|derivative_missing", "dA"),
        ("derivative_fed_Z", "dA * Z * (1 - Z)"),
        ("function_for_derivative", "dA * A"),
        ("other_activation", "dA * (1 - A**2)"),
        ("other_activation", "dA * (Z > 0)"),
    ):
        yield mutant(program, "dZ3", cause, right, f"        dZ = {side}\n")


def regression() -> Iterator[Mutant]:
    """Logistic regression in its three forms, and linear regression."""
    yield from _logistic()
    yield from _logistic_steps()
    yield from _logistic_loop()
    program = "linear_regression"
    right = "dw = np.dot(X, error.T) / m\n"
    for cause, side in (
        ("one_over_m_missing", "np.dot(X, error.T)"),
        ("divided_by_other", "np.dot(X, error.T) / X.shape[0]"),
        ("factor_two", "2 * np.dot(X, error.T) / m"),
        ("factor_two", "np.dot(X, error.T) / (2 * m)"),
        ("sign_flipped|operand_sign", "np.dot(X, (Y - y_hat).T) / m"),
        ("transpose_missing", "np.dot(error, X.T) / m"),
        ("elementwise_for_dot", "X * error / m"),
    ):
        yield mutant(program, "dw", cause, right, f"dw = {side}\n")
    right = "db = np.sum(error) / m\n"
    for cause, side in (
        ("one_over_m_missing", "np.sum(error)"),
        ("factor_two", "2 * np.sum(error) / m"),
        ("sign_flipped|operand_sign", "np.sum(Y - y_hat) / m"),
        ("db_from_dW", "np.sum(dw)"),
        ("db_wrong_axis", "np.sum(error, axis=0, keepdims=True) / m"),
    ):
        yield mutant(program, "db", cause, right, f"db = {side}\n")


def _logistic() -> Iterator[Mutant]:
    program, right = "logistic", "dw = 1 / m * np.dot(X, (A - Y).T)\n"
    for cause, side in (
        ("one_over_m_missing", "np.dot(X, (A - Y).T)"),
        ("divided_by_other", "1 / X.shape[0] * np.dot(X, (A - Y).T)"),
        ("factor_two", "2 / m * np.dot(X, (A - Y).T)"),
        ("one_over_m_twice", "1 / m * np.dot(X, ((A - Y) / m).T)"),
        ("sign_flipped|operand_sign", "1 / m * np.dot(X, (Y - A).T)"),
        ("extra_output_derivative", "1 / m * np.dot(X, ((A - Y) * A * (1 - A)).T)"),
        ("transpose_missing", "1 / m * np.dot(A - Y, X.T)"),
        ("elementwise_for_dot", "1 / m * X * (A - Y)"),
        ("A_for_A_prev", "1 / m * np.dot(A, (A - Y).T)"),
        ("keepdims_lost", "1 / m * np.dot(X, (A.T - np.squeeze(Y)))"),
    ):
        yield mutant(program, "dw", cause, right, f"dw = {side}\n")
    right = "db = 1 / m * np.sum(A - Y)\n"
    for cause, side in (
        ("one_over_m_missing", "np.sum(A - Y)"),
        ("divided_by_other", "1 / X.shape[0] * np.sum(A - Y)"),
        ("factor_two", "2 / m * np.sum(A - Y)"),
        ("sign_flipped|operand_sign", "1 / m * np.sum(Y - A)"),
        ("extra_output_derivative", "1 / m * np.sum((A - Y) * A * (1 - A))"),
        ("db_from_dW", "np.sum(dw)"),
        ("db_wrong_axis", "1 / m * np.sum(A - Y, axis=0, keepdims=True)"),
        # (m, 1) - (m,) is (m, m), whose sum is m times the right one: the same number as without the 1/m.
        ("keepdims_lost|one_over_m_missing", "1 / m * np.sum(A.T - np.squeeze(Y))"),
    ):
        yield mutant(program, "db", cause, right, f"db = {side}\n")


def _logistic_steps() -> Iterator[Mutant]:
    program, right = "logistic_steps", "dA = -(Y / A - (1 - Y) / (1 - A))\n"
    yield mutant(program, "dA", "parenthesis", right, "dA = -(Y / A) - (1 - Y) / (1 - A)\n")
    yield mutant(program, "dA", "parenthesis", right, "dA = -(Y / A + (1 - Y) / (1 - A))\n")
    yield mutant(program, "dA", "sign_flipped|operand_sign", right, "dA = Y / A - (1 - Y) / (1 - A)\n")
    right = "dZ = dA * A * (1 - A)\n"
    for cause, side in (
        ("output_derivative_missing|derivative_missing", "dA"),
        ("derivative_fed_A", "dA * sigmoid(A) * (1 - sigmoid(A))"),
        ("derivative_fed_Z", "dA * Z * (1 - Z)"),
        ("function_for_derivative", "dA * A"),
        ("other_activation", "dA * (1 - A**2)"),
        ("extra_output_derivative", "(A - Y) * A * (1 - A)"),
        ("sign_flipped|operand_sign", "Y - A"),
        ("keepdims_lost", "A.T - np.squeeze(Y)"),
    ):
        extra = (("X.dot(dZ.T)", "X.dot(dZ)"),) if cause == "keepdims_lost" else ()
        yield mutant(program, "dZ", cause, right, f"dZ = {side}\n", *extra)
    yield mutant(program, "dZ|dw", "one_over_m_twice", right, "dZ = dA * A * (1 - A) / m\n")
    right = "dw = X.dot(dZ.T) / m\n"
    for cause, side in (
        ("one_over_m_missing", "X.dot(dZ.T)"),
        ("divided_by_other", "X.dot(dZ.T) / X.shape[0]"),
        ("transpose_missing", "dZ.dot(X.T) / m"),
        ("elementwise_for_dot", "X * dZ / m"),
        ("A_for_A_prev", "A.dot(dZ.T) / m"),
    ):
        yield mutant(program, "dw", cause, right, f"dw = {side}\n")
    right = "db = np.sum(dZ) / m\n"
    for cause, side in (
        ("one_over_m_missing", "np.sum(dZ)"),
        ("db_from_dA", "np.sum(dA) / m"),
        ("db_from_dW", "np.sum(dw)"),
        ("db_wrong_axis", "np.sum(dZ, axis=0, keepdims=True) / m"),
    ):
        yield mutant(program, "db", cause, right, f"db = {side}\n")


def _logistic_loop() -> Iterator[Mutant]:
    program, right = "logistic_loop", "        dz = a - Y[0, i]\n"
    # A scalar that the loop overwrites: where it is not followed, the first that shows the mistake is dw.
    yield mutant(program, "dz|dw", "sign_flipped|operand_sign", right, "        dz = Y[0, i] - a\n")
    yield mutant(program, "dz|dw", "extra_output_derivative", right, "        dz = (a - Y[0, i]) * a * (1 - a)\n")
    yield mutant(program, "dz|dw", "gradients_not_zeroed", right, "        dz += a - Y[0, i]\n")
    yield mutant(program, "dz|dw", "one_over_m_twice", right, "        dz = (a - Y[0, i]) / m\n")
    right = "            dw[j, 0] += X[j, i] * dz\n"
    yield mutant(program, "dw", "assigned_not_accumulated", right, "            dw[j, 0] = X[j, i] * dz\n")
    yield mutant(program, "dw", "A_for_A_prev", right, "            dw[j, 0] += a * dz\n")
    yield mutant(program, "dw", "one_over_m_missing", "    dw /= m\n", "")
    yield mutant(program, "dw", "divided_by_other", "    dw /= m\n", "    dw /= n\n")
    yield mutant(program, "dw", "one_over_m_twice", "    dw /= m\n", "    dw /= m\n    dw /= m\n")
    yield mutant(program, "db", "assigned_not_accumulated", "        db += dz\n", "        db = dz\n")
    yield mutant(program, "db", "one_over_m_missing", "    db /= m\n", "")
    yield mutant(program, "db", "divided_by_other", "    db /= m\n", "    db /= n\n")
