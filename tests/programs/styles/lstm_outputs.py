"""The course's LSTM with an output, and a cost, at every step: da_next has in it what comes from its own step."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_cell_forward(xt, a_prev, c_prev, parameters):
    Wf, bf, Wi, bi, Wc, bc, Wo, bo, Wy, by = [
        parameters[k] for k in ("Wf", "bf", "Wi", "bi", "Wc", "bc", "Wo", "bo", "Wy", "by")
    ]
    n_x, m = xt.shape
    n_y, n_a = Wy.shape
    concat = np.concatenate((a_prev, xt), axis=0)
    ft = sigmoid(np.dot(Wf, concat) + bf)
    it = sigmoid(np.dot(Wi, concat) + bi)
    cct = np.tanh(np.dot(Wc, concat) + bc)
    c_next = ft * c_prev + it * cct
    ot = sigmoid(np.dot(Wo, concat) + bo)
    a_next = ot * np.tanh(c_next)
    zt = np.dot(Wy, a_next) + by
    cache = (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)
    return a_next, c_next, zt, cache


def lstm_forward(x, a0, parameters):
    caches = []
    n_x, m, T_x = x.shape
    n_y, n_a = parameters["Wy"].shape
    a = np.zeros((n_a, m, T_x))
    c = np.zeros((n_a, m, T_x))
    y = np.zeros((n_y, m, T_x))
    a_next = a0
    c_next = np.zeros(a_next.shape)
    for t in range(T_x):
        a_next, c_next, yt, cache = lstm_cell_forward(x[:, :, t], a_next, c_next, parameters)
        a[:, :, t] = a_next
        c[:, :, t] = c_next
        y[:, :, t] = yt
        caches.append(cache)
    return y, (caches, a, x)


def compute_cost(y, Y):
    m = Y.shape[1]
    return np.sum((y - Y) ** 2) / (2 * m)


def lstm_cell_backward(da_next, dc_next, cache):
    (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters) = cache
    n_x, m = xt.shape
    n_a, m = a_next.shape
    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = (dc_next * it + ot * (1 - np.square(np.tanh(c_next))) * it * da_next) * (1 - np.square(cct))
    dit = (dc_next * cct + ot * (1 - np.square(np.tanh(c_next))) * cct * da_next) * it * (1 - it)
    dft = (dc_next * c_prev + ot * (1 - np.square(np.tanh(c_next))) * c_prev * da_next) * ft * (1 - ft)
    concat = np.concatenate((a_prev, xt), axis=0)
    dWf = np.dot(dft, concat.T) / m
    dWi = np.dot(dit, concat.T) / m
    dWc = np.dot(dcct, concat.T) / m
    dWo = np.dot(dot, concat.T) / m
    dbf = np.sum(dft, axis=1, keepdims=True) / m
    dbi = np.sum(dit, axis=1, keepdims=True) / m
    dbc = np.sum(dcct, axis=1, keepdims=True) / m
    dbo = np.sum(dot, axis=1, keepdims=True) / m
    Wf, Wi, Wc, Wo = parameters["Wf"], parameters["Wi"], parameters["Wc"], parameters["Wo"]
    da_prev = (
        np.dot(Wf[:, :n_a].T, dft)
        + np.dot(Wi[:, :n_a].T, dit)
        + np.dot(Wc[:, :n_a].T, dcct)
        + np.dot(Wo[:, :n_a].T, dot)
    )
    dc_prev = dc_next * ft + ot * (1 - np.square(np.tanh(c_next))) * ft * da_next
    return da_prev, dc_prev, dWf, dWi, dWc, dWo, dbf, dbi, dbc, dbo


def lstm_backward(y, Y, cache, parameters):
    (caches, a, x) = cache
    n_a, m, T_x = a.shape
    Wy = parameters["Wy"]
    dy = y - Y
    dWy = np.zeros(Wy.shape)
    dby = np.zeros(parameters["by"].shape)
    dWf = np.zeros(parameters["Wf"].shape)
    dWi = np.zeros(dWf.shape)
    dWc = np.zeros(dWf.shape)
    dWo = np.zeros(dWf.shape)
    dbf = np.zeros((n_a, 1))
    dbi = np.zeros((n_a, 1))
    dbc = np.zeros((n_a, 1))
    dbo = np.zeros((n_a, 1))
    da_prevt = np.zeros((n_a, m))
    dc_prevt = np.zeros((n_a, m))
    for t in reversed(range(T_x)):
        dWy += np.dot(dy[:, :, t], a[:, :, t].T) / m
        dby += np.sum(dy[:, :, t], axis=1, keepdims=True) / m
        da_next = np.dot(Wy.T, dy[:, :, t]) + da_prevt
        da_prevt, dc_prevt, gWf, gWi, gWc, gWo, gbf, gbi, gbc, gbo = lstm_cell_backward(da_next, dc_prevt, caches[t])
        dWf += gWf
        dWi += gWi
        dWc += gWc
        dWo += gWo
        dbf += gbf
        dbi += gbi
        dbc += gbc
        dbo += gbo
    return {
        "dWf": dWf,
        "dWi": dWi,
        "dWc": dWc,
        "dWo": dWo,
        "dbf": dbf,
        "dbi": dbi,
        "dbc": dbc,
        "dbo": dbo,
        "dWy": dWy,
        "dby": dby,
    }


def inputs():
    r = np.random.default_rng(1)
    n_x, n_a, n_y, m, T = 3, 5, 2, 4, 3
    p = {k: r.standard_normal((n_a, n_a + n_x)) for k in ("Wf", "Wi", "Wc", "Wo")}
    p |= {k: r.standard_normal((n_a, 1)) for k in ("bf", "bi", "bc", "bo")}
    p |= {"Wy": r.standard_normal((n_y, n_a)), "by": r.standard_normal((n_y, 1))}
    return {
        "x": r.standard_normal((n_x, m, T)),
        "a0": r.standard_normal((n_a, m)),
        "parameters": p,
        "Y": r.standard_normal((n_y, m, T)),
    }
