"""E-TSDM around a network and a training loop of one's own. docs/library.md shows how."""

from typing import Any

import torch
from torch import Tensor, nn


def share_timesteps(t: float | Tensor, t_tilde: int = 100, n: int = 5) -> Tensor:
    """What E-TSDM tells the network instead of the timesteps `t` (Yang et al. 2024, equation 7).

    Below `t_tilde` it is the left end of one of `n` sub-intervals of equal length, and t itself from there on. Only the
    network is told so; noise is added, and taken away, at the true t.

    Args:
        t: timesteps, a tensor of any shape and type of number, or a single number.
        t_tilde: end of the shared interval, in timesteps: the paper's 100 is for 1,000 of them.
        n: number of sub-intervals.

    Returns:
        Timesteps of the same shape, type and device.

    Raises:
        ValueError: `t_tilde` is no whole multiple of `n`, or either is below 1.
    """
    if n < 1 or t_tilde < 1:
        raise ValueError(f"t_tilde = {t_tilde} and n = {n} must both be 1 or more")
    if t_tilde % n:
        raise ValueError(f"t_tilde = {t_tilde} must be a multiple of n = {n}")
    times, width = torch.as_tensor(t), t_tilde // n
    return torch.where(times < t_tilde, times.div(width, rounding_mode="floor") * width, times)


class ETSDM(nn.Module):
    """A network whose timesteps are shared as E-TSDM shares them, to be trained and sampled as it was before.

    Args:
        network: called as `network(x, t, ...)`; it may predict anything (noise, v, x_0) and return anything.
        t_tilde: see `share_timesteps`.
        n: see `share_timesteps`.

    Raises:
        ValueError: see `share_timesteps`.
    """

    def __init__(self, network: nn.Module, t_tilde: int = 100, n: int = 5) -> None:
        super().__init__()
        share_timesteps(0, t_tilde, n)  # or else they are refused here
        self.network = network
        self.t_tilde = t_tilde
        self.n = n

    def forward(self, x: Tensor, t: float | Tensor, *others: Any, **named: Any) -> Any:
        """`network(x, f(t), ...)`, f being `share_timesteps`; everything else is handed on as it is."""
        return self.network(x, share_timesteps(t, self.t_tilde, self.n), *others, **named)
