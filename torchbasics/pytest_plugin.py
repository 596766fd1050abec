"""The fixture `gradients`, in every pytest of an environment that has torchbasics."""

from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def gradients() -> Callable[..., None]:
    """`torchbasics.testing.assert_gradients`: `gradients(forward, backward, inputs)` fails with the report."""
    # pytest loads this module whenever it starts; torch waits for the first test that needs it.
    from torchbasics.testing import assert_gradients

    return assert_gradients
