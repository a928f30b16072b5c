"""The time-Lipschitz constant of a trained network."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from etsdm.config.strict import MOST_STEPS, Count, Strict
from etsdm.errors import UserError
from etsdm.probes.inputs import even_images, fixed_noise, mean_and_std, noised, per_image
from etsdm.probes.probe import Probe

if TYPE_CHECKING:
    from torch import Tensor

    from etsdm.diffusion.predictor import NoisePredictor


class Pairs(Strict):
    """Of which times, and over how many images, K(t', t) is measured."""

    images: Count
    """Images x_0 over which K is averaged."""
    fine_step: int = Field(10, ge=1, le=MOST_STEPS)
    """Pairs (t - fine_step, t) up to `fine_until`..."""
    fine_until: int = Field(100, ge=1, le=MOST_STEPS)
    """...and (t - coarse_step, t) above."""
    coarse_step: int = Field(100, ge=1, le=MOST_STEPS)
    """Step of the coarse pairs."""
    coarse_until: int = Field(400, ge=1, le=MOST_STEPS)
    """Last t of the coarse pairs."""

    @model_validator(mode="after")
    def _whole_steps(self) -> Self:
        if self.fine_until % self.fine_step or self.fine_until < 2 * self.fine_step:
            raise ValueError(f"fine_until = {self.fine_until} must be two or more times fine_step = {self.fine_step}")
        if self.coarse_until % self.coarse_step:
            raise ValueError(f"coarse_until = {self.coarse_until} is no multiple of coarse_step = {self.coarse_step}")
        return self


class Lipschitz(Pairs, Probe):
    """The probe of K."""

    order: ClassVar[int] = 10

    probe: Literal["lipschitz"]

    def evaluations(self) -> int:
        """Two a pair."""
        return 2 * len(pairs(self))


def pairs(spec: Pairs) -> list[tuple[int, int]]:
    """Pairs (t', t) with t' < t: fine steps near zero, coarse ones above, as in the paper's figure."""
    fine = range(spec.fine_step, spec.fine_until + 1, spec.fine_step)
    coarse = range(spec.coarse_step, spec.coarse_until + 1, spec.coarse_step)
    return [(t - spec.fine_step, t) for t in fine] + [(t - spec.coarse_step, t) for t in coarse if t > spec.fine_until]


def difference_quotients(predict: NoisePredictor, x0: Tensor, eps: Tensor, t_prime: float, t: float) -> Tensor:
    """|| eps(x_t, t) - eps(x_t, t') ||_2 / (t - t') for each image, (B,) (Yang et al. 2024, section 3).

    The norm runs over all pixels and channels; both predictions are made at the same x_t. In continuous time nothing
    is trained below t_min, so a t' below it gives way to t_min, in the prediction and in t - t'.

    Raises:
        UserError: t is not above t' and t_min, or lies outside the schedule's times.
    """
    x_t = noised(predict.schedule, x0, eps, t)
    t_prime = max(t_prime, predict.schedule.t_min)
    if t <= t_prime:
        raise UserError(f"K(t', t) needs t > t', but t = {t:g} is not above t' = {t_prime:g}; take a larger fine_step")
    return (predict(x_t, t) - predict(x_t, t_prime)).flatten(1).norm(dim=1) / (t - t_prime)


def probe(weights: Path, images: Path, spec: Lipschitz, device: str = "auto", progress: bool = True) -> dict[str, Any]:
    """K(t, t') = E || eps(x_t, t) - eps(x_t, t') ||_2 / (t - t') for each pair of times.

    The images are spread evenly over the archive, and they and their noise are the same for every network.

    Args:
        weights: `weights.safetensors` of a training.
        images: archive of clean images.
        spec: settings of the probe.
        device: `auto`, `cpu`, `cuda`, ...
        progress: show a progress bar.

    Returns:
        {"n": images, "dimension": pixels times channels, "points": [{"t_prime", "t", "K", "K_std",
        "K_per_sqrt_dimension"}]}, with the standard deviation over images. "t_prime" is the one asked for: in
        continuous time t_min stands in for 0 (see `difference_quotients`).

    Raises:
        UserError: a file can't be read, the images are unlike those of the training, a pair does not lie within the
            schedule's times, or a K is not finite.
    """
    from tqdm import tqdm

    from etsdm.models.trained import load_predictor
    from etsdm.runtime.devices import pick_device

    where = pick_device(device)
    predict, trained = load_predictor(weights, where)
    x0 = even_images(images, spec.images, trained.dataset)
    eps = fixed_noise(x0, stream=0)
    dimension = x0[0].numel()
    points = []
    for t_prime, t in tqdm(pairs(spec), "probe", unit=" pairs", disable=not progress):
        quotients = partial(difference_quotients, predict, t_prime=t_prime, t=t)
        values = per_image(quotients, where, x0, eps, label=f"K({t_prime}, {t}) of each image")
        mean, std = mean_and_std(values)
        points.append(
            {
                "t_prime": t_prime,
                "t": t,
                "K": mean,
                "K_std": std,
                "K_per_sqrt_dimension": mean / math.sqrt(dimension),
            }
        )
    return {"n": len(x0), "dimension": dimension, "points": points}
