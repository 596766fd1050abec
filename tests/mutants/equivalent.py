"""What looks like a mistake and is none, proved equal at 20 draws by the tests; and what is right but for a kink.

Each entry has the algebra beside it. `quantity` and `cause` say which mistake it might be taken for.
"""

from .mutant import Mutant, mutant

EQUIVALENT: list[Mutant] = [
    # dJ/dZ in place of m dJ/dZ, and no 1/m further down: 1/m (A - Y) a^T = ((A - Y) / m) a^T.
    mutant(
        "two_layer_tanh",
        "dZ2",
        "one_over_m_twice",
        "dZ2 = A2 - Y",
        "dZ2 = (A2 - Y) / m",
        ("dW2 = 1 / m * np.dot(dZ2, A1.T)", "dW2 = np.dot(dZ2, A1.T)"),
        ("db2 = 1 / m * np.sum(dZ2,", "db2 = np.sum(dZ2,"),
        ("dW1 = 1 / m * np.dot(dZ1, X.T)", "dW1 = np.dot(dZ1, X.T)"),
        ("db1 = 1 / m * np.sum(dZ1,", "db1 = np.sum(dZ1,"),
    ),
    mutant(
        "l_layer_first_edition",
        "dAL",
        "one_over_m_twice",
        "dAL = -np.divide(Y, AL) + np.divide(1 - Y, 1 - AL)",
        "dAL = (-np.divide(Y, AL) + np.divide(1 - Y, 1 - AL)) / Y.shape[1]",
        ("dW = np.dot(dZ, A_prev.T) / m", "dW = np.dot(dZ, A_prev.T)"),
        ("db = np.sum(dZ, axis=1, keepdims=True) / m", "db = np.sum(dZ, axis=1, keepdims=True)"),
    ),
    # The other way round in a file of autograd's convention: dscores kept m times as large, and W's gradients divided.
    mutant(
        "softmax_rows",
        "dscores",
        "one_over_m_missing",
        "    dscores /= N\n",
        "",
        ("h.T.dot(dscores)", "h.T.dot(dscores) / N"),
        ("np.sum(dscores, axis=0)", "np.mean(dscores, axis=0)"),
        ("X.T.dot(dh_pre)", "X.T.dot(dh_pre) / N"),
        ("np.sum(dh_pre, axis=0)", "np.mean(dh_pre, axis=0)"),
    ),
    # A = max(0, Z): A > 0 exactly where Z > 0, and Z >= 0 differs only at Z = 0.
    mutant("two_layer_relu", "dZ1", "mask_always_true", "(Z1 > 0)", "(A1 > 0)"),
    mutant("two_layer_relu", "dZ1", "mask_always_true", "(Z1 > 0)", "(Z1 >= 0)"),
    mutant("three_layer", "dZ1", "mask_always_true", "np.int64(A1 > 0)", "np.int64(Z1 >= 0)"),
    mutant("l_layer", "dZ2", "mask_always_true", "dZ[Z <= 0] = 0", "dZ[np.maximum(0, Z) <= 0] = 0"),
    mutant("l_layer", "dZ2", "mask_always_true", "dZ[Z <= 0] = 0", "dZ[Z < 0] = 0"),
    # g' fed A: relu'(A) = relu'(Z), as above.
    mutant("l2", "dZ2", "derivative_fed_A", "np.int64(A2 > 0)", "np.int64(relu(A2) > 0)"),
    # dA A (1 - A) = (A - Y) / (A (1 - A)) A (1 - A) = A - Y.
    mutant("two_layer_relu", "dZ2", "output_derivative_missing", "dZ2 = dA2 * A2 * (1 - A2)", "dZ2 = A2 - Y"),
    mutant("logistic_steps", "dZ", "output_derivative_missing", "dZ = dA * A * (1 - A)", "dZ = A - Y"),
    # -(Y/A - (1-Y)/(1-A)) = (A (1-Y) - Y (1-A)) / (A (1-A)) = (A - Y) / (A (1-A)).
    mutant(
        "logistic_steps",
        "dA",
        "parenthesis",
        "dA = -(Y / A - (1 - Y) / (1 - A))",
        "dA = (A - Y) / (A * (1 - A))",
    ),
    mutant(
        "l_layer",
        "dAL",
        "parenthesis",
        "dAL = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))",
        "dAL = -np.divide(Y, AL) + np.divide(1 - Y, 1 - AL)",
    ),
    # One output unit: (n, 1) * (1, m) broadcasts to the outer product.
    mutant("two_layer_relu", "dA1", "elementwise_for_dot", "dA1 = W2.T @ dZ2", "dA1 = W2.T * dZ2"),
    mutant("three_layer", "dA2", "elementwise_for_dot", "dA2 = W3.T.dot(dZ3)", "dA2 = W3.T * dZ3"),
    # One output unit: the sum over everything is the sum over examples, and keepdims gives the shape (1, 1).
    mutant("two_layer_tanh", "db2", "db_no_axis", "np.sum(dZ2, axis=1, keepdims=True)", "np.sum(dZ2, keepdims=True)"),
    mutant("three_layer", "db3", "db_averaged_over_units", "1 / m * np.sum(dZ3, axis=1,", "np.mean(dZ3, axis=1,"),
    # A product with ones is the sum.
    mutant("three_layer", "db1", "db_no_axis", "np.sum(dZ1, axis=1, keepdims=True)", "np.dot(dZ1, np.ones((m, 1)))"),
    # 1 - a^2 = (1 - a)(1 + a), and tanh'(z) = 1 / cosh^2 z.
    mutant("three_layer", "dZ2", "derivative_fed_Z", "1 - A2**2", "(1 - A2) * (1 + A2)"),
    mutant(
        "two_layer_tanh",
        "dZ1",
        "derivative_fed_Z",
        "(1 - np.power(A1, 2))",
        "/ np.cosh(Z1) ** 2",
        ("np.dot(W2.T, dZ2) * ", "np.dot(W2.T, dZ2) "),
    ),
    # a - a^2 = a (1 - a), and sigma'(z) fed Z through sigma is the same.
    mutant("regression_net", "dZ1", "derivative_fed_Z", "dA1 * A1 * (1 - A1)", "dA1 * (A1 - A1**2)"),
    mutant("leaky", "dZ2", "derivative_fed_Z", "A2 * (1 - A2)", "sigmoid(Z2) * sigmoid(-Z2)"),
    # leaky'(z) = a / z for z other than 0.
    mutant("leaky", "dZ1", "function_for_derivative", "np.where(Z1 > 0, 1, SLOPE)", "A1 / Z1"),
    # The mask and the scale commute; A2 = relu(Z2) D2 / keep_prob > 0 is D2 and Z2 > 0 together.
    mutant(
        "dropout",
        "dA2",
        "dropout_mask_missing",
        "    dA2 = dA2 * D2\n    dA2 = dA2 / keep_prob\n",
        "    dA2 = dA2 / keep_prob\n    dA2 = dA2 * D2\n",
    ),
    mutant("dropout", "dZ2", "dropout_mask_missing", "np.int64(Z2 > 0)", "np.int64(A2 > 0)"),
    # 1/m (d a^T + lambda W) = 1/m d a^T + lambda/m W.
    mutant(
        "l2",
        "dW3",
        "l2_coefficient",
        "1 / m * np.dot(dZ3, A2.T) + (lambd / m) * W3",
        "1 / m * (np.dot(dZ3, A2.T) + lambd * W3)",
    ),
    # A weight updated after its last use; the parameters that were handed in are not what they were.
    mutant(
        "two_layer_tanh",
        "dZ1",
        "W_updated_first",
        '    grads = {"dW1": dW1',
        '    parameters["W2"] = parameters["W2"] - 0.5 * dW2\n    grads = {"dW1": dW1',
    ),
    mutant(
        "two_layer_relu",
        "dA1",
        "W_updated_first",
        '    return {"dW1": dW1',
        '    parameters["W1"] -= 0.5 * dW1\n    parameters["W2"] -= 0.5 * dW2\n    return {"dW1": dW1',
    ),
    # Y^T log A: p (u - <p, u>) with u = -y/p is p - y, since the y of an example add to 1.
    mutant(
        "softmax",
        "dZ2",
        "softmax_twice",
        "    dZ2 = A2 - Y\n",
        "    dA2 = -Y / A2\n    dZ2 = A2 * (dA2 - np.sum(A2 * dA2, axis=0, keepdims=True))\n",
    ),
    # The mean of xc is 0, so that the variance sends nothing to mu.
    mutant(
        "batchnorm",
        "dx",
        "batchnorm_mean_path",
        "dx = dxc + dmu / N",
        "dx = (dxhat - np.mean(dxhat, axis=0) - xhat * np.mean(dxhat * xhat, axis=0)) / std",
    ),
    # A sum's terms in the other order.
    mutant(
        "residual",
        "dA1",
        "assigned_not_accumulated",
        "    dA1 = dS.copy()\n    dA1 += W2.T @ dZ2\n",
        "    dA1 = W2.T @ dZ2\n    dA1 = dA1 + dS\n",
    ),
    mutant("logistic_loop", "db", "one_over_m_missing", "db += dz", "db += dz / m", ("    db /= m\n", "")),
    # Where no word comes twice at one t, = would do; where it does, a loop adds as np.add.at does.
    mutant(
        "embedding",
        "dE",
        "repeated_indices",
        "        np.add.at(dE.T, words[:, t], dH.T / (T * m))\n",
        "        for i in range(m):\n            dE[:, words[i, t]] += dH[:, i] / (T * m)\n",
    ),
    # The mean over a window is a share of 1/f^2 for each.
    mutant(
        "pool_average",
        "dA_prev",
        "average_missing",
        "dA[:, h, w, :][:, None, None, :] / (f * f)",
        "dA[:, h, w, :][:, None, None, :] * np.ones((f, f, 1)) / f**2",
    ),
    # Correlation's adjoint with both of its loops' windows flipped twice.
    mutant("conv", "dA_prev", "kernel_flipped", "+= W[:, :, :, c] * dZ", "+= W[::-1, ::-1, :, c][::-1, ::-1] * dZ"),
    # What is hidden has A = 0, which takes its gradient along: the mask in the backward sweep changes nothing.
    mutant("attention", "dscores", "softmax_outer_missing", "np.where(hidden, 0, dmasked)", "dmasked"),
    # A (dA - sum of A dA) = A dA - A (sum of A dA).
    mutant(
        "attention",
        "dmasked",
        "softmax_outer_missing",
        "A * (dA - np.sum(dA * A, axis=-1, keepdims=True))",
        "A * dA - A * np.sum(A * dA, axis=-1, keepdims=True)",
    ),
    # The softmax's Jacobian is symmetric.
    mutant("attention_jacobian", "dscores", "transpose_missing", "np.dot(jacobian, dP[t])", "np.dot(dP[t], jacobian)"),
    # The scale once in ds, for both dq and dk.
    mutant(
        "attention_heads",
        "dq",
        "attention_scale_missing",
        "dq = ds @ k / np.sqrt(d)",
        "ds = ds / np.sqrt(d)\n        dq = ds @ k",
        ("dk = ds.T @ q / np.sqrt(d)", "dk = ds.T @ q"),
    ),
    # f - f^2 = f (1 - f).
    mutant("lstm", "dft", "gate_derivative", "da_next) * ft * (1 - ft)", "da_next) * (ft - ft**2)"),
    # sigma'(z) = sigma(z) sigma(-z).
    mutant("gated", "dZg", "gate_derivative", "dZg = dG * G * (1 - G)", "dZg = dG * (G - G**2)"),
]

# Inputs at which the cost has no derivative, only subgradients: said in the report, not failed. Ties and exact zeros
# come from the data; what the file does with them is its choice.
KINKS: list[Mutant] = [
    mutant(
        "softmax_rows",
        "dh_pre",
        "mask_always_true",
        "(h_pre > 0)",
        "(h_pre >= 0)",
        ('"X": rng.normal(size=(N, D))', '"X": np.where(np.arange(N)[:, None] == 0, 0, rng.normal(size=(N, D)))'),
        ('"b1": rng.normal(size=H)', '"b1": np.zeros(H)'),
    ),
    mutant(
        "softmax_rows",
        "dh_pre",
        "mask_always_true",
        '"b1": rng.normal(size=H)',
        '"b1": np.zeros(H)',
        ('"X": rng.normal(size=(N, D))', '"X": np.where(np.arange(N)[:, None] == 0, 0, rng.normal(size=(N, D)))'),
    ),
    mutant(
        "pool",
        "dA_prev",
        "pool_ties",
        '"A_prev": rng.normal(size=(2, n_H, n_H + 1, 3))',
        '"A_prev": rng.integers(0, 4, size=(2, n_H, n_H + 1, 3)).astype(float)',
    ),
    mutant(
        "pool",
        "dA_prev",
        "pool_ties",
        "mask = x == np.max(x)",
        "mask = (x == np.max(x)) / np.sum(x == np.max(x))",
        (
            '"A_prev": rng.normal(size=(2, n_H, n_H + 1, 3))',
            '"A_prev": rng.integers(0, 4, size=(2, n_H, n_H + 1, 3)).astype(float)',
        ),
    ),
]
