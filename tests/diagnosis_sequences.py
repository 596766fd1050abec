"""Recurrent models whose steps are diagnosed, as learners write them."""

import numpy as np
import torch
from diagnosis_models import Leaves, classes, entropy, sizes
from diagnosis_steps import Program, Tap
from torch import Tensor


def recurrent(random: np.random.Generator) -> Program:
    """`rnn_forward`: x (n_x, m, T), a (n_a, m, T), with every a_t graded."""
    n_x, n_a, m, T = sizes(random, 4, 3, 8)
    weight = torch.from_numpy(random.normal(size=(n_a, m, T)))
    inputs = {
        "x": random.normal(size=(n_x, m, T)),
        "a0": random.normal(size=(n_a, m)),
        "Wax": 0.7 * random.normal(size=(n_a, n_x)),
        "Waa": 0.7 * random.normal(size=(n_a, n_a)),
        "ba": random.normal(size=(n_a, 1)),
    }

    def model(v: Leaves, tap: Tap) -> Tensor:
        a, states = v["a0"], []
        for t in range(T):
            a = torch.tanh(v["Wax"] @ v["x"][:, :, t] + v["Waa"] @ a + v["ba"])
            states.append(a)
        return (tap("a", torch.stack(states, 2)) * weight).sum()

    return Program(model, inputs, ("Wax", "Waa", "ba"), m, ("a", "x", "a0", "Wax", "Waa", "ba"), notes=False)


def many_to_one(random: np.random.Generator, claims: str = "") -> Program:
    """A recurrence read at its last step, with a z and an a by name at each."""
    n_x, n_a, m, T = sizes(random, 4, 3, 8)
    inputs = {
        "X": random.normal(size=(n_x, m, T)),
        "Y": classes(random, (1, m)),
        "Wx": 0.7 * random.normal(size=(n_a, n_x)),
        "Wa": 0.7 * random.normal(size=(n_a, n_a)),
        "ba": random.normal(size=(n_a, 1)),
        "Wy": random.normal(size=(1, n_a)),
    }

    def model(v: Leaves, tap: Tap) -> Tensor:
        a = torch.zeros(n_a, m, dtype=torch.float64)
        for t in range(T):
            a = tap(f"a{t + 1}", torch.tanh(tap(f"z{t + 1}", v["Wx"] @ v["X"][:, :, t] + v["Wa"] @ a + v["ba"])))
        return entropy(tap("Ay", torch.sigmoid(tap("Zy", v["Wy"] @ a))), v["Y"])

    steps = [f"{letter}{t}" for t in range(T, 0, -1) for letter in ("a", "z")]
    names = claims.split() if claims else ["Zy", "Wy", *steps, "Wx", "Wa", "ba"]
    return Program(model, inputs, ("Wx", "Wa", "ba", "Wy"), m, tuple(names))


def cells(random: np.random.Generator) -> Program:
    """`rnn_cell_forward` in a loop: a_next by name at each step, and no z."""
    n_x, n_a, m, T = sizes(random, 4, 3, 8)
    weight = torch.from_numpy(random.normal(size=(n_a, m, T)))
    inputs = {
        "x": random.normal(size=(n_x, m, T)),
        "a0": random.normal(size=(n_a, m)),
        "Wax": 0.7 * random.normal(size=(n_a, n_x)),
        "Waa": 0.7 * random.normal(size=(n_a, n_a)),
        "ba": random.normal(size=(n_a, 1)),
    }

    def model(v: Leaves, tap: Tap) -> Tensor:
        a, states = v["a0"], []
        for t in range(T):
            xt = tap(f"xt({t + 1})", v["x"][:, :, t])
            a = tap(f"a_next({t + 1})", torch.tanh(v["Wax"] @ xt + v["Waa"] @ a + v["ba"]))
            states.append(a)
        return (torch.stack(states, 2) * weight).sum()

    claims = [f"a_next({t})" for t in range(T, 0, -1)] + ["Wax", "Waa", "ba"]
    return Program(model, inputs, ("Wax", "Waa", "ba"), m, tuple(claims), notes=False)
