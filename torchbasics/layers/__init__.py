"""One file per kind of layer: forward and backward derived by hand, the `torch.nn` twin right under them."""

# No __all__: with one, pdoc would leave out the files themselves, whose heads hold the mathematics.
from torchbasics.layers.activation import LeakyReLU as LeakyReLU
from torchbasics.layers.activation import ReLU as ReLU
from torchbasics.layers.activation import Sigmoid as Sigmoid
from torchbasics.layers.activation import Tanh as Tanh
from torchbasics.layers.base import Layer as Layer
from torchbasics.layers.linear import Linear as Linear
