"""Leaky ReLU, then sigmoid, in the hidden layers; einsum in the backward sweep."""

import numpy as np

SLOPE = 0.01


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


def initialize_parameters(n_x, n_1, n_2, n_y):
    sizes = [n_x, n_1, n_2, n_y]
    parameters = {}
    for l in range(1, len(sizes)):
        parameters[f"W{l}"] = np.random.randn(sizes[l], sizes[l - 1]) * 0.1
        parameters[f"b{l}"] = np.zeros((sizes[l], 1))
    return parameters


def forward_propagation(X, parameters):
    cache = {"A0": X}
    cache["Z1"] = parameters["W1"] @ X + parameters["b1"]
    cache["A1"] = np.where(cache["Z1"] > 0, cache["Z1"], SLOPE * cache["Z1"])
    cache["Z2"] = parameters["W2"] @ cache["A1"] + parameters["b2"]
    cache["A2"] = sigmoid(cache["Z2"])
    cache["Z3"] = parameters["W3"] @ cache["A2"] + parameters["b3"]
    cache["A3"] = sigmoid(cache["Z3"])
    return cache["A3"], cache


def compute_cost(A3, Y):
    return np.mean(-(Y * np.log(A3) + (1 - Y) * np.log(1 - A3)))


def backward_propagation(parameters, cache, X, Y):
    m = Y.shape[1]
    W2, W3 = parameters["W2"], parameters["W3"]
    Z1, A1 = cache["Z1"], cache["A1"]
    Z2, A2 = cache["Z2"], cache["A2"]
    A3 = cache["A3"]

    dZ3 = A3 - Y
    dW3 = np.einsum("im,jm->ij", dZ3, A2) / m
    db3 = dZ3.mean(axis=1, keepdims=True)
    dA2 = np.einsum("ij,im->jm", W3, dZ3)
    dZ2 = dA2 * A2 * (1 - A2)
    dW2 = np.einsum("im,jm->ij", dZ2, A1) / m
    db2 = dZ2.mean(axis=1, keepdims=True)
    dA1 = np.einsum("ij,im->jm", W2, dZ2)
    dZ1 = dA1 * np.where(Z1 > 0, 1, SLOPE)
    dW1 = np.einsum("im,jm->ij", dZ1, X) / m
    db1 = dZ1.mean(axis=1, keepdims=True)

    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2, "dW3": dW3, "db3": db3}
