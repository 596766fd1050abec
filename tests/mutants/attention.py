"""Attention: the softmax's Jacobian, the products around it, 1/sqrt(d), and all that comes back to X."""

from collections.abc import Iterator

from .mutant import Mutant, mutant


def attention() -> Iterator[Mutant]:
    """The batch with einsum, the heads in a loop, and the Jacobian row by row."""
    yield from _batch()
    yield from _heads()
    yield from _jacobian()


def _batch() -> Iterator[Mutant]:
    program = "attention"
    softmax = "dmasked = A * (dA - np.sum(dA * A, axis=-1, keepdims=True))\n"
    dQ = 'dQ = np.einsum("nqk,nke->nqe", dscores, K) / np.sqrt(d)\n'
    dK = 'dK = np.einsum("nqk,nqe->nke", dscores, Q) / np.sqrt(d)\n'
    dV = 'dV = np.einsum("nqk,nqe->nke", A, dH)\n'
    dWo = 'dWo = np.einsum("nte,ntd->ed", H, dout)\n'
    dX = "dX = dQ @ Wq.T + dK @ Wk.T + dV @ Wv.T\n"
    # d_v and d the same, so that what is taken for another fits.
    square = ("N, T, D, d, d_v, n = rng", "N, T, D, d, _, n = rng"), ("T = max(T, 3)\n", "T, d_v = max(T, 3), d\n")
    for quantity, cause, old, new, *more in (
        ("dmasked", "softmax_outer_missing", softmax, "dmasked = A * dA\n"),
        ("dmasked", "softmax_diagonal_only", softmax, "dmasked = A * (1 - A) * dA\n"),
        ("dmasked", "softmax_wrong_axis", softmax, softmax.replace("axis=-1", "axis=-2")),
        ("dmasked", "softmax_wrong_axis", softmax, softmax.replace("axis=-1", "axis=0")),
        ("dmasked", "softmax_wrong_axis", softmax, "dmasked = A * (dA - np.sum(dA * A))\n"),
        ("dmasked", "softmax_sum_weight", softmax, "dmasked = A * (dA - np.sum(dA, axis=-1, keepdims=True))\n"),
        ("dmasked", "operand_sign", softmax, softmax.replace("dA - np", "dA + np")),
        ("dmasked", "derivative_missing", softmax, softmax.replace("A * (dA", "(dA")),
        ("dmasked", "derivative_missing", softmax, "dmasked = dA\n"),
        ("dQ", "attention_scale_missing", dQ, dQ.replace(" / np.sqrt(d)", "")),
        ("dK", "attention_scale_missing", dK, dK.replace(" / np.sqrt(d)", "")),
        ("dQ", "attention_scale_missing", dQ, dQ.replace(" / np.sqrt(d)", " / d")),
        ("dK", "attention_scale_missing", dK, dK.replace(" / np.sqrt(d)", " * np.sqrt(d)")),
        ("dQ", "wrong_operand", dQ, dQ.replace("dscores, K", "dscores, Q")),
        ("dK", "wrong_operand", dK, dK.replace("dscores, Q", "dscores, K")),
        ("dQ", "transpose_missing", dQ, dQ.replace("nqk,nke->nqe", "nkq,nke->nqe")),
        ("dK", "transpose_missing", dK, dK.replace("nqk,nqe->nke", "nkq,nqe->nke")),
        ("dK", "wrong_operand", dK, dK.replace("dscores, Q", "A, Q")),
        ("dV", "wrong_operand", dV, dV.replace("A, dH", "scores, dH"), ("A, H, hidden)", "A, H, hidden, scores)"),
         ("A, H, hidden =", "A, H, hidden, scores =")),
        ("dV", "transpose_missing", dV, dV.replace("nqk,nqe->nke", "nkq,nqe->nke")),
        ("dV", "wrong_operand", dV, dV.replace("A, dH", "A, H")),
        ("dV", "sign_flipped|operand_sign", dV, dV.replace("A, dH", "-A, dH")),
        ("dA", "wrong_operand", "dH, V)\n    dmasked", "dH, K)\n    dmasked", *square),
        ("dA", "wrong_operand", "dH, V)\n    dmasked", "H, V)\n    dmasked"),
        ("dH", "dW_for_W", "dout, Wo)\n", "dout, dWo)\n"),
        ("dWo", "transpose_missing", dWo, dWo.replace("->ed", "->de")),
        ("dWo", "A_for_A_prev", dWo, dWo.replace("H, dout", "V, dout")),
        ("dWo", "one_over_m_twice|divided_by_other", dWo, dWo.replace("dout)", "dout) / Y.shape[0]")),
        ("dout", "one_over_m_missing", "dout = (out - Y) / Y.shape[0]\n", "dout = out - Y\n"),
        ("dout", "sign_flipped|operand_sign", "dout = (out - Y) / Y.shape[0]\n", "dout = (Y - out) / Y.shape[0]\n"),
        ("dout", "factor_two", "dout = (out - Y) / Y.shape[0]\n", "dout = 2 * (out - Y) / Y.shape[0]\n"),
        ("dWq", "wrong_operand", "X, dQ)\n", "X, dK)\n"),
        ("dWk", "wrong_operand", "X, dK)\n", "X, dQ)\n"),
        ("dWv", "wrong_operand", "X, dV)\n", "X, dQ)\n", *square),
        ("dWk", "transpose_missing", 'dWk = np.einsum("ntd,nte->de"', 'dWk = np.einsum("ntd,nte->ed"'),
        ("dWq", "wrong_operand", 'dWq = np.einsum("ntd,nte->de", X, dQ)', 'dWq = np.einsum("ntd,nte->de", X, Q)'),
        ("dX", "assigned_not_accumulated", dX, "dX = dQ @ Wq.T + dK @ Wk.T\n"),
        ("dX", "assigned_not_accumulated", dX, "dX = dQ @ Wq.T + dV @ Wv.T\n"),
        ("dX", "assigned_not_accumulated", dX, "dX = dK @ Wk.T + dV @ Wv.T\n"),
        ("dX", "assigned_not_accumulated", dX, "dX = dV @ Wv.T\n"),
        ("dX", "operand_sign", dX, "dX = dQ @ Wq.T - dK @ Wk.T + dV @ Wv.T\n"),
        ("dX", "wrong_operand", dX, "dX = dQ @ Wk.T + dK @ Wk.T + dV @ Wv.T\n"),
        ("dX", "wrong_operand", dX, "dX = dQ @ Wq.T + dK @ Wq.T + dV @ Wv.T\n"),
        ("dX", "dW_for_W", dX, "dX = dQ @ dWq.T + dK @ Wk.T + dV @ Wv.T\n"),
    ):  # fmt: skip
        yield mutant(program, quantity, cause, old, new, *more)


def _heads() -> Iterator[Mutant]:
    program = "attention_heads"
    softmax = "ds = p * (dp - np.sum(dp * p, axis=1, keepdims=True))\n"
    dq, dk, dv = "dq = ds @ k / np.sqrt(d)\n", "dk = ds.T @ q / np.sqrt(d)\n", "dv = p.T @ dz\n"
    dX = "dX += dq @ Wq[h].T + dk @ Wk[h].T + dv @ Wv[h].T\n"
    dz = "dz = dconcat[:, h * d_v : (h + 1) * d_v]\n"
    for quantity, cause, old, new in (
        ("ds", "softmax_outer_missing", softmax, "ds = p * dp\n"),
        ("ds", "softmax_wrong_axis", softmax, softmax.replace("axis=1", "axis=0")),
        ("ds", "softmax_diagonal_only", softmax, "ds = dp * p * (1 - p)\n"),
        ("ds", "softmax_sum_weight", softmax, softmax.replace("dp * p,", "dp,")),
        ("dp", "wrong_operand", "dp = dz @ v.T\n", "dp = z @ v.T\n"),
        ("dq", "attention_scale_missing", dq, dq.replace(" / np.sqrt(d)", "")),
        ("dk", "attention_scale_missing", dk, dk.replace(" / np.sqrt(d)", "")),
        ("dk", "transpose_missing", dk, dk.replace("ds.T", "ds")),
        ("dk", "wrong_operand", dk, dk.replace("@ q", "@ k")),
        ("dq", "wrong_operand", dq, dq.replace("@ k", "@ q")),
        ("dv", "transpose_missing", dv, "dv = p @ dz\n"),
        ("dv", "wrong_operand|A_for_A_prev", dv, "dv = s.T @ dz\n"),
        ("dX", "assigned_not_accumulated", dX, dX.replace("+=", "=")),
        ("dX", "assigned_not_accumulated", dX, "dX += dq @ Wq[h].T + dk @ Wk[h].T\n"),
        ("dX", "assigned_not_accumulated", dX, "dX += dq @ Wq[h].T + dv @ Wv[h].T\n"),
        ("dX", "assigned_not_accumulated", dX, "dX += dk @ Wk[h].T + dv @ Wv[h].T\n"),
        ("dWo", "transpose_missing", "dWo = concat.T @ dout\n", "dWo = dout.T @ concat\n"),
        ("dWo", "A_for_A_prev", "dWo = concat.T @ dout\n", "dWo = out.T @ dout\n"),
        ("dconcat", "dW_for_W", "dconcat = dout @ Wo.T\n", "dconcat = dout @ dWo.T\n"),
        ("dz", "wrong_operand", dz, "dz = dconcat[:, :d_v]\n"),
        ("dz", "wrong_operand", dz, "dz = dconcat[:, h::2]\n"),
        ("dWk", "wrong_operand", "dWk[h] = X.T @ dk\n", "dWk[h] = X.T @ dq\n"),
    ):
        more = ()
        if new == "dv = s.T @ dz\n":
            more = (
                ("caches.append((q, k, v, p))", "caches.append((q, k, v, p, s))"),
                ("q, k, v, p = ", "q, k, v, p, s = "),
            )
        if new == "dp = z @ v.T\n":
            more = (
                ("caches.append((q, k, v, p))", "caches.append((q, k, v, p, z))"),
                ("q, k, v, p = ", "q, k, v, p, z = "),
            )
        if new == "dWo = out.T @ dout\n":
            more = (
                ("return out, (X, parameters, caches, concat)", "return out, (X, parameters, caches, concat, out)"),
                ("X, parameters, caches, concat = cache", "X, parameters, caches, concat, out = cache"),
                ("H, T, D, d, d_v, n = (2, *rng.choice(np.arange(3, 9), 5, replace=False))\n",
                 "H, T, D, d, d_v = (2, *rng.choice(np.arange(3, 9), 4, replace=False))\n    n = H * d_v\n"),
            )  # fmt: skip
        yield mutant(program, quantity, cause, old, new, *more)


def _jacobian() -> Iterator[Mutant]:
    program = "attention_jacobian"
    jacobian = "jacobian = np.diagflat(p) - np.dot(p, p.T)\n"
    dQ, dK = "dQ = np.dot(dscores, K) / np.sqrt(d)\n", "dK = np.dot(dscores.T, Q) / np.sqrt(d)\n"
    dV, dP = "dV = np.dot(P.T, dout)\n", "dP = np.dot(dout, V.T)\n"
    as_many = (
        ("T, S, d, d_v = rng", "T, _, d, d_v = rng"),
        ('    return {"Q": rng', '    S = T\n    return {"Q": rng'),
    )
    for quantity, cause, old, new, *more in (
        ("dscores", "softmax_outer_missing", jacobian, "jacobian = np.diagflat(p)\n"),
        ("dscores", "softmax_diagonal_only", jacobian, "jacobian = np.diagflat(p * (1 - p))\n"),
        ("dscores", "operand_sign", jacobian, "jacobian = np.diagflat(p) + np.dot(p, p.T)\n"),
        ("dscores", "softmax_diagonal_missing", jacobian, "jacobian = -np.dot(p, p.T)\n"),
        ("dQ", "attention_scale_missing", dQ, "dQ = np.dot(dscores, K)\n"),
        ("dK", "attention_scale_missing", dK, "dK = np.dot(dscores.T, Q)\n"),
        ("dQ", "attention_scale_missing|divided_by_other", dQ, "dQ = np.dot(dscores, K) / np.sqrt(len(K))\n"),
        ("dQ", "wrong_operand", dQ, dQ.replace("K)", "Q)"), *as_many),
        ("dK", "wrong_operand", dK, dK.replace("Q)", "K)"), *as_many),
        ("dK", "transpose_missing", dK, dK.replace("dscores.T", "dscores"), *as_many),
        ("dV", "transpose_missing", dV, dV.replace("P.T", "P"), *as_many),
        ("dV", "A_for_A_prev|wrong_operand", dV, dV.replace("P.T", "scores.T"),
         ('"P": P}', '"P": P, "scores": scores}'),
         ("T, d = Q.shape\n    dV", 'T, d = Q.shape\n    scores = cache["scores"]\n    dV')),
        ("dV", "sign_flipped", dV, "dV = -np.dot(P.T, dout)\n"),
        ("dP", "wrong_operand|A_for_A_prev", dP, "dP = np.dot(dout, K.T)\n", ("T, S, d, d_v = rng", "T, S, d, _ = rng"),
         ("    return {\"Q\": rng", "    d_v = d\n    return {\"Q\": rng")),
    ):  # fmt: skip
        yield mutant(program, quantity, cause, old, new, *more)
