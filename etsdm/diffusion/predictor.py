"""The one wrapper between a network and everything that asks it for noise."""

from collections.abc import Callable

import torch
from torch import Tensor

from etsdm.diffusion.conditions import Condition, identity
from etsdm.diffusion.schedules import Schedule

Network = Callable[[Tensor, Tensor], Tensor]


class NoisePredictor:
    """eps_theta(x, f(t)): training, solvers and probes all see a network through this, with the true time t.

    Args:
        network: called as `network(x, condition)` with x of shape (B, C, H, W) and a float condition of shape (B,).
        schedule: noise levels at the true t.
        condition: f, applied to t and to nothing else; the noise level always follows the true t.
        clip_x0: move the prediction so that the x_0 it implies lies in [-1, 1], as guided-diffusion does.

    Attributes:
        nfe: network evaluations so far; a batch counts once.
    """

    def __init__(
        self, network: Network, schedule: Schedule, condition: Condition = identity, clip_x0: bool = False
    ) -> None:
        self.network = network
        self.schedule = schedule
        self.condition = condition
        self.clip_x0 = clip_x0
        self.nfe = 0

    def __call__(self, x: Tensor, t: float | Tensor) -> Tensor:
        """Predict the noise in `x` (B, C, H, W) at time `t`, a number or one per image (B,)."""
        self.nfe += 1
        times = torch.as_tensor(t, dtype=torch.float64).expand(len(x))
        eps = self.network(x, self.condition(times).to(x.device, torch.float32))
        if not self.clip_x0:
            return eps
        alpha, sigma = self._levels(times, x)
        x0 = ((x - sigma * eps) / alpha).clamp(-1, 1)
        return (x - alpha * x0) / sigma

    def _levels(self, times: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        def level(values: object) -> Tensor:
            return torch.as_tensor(values, dtype=x.dtype, device=x.device).view(-1, *[1] * (x.ndim - 1))

        t = times.cpu().numpy()
        return level(self.schedule.alpha(t)), level(self.schedule.sigma(t))
