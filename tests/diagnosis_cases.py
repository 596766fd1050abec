"""Every row of the catalogue as a learner's wrong gradient: (id, program, quantity, the gradient from live values)."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import diagnosis_models as models
import diagnosis_sequences as sequences
import numpy as np
from diagnosis_steps import Program

from torchbasics.check.step import Array

Values = Mapping[str, Any]
Case = tuple[str, Callable[[np.random.Generator], Program], str, Callable[[Values], Any]]

tanh = models.two_layers
relu = partial(models.two_layers, activation="relu")
squared = partial(models.two_layers, loss="squared")
sigmoid = partial(models.two_layers, activation="sigmoid")
named_dA = partial(models.two_layers, claims="A2 Z2 W2 b2 A1 Z1 W1 b1")
no_dA = partial(models.two_layers, claims="Z2 W2 b2 Z1 W1 b1")
square = partial(models.two_layers, square=True)
l2 = partial(models.two_layers, lambd=0.7)
dropout = partial(models.two_layers, keep_prob=0.6, activation="relu", claims="Z2 W2 b2 A1 H1 Z1 W1 b1")
several = partial(models.two_layers, n_y=3)
autograd = partial(models.two_layers, notes=False)
strided = partial(models.convolution, stride=2)
average = partial(models.pool, mode="average")


def spread(G: Array, K: Array, stride: int, pad: int, shape: tuple[int, ...], add: bool = True) -> Array:
    """conv_backward's dA_prev with the course's loops."""
    m, H, W, C = shape
    padded = np.zeros((m, H + 2 * pad, W + 2 * pad, C))
    for i, h, w, c in np.ndindex(*G.shape):
        at = np.s_[i, h * stride : h * stride + K.shape[0], w * stride : w * stride + K.shape[1], :]
        padded[at] = (padded[at] if add else 0) + K[:, :, :, c] * G[i, h, w, c]
    return padded[:, pad : pad + H, pad : pad + W]


def shared_out(v: Values, share: Callable[[Array], Array], add: bool = True, f: int = 2, stride: int = 1) -> Array:
    """pool_backward's dA_prev with the course's loops."""
    total = np.zeros_like(v["A_prev"])
    for i, h, w, c in np.ndindex(*v["A"].shape):
        at = np.s_[i, h * stride : h * stride + f, w * stride : w * stride + f, c]
        total[at] = (total[at] if add else 0) + share(v["A_prev"][at]) * v["dA"][i, h, w, c]
    return total


def back_in_time(v: Values, carry: bool = True, steps: int = 99, add: bool = True) -> dict[str, Array]:
    """rnn_backward, with the mistakes it is known for."""
    T = v["a"].shape[2]
    carried, dWax, dWaa = np.zeros_like(v["a0"]), np.zeros_like(v["Wax"]), np.zeros_like(v["Waa"])
    for t in reversed(range(max(0, T - steps), T)):
        dz = (v["da"][:, :, t] + carried) * (1 - v["a"][:, :, t] ** 2)
        before = v["a"][:, :, t - 1] if t else v["a0"]
        dWax = dz @ v["x"][:, :, t].T + (dWax if add else 0)
        dWaa = dz @ before.T + (dWaa if add else 0)
        carried = v["Waa"].T @ dz if carry else carried
    return {"dWax": dWax, "dWaa": dWaa}


def assigned_rows(v: Values) -> Array:
    """dE[:, words] += without np.add.at: of a word's uses at one place the last is left."""
    dE, words = np.zeros_like(v["E"]), v["words"].astype(int)
    for t in range(words.shape[1]):
        dE[:, words[:, t]] += v["dH"] / words.size
    return dE


def without_mean(v: Values) -> Array:
    """Batch norm's gradient straight from dZ_tilde, the path through the mean left out."""
    Z = v["Z1"]
    s = np.sqrt(Z.var(1, keepdims=True) + 1e-5)
    Z_hat, dZ_hat = (Z - Z.mean(1, keepdims=True)) / s, v["dZ_tilde"] * v["gamma"]
    return (dZ_hat - Z_hat * (dZ_hat * Z_hat).mean(1, keepdims=True)) / s


def fused(v: Values) -> Array:
    """p - y."""
    return v["A"] - v["Y"]


def cropped(v: Values) -> Array:
    """The padding is cut off one too late."""
    m, H, W, C = v["A_prev"].shape
    return spread(v["dZ"], v["W"], 1, 1, (m, H + 1, W + 1, C))[:, 1:, 1:]


def xt(v: Values, t: int) -> Array:
    """What a cell takes at step t = 1, 2, ..."""
    return v["x"][:, :, t - 1]


def back_of_cell(v: Values, t: int) -> Array:
    """rnn_cell_backward's dtanh at step t."""
    return (1 - v[f"a_next({t})"] ** 2) * v[f"da_next({t})"]


def over_time(v: Values, term: Callable[[int], Array]) -> Array:
    """The sum over the time steps."""
    return sum((term(t) for t in range(2, v["T"] + 1)), term(1))


def first_term(v: Values) -> Array:
    """What step 1 adds to dWx, where no gradient of a step has a name."""
    dz = v["Wy"].T @ v["dZy"] * (1 - v[f"a{v['T']}"] ** 2)
    for t in range(v["T"] - 1, 0, -1):
        dz = v["Wa"].T @ dz * (1 - v[f"a{t}"] ** 2)
    return dz @ v["X"][:, :, 0].T / v["m"]


CASES: list[Case] = [
    ("one_over_m_missing", tanh, "W2", lambda v: v["dZ2"] @ v["A1"].T),
    ("one_over_m_missing", tanh, "b1", lambda v: v["dZ1"].sum(1, keepdims=True)),
    ("one_over_m_missing", autograd, "Z2", lambda v: v["A2"] - v["Y"]),
    ("one_over_m_missing", models.logistic, "w", lambda v: v["X"] @ (v["A"] - v["Y"]).T),
    ("one_over_m_twice", tanh, "Z2", lambda v: (v["A2"] - v["Y"]) / v["m"]),
    ("one_over_m_twice", tanh, "W1", lambda v: v["dZ1"] @ v["X"].T / v["m"] ** 2),
    ("one_over_m_twice", models.rows, "W2", lambda v: v["h"].T @ v["dscores"] / v["m"]),
    ("divided_by_other", tanh, "W1", lambda v: v["dZ1"] @ v["X"].T / v["X"].shape[0]),
    ("divided_by_other", tanh, "W2", lambda v: v["dZ2"] @ v["A1"].T / v["A1"].shape[0]),
    ("divided_by_other", several, "W2", lambda v: v["dZ2"] @ v["A1"].T / v["Y"].size),
    ("factor_two", squared, "Z2", lambda v: (v["A2"] - v["Y"]) * v["A2"] * (1 - v["A2"])),
    ("factor_two", models.gated, "y_hat", lambda v: 2 * (v["y_hat"] - v["y"])),
    ("sign_flipped", tanh, "Z2", lambda v: v["Y"] - v["A2"]),
    ("sign_flipped", models.logistic, "w", lambda v: v["X"] @ (v["Y"] - v["A"]).T / v["m"]),
    ("parenthesis", named_dA, "A2", lambda v: -(v["Y"] / v["A2"]) - (1 - v["Y"]) / (1 - v["A2"])),
    ("parenthesis", named_dA, "A2", lambda v: v["Y"] / v["A2"] + (1 - v["Y"]) / (1 - v["A2"])),
    ("regularisation_sign", l2, "W1", lambda v: v["dZ1"] @ v["X"].T / v["m"] - v["lambd"] / v["m"] * v["W1"]),
    ("operand_sign", models.residual, "A2", lambda v: v["dS"] + v["dT"] * np.exp(v["A2"])),
    ("operand_sign", tanh, "Z1", lambda v: v["dA1"] * (1 + v["A1"] ** 2)),
    ("operand_sign", tanh, "Z2", lambda v: v["A2"] + v["Y"]),
    ("operand_sign", models.gated, "G", lambda v: v["dC"] * (v["C_tilde"] + v["c_prev"])),
    ("derivative_missing", tanh, "Z1", lambda v: v["dA1"]),
    ("derivative_missing", no_dA, "Z1", lambda v: v["W2"].T @ v["dZ2"]),
    ("derivative_missing", tanh, "W1", lambda v: v["dA1"] @ v["X"].T / v["m"]),
    ("derivative_missing", models.rows, "W1", lambda v: v["X"].T @ v["dh"]),
    ("output_derivative_missing", squared, "Z2", lambda v: 2 * (v["A2"] - v["Y"])),
    ("output_derivative_missing", named_dA, "Z2", lambda v: v["dA2"]),
    ("extra_output_derivative", tanh, "Z2", lambda v: (v["A2"] - v["Y"]) * v["A2"] * (1 - v["A2"])),
    (
        "extra_output_derivative",
        models.logistic,
        "w",
        lambda v: v["X"] @ ((v["A"] - v["Y"]) * v["A"] * (1 - v["A"])).T / v["m"],
    ),
    ("derivative_fed_A", tanh, "Z1", lambda v: v["dA1"] * (1 - np.tanh(v["A1"]) ** 2)),
    ("derivative_fed_Z", no_dA, "Z1", lambda v: v["W2"].T @ v["dZ2"] * (1 - v["Z1"] ** 2)),
    ("derivative_fed_Z", sigmoid, "Z1", lambda v: v["dA1"] * v["Z1"] * (1 - v["Z1"])),
    ("function_for_derivative", tanh, "Z1", lambda v: v["dA1"] * v["A1"]),
    ("other_activation", tanh, "Z1", lambda v: v["dA1"] * v["A1"] * (1 - v["A1"])),
    ("other_activation", tanh, "Z1", lambda v: v["dA1"] * (v["Z1"] > 0)),
    ("other_activation", relu, "Z1", lambda v: v["dA1"] * (1 - v["A1"] ** 2)),
    ("other_activation", partial(tanh, activation="leaky"), "Z1", lambda v: v["dA1"] * (v["Z1"] > 0)),
    ("mask_always_true", relu, "Z1", lambda v: v["dA1"] * (v["A1"] >= 0)),
    ("transpose_missing", square, "A1", lambda v: v["W2"] @ v["dZ2"]),
    ("transpose_missing", square, "W2", lambda v: v["A1"] @ v["dZ2"].T / v["m"]),
    ("transpose_missing", tanh, "W1", lambda v: v["X"] @ v["dZ1"].T / v["m"]),
    ("elementwise_for_dot", tanh, "W2", lambda v: v["dZ2"] * v["A1"] / v["m"]),
    ("A_for_A_prev", square, "W2", lambda v: v["dZ2"] @ v["A2"].T / v["m"]),
    ("A_for_A_prev", square, "W2", lambda v: v["dZ2"] @ v["X"].T / v["m"]),
    ("A_for_A_prev", tanh, "W1", lambda v: v["dZ1"] @ v["A1"].T / v["m"]),
    ("dW_for_W", tanh, "A1", lambda v: v["dW2"].T @ v["dZ2"]),
    ("dW_for_W", no_dA, "Z1", lambda v: v["dW2"].T @ v["dZ2"] * (1 - v["A1"] ** 2)),
    ("stale_dA", square, "Z1", lambda v: v["dZ2"] * (1 - v["A1"] ** 2)),
    ("stale_dA", models.residual, "Z1", lambda v: v["dA2"] * (1 - v["A1"] ** 2)),
    ("db_no_axis", tanh, "b1", lambda v: np.full_like(v["b1"], v["dZ1"].sum() / v["m"])),
    ("db_no_axis", tanh, "b1", lambda v: v["dZ1"].sum() / v["m"]),
    ("db_wrong_axis", tanh, "b1", lambda v: v["dZ1"].sum(0, keepdims=True) / v["m"]),
    ("db_from_dA", tanh, "b1", lambda v: v["dA1"].sum(1, keepdims=True) / v["m"]),
    ("db_from_dW", tanh, "b1", lambda v: v["dW1"].sum(1, keepdims=True)),
    ("db_averaged_over_units", tanh, "b1", lambda v: np.full_like(v["b1"], v["db1"].mean())),
    ("db_averaged_over_units", tanh, "b1", lambda v: v["db1"].mean()),
    ("keepdims_lost", tanh, "b1", lambda v: v["dZ1"].sum(1) / v["m"]),
    ("keepdims_lost", tanh, "Z2", lambda v: v["A2"].T - v["Y"].reshape(-1)),
    ("W_updated_first", tanh, "A1", lambda v: (v["W2"] - 0.03 * v["dW2"]).T @ v["dZ2"]),
    (
        "W_updated_first",
        no_dA,
        "Z1",
        lambda v: (v["W2"] - 0.03 * v["dW2"]).T @ v["dZ2"] * (1 - v["A1"] ** 2),
    ),
    ("l2_missing", l2, "W1", lambda v: v["dZ1"] @ v["X"].T / v["m"]),
    ("l2_coefficient", l2, "W1", lambda v: v["dZ1"] @ v["X"].T / v["m"] + v["lambd"] * v["W1"]),
    ("l2_coefficient", l2, "W2", lambda v: v["dZ2"] @ v["A1"].T / v["m"] + 2 * v["lambd"] / v["m"] * v["W2"]),
    ("bias_regularised", l2, "b1", lambda v: v["db1"] + v["lambd"] / v["m"] * v["b1"]),
    ("bias_regularised", l2, "b2", lambda v: v["db2"] + v["lambd"] / v["m"] * v["b2"]),
    ("dropout_mask_missing", dropout, "H1", lambda v: v["dA1"] / v["keep_prob"]),
    ("dropout_scale_missing", dropout, "H1", lambda v: v["dA1"] * v["D1"]),
    ("assigned_not_accumulated", models.residual, "A1", lambda v: v["W2"].T @ v["dZ2"]),
    ("assigned_not_accumulated", models.residual, "A1", lambda v: v["dS"]),
    ("assigned_not_accumulated", tanh, "W1", lambda v: v["dZ1"][:, -1:] @ v["X"][:, -1:].T / v["m"]),
    ("assigned_not_accumulated", models.gated, "G", lambda v: v["dC"] * v["C_tilde"]),
    ("assigned_not_accumulated", sequences.recurrent, "Wax", lambda v: back_in_time(v, add=False)["dWax"]),
    ("assigned_not_accumulated", models.pool, "A_prev", lambda v: shared_out(v, lambda x: x == x.max(), add=False)),
    (
        "assigned_not_accumulated",
        models.convolution,
        "A_prev",
        lambda v: spread(v["dZ"], v["W"], 1, 1, v["A_prev"].shape, add=False),
    ),
    ("gradients_not_zeroed", square, "W2", lambda v: v["dW2"] + v["dW1"]),
    ("gradients_not_zeroed", tanh, "W1", lambda v: 2 * v["dW1"]),
    ("repeated_indices", models.embedding, "E", assigned_rows),
    ("softmax_diagonal_only", models.softmax, "Z", lambda v: v["A"] * (1 - v["A"]) * v["dA"]),
    ("softmax_outer_missing", models.softmax, "Z", lambda v: v["A"] * v["dA"]),
    (
        "softmax_twice",
        partial(models.softmax, claims="Z W b"),
        "Z",
        lambda v: v["A"] * (fused(v) - (v["A"] * fused(v)).sum(0)),
    ),
    (
        "batchnorm_mean_path",
        models.batch_norm,
        "Z1",
        lambda v: (v["dZ_hat"] - v["Z_hat"] * (v["dZ_hat"] * v["Z_hat"]).mean(1, keepdims=True)) / v["s"],
    ),
    (
        "batchnorm_variance_path",
        models.batch_norm,
        "Z1",
        lambda v: (v["dZ_hat"] - v["dZ_hat"].mean(1, keepdims=True)) / v["s"],
    ),
    ("batchnorm_mean_path", partial(models.batch_norm, steps=False), "Z1", without_mean),
    ("batchnorm_gamma_missing", models.batch_norm, "Z_hat", lambda v: v["dZ_tilde"]),
    (
        "batchnorm_ddof",
        models.batch_norm,
        "Z1",
        lambda v: (
            (
                v["dZ_hat"]
                - v["dZ_hat"].mean(1, keepdims=True)
                - v["Z_hat"] * (v["dZ_hat"] * v["Z_hat"]).sum(1, keepdims=True) / (v["m"] - 1)
            )
            / v["s"]
        ),
    ),
    (
        "kernel_flipped",
        models.convolution,
        "A_prev",
        lambda v: spread(v["dZ"], v["W"][::-1, ::-1], 1, 1, v["A_prev"].shape),
    ),
    ("kernel_flipped", models.convolution, "W", lambda v: v["dW"][::-1, ::-1]),
    (
        "channels_swapped",
        models.convolution,
        "A_prev",
        lambda v: spread(v["dZ"], v["W"].swapaxes(2, 3), 1, 1, v["A_prev"].shape),
    ),
    (
        "window_offset",
        models.convolution,
        "A_prev",
        cropped,
    ),
    ("pool_ties", models.pool, "A_prev", lambda v: shared_out(v, lambda x: x == x.max())),
    ("average_missing", average, "A_prev", lambda v: shared_out(v, np.ones_like)),
    ("carry_dropped", sequences.recurrent, "Wax", lambda v: back_in_time(v, carry=False)["dWax"]),
    ("truncated", sequences.recurrent, "Waa", lambda v: back_in_time(v, steps=2)["dWaa"]),
    ("carry_dropped", sequences.many_to_one, "a1", lambda v: np.zeros_like(v["a1"])),
    ("carry_dropped", sequences.cells, "a_next(1)", lambda v: v["da_next(1)"] - v["Waa"].T @ back_of_cell(v, 2)),
    ("transpose_missing", sequences.many_to_one, "a1", lambda v: v["Wa"] @ v["dz2"]),
    ("derivative_missing", sequences.many_to_one, "z2", lambda v: v["da2"]),
    ("derivative_missing", sequences.cells, "Wax", lambda v: over_time(v, lambda t: v[f"da_next({t})"] @ xt(v, t).T)),
    (
        "A_for_A_prev",
        sequences.many_to_one,
        "Wa",
        lambda v: over_time(v, lambda t: v[f"dz{t}"] @ v[f"a{t}"].T) / v["m"],
    ),
    (
        "A_for_A_prev",
        sequences.cells,
        "Waa",
        lambda v: over_time(v, lambda t: back_of_cell(v, t) @ v[f"a_next({t})"].T),
    ),
    (
        "db_from_dA",
        sequences.many_to_one,
        "ba",
        lambda v: over_time(v, lambda t: v[f"da{t}"].sum(1, keepdims=True)) / v["m"],
    ),
    ("one_over_m_missing", sequences.many_to_one, "Wx", lambda v: v["m"] * v["dWx"]),
    ("assigned_not_accumulated", sequences.many_to_one, "Wx", lambda v: v["dz1"] @ v["X"][:, :, 0].T / v["m"]),
    ("truncated", sequences.cells, "Wax", lambda v: v["dWax"] - back_of_cell(v, 1) @ xt(v, 1).T),
    (
        "truncated",
        partial(sequences.many_to_one, claims="Zy Wy Wx Wa ba"),
        "Wx",
        lambda v: v["dWx"] - first_term(v),
    ),
    ("gate_derivative", models.gated, "Zg", lambda v: v["dG"] * v["G"]),
]
