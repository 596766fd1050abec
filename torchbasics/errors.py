"""How torchbasics refuses bad input: what came, what was expected, what to do next, on one line."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """The user gave something that cannot be used; the message is one line that the user can act on.

    The command line prints the message and exits with code 2. Our own broken invariants are `assert`s instead, so that
    a bug of ours is never mistaken for a mistake of the user's.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """Say what `name` might have been: "did you mean 'digits'? (known: digits, flower)"."""
    spelled = {candidate.casefold(): candidate for candidate in sorted(known)}
    close = difflib.get_close_matches(name.casefold(), spelled, n=1, cutoff=0.6)
    hint = f"did you mean {spelled[close[0]]!r}? " if close else ""
    return f"{hint}(known: {', '.join(spelled.values())})"
