"""The check that numbers are finite: of what is read, and of what is made before it becomes a result.

Every command imports this file, so it is kept free of NumPy and torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from etsdm.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

NOT_FINITE = "not finite"
"""In the reason of what has no value because it, or a number on its way, is not a number or infinite."""


def check_finite(values: Tensor | NDArray[Any], label: str, advice: str) -> None:
    """Refuse values that are not numbers or infinite. A GPU is waited for, once.

    Args:
        values: a tensor or an array of any shape.
        label: what they are, the first words of the message.
        advice: what the user can do, the last words of the message.

    Raises:
        UserError: there are some; it says how many, and at which index the first one is.
    """
    import numpy as np

    finite = np.isfinite(values) if isinstance(values, np.ndarray) else values.isfinite()
    if finite.all():
        return
    wrong = np.argwhere(~np.asarray(finite if isinstance(finite, np.ndarray) else finite.cpu()))
    raise UserError(
        f"{label}: {len(wrong)} of {np.asarray(finite.shape).prod()} values are {NOT_FINITE}, the first at "
        f"{wrong[0].tolist()}; {advice}"
    )


def check_all_finite(tensors: Mapping[str, Tensor], label: str, advice: str) -> None:
    """`check_finite` for each tensor, whose name stands in the message."""
    for name, tensor in tensors.items():
        check_finite(tensor, f"{label}: {name}", advice)
