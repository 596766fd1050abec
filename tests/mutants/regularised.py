"""L2, dropout, softmax and batch normalisation."""

from collections.abc import Iterator

from .mutant import Mutant, mutant


def l2() -> Iterator[Mutant]:
    """dW[l] = 1/m dZ[l] A[l-1]^T + lambda/m W[l], and no such term in db."""
    program = "l2"
    for l, A_prev in ((3, "A2"), (2, "A1"), (1, "X")):  # noqa: E741
        product = f"1 / m * np.dot(dZ{l}, {A_prev}.T)"
        old = f"    dW{l} = {product} + (lambd / m) * W{l}\n"
        for cause, term in (
            ("l2_missing", ""),
            ("l2_coefficient", f" + lambd * W{l}"),
            ("l2_coefficient", f" + (2 * lambd / m) * W{l}"),
            ("l2_coefficient", f" + (lambd / (2 * m)) * W{l}"),
            ("regularisation_sign", f" - (lambd / m) * W{l}"),
        ):
            yield mutant(program, f"dW{l}", cause, old, f"    dW{l} = {product}{term}\n")
        total = f"    db{l} = 1 / m * np.sum(dZ{l}, axis=1, keepdims=True)"
        yield mutant(program, f"db{l}", "bias_regularised", total + "\n", f"{total} + (lambd / m) * b{l}\n")


def dropout() -> Iterator[Mutant]:
    """dA[l] := dA[l] * D[l] / keep_prob."""
    program = "dropout"
    for l in (2, 1):  # noqa: E741
        mask, scale = f"    dA{l} = dA{l} * D{l}\n", f"    dA{l} = dA{l} / keep_prob\n"
        back = f"    dA{l} = np.dot(W{l + 1}.T, dZ{l + 1})\n"
        yield mutant(program, f"dA{l}|dZ{l}", "dropout_mask_missing", mask, "")
        yield mutant(program, f"dA{l}|dZ{l}", "dropout_scale_missing", scale, "")
        yield mutant(program, f"dA{l}", "dW_for_W", back, back.replace(f"W{l + 1}.T", f"dW{l + 1}.T"))
        yield mutant(program, f"dA{l}", "W_updated_first", back, f"    W{l + 1} = W{l + 1} - 0.5 * dW{l + 1}\n{back}")


def softmax() -> Iterator[Mutant]:
    """The softmax's Jacobian, and the classifier with rows for examples."""
    right = "    dZ2 = A2 - Y\n"
    again = "    dZ2 = A2 * ((A2 - Y) - np.sum(A2 * (A2 - Y), axis=0, keepdims=True))\n"
    yield mutant("softmax", "dZ2", "softmax_twice", right, again)
    program, right = "softmax_jacobian", "jacobian = np.diagflat(a) - np.dot(a, a.T)"
    yield mutant(program, "dZ", "softmax_diagonal_only", right, "jacobian = np.diagflat(a * (1 - a))")
    yield mutant(program, "dZ", "softmax_outer_missing", right, "jacobian = np.diagflat(a)")
    right = "    dZ = np.zeros_like(Z)\n"
    loop = (
        "    for i in range(m):\n        a = A[:, i : i + 1]\n        jacobian = np.diagflat(a) - np.dot(a, a.T)\n"
        "        dZ[:, i : i + 1] = np.dot(jacobian.T, dA[:, i : i + 1])\n"
    )
    yield mutant(program, "dZ", "softmax_diagonal_only", right + loop, "    dZ = dA * A * (1 - A)\n")
    yield mutant(program, "dZ", "softmax_outer_missing", right + loop, "    dZ = dA * A\n")
    yield mutant(program, "dZ", "derivative_missing|output_derivative_missing", right + loop, "    dZ = dA\n")
    # The (A - Y) of the fused form, sent through the Jacobian once more.
    yield mutant(
        program, "dZ", "softmax_twice", "np.dot(jacobian.T, dA[:, i : i + 1])", "np.dot(jacobian, a - Y[:, i : i + 1])"
    )
    yield mutant(program, "dA", "sign_flipped|operand_sign", "dA = -Y / A\n", "dA = Y / A\n")
    right = "dW = np.dot(dZ, X.T) / m\n"
    yield mutant(program, "dW", "one_over_m_missing", right, "dW = np.dot(dZ, X.T)\n")
    yield mutant(program, "dW", "transpose_missing", right, "dW = np.dot(X, dZ.T) / m\n")
    yield mutant(program, "dW", "divided_by_other", right, "dW = np.dot(dZ, X.T) / (m * dZ.shape[0])\n")
    yield mutant(program, "dW", "A_for_A_prev", right, "dW = np.dot(dZ, A.T) / m\n")
    right = "db = np.sum(dZ, axis=1, keepdims=True) / m\n"
    yield mutant(program, "db", "one_over_m_missing", right, "db = np.sum(dZ, axis=1, keepdims=True)\n")
    yield mutant(program, "db", "db_from_dA", right, "db = np.sum(dA, axis=1, keepdims=True) / m\n")
    yield mutant(program, "db", "db_wrong_axis", right, "db = np.sum(dZ, axis=0, keepdims=True) / m\n")
    yield from _softmax_rows()


def _softmax_rows() -> Iterator[Mutant]:
    program = "softmax_rows"
    yield mutant(program, "dscores|dW2|W2", "one_over_m_missing", "    dscores /= N\n", "")
    yield mutant(
        program, "dscores|dW2|W2", "divided_by_other", "    dscores /= N\n", "    dscores /= N * probs.shape[1]\n"
    )
    again = "    dscores = probs * (dscores - np.sum(probs * dscores, axis=1, keepdims=True))\n"
    yield mutant(program, "dscores", "softmax_twice", "    dscores /= N\n", f"    dscores /= N\n{again}")
    yield mutant(
        program,
        "dscores",
        "sign_flipped|operand_sign",
        "    dscores = probs.copy()\n    dscores[np.arange(N), y] -= 1\n",
        "    dscores = -probs\n    dscores[np.arange(N), y] += 1\n",
    )
    yield mutant(
        program,
        "dscores",
        "extra_output_derivative|softmax_diagonal_only",
        "    dscores /= N\n",
        "    dscores = dscores * probs * (1 - probs) / N\n",
    )
    for quantity, cause, right, wrong in (
        ("dW2|W2", "transpose_missing", "h.T.dot(dscores)", "dscores.T.dot(h)"),
        ("dW2|W2", "one_over_m_twice", "h.T.dot(dscores)", "h.T.dot(dscores) / N"),
        ("dW2|W2", "A_for_A_prev", "h.T.dot(dscores)", "scores.T.dot(dscores)"),
        ("db2|b2", "db_no_axis", "np.sum(dscores, axis=0)", "np.sum(dscores)"),
        ("db2|b2", "db_wrong_axis", "np.sum(dscores, axis=0)", "np.sum(dscores, axis=1)"),
        ("db2|b2", "one_over_m_twice", "np.sum(dscores, axis=0)", "np.mean(dscores, axis=0)"),
        ("db2|b2", "db_from_dW", "np.sum(dscores, axis=0)", 'np.sum(grads["W2"], axis=0)'),
        ("dh", "dW_for_W", "dh = dscores.dot(W2.T)", 'dh = dscores.dot(grads["W2"].T)'),
        ("dh", "W_updated_first", "dh = dscores.dot(W2.T)", 'dh = dscores.dot((W2 - 0.5 * grads["W2"]).T)'),
        ("dh", "factor_two", "dh = dscores.dot(W2.T)", "dh = 2 * dscores.dot(W2.T)"),
        ("dh_pre", "derivative_missing|mask_always_true", "dh_pre = dh * (h_pre > 0)", "dh_pre = dh"),
        ("dh_pre", "mask_always_true|derivative_missing", "dh_pre = dh * (h_pre > 0)", "dh_pre = dh * (h >= 0)"),
        ("dh_pre", "function_for_derivative", "dh_pre = dh * (h_pre > 0)", "dh_pre = dh * h"),
        ("dh_pre", "other_activation", "dh_pre = dh * (h_pre > 0)", "dh_pre = dh * (1 - h**2)"),
        ("dW1|W1", "transpose_missing", "X.T.dot(dh_pre)", "dh_pre.T.dot(X)"),
        ("dW1|W1", "sign_flipped|operand_sign", "X.T.dot(dh_pre)", "-X.T.dot(dh_pre)"),
        ("dW1|W1", "A_for_A_prev", "X.T.dot(dh_pre)", "h.T.dot(dh_pre)"),
        ("db1|b1", "db_from_dA", "np.sum(dh_pre, axis=0)", "np.sum(dh, axis=0)"),
        ("db1|b1", "db_no_axis", "np.sum(dh_pre, axis=0)", "np.sum(dh_pre)"),
        ("db1|b1", "db_wrong_axis", "np.sum(dh_pre, axis=0)", "np.sum(dh_pre, axis=1)"),
    ):
        yield mutant(program, quantity, cause, right, wrong)


def batchnorm() -> Iterator[Mutant]:
    """The staged layer, and the network with a normalised Z1."""
    program = "batchnorm"
    right = "dxc = dxhat / std + 2 * xc * dvar / N\n"
    for quantity, cause, old, new in (
        ("dxc", "batchnorm_variance_path", right, "dxc = dxhat / std\n"),
        ("dxc", "batchnorm_ddof", right, "dxc = dxhat / std + 2 * xc * dvar / (N - 1)\n"),
        ("dx", "batchnorm_mean_path", "dx = dxc + dmu / N", "dx = dxc"),
        ("dxhat", "batchnorm_gamma_missing", "dxhat = dout * gamma", "dxhat = dout"),
        ("dmu", "sign_flipped|operand_sign", "dmu = -np.sum(dxc, axis=0)", "dmu = np.sum(dxc, axis=0)"),
        (
            "dstd",
            "sign_flipped|operand_sign",
            "np.sum(dxhat * xc, axis=0) * -1 / std**2",
            "np.sum(dxhat * xc, axis=0) / std**2",
        ),
        ("dvar", "factor_two", "dvar = dstd * 0.5 / std", "dvar = dstd / std"),
        ("dbeta", "db_no_axis", "dbeta = dout.sum(axis=0)", "dbeta = dout.sum()"),
        ("dbeta", "db_wrong_axis", "dbeta = dout.sum(axis=0)", "dbeta = dout.sum(axis=1)"),
        ("dgamma", "db_no_axis", "dgamma = np.sum(dout * xhat, axis=0)", "dgamma = np.sum(dout * xhat)"),
        ("dgamma", "db_wrong_axis", "dgamma = np.sum(dout * xhat, axis=0)", "dgamma = np.sum(dout * xhat, axis=1)"),
    ):
        yield mutant(program, quantity, cause, old, new)
    program = "batchnorm_net"
    right = "dZ1 = (dZ_hat - mean_d - Z_hat * mean_dx) / s\n"
    tilde = "dZ_tilde = dA1 * (1 - A1**2)\n"
    for quantity, cause, old, new in (
        ("dZ1", "batchnorm_mean_path", right, "dZ1 = (dZ_hat - Z_hat * mean_dx) / s\n"),
        ("dZ1", "batchnorm_variance_path", right, "dZ1 = (dZ_hat - mean_d) / s\n"),
        ("dZ_hat", "batchnorm_gamma_missing", "dZ_hat = dZ_tilde * gamma\n", "dZ_hat = dZ_tilde\n"),
        (
            "dZ1",
            "batchnorm_ddof",
            "mean_dx = np.mean(dZ_hat * Z_hat, axis=1, keepdims=True)\n",
            "mean_dx = np.sum(dZ_hat * Z_hat, axis=1, keepdims=True) / (m - 1)\n",
        ),
        ("dZ_tilde", "derivative_missing", tilde, "dZ_tilde = dA1\n"),
        ("dZ_tilde", "derivative_fed_Z", tilde, "dZ_tilde = dA1 * (1 - Z_tilde**2)\n"),
        ("dZ_tilde", "derivative_fed_A", tilde, "dZ_tilde = dA1 * (1 - np.tanh(A1) ** 2)\n"),
        ("dZ_tilde", "function_for_derivative", tilde, "dZ_tilde = dA1 * A1\n"),
        ("dZ_tilde", "other_activation", tilde, "dZ_tilde = dA1 * A1 * (1 - A1)\n"),
        ("dA1", "dW_for_W", "dA1 = np.dot(W2.T, dZ2)", "dA1 = np.dot(dW2.T, dZ2)"),
        ("dW1", "one_over_m_missing", "dW1 = np.dot(dZ1, X.T) / m", "dW1 = np.dot(dZ1, X.T)"),
        ("dW1", "transpose_missing", "dW1 = np.dot(dZ1, X.T) / m", "dW1 = np.dot(X, dZ1.T) / m"),
        ("dW1", "A_for_A_prev", "dW1 = np.dot(dZ1, X.T) / m", "dW1 = np.dot(dZ1, A1.T) / m"),
        (
            "dbeta",
            "one_over_m_missing",
            "dbeta = np.sum(dZ_tilde, axis=1, keepdims=True) / m",
            "dbeta = np.sum(dZ_tilde, axis=1, keepdims=True)",
        ),
        ("dbeta", "db_no_axis", "dbeta = np.sum(dZ_tilde, axis=1, keepdims=True) / m", "dbeta = np.sum(dZ_tilde) / m"),
        ("dbeta", "db_from_dA", "dbeta = np.sum(dZ_tilde, axis=1", "dbeta = np.sum(dA1, axis=1"),
        (
            "dgamma",
            "one_over_m_missing",
            "dgamma = np.sum(dZ_tilde * Z_hat, axis=1, keepdims=True) / m",
            "dgamma = np.sum(dZ_tilde * Z_hat, axis=1, keepdims=True)",
        ),
        (
            "dgamma",
            "db_wrong_axis",
            "dgamma = np.sum(dZ_tilde * Z_hat, axis=1",
            "dgamma = np.sum(dZ_tilde * Z_hat, axis=0",
        ),
    ):
        yield mutant(program, quantity, cause, old, new)
