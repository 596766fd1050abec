"""What functions are called: forward, backward, cost, gradient; and what to say where none is called so."""

import ast
import difflib
import re

from torchbasics.check.program.source import Program

FORWARD = re.compile(r"(^|_|\.)(forward|feed_?forward|fwd|fprop|forward_?(prop\w*|pass))(?=_|$)", re.IGNORECASE)
BACKWARD = re.compile(r"(^|_|\.)(backward|backprop\w*|bwd|bprop|backward_?(prop\w*|pass))(?=_|$)", re.IGNORECASE)
COST = re.compile(r"(^|_)(cost|loss|J|cross_entropy|objective|mse|nll|bce|criterion)(?=_|$)", re.IGNORECASE)
GRADIENTS = re.compile(r"(^|_)(gradients?|grads?|derivatives?|nabla|d_?J|d_?L|d_?cost|d_?loss)(?=_|$)", re.IGNORECASE)
TRAINING = re.compile(
    r"(^|_)(descent|train(?!_?step)\w*|fit|optimi[sz]e\w*|check\w*|numerical\w*|approx\w*)(?=_|$)", re.IGNORECASE
)
PREDICTOR = re.compile(r"(^|_)(predict\w*|hypothesis|model|net|network|h|f|linear|logits|output)(?=_|$)", re.IGNORECASE)
COMBINED = re.compile(r"(^|_)(propagate|propagation|loss|cost|step|gradients?|grads?)(?=_|$)", re.IGNORECASE)


def snake(name: str) -> str:
    """lossFun -> loss_Fun."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)


def nothing_found(program: Program, forward: list[str], backward: list[str]) -> str:
    """Why there is no plan, and what to do."""
    functions = program.functions
    for node in program.tree.body:
        if isinstance(node, ast.ClassDef):
            methods = [part.name for part in node.body if isinstance(part, ast.FunctionDef)]
            there = [name for name in methods if FORWARD.search(snake(name)) or BACKWARD.search(snake(name))]
            if there:
                return (
                    f"{' and '.join(there)} are methods of class {node.name}; expected functions at the top of the "
                    "file, such as forward_propagation(X, parameters) and backward_propagation(parameters, cache, X, Y)"
                )
    training = [name for name in functions if TRAINING.search(snake(name))]
    if not functions:
        return (
            "it defines no function; expected a forward and a backward one, such as forward_propagation and "
            "backward_propagation, or propagate"
        )
    if len(training) == len(functions):
        return (
            f"{', '.join(training)} is the training; expected a function that returns the gradients, such as "
            "gradient(theta, X, y), beside cost(theta, X, y)"
        )
    missing = "backward" if forward else "forward" if backward else "forward or backward"
    wanted = {"backward": "backward_propagation", "forward": "forward_propagation"}.get(missing, "propagate")
    others = [name for name in functions if name not in (*forward, *backward)]
    close = difflib.get_close_matches(wanted, others, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r} for it? Then say so with" if close else "; name it with"
    return f"no {missing} function is recognised among {', '.join(functions)}{hint} --forward NAME and --backward NAME"
