"""Which time a network is told instead of its own, and which times cannot be meant."""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor

ROUNDING = 1e-3
"""In timesteps: a time that lies less than this below a left end counts as that left end, for t / 1000 is rounded."""
OVERSHOOT = 2.0
"""ODE solvers with adaptive steps look a little beyond time 1. What lies above this counts timesteps."""


@dataclass(frozen=True)
class Times:
    """E-TSDM's condition (Yang et al. 2024, equation 7) in a network's own unit of time.

    Args:
        t_tilde: end of the shared interval, in timesteps.
        n: number of sub-intervals.
        scale: 1 where the network's time counts timesteps. Else its time runs from 0 to 1, and 1 stands for `scale`
            timesteps.
        toward: what time 0 is, `data` or `noise`.

    Raises:
        ValueError: the settings are no such condition.
    """

    t_tilde: int = 100
    n: int = 5
    scale: float = 1
    toward: str = "data"

    def __post_init__(self) -> None:
        if self.n < 1 or self.t_tilde < 1:
            raise ValueError(f"t_tilde = {self.t_tilde} and n = {self.n} must both be 1 or more")
        if self.t_tilde % self.n:
            raise ValueError(f"t_tilde = {self.t_tilde} must be a multiple of n = {self.n}")
        if self.toward not in ("data", "noise"):
            raise ValueError(f"toward = {self.toward!r} must be 'data' or 'noise': what time 0 is")
        if self.toward == "noise" and self.scale == 1:
            raise ValueError("toward='noise' is for time from 0 to 1: give its number of timesteps, such as scale=1000")
        if self.scale != 1 and not self.scale >= self.t_tilde:
            raise ValueError(f"scale = {self.scale} must be 1, or at least t_tilde = {self.t_tilde}")

    def of_number(self, t: Any) -> Any:
        """What is told instead of the number `t`, as a number of the same type."""
        ends, slack = self.ends(self.n + 1), ROUNDING / self.scale
        at = sum(self._sign * end - slack <= self._sign * t for end in ends[1:])
        return type(t)(ends[at]) if at < self.n else t

    def of_tensor(self, t: Tensor) -> Tensor:
        """What is told instead of the times `t`: the same shape, type and device, without a wait for the device."""
        kind = t.dtype if t.is_floating_point() else torch.float32
        exact = torch.promote_types(kind, torch.float32)
        past = torch.arange(self.n + 1, dtype=exact, device=t.device) * (self.t_tilde // self.n) / self.scale
        ends = past if self.toward == "data" else 1 - past
        rising = (self._sign * ends - ROUNDING / self.scale).to(kind)
        at = torch.bucketize((self._sign * t.to(kind)).contiguous(), rising, right=True) - 1
        return torch.where(at < self.n, ends.to(t.dtype)[at.clamp(0, self.n - 1)], t)

    def ends(self, count: int) -> list[float]:
        """The first `count` left ends in the network's unit, the one at the data first."""
        past = [i * (self.t_tilde // self.n) / self.scale for i in range(count)]
        return past if self.toward == "data" else [1 - end for end in past]

    def check(self, t: Any, name: str, counted: bool = False) -> bool:
        """Refuse times that cannot be meant. This reads values, so it waits for the device that they are on.

        Args:
            t: a tensor or a number.
            name: what the message calls it.
            counted: earlier times were above 1, so fractions of a timestep are no mistake.

        Returns:
            Whether times above 1 have been seen.

        Raises:
            TypeError: `t` is neither a tensor nor a number.
            ValueError: the times are not in the unit that `scale` says; the message has the cure.
        """
        low, high = _extremes(t, name)
        if low < 0:
            raise ValueError(
                f"{name} is {low:.4g}: times start at 0. If it is no time but an image, name the time by argument= and "
                "index=. If it is the logarithm of a noise level, as in EDM, E-TSDM cannot share it: such a network "
                "must be told a time, as by EDM's VPPrecond or iDDPMPrecond"
            )
        if self.scale == 1 and 0 < high < 1 and not counted:
            raise ValueError(
                f"{name} lies below 1 (at most {high:.4g}): as timesteps, all of them would be told as 0. "
                "If it runs from 0 to 1, give scale=1000, and toward='noise' if 0 is noise and 1 is data"
            )
        if self.scale != 1 and high > OVERSHOOT:
            raise ValueError(
                f"{name} is {high:.4g}, but scale={self.scale:g} is for time from 0 to 1. If it counts timesteps, "
                "leave scale out"
            )
        return counted or high > 1

    def check_type(self, t: Any, name: str) -> None:
        """Refuse whole numbers where time runs from 0 to 1. This reads no value.

        Raises:
            ValueError: `t` is a tensor of whole numbers, and `scale` is not 1.
        """
        if self.scale != 1 and isinstance(t, Tensor) and not t.is_floating_point():
            raise ValueError(
                f"{name} is of {t.dtype}, but scale={self.scale:g} is for time from 0 to 1. If it counts timesteps, "
                "leave scale out"
            )

    @property
    def _sign(self) -> int:
        return 1 if self.toward == "data" else -1

    def __str__(self) -> str:
        ends = [f"{end:.6g}" for end in self.ends(self.n)]
        listed = ", ".join(ends if self.n <= 6 else [*ends[:2], "...", ends[-1]])
        side = "below" if self.toward == "data" else "above"
        return f"times {side} {self.ends(self.n + 1)[-1]:.6g} are told as {listed}"


def _extremes(t: Any, name: str) -> tuple[float, float]:
    """The least and the largest of the times."""
    if isinstance(t, Real):
        return float(t), float(t)
    if not isinstance(t, Tensor):
        raise TypeError(f"{name} is of type {type(t).__name__}, neither a tensor nor a number")
    if not t.numel():
        return 0.0, 0.0
    low, high = torch.stack(torch.aminmax(t.detach())).tolist()
    return low, high


def share_timesteps(t: Any, t_tilde: int = 100, n: int = 5, scale: float = 1, toward: str = "data") -> Any:
    """What E-TSDM tells the network instead of the times `t` (Yang et al. 2024, equation 7).

    Below `t_tilde` it is the left end of one of `n` sub-intervals of equal length, and t itself from there on. Only the
    network is told so; noise is added, and taken away, at the true t. To see mistakes, the values are read, which waits
    for a GPU. A graph of torch.compile reads none.

    Args:
        t: times, a tensor of any shape and type of number, or a single number.
        t_tilde: end of the shared interval, in timesteps: the paper's 100 is for 1,000 of them.
        n: number of sub-intervals.
        scale: 1 where t counts timesteps; else t runs from 0 to 1, and 1 stands for `scale` timesteps.
        toward: what t = 0 is. `data`: t grows with the noise. `noise`: t = 1 is the data.

    Returns:
        Times of the same shape, type and device.

    Raises:
        TypeError: `t` is neither a tensor nor a number.
        ValueError: `t_tilde` is no whole multiple of `n`, another setting is impossible, a time is negative, or the
            times are not in the unit that `scale` says.
    """
    times = Times(t_tilde, n, scale, toward)
    times.check_type(t, "t")
    if not torch.compiler.is_compiling():
        times.check(t, "t")
    return times.of_tensor(t) if isinstance(t, Tensor) else times.of_number(t)
