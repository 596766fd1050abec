"""Layers over time: `through_time` holds what they share and the backward's derivation, and each kind has its file."""

from torchbasics.layers.recurrent.gru import GRU as GRU
from torchbasics.layers.recurrent.lstm import LSTM as LSTM
from torchbasics.layers.recurrent.rnn import RNN as RNN
from torchbasics.layers.recurrent.through_time import Recurrent as Recurrent
from torchbasics.layers.recurrent.through_time import StockRecurrent as StockRecurrent
