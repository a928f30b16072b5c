"""The device a stage computes on."""

import torch

from etsdm.errors import UserError


def pick_device(name: str = "auto") -> torch.device:
    """The device called `name`: "auto" (a GPU if there is one, else the CPU), "cpu", "cuda" or "cuda:1".

    Raises:
        UserError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"device {name!r} cannot be used here ({str(error).splitlines()[0]}); use auto, cpu or cuda"
        ) from error
