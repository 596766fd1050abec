"""What a parameter's name says: a weight or a bias, and of which layer. W1, w_2, weights1, syn0, b_out, hidden_bias."""

import re
from dataclasses import dataclass
from typing import Any

_WEIGHT = r"w|weights?|theta|syn|kernel"
_BIAS = r"b|bias|biases"
_HIDDEN = r"h|hid|hidden|ih|xh|i_?h|x_?h|in_?hidden|input_?hidden"
_OUT = r"o|out|output|y|ho|hy|h_?o|h_?y|hidden_?out|hidden_?output"
_LONE = re.compile(rf"(?:(?P<weight>{_WEIGHT}|ws|w_list)|(?P<bias>{_BIAS}|bs|b_list))")
_NUMBERED = re.compile(rf"(?:(?P<weight>{_WEIGHT})|(?P<bias>{_BIAS}))_?(?P<number>\d+)")
_STEM = rf"(?:(?P<weight>{_WEIGHT})|(?P<bias>{_BIAS}))"
_WORD = rf"(?:(?P<hidden>{_HIDDEN})|(?P<out>{_OUT}))"
_WORDED = (re.compile(rf"{_STEM}_?{_WORD}"), re.compile(rf"{_WORD}_{_STEM}"))


@dataclass(frozen=True)
class Role:
    """What a parameter is."""

    is_weight: bool
    """Or else a bias."""

    number: int | None = None
    """As written; None where the name has no number."""

    word: str = ""
    """"hidden" or "out", of a network with two layers."""

    @property
    def is_lone(self) -> bool:
        """W, b, theta: of the only layer, or of all of them."""
        return self.number is None and not self.word


def role(name: str) -> Role | None:
    """What the name says, or None."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    if match := _NUMBERED.fullmatch(snake):
        return Role(match["weight"] is not None, int(match["number"]))
    if match := _LONE.fullmatch(snake):
        return Role(match["weight"] is not None)
    for pattern in _WORDED:
        if match := pattern.fullmatch(snake):
            return Role(match["weight"] is not None, None, "hidden" if match["hidden"] else "out")
    return None


def of_layer(path: tuple[Any, ...]) -> str | None:
    """What stands at a path, as W1 or dW1, where that says the layer: weights[0], nabla_w[0], layers["layer1"]["W"],
    layers[0]["W"]; None for everything else."""
    texts = [key for key in path if isinstance(key, str)]
    if not texts:
        return None
    gradient = re.fullmatch(r"(?:delta_)?(?:nabla|grads?|gradients?|d)_?(\w+)", texts[-1])
    base = gradient[1] if gradient and role(gradient[1]) else texts[-1]
    known = role(base)
    numbers = [int(match[1]) for text in texts[:-1] if (match := re.search(r"(\d+)$", text))]
    numbers += [key + 1 for key in path if isinstance(key, int)]
    if known is None or not known.is_lone or len(numbers) != 1:
        return None
    return f"{'d' if base != texts[-1] else ''}{'W' if known.is_weight else 'b'}{numbers[0]}"
