"""Convolution, pooling, recurrence, gates and embeddings: whatever adds up over places or over time."""

from collections.abc import Iterator

from .mutant import Mutant, mutant


def convolution() -> Iterator[Mutant]:
    """The course's loops, and the small network around one."""
    program = "conv"
    window = "da_prev_pad[vert_start:vert_end, horiz_start:horiz_end, :]"
    back = f"{window} += W[:, :, :, c] * dZ[i, h, w, c]\n"
    square = ("    n_C_prev, n_C = 2, 3\n", "    n_C_prev, n_C = 3, 3\n")
    unpad = "da_prev_pad[pad : pad + n_H_prev, pad : pad + n_W_prev, :]\n"
    dW = "dW[:, :, :, c] += a_slice * dZ[i, h, w, c]\n"
    db = "db[:, :, :, c] += dZ[i, h, w, c]\n"
    a_slice = "                    a_slice = a_prev_pad[vert_start:vert_end, horiz_start:horiz_end, :]\n"
    for quantity, cause, old, new, *more in (
        ("dA_prev|da_prev_pad", "kernel_flipped", back, f"{window} += W[::-1, ::-1, :, c] * dZ[i, h, w, c]\n"),
        ("dA_prev|da_prev_pad", "kernel_flipped", back, f"{window} += np.rot90(W[:, :, :, c], 2) * dZ[i, h, w, c]\n"),
        ("dA_prev|da_prev_pad", "channels_swapped", back, f"{window} += W[:, :, c, :] * dZ[i, h, w, c]\n", square),
        (
            "dA_prev|da_prev_pad",
            "transpose_missing|kernel_flipped",
            back,
            f"{window} += W[:, :, :, c].transpose(1, 0, 2) * dZ[i, h, w, c]\n",
        ),
        ("dA_prev|da_prev_pad", "assigned_not_accumulated", back, f"{window} = W[:, :, :, c] * dZ[i, h, w, c]\n"),
        ("dA_prev", "window_offset", unpad, "da_prev_pad[:n_H_prev, :n_W_prev, :]\n"),
        ("dA_prev", "window_offset", unpad, "da_prev_pad[2 * pad :, 2 * pad :, :]\n"),
        (
            "dA_prev|da_prev_pad",
            "window_offset",
            back,
            f"{window.replace('vert_start:vert_end, horiz_start:horiz_end', 'h : h + f, w : w + f')} "
            "+= W[:, :, :, c] * dZ[i, h, w, c]\n",
            ('"stride": int(rng.integers(1, 3))', '"stride": 2'),
        ),
        ("dW", "kernel_flipped", dW, "dW[:, :, :, c] += a_slice[::-1, ::-1, :] * dZ[i, h, w, c]\n"),
        ("dW", "assigned_not_accumulated", dW, "dW[:, :, :, c] = a_slice * dZ[i, h, w, c]\n"),
        ("dW", "channels_swapped", dW, "dW[:, :, c, :] += a_slice * dZ[i, h, w, c]\n", square),
        (
            "dW",
            "window_offset",
            "    db = np.zeros((1, 1, 1, n_C))\n    A_prev_pad = zero_pad(A_prev, pad)\n",
            "    db = np.zeros((1, 1, 1, n_C))\n"
            "    A_prev_pad = np.pad(A_prev, ((0, 0), (2 * pad, 0), (2 * pad, 0), (0, 0)))\n",
        ),
        (
            "dW",
            "window_offset",
            a_slice,
            a_slice.replace("vert_start:vert_end, horiz_start:horiz_end", "h : h + f, w : w + f"),
            ('"stride": int(rng.integers(1, 3))', '"stride": 2'),
        ),
        ("dW", "one_over_m_twice|divided_by_other", dW, "dW[:, :, :, c] += 1 / m * a_slice * dZ[i, h, w, c]\n"),
        ("db", "assigned_not_accumulated", db, "db[:, :, :, c] = dZ[i, h, w, c]\n"),
        ("db", "db_no_axis", db, "db += dZ[i, h, w, c]\n"),
        ("db", "one_over_m_twice|divided_by_other", db, "db[:, :, :, c] += dZ[i, h, w, c] / m\n"),
    ):
        yield mutant(program, quantity, cause, old, new, *more)
    yield from _cnn()


def _cnn() -> Iterator[Mutant]:
    program = "cnn"
    dK, dc = "dK[k] += X[i, h : h + f, w : w + f] * dZ1[i, k, h, w] / m\n", "dc[k] += dZ1[i, k, h, w] / m\n"
    route = "dA1[i, k, 2 * h + row, 2 * w + column] += dP[i, k, h, w]\n"
    argmax = "                    row, column = np.unravel_index(np.argmax(window), window.shape)\n"
    for quantity, cause, old, new in (
        ("dZ2", "sign_flipped|operand_sign", "dZ2 = A2 - Y\n", "dZ2 = Y - A2\n"),
        ("dZ2", "extra_output_derivative", "dZ2 = A2 - Y\n", "dZ2 = (A2 - Y) * A2 * (1 - A2)\n"),
        ("dZ2|dW", "one_over_m_twice", "dZ2 = A2 - Y\n", "dZ2 = (A2 - Y) / m\n"),
        ("dW", "one_over_m_missing", "dW = dZ2 @ F.T / m\n", "dW = dZ2 @ F.T\n"),
        ("dW", "transpose_missing", "dW = dZ2 @ F.T / m\n", "dW = F @ dZ2.T / m\n"),
        ("db", "db_wrong_axis", "db = np.sum(dZ2, axis=1,", "db = np.sum(dZ2, axis=0,"),
        ("dF", "dW_for_W", "dF = W.T @ dZ2\n", "dF = dW.T @ dZ2\n"),
        ("dF", "W_updated_first", "    dF = W.T @ dZ2\n", "    W = W - 0.5 * dW\n    dF = W.T @ dZ2\n"),
        ("dF", "sign_flipped|operand_sign", "dF = W.T @ dZ2\n", "dF = -W.T @ dZ2\n"),
        ("dA1", "window_offset", route, "dA1[i, k, h + row, w + column] += dP[i, k, h, w]\n"),
        ("dA1", "transpose_missing|window_offset", route, "dA1[i, k, 2 * h + column, 2 * w + row] += dP[i, k, h, w]\n"),
        ("dZ1", "derivative_missing|mask_always_true", "dZ1 = dA1 * (Z1 > 0)\n", "dZ1 = dA1\n"),
        ("dZ1", "mask_always_true|derivative_missing", "dZ1 = dA1 * (Z1 > 0)\n", "dZ1 = dA1 * (A1 >= 0)\n"),
        ("dZ1", "function_for_derivative", "dZ1 = dA1 * (Z1 > 0)\n", "dZ1 = dA1 * A1\n"),
        ("dZ1", "other_activation", "dZ1 = dA1 * (Z1 > 0)\n", "dZ1 = dA1 * (1 - A1**2)\n"),
        ("dK", "kernel_flipped", dK, "dK[k, ::-1, ::-1] += X[i, h : h + f, w : w + f] * dZ1[i, k, h, w] / m\n"),
        ("dK", "transpose_missing", dK, "dK[k] += X[i, h : h + f, w : w + f].T * dZ1[i, k, h, w] / m\n"),
        ("dK", "assigned_not_accumulated", dK, dK.replace("+=", "=")),
        ("dK", "one_over_m_missing", dK, dK.replace(" / m", "")),
        ("dK", "divided_by_other", dK, dK.replace(" / m", " / (m * n_F)")),
        ("dc", "assigned_not_accumulated", dc, dc.replace("+=", "=")),
        ("dc", "one_over_m_missing", dc, dc.replace(" / m", "")),
        ("dc", "db_no_axis", dc, "dc += dZ1[i, k, h, w] / m\n"),
        ("dc", "db_from_dA", dc, "dc[k] += dA1[i, k, h, w] / m\n"),
    ):
        yield mutant(program, quantity, cause, old, new)
    # The gradient goes to the whole window instead of to its largest entry.
    everywhere = "dA1[i, k, 2 * h : 2 * h + 2, 2 * w : 2 * w + 2] += dP[i, k, h, w]\n"
    yield mutant(program, "dA1", "mask_always_true|pool_ties", argmax, "", (route, everywhere))


def pooling() -> Iterator[Mutant]:
    """Max and average pooling."""
    program = "pool"
    window = "dA_prev[i, vert_start:vert_end, horiz_start:horiz_end, c]"
    for cause, old, new in (
        ("assigned_not_accumulated", f"{window} += mask * dA[i, h, w, c]", f"{window} = mask * dA[i, h, w, c]"),
        ("assigned_not_accumulated", f"{window} += mask * dA[i, h, w, c]", f"{window}[mask] = dA[i, h, w, c]"),
        ("mask_always_true|pool_ties", "mask = x == np.max(x)", "mask = x <= np.max(x)"),
    ):
        yield mutant(program, "dA_prev", cause, old, new)
    strided = ("    stride = int(rng.integers(1, 3))\n", "    stride = 2\n")
    yield mutant(
        program,
        "dA_prev",
        "window_offset",
        "                    vert_start = h * stride\n                    vert_end = vert_start + f\n",
        "                    vert_start = h\n                    vert_end = vert_start + f\n",
        strided,
    )
    program = "pool_average"
    share = "dA[:, h, w, :][:, None, None, :] / (f * f)\n"
    target = "dA_prev[:, h * stride : h * stride + f, w * stride : w * stride + f, :]"
    for cause, old, new in (
        ("average_missing", share, "dA[:, h, w, :][:, None, None, :]\n"),
        ("average_missing|divided_by_other", share, "dA[:, h, w, :][:, None, None, :] / f\n"),
        ("assigned_not_accumulated", f"{target} += share\n", f"{target} = share\n"),
        ("window_offset", f"{target} += share\n", "dA_prev[:, h : h + f, w : w + f, :] += share\n"),
    ):
        more = (('"stride": int(rng.integers(1, 3))', '"stride": 2'),) if cause == "window_offset" else ()
        yield mutant(program, "dA_prev", cause, old, new, *more)


def recurrence() -> Iterator[Mutant]:
    """The cells of the course, the many-to-one network, and the gate."""
    program = "rnn"
    # The cell's own z has no name in the forward sweep, so that a wrong dtanh shows in what is made of it.
    cell = "dtanh|dx|dxt|dWax|dWaa|dba|da_prev|da_prevt|da0|da_next"
    dtanh = "dtanh = (1 - a_next**2) * da_next\n"
    carried = "rnn_cell_backward(da[:, :, t] + da_prevt, caches[t])"
    for quantity, cause, old, new in (
        (cell, "derivative_missing", dtanh, "dtanh = da_next\n"),
        (cell, "derivative_fed_A", dtanh, "dtanh = (1 - np.tanh(a_next) ** 2) * da_next\n"),
        (cell, "function_for_derivative", dtanh, "dtanh = a_next * da_next\n"),
        (cell, "other_activation", dtanh, "dtanh = a_next * (1 - a_next) * da_next\n"),
        (cell, "sign_flipped|operand_sign", dtanh, "dtanh = -(1 - a_next**2) * da_next\n"),
        (cell, "carry_dropped", carried, "rnn_cell_backward(da[:, :, t], caches[t])"),
        (cell, "carry_dropped|assigned_not_accumulated", carried, "rnn_cell_backward(da_prevt, caches[t])"),
        (cell, "gradients_not_zeroed", 'da_prevt = gradients["da_prev"]', 'da_prevt += gradients["da_prev"]'),
        (
            cell,
            "truncated",
            "for t in reversed(range(T_x)):\n        gradients",
            "for t in reversed(range(max(T_x - 2, 1), T_x)):\n        gradients",
        ),
        ("dWax", "assigned_not_accumulated", 'dWax += gradients["dWax"]', 'dWax = gradients["dWax"]'),
        ("dWaa", "assigned_not_accumulated", 'dWaa += gradients["dWaa"]', 'dWaa = gradients["dWaa"]'),
        ("dba", "assigned_not_accumulated", 'dba += gradients["dba"]', 'dba = gradients["dba"]'),
        (
            "da_prev|da_prevt|da0|da_next",
            "transpose_missing",
            "da_prev = np.dot(Waa.T, dtanh)",
            "da_prev = np.dot(Waa, dtanh)",
        ),
        ("dxt|dx", "sign_flipped|operand_sign", "dxt = np.dot(Wax.T, dtanh)", "dxt = -np.dot(Wax.T, dtanh)"),
        (
            "dxt|dx",
            "dW_for_W",
            "    dxt = np.dot(Wax.T, dtanh)\n    dWax = np.dot(dtanh, xt.T)\n",
            "    dWax = np.dot(dtanh, xt.T)\n    dxt = np.dot(dWax.T, dtanh)\n",
        ),
        ("dWaa", "A_for_A_prev", "dWaa = np.dot(dtanh, a_prev.T)", "dWaa = np.dot(dtanh, a_next.T)"),
        ("dWaa", "transpose_missing", "dWaa = np.dot(dtanh, a_prev.T)", "dWaa = np.dot(a_prev, dtanh.T)"),
        (
            "dWax",
            "one_over_m_twice|divided_by_other",
            "dWax = np.dot(dtanh, xt.T)",
            "dWax = np.dot(dtanh, xt.T) / xt.shape[1]",
        ),
        ("dba", "db_no_axis", "dba = np.sum(dtanh, axis=1, keepdims=True)", "dba = np.sum(dtanh)"),
        (
            "dba",
            "db_from_dA",
            "dba = np.sum(dtanh, axis=1, keepdims=True)",
            "dba = np.sum(da_next, axis=1, keepdims=True)",
        ),
    ):
        yield mutant(program, quantity, cause, old, new)
    yield from _many_to_one()
    yield from _gated()


def _many_to_one() -> Iterator[Mutant]:
    program = "rnn_many_to_one"
    step = "dz|da|dWx|dWa|dba"
    dz, carry = "        dz = da * (1 - a[t + 1] ** 2)\n", "        da = Wa.T @ dz\n"
    dWx, dWa = "        dWx += dz @ X[:, :, t].T / m\n", "        dWa += dz @ a[t].T / m\n"
    dba = "        dba += np.sum(dz, axis=1, keepdims=True) / m\n"
    loop = "for t in range(T - 1, -1, -1):\n"
    for quantity, cause, old, new in (
        ("dZy", "sign_flipped|operand_sign", 'dZy = cache["Ay"] - Y', 'dZy = Y - cache["Ay"]'),
        (
            "dZy",
            "extra_output_derivative",
            'dZy = cache["Ay"] - Y',
            'dZy = (cache["Ay"] - Y) * cache["Ay"] * (1 - cache["Ay"])',
        ),
        ("dWy", "one_over_m_missing", "dWy = dZy @ a[T].T / m", "dWy = dZy @ a[T].T"),
        ("dWy", "A_for_A_prev", "dWy = dZy @ a[T].T / m", 'dWy = dZy @ cache["Ay"].T / m'),
        ("dby", "db_wrong_axis", "dby = np.sum(dZy, axis=1", "dby = np.sum(dZy, axis=0"),
        ("da", "dW_for_W", "da = Wy.T @ dZy", "da = dWy.T @ dZy"),
        (step, "derivative_missing", dz, "        dz = da\n"),
        (step, "function_for_derivative", dz, "        dz = da * a[t + 1]\n"),
        (step, "derivative_fed_A", dz, "        dz = da * (1 - np.tanh(a[t + 1]) ** 2)\n"),
        (step, "other_activation", dz, "        dz = da * a[t + 1] * (1 - a[t + 1])\n"),
        (step, "carry_dropped", carry, "        da = np.zeros_like(da)\n"),
        (step, "stale_dA|carry_dropped", carry, ""),
        ("da|dz", "transpose_missing", carry, "        da = Wa @ dz\n"),
        ("da|dz", "gradients_not_zeroed", carry, "        da += Wa.T @ dz\n"),
        ("dWx", "assigned_not_accumulated", dWx, dWx.replace("+=", "=")),
        ("dWa", "assigned_not_accumulated", dWa, dWa.replace("+=", "=")),
        ("dba", "assigned_not_accumulated", dba, dba.replace("+=", "=")),
        ("dWx", "one_over_m_missing", dWx, dWx.replace(" / m", "")),
        ("dWa", "one_over_m_missing", dWa, dWa.replace(" / m", "")),
        ("dWa", "A_for_A_prev", dWa, dWa.replace("a[t]", "a[t + 1]")),
        ("dWa", "transpose_missing", dWa, "        dWa += a[t] @ dz.T / m\n"),
        ("dba", "db_no_axis", dba, "        dba += np.sum(dz) / m\n"),
        ("dba", "db_from_dA", dba, "        dba += np.sum(da, axis=1, keepdims=True) / m\n"),
        ("dWx|dWa|dba|da", "truncated", loop, "for t in range(T - 1, T - 3, -1):\n"),
        ("dWx|dWa|dba|da", "truncated", loop, "for t in range(T - 1, 0, -1):\n"),
    ):
        yield mutant(program, quantity, cause, old, new)


def _gated() -> Iterator[Mutant]:
    program = "gated"
    dG, dZg = "dG = dC * (C_tilde - c_prev)\n", "dZg = dG * G * (1 - G)\n"
    for quantity, cause, old, new in (
        ("dZg", "gate_derivative|function_for_derivative", dZg, "dZg = dG * G\n"),
        ("dZg", "derivative_missing", dZg, "dZg = dG\n"),
        ("dZg", "other_activation", dZg, "dZg = dG * (1 - G**2)\n"),
        ("dZg", "derivative_fed_A", dZg, "dZg = dG * sigmoid(G) * (1 - sigmoid(G))\n"),
        ("dG", "operand_sign", dG, "dG = dC * (C_tilde + c_prev)\n"),
        ("dG", "assigned_not_accumulated", dG, "dG = dC * C_tilde\n    dG = -dC * c_prev\n"),
        ("dG", "assigned_not_accumulated", dG, "dG = dC * C_tilde\n"),
        ("dZc", "derivative_missing", "dZc = dC_tilde * (1 - C_tilde**2)\n", "dZc = dC_tilde\n"),
        (
            "dZc",
            "other_activation",
            "dZc = dC_tilde * (1 - C_tilde**2)\n",
            "dZc = dC_tilde * C_tilde * (1 - C_tilde)\n",
        ),
        ("dC", "dW_for_W", "dC = v.T @ dy_hat\n", "dC = dv.T @ dy_hat\n"),
        ("dC", "sign_flipped|operand_sign", "dC = v.T @ dy_hat\n", "dC = -v.T @ dy_hat\n"),
        ("dy_hat", "factor_two", "dy_hat = y_hat - y\n", "dy_hat = 2 * (y_hat - y)\n"),
        ("dy_hat", "sign_flipped|operand_sign", "dy_hat = y_hat - y\n", "dy_hat = y - y_hat\n"),
        ("dv", "one_over_m_missing", "dv = dy_hat @ C.T / m\n", "dv = dy_hat @ C.T\n"),
        ("dWc", "transpose_missing", "dWc = dZc @ x.T / m\n", "dWc = x @ dZc.T / m\n"),
        ("dWg", "one_over_m_missing", "dWg = dZg @ x.T / m\n", "dWg = dZg @ x.T\n"),
        ("dWg", "A_for_A_prev", "dWg = dZg @ x.T / m\n", "dWg = dZg @ G.T / m\n"),
        ("dbg", "db_no_axis", "dbg = np.sum(dZg, axis=1, keepdims=True) / m\n", "dbg = np.sum(dZg) / m\n"),
        ("dbc", "db_from_dA", "dbc = np.sum(dZc, axis=1", "dbc = np.sum(dC_tilde, axis=1"),
    ):
        yield mutant(program, quantity, cause, old, new)


def embedding() -> Iterator[Mutant]:
    """A table looked up by indices that repeat."""
    program = "embedding"
    add = "np.add.at(dE.T, words[:, t], dH.T / (T * m))\n"
    for quantity, cause, old, new in (
        ("dE", "repeated_indices", add, "dE[:, words[:, t]] += dH / (T * m)\n"),
        ("dE", "repeated_indices|assigned_not_accumulated", add, "dE[:, words[:, t]] = dH / (T * m)\n"),
        ("dE", "average_missing|divided_by_other", add, "np.add.at(dE.T, words[:, t], dH.T / m)\n"),
        ("dE", "one_over_m_missing", add, "np.add.at(dE.T, words[:, t], dH.T / T)\n"),
        ("dZ", "sign_flipped|operand_sign", "dZ = A - Y\n", "dZ = Y - A\n"),
        ("dZ", "extra_output_derivative", "dZ = A - Y\n", "dZ = (A - Y) * A * (1 - A)\n"),
        ("dW", "one_over_m_missing", "dW = dZ @ H.T / m\n", "dW = dZ @ H.T\n"),
        ("dW", "transpose_missing", "dW = dZ @ H.T / m\n", "dW = H @ dZ.T / m\n"),
        ("db", "db_wrong_axis", "db = np.sum(dZ, axis=1", "db = np.sum(dZ, axis=0"),
        ("dH", "dW_for_W", "dH = W.T @ dZ\n", "dH = dW.T @ dZ\n"),
        ("dH", "W_updated_first", "    dH = W.T @ dZ\n", "    W = W - 0.5 * dW\n    dH = W.T @ dZ\n"),
    ):
        yield mutant(program, quantity, cause, old, new)
