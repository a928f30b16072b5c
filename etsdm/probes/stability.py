"""How far a perturbed x_t moves the clean image (Yang et al. 2024, the experiment on stability)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import AfterValidator, Field

from etsdm.config.strict import MOST_STEPS, Count, Positive, Strict, distinct
from etsdm.probes.inputs import even_images, fixed_noise, mean_and_std, noised, per_image
from etsdm.probes.probe import Probe
from etsdm.solvers.ddim import ddim
from etsdm.solvers.solver import data_prediction

if TYPE_CHECKING:
    from torch import Tensor

    from etsdm.diffusion.predictor import NoisePredictor


class Perturbations(Strict):
    """How x_t is perturbed, and over how many images."""

    images: Count
    """Images x_0 over which the change is averaged."""
    t: int = Field(100, ge=1, le=MOST_STEPS)
    """Time of the perturbed x_t, in steps."""
    stds: Annotated[list[Positive], AfterValidator(distinct)] = Field([0.01, 0.03, 0.1, 0.2, 0.3], min_length=1)
    """Standard deviations of the added noise."""
    nfe: int = Field(20, ge=1, le=MOST_STEPS)
    """Evaluations of DDIM with which x_0 is solved for."""


class Stability(Perturbations, Probe):
    """The probe of stability."""

    order: ClassVar[int] = 20

    probe: Literal["stability"]

    def evaluations(self) -> int:
        """One for the predicted x_0 and `nfe` for the solved one, without noise and with that of each deviation."""
        return (1 + len(self.stds)) * (1 + self.nfe)


def predicted(predict: NoisePredictor, x: Tensor, t: float) -> Tensor:
    """The x_0 that one prediction at t implies, (x - sigma_t eps) / alpha_t."""
    return data_prediction(predict, predict.schedule, x, t)


def solved(predict: NoisePredictor, x: Tensor, t: float, nfe: int) -> Tensor:
    """The x_0 at the end of deterministic DDIM from t: `nfe` evaluations, evenly spaced in time, the last at t_stop.

    One evaluation is `predicted`.
    """
    times = np.linspace(t, predict.schedule.t_stop, nfe).tolist()
    x = ddim(predict, predict.schedule, x, times, 0.0, _no_noise)
    return predicted(predict, x, times[-1])


def _no_noise() -> Tensor:
    raise AssertionError("DDIM with eta = 0 adds no noise")


def squared_change(a: Tensor, b: Tensor) -> Tensor:
    """Mean over all values of (a - b)^2 for each image, (B,)."""
    return (a - b).square().flatten(1).mean(1)


def probe(weights: Path, images: Path, spec: Stability, device: str = "auto", progress: bool = True) -> dict[str, Any]:
    """Mean squared change of the predicted and of the solved x_0 when noise is added to x_t.

    What unit the paper plots was not published: ours is the mean over the values of images in [-1, 1]. The images are
    spread evenly over the archive; they, their noise and the perturbation are the same for every network, and the
    perturbation is one unit noise scaled by each standard deviation. x_0 is not clipped.

    Args:
        weights: `weights.safetensors` of a training.
        images: archive of clean images.
        spec: settings of the probe.
        device: `auto`, `cpu`, `cuda`, ...
        progress: show a progress bar.

    Returns:
        {"n": images, "t", "nfe", "points": [{"std", "predicted", "predicted_std", "solved", "solved_std"}]}, mean and
        standard deviation over images.

    Raises:
        UserError: a file can't be read, the images are unlike those of the training, t lies outside the schedule's
            times, or an x_0 is not finite.
    """
    from tqdm import tqdm

    from etsdm.models.trained import load_predictor
    from etsdm.runtime.devices import pick_device

    where = pick_device(device)
    predict, trained = load_predictor(weights, where)
    t = spec.t
    x0 = even_images(images, spec.images, trained.dataset)
    x_t = noised(predict.schedule, x0, fixed_noise(x0, stream=0), t)
    perturbation = fixed_noise(x0, stream=1)
    ends = {"predicted": partial(predicted, predict, t=t), "solved": partial(solved, predict, t=t, nfe=spec.nfe)}
    clean = {name: per_image(end, where, x_t, label=f"the {name} x_0 at t = {t}") for name, end in ends.items()}
    points = []
    for std in tqdm(spec.stds, "probe", unit=" perturbations", disable=not progress):
        point = {"std": std}
        for name, end in ends.items():
            which = f"the {name} x_0 at t = {t}, with noise of {std}"
            moved = per_image(end, where, x_t + std * perturbation, label=which)
            point[name], point[f"{name}_std"] = mean_and_std(squared_change(moved, clean[name]))
        points.append(point)
    return {"n": len(x0), "t": t, "nfe": spec.nfe, "points": points}
