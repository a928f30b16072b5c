"""Which parameters of a test run in `make test`: a test of ten cases of seconds each is one of minutes."""

from collections.abc import Iterable
from typing import Any

import pytest


def every_nth_fast(values: Iterable[Any], step: int) -> list[Any]:
    """The values, each `step`-th from the first on; those between are left to `make test-all`."""
    return [
        pytest.param(value, marks=pytest.mark.slow) if number % step else value for number, value in enumerate(values)
    ]
