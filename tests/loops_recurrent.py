"""Recurrent networks cell by cell, in the manner of course 5, week 1: a cache for every step, gradients added up.

x is (n_x, m, T_x), a and da (n_a, m, T_x); da holds what the costs of all steps send to a. The gradients are of the sum
over the examples, without the 1/m. `parameters` have the course's names, and the weights of the LSTM's gates stand
before a_prev and x stacked, in that order.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
Cell = Callable[..., tuple[np.ndarray, Any]]


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def rnn_cell_forward(xt: np.ndarray, a_prev: np.ndarray, parameters: Arrays) -> tuple[np.ndarray, Any]:
    a_next = np.tanh(np.dot(parameters["Wax"], xt) + np.dot(parameters["Waa"], a_prev) + parameters["ba"])
    return a_next, (a_next, a_prev, xt, parameters)


def rnn_cell_backward(da_next: np.ndarray, cache: Any) -> Arrays:
    a_next, a_prev, xt, parameters = cache
    dtanh = (1 - a_next**2) * da_next
    return {
        "dxt": np.dot(parameters["Wax"].T, dtanh),
        "da_prev": np.dot(parameters["Waa"].T, dtanh),
        "dWax": np.dot(dtanh, xt.T),
        "dWaa": np.dot(dtanh, a_prev.T),
        "dba": np.sum(dtanh, axis=1, keepdims=True),
    }


def gru_cell_forward(xt: np.ndarray, a_prev: np.ndarray, parameters: Arrays) -> tuple[np.ndarray, Any]:
    """As torch has it: the candidate's recurrent part is reset after its product, bias and all."""
    W, U, b, d = ({gate: parameters[f"{kind}{gate}"] for gate in "ruc"} for kind in ("Wx", "Wa", "bx", "ba"))
    gamma_r = sigmoid(np.dot(W["r"], xt) + b["r"] + np.dot(U["r"], a_prev) + d["r"])
    # The course's update gate takes the candidate in; torch's keeps the old state.
    gamma_u = 1 - sigmoid(np.dot(W["u"], xt) + b["u"] + np.dot(U["u"], a_prev) + d["u"])
    recurrent = np.dot(U["c"], a_prev) + d["c"]
    c_tilde = np.tanh(np.dot(W["c"], xt) + b["c"] + gamma_r * recurrent)
    a_next = gamma_u * c_tilde + (1 - gamma_u) * a_prev
    return a_next, (gamma_r, gamma_u, recurrent, c_tilde, a_prev, xt, parameters)


def gru_cell_backward(da_next: np.ndarray, cache: Any) -> Arrays:
    gamma_r, gamma_u, recurrent, c_tilde, a_prev, xt, parameters = cache
    dc = da_next * gamma_u * (1 - c_tilde**2)
    drecurrent = dc * gamma_r
    dr = dc * recurrent * gamma_r * (1 - gamma_r)
    # gamma_u falls when its z grows.
    du = -da_next * (c_tilde - a_prev) * gamma_u * (1 - gamma_u)
    inputs, states = {"r": dr, "u": du, "c": dc}, {"r": dr, "u": du, "c": drecurrent}
    found = {
        "dxt": sum(np.dot(parameters[f"Wx{gate}"].T, dz) for gate, dz in inputs.items()),
        "da_prev": sum(np.dot(parameters[f"Wa{gate}"].T, dz) for gate, dz in states.items()) + da_next * (1 - gamma_u),
    }
    for gate in "ruc":
        found[f"dWx{gate}"] = np.dot(inputs[gate], xt.T)
        found[f"dWa{gate}"] = np.dot(states[gate], a_prev.T)
        found[f"dbx{gate}"] = np.sum(inputs[gate], axis=1, keepdims=True)
        found[f"dba{gate}"] = np.sum(states[gate], axis=1, keepdims=True)
    return found


def lstm_cell_forward(
    xt: np.ndarray, a_prev: np.ndarray, c_prev: np.ndarray, parameters: Arrays
) -> tuple[np.ndarray, np.ndarray, Any]:
    stacked = np.concatenate([a_prev, xt])
    ft = sigmoid(np.dot(parameters["Wf"], stacked) + parameters["bf"])
    it = sigmoid(np.dot(parameters["Wi"], stacked) + parameters["bi"])
    cct = np.tanh(np.dot(parameters["Wc"], stacked) + parameters["bc"])
    ot = sigmoid(np.dot(parameters["Wo"], stacked) + parameters["bo"])
    c_next = ft * c_prev + it * cct
    a_next = ot * np.tanh(c_next)
    return a_next, c_next, (c_next, c_prev, ft, it, cct, ot, stacked, parameters)


def lstm_cell_backward(da_next: np.ndarray, dc_next: np.ndarray, cache: Any) -> Arrays:
    c_next, c_prev, ft, it, cct, ot, stacked, parameters = cache
    n_a = len(c_next)
    dc = dc_next + da_next * ot * (1 - np.tanh(c_next) ** 2)
    dz = {
        "f": dc * c_prev * ft * (1 - ft),
        "i": dc * cct * it * (1 - it),
        "c": dc * it * (1 - cct**2),
        "o": da_next * np.tanh(c_next) * ot * (1 - ot),
    }
    dstacked = sum(np.dot(parameters[f"W{gate}"].T, dz[gate]) for gate in dz)
    found = {"da_prev": dstacked[:n_a], "dxt": dstacked[n_a:], "dc_prev": dc * ft}
    for gate in dz:
        found[f"dW{gate}"] = np.dot(dz[gate], stacked.T)
        found[f"db{gate}"] = np.sum(dz[gate], axis=1, keepdims=True)
    return found


def through_time(kind: str, x: np.ndarray, da: np.ndarray, parameters: Arrays) -> tuple[np.ndarray, Arrays]:
    """a at every step of an "rnn", "gru" or "lstm" that begins with zeros, and dx and the parameters' gradients."""
    n_a, m, T_x = da.shape
    a, caches = np.zeros((n_a, m, T_x)), []
    a_next, c_next = np.zeros((n_a, m)), np.zeros((n_a, m))
    for t in range(T_x):
        if kind == "lstm":
            a_next, c_next, cache = lstm_cell_forward(x[:, :, t], a_next, c_next, parameters)
        elif kind == "gru":
            a_next, cache = gru_cell_forward(x[:, :, t], a_next, parameters)
        else:
            a_next, cache = rnn_cell_forward(x[:, :, t], a_next, parameters)
        a[:, :, t] = a_next
        caches.append(cache)

    gradients = {f"d{name}": np.zeros_like(value) for name, value in parameters.items()}
    gradients["dx"] = np.zeros_like(x)
    da_prevt, dc_prevt = np.zeros((n_a, m)), np.zeros((n_a, m))
    for t in reversed(range(T_x)):
        if kind == "lstm":
            found = lstm_cell_backward(da[:, :, t] + da_prevt, dc_prevt, caches[t])
            dc_prevt = found["dc_prev"]
        else:
            cell_backward = gru_cell_backward if kind == "gru" else rnn_cell_backward
            found = cell_backward(da[:, :, t] + da_prevt, caches[t])
        da_prevt = found["da_prev"]
        gradients["dx"][:, :, t] = found["dxt"]
        for name in parameters:
            gradients[f"d{name}"] += found[f"d{name}"]
    return a, gradients
