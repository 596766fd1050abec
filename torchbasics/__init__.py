"""The networks of the "Neural Networks and Deep Learning" notes, hand-derived beside `torch.nn`.

Every model is written twice: a hand-derived module with its own dZ, dW and db, and the equivalent `torch.nn` module,
its *twin*. The two are proven equal to autograd, to rounding. Start at `torchbasics.notation`, which is the one page
of conventions; then `torchbasics.logistic` spells out chapter 1, and `torchbasics.layers`, `torchbasics.losses` and
`torchbasics.network` generalise it to any depth.
"""

__version__ = "0.1.0"
