"""A two-layer network with batch normalisation of Z1, in the notes' orientation."""

import numpy as np

EPSILON = 1e-8


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def forward_propagation(X, parameters):
    W1 = parameters["W1"]
    gamma, beta = parameters["gamma"], parameters["beta"]
    W2, b2 = parameters["W2"], parameters["b2"]

    Z1 = np.dot(W1, X)
    mu = np.mean(Z1, axis=1, keepdims=True)
    variance = np.mean((Z1 - mu) ** 2, axis=1, keepdims=True)
    s = np.sqrt(variance + EPSILON)
    Z_hat = (Z1 - mu) / s
    Z_tilde = gamma * Z_hat + beta
    A1 = np.tanh(Z_tilde)
    Z2 = np.dot(W2, A1) + b2
    A2 = sigmoid(Z2)

    cache = (Z1, s, Z_hat, Z_tilde, A1, A2)
    return A2, cache


def compute_cost(A2, Y):
    m = Y.shape[1]
    return float(-np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m)


def backward_propagation(parameters, cache, X, Y):
    m = X.shape[1]
    gamma, W2 = parameters["gamma"], parameters["W2"]
    Z1, s, Z_hat, Z_tilde, A1, A2 = cache

    dZ2 = A2 - Y
    dW2 = np.dot(dZ2, A1.T) / m
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dA1 = np.dot(W2.T, dZ2)
    dZ_tilde = dA1 * (1 - A1**2)
    dgamma = np.sum(dZ_tilde * Z_hat, axis=1, keepdims=True) / m
    dbeta = np.sum(dZ_tilde, axis=1, keepdims=True) / m
    dZ_hat = dZ_tilde * gamma
    mean_d = np.mean(dZ_hat, axis=1, keepdims=True)
    mean_dx = np.mean(dZ_hat * Z_hat, axis=1, keepdims=True)
    dZ1 = (dZ_hat - mean_d - Z_hat * mean_dx) / s
    dW1 = np.dot(dZ1, X.T) / m

    return {"dW1": dW1, "dgamma": dgamma, "dbeta": dbeta, "dW2": dW2, "db2": db2}


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    n_x, n_h, m = rng.choice(np.arange(3, 10), 3, replace=False)
    parameters = {
        "W1": rng.normal(size=(n_h, n_x)),
        "gamma": rng.normal(size=(n_h, 1)),
        "beta": rng.normal(size=(n_h, 1)),
        "W2": rng.normal(size=(1, n_h)),
        "b2": rng.normal(size=(1, 1)),
    }
    return {"X": rng.normal(size=(n_x, m)), "parameters": parameters, "Y": rng.integers(2, size=(1, m)).astype(float)}
