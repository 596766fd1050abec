"""The embedding: against a product with one-hot vectors, against a loop, and what it says of tokens that are none."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numerics import assert_close, generator, randomise, seeds
from torch import Tensor, nn

from torchbasics.errors import InputError
from torchbasics.initialisation import initialise
from torchbasics.layers import LSTM, Embedding, Last, Linear
from torchbasics.losses import SigmoidCrossEntropy
from torchbasics.network import Network
from torchbasics.notation import examples_first, examples_last
from torchbasics.training.engines import ManualEngine, TorchEngine


def tokens_of(vocabulary: int, T: int, m: int, seed: int) -> Tensor:
    """Tokens as X has them; with so few of them, most come up more than once, and some not at all."""
    return torch.randint(0, vocabulary, (T, m), generator=generator(seed)).double()


@settings(max_examples=30, deadline=None)
@given(sizes=st.permutations([2, 3, 4, 5, 6]), seed=seeds)
def test_one_hot_vectors_and_a_loop_agree(sizes: list[int], seed: int) -> None:
    vocabulary, n, T, m, _ = sizes
    layer, g = Embedding(vocabulary, n).double(), generator(seed)
    randomise(layer, g)
    A_prev, dA = tokens_of(vocabulary, T, m, seed), torch.randn(n, T, m, generator=g).double()
    A = layer(A_prev)
    # The notes: E is (n, vocabulary), and e_w = E o_w.
    E = layer.E.T
    one_hot = nn.functional.one_hot(A_prev.long(), vocabulary).double()
    assert torch.equal(A, torch.einsum("nv,tmv->ntm", E, one_hot))
    dA_prev = layer.backward(dA)
    dE = np.zeros((vocabulary, n))
    for i in range(m):
        for t in range(T):
            dE[int(A_prev[t, i])] += dA[:, t, i].numpy() / m
    assert_close(layer.E.grad, torch.from_numpy(dE), "dE")
    assert torch.equal(dA_prev, torch.zeros(T, m).double())


def test_a_token_that_does_not_come_up_keeps_its_vector_and_another_adds_up() -> None:
    layer = Embedding(4, 2)
    layer(torch.tensor([[1.0, 1.0], [3.0, 1.0]]))
    dA = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[10.0, 20.0], [30.0, 40.0]]])
    layer.gradients(dA)
    assert torch.equal(layer.E.grad, torch.tensor([[0.0, 0.0], [7.0, 70.0], [0.0, 0.0], [3.0, 30.0]]) / 2)
    layer.gradients(dA)
    assert torch.equal(layer.E.grad[1], torch.tensor([3.5, 35.0])), "a second backward adds nothing up"


def test_the_twin_is_nn_embedding() -> None:
    layer = Embedding(5, 3)
    randomise(layer, generator(0))
    twin, A_prev = layer.twin(), tokens_of(5, 4, 6, 0).float()
    assert type(twin.part) is nn.Embedding
    assert torch.equal(examples_last(twin(examples_first(A_prev))), layer(A_prev))


@pytest.mark.parametrize("memory", [[0, 1, 2], [2, 0, 1], [1, 2, 0]])
def test_any_memory_layout(memory: list[int]) -> None:
    layer, A_prev = Embedding(5, 3), tokens_of(5, 4, 6, 1)
    dA = torch.randn(3, 4, 6, generator=generator(1))
    layer(A_prev)
    layer.gradients(dA)
    expected = layer.E.grad
    layer(A_prev.T.contiguous().T)
    layer.gradients(dA.permute(memory).contiguous().permute([memory.index(k) for k in range(3)]))
    assert torch.equal(layer.E.grad, expected)


def test_both_engines_learn_alike_from_tokens() -> None:
    network = Network([Embedding(5, 3), LSTM(3, 4), Last(), Linear(4, 1)], SigmoidCrossEntropy()).double()
    assert network.names == ["A1", "A2", "A2'", "Z3"]
    assert [name for name, _ in network.notes_parameters()] == ["E1", "Wax2", "Waa2", "ba2", "W3", "b3"]
    initialise(network, "xavier", seed=1)
    assert network.layers[0].E.abs().min() > 0
    engines = ManualEngine(network, "momentum", 0.1), TorchEngine(network, "momentum", 0.1)
    for k in range(4):
        X, Y = tokens_of(5, 4, 6, k), torch.randint(0, 2, (1, 6), generator=generator(k)).double()
        J = [engine.cost_and_gradients(X, Y) for engine in engines]
        assert_close(J[0], J[1], "J", ulps=1e4)
        for engine in engines:
            engine.update()
    for name, ours, theirs in network.pairs(engines[1].module):
        assert_close(ours, theirs.reshape(ours.shape), name, ulps=1e4)


MISFITS = {
    "a vector": (torch.zeros(4), "got A_prev of shape (4,), expected (T, m), T and m 1 or more"),
    "vectors": (torch.zeros(3, 4, 6), "got A_prev of shape (3, 4, 6), expected (T, m), T and m 1 or more"),
    "no step": (torch.zeros(0, 6), "got A_prev of shape (0, 6), expected (T, m), T and m 1 or more"),
    "beyond": (
        torch.tensor([[0.0, 4.0, 1.0], [2.0, 3.0, 5.0]]),
        "got token 5 at step 1 of example 2, expected a whole number from 0 to 4",
    ),
    "below": (torch.tensor([[0.0, -1.0]]), "got token -1 at step 0 of example 1, expected a whole number from 0 to 4"),
    "between": (torch.tensor([[0.5]]), "got token 0.5 at step 0 of example 0, expected a whole number from 0 to 4"),
    "nan": (torch.tensor([[torch.nan]]), "got token nan at step 0 of example 0, expected a whole number from 0 to 4"),
    "infinite": (torch.tensor([[torch.inf]]), "got token inf at step 0 of example 0, expected a whole number"),
}


@pytest.mark.parametrize(("A_prev", "message"), MISFITS.values(), ids=MISFITS.keys())
def test_what_is_no_token_is_said(A_prev: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=rf"^Embedding\(5, 2\) {re.escape(message)}[^\n]*$"):
        Embedding(5, 2)(A_prev)
