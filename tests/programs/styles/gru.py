"""A gated recurrent unit from cells, c = a."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru_cell_forward(xt, c_prev, parameters):
    Wu, bu = parameters["Wu"], parameters["bu"]
    Wr, br = parameters["Wr"], parameters["br"]
    Wc, bc = parameters["Wc"], parameters["bc"]
    concat = np.concatenate((c_prev, xt), axis=0)
    ut = sigmoid(np.dot(Wu, concat) + bu)
    rt = sigmoid(np.dot(Wr, concat) + br)
    concat_r = np.concatenate((rt * c_prev, xt), axis=0)
    cct = np.tanh(np.dot(Wc, concat_r) + bc)
    c_next = ut * cct + (1 - ut) * c_prev
    cache = (c_next, c_prev, ut, rt, cct, xt, concat, concat_r, parameters)
    return c_next, cache


def gru_forward(x, c0, parameters):
    n_x, m, T_x = x.shape
    n_c = c0.shape[0]
    c = np.zeros((n_c, m, T_x))
    caches = []
    c_next = c0
    for t in range(T_x):
        c_next, cache = gru_cell_forward(x[:, :, t], c_next, parameters)
        c[:, :, t] = c_next
        caches.append(cache)
    return c, (caches, x)


def gru_cell_backward(dc_next, cache):
    c_next, c_prev, ut, rt, cct, xt, concat, concat_r, parameters = cache
    Wu, Wr, Wc = parameters["Wu"], parameters["Wr"], parameters["Wc"]
    n_c = c_prev.shape[0]
    dcct = dc_next * ut
    dut = dc_next * (cct - c_prev)
    dzc = dcct * (1 - cct**2)
    dzu = dut * ut * (1 - ut)
    dconcat_r = np.dot(Wc.T, dzc)
    drt = dconcat_r[:n_c] * c_prev
    dzr = drt * rt * (1 - rt)
    dconcat = np.dot(Wu.T, dzu) + np.dot(Wr.T, dzr)
    dc_prev = dc_next * (1 - ut) + dconcat_r[:n_c] * rt + dconcat[:n_c]
    dxt = dconcat_r[n_c:] + dconcat[n_c:]
    return {
        "dxt": dxt,
        "dc_prev": dc_prev,
        "dWu": np.dot(dzu, concat.T),
        "dbu": np.sum(dzu, axis=1, keepdims=True),
        "dWr": np.dot(dzr, concat.T),
        "dbr": np.sum(dzr, axis=1, keepdims=True),
        "dWc": np.dot(dzc, concat_r.T),
        "dbc": np.sum(dzc, axis=1, keepdims=True),
    }


def gru_backward(dc, caches):
    caches, x = caches
    n_c, m, T_x = dc.shape
    dx = np.zeros(x.shape)
    dc_prevt = np.zeros((n_c, m))
    total = {}
    for t in reversed(range(T_x)):
        gradients = gru_cell_backward(dc[:, :, t] + dc_prevt, caches[t])
        dc_prevt = gradients["dc_prev"]
        dx[:, :, t] = gradients["dxt"]
        for key in ("dWu", "dbu", "dWr", "dbr", "dWc", "dbc"):
            total[key] = total.get(key, 0) + gradients[key]
    total["dx"] = dx
    total["dc0"] = dc_prevt
    return total
