"""The one wrapper between a network and everything that asks it for noise."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from etsdm.diffusion.conditions import Condition, identity
from etsdm.diffusion.predictions import NOISE, Prediction
from etsdm.diffusion.schedules import Array, Schedule

Network = Callable[[Tensor, Tensor], Tensor]


def diffuse(x0: Tensor, eps: Tensor, alpha: Tensor | float, sigma: Tensor | float) -> Tensor:
    """x_t = alpha_t x_0 + sigma_t eps (Ho et al. 2020, equation 4), for levels that broadcast to x_0's shape."""
    return alpha * x0 + sigma * eps


def diffuse_to(schedule: Schedule, x0: Tensor, eps: Tensor, t: float) -> Tensor:
    """x_t at one time t for all of x_0, of any shape."""
    return diffuse(x0, eps, float(schedule.alpha(t)), float(schedule.sigma(t)))


class NoisePredictor:
    """eps_theta(x, f(t)): training, solvers and probes all see a network through this, with the true time t.

    Args:
        network: called as `network(x, condition)` with x of shape (B, C, H, W) and a float condition of shape (B,).
        schedule: noise levels at the true t.
        condition: f, applied to t and to nothing else; the noise level always follows the true t.
        clip_x0: move the prediction so that the x_0 it implies lies in [-1, 1], as guided-diffusion does.
        prediction: what the network's output means.

    Attributes:
        nfe: network evaluations so far; a batch counts once.
        context: images (B, C, H, W) that the network is given beside x, for a conditional one.
        eps_scale: what the predicted noise is divided by, a function of t, before x_0 is clipped; None: nothing.
        network_times: the times (B,) that the network gets, a function of x and t (B,); None: t. Noise levels follow t.
    """

    def __init__(
        self,
        network: Network,
        schedule: Schedule,
        condition: Condition = identity,
        clip_x0: bool = False,
        prediction: Prediction = NOISE,
    ) -> None:
        self.network = network
        self.schedule = schedule
        self.condition = condition
        self.clip_x0 = clip_x0
        self.prediction = prediction
        self.context: Tensor | None = None
        self.eps_scale: Callable[[Array], Array] | None = None
        self.network_times: Callable[[Tensor, Array], Array] | None = None
        self.nfe = 0

    def __call__(self, x: Tensor, t: float | Tensor) -> Tensor:
        """Predict the noise in `x` (B, C, H, W) at time `t`, a number or one per image (B,)."""
        times = torch.as_tensor(t, dtype=torch.float64, device="cpu").expand(len(x))
        output = self.output(x, torch.from_numpy(self.network_times(x, times.numpy())) if self.network_times else times)
        if self.prediction is NOISE and not self.clip_x0 and not self.eps_scale:
            return output
        alpha, sigma = self.levels(times, x)
        eps = self.prediction.eps(output, x, alpha, sigma)
        if self.eps_scale:
            eps = eps / beside(self.eps_scale(times.numpy()), x)
        if not self.clip_x0:
            return eps
        x0 = ((x - sigma * eps) / alpha).clamp(-1, 1)
        return (x - alpha * x0) / sigma

    def output(self, x: Tensor, t: Tensor) -> Tensor:
        """The network's own output F(x, f(t)), (B, C, H, W), for times (B,) in float64 on the CPU."""
        return self.network_output(x, self.conditions(t, x))

    def network_output(self, x: Tensor, condition: Tensor) -> Tensor:
        """F for conditions as the network is given them, float32 (B,) beside x."""
        self.nfe += 1
        return self.network(x if self.context is None else torch.cat([x, self.context], 1), condition)

    def conditions(self, t: Tensor, x: Tensor) -> Tensor:
        """f(t) in float32, (B,), on the device of `x`."""
        return torch.from_numpy(np.asarray(self.condition(t.numpy()))).to(x.device, torch.float32)

    def levels(self, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """alpha_t and sigma_t, each (B, 1, 1, 1), with the type and device of `x`."""
        times = t.numpy()
        return beside(self.schedule.alpha(times), x), beside(self.schedule.sigma(times), x)


def beside(values: Array, x: Tensor) -> Tensor:
    """One value per image (B,) as (B, 1, 1, 1), with the type and device of `x`."""
    return torch.from_numpy(np.asarray(values)).to(x.device, x.dtype).view(-1, *[1] * (x.ndim - 1))
