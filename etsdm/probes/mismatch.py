"""What a wrong condition costs: x_t is at the noise level of t, and the network is given another time."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from etsdm.config.strict import MOST_STEPS, Count, Steps, Strict, distinct
from etsdm.diffusion.schedules import Schedule
from etsdm.probes.inputs import even_images, fixed_noise, mean_and_std, noised, per_image
from etsdm.probes.probe import Probe

if TYPE_CHECKING:
    from torch import Tensor

    from etsdm.diffusion.predictor import NoisePredictor


def _not_zero(offset: int) -> int:
    if offset == 0:
        raise ValueError("0 is always measured, so it need not be given; leave it out")
    return offset


Offset = Annotated[int, Field(ge=-MOST_STEPS, le=MOST_STEPS), AfterValidator(_not_zero)]


class Offsets(Strict):
    """By how many steps the condition is wrong, at which times, and over how many images."""

    images: Count
    """Images x_0 over which the error is averaged."""
    t: Steps = Field([20, 45, 70, 95, 200])
    """Times of x_t, in steps. The first four lie 0, 5, 10 and 15 steps above an edge of E-TSDM's usual sub-intervals of
    20 steps, so that no place in them is preferred."""
    offsets: Annotated[list[Offset], AfterValidator(distinct)] = Field([-50, -20, -10, -5, 5, 10, 20, 50], min_length=1)
    """What is added to t in the condition, in steps. 0 is always measured, too. An offset that leads out of the times
    that are trained is left out at that t."""


class Mismatch(Offsets, Probe):
    """The probe of a wrong condition."""

    order: ClassVar[int] = 40

    probe: Literal["mismatch"]

    def evaluations(self) -> int:
        """One for each offset of each t, and one without an offset; those that lead below t = 0 are left out."""
        return sum(t + offset >= 0 for t in self.t for offset in (0, *self.offsets))


def cases(spec: Offsets, schedule: Schedule) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Pairs (t, offset) that are measured, 0 the first offset of each t, and those that are left out.

    Left out is a t + offset outside [t_min, t_max]. To clip it would measure another offset under this one's name.
    """
    requested = [(t, offset) for t in spec.t for offset in (0, *sorted(spec.offsets))]
    outside = [(t, offset) for t, offset in requested if offset and not schedule.t_min <= t + offset <= schedule.t_max]
    return [case for case in requested if case not in outside], outside


def predicted(predict: NoisePredictor, x: Tensor, t: float, offset: float) -> Tensor:
    """The x_0 that follows from x at the noise level of t, (B, C, H, W), where the network is given f(t + offset).

    The levels that turn the network's output into x_0 are those of t, whatever the network predicts.
    """
    import torch

    times = torch.full((len(x),), t, dtype=torch.float64)
    alpha, sigma = predict.levels(times, x)
    eps = predict.prediction.eps(predict.output(x, times + offset), x, alpha, sigma)
    return (x - sigma * eps) / alpha


def squared_errors(predict: NoisePredictor, x: Tensor, x0: Tensor, t: float, offset: float) -> Tensor:
    """Mean over all values of the squared error of `predicted` for each image, (B,)."""
    return (predicted(predict, x, t, offset) - x0).square().flatten(1).mean(1)


def probe(weights: Path, images: Path, spec: Mismatch, device: str = "auto", progress: bool = True) -> dict[str, Any]:
    """Mean squared error of the predicted x_0, and its excess over the right condition, for each t and offset.

    With few steps a solver's x is not quite at the noise level of its time: the condition is wrong for the state. The
    images are spread evenly over the archive; they and their noise are the same for every network. x_0 is not clipped.

    Args:
        weights: `weights.safetensors` of a training.
        images: archive of clean images.
        spec: settings of the probe.
        device: `auto`, `cpu`, `cuda`, ...
        progress: show a progress bar.

    Returns:
        {"n": images, "points": [{"t", "offset", "error", "error_std", "excess", "excess_std"}], "left_out": [{"t",
        "offset"}]}, mean and standard deviation over images in [-1, 1]. The excess is the error less that of the same
        t and image without an offset; see `cases` for what is left out.

    Raises:
        UserError: a file can't be read, the images are unlike those of the training, a t lies outside the schedule's
            times, or an error is not finite.
    """
    from tqdm import tqdm

    from etsdm.models.trained import load_predictor
    from etsdm.runtime.devices import pick_device

    where = pick_device(device)
    predict, trained = load_predictor(weights, where)
    x0 = even_images(images, spec.images, trained.dataset)
    eps = fixed_noise(x0, stream=0)
    measured, outside = cases(spec, predict.schedule)
    right: dict[int, Tensor] = {}
    points = []
    for t, offset in tqdm(measured, "probe", unit=" offsets", disable=not progress):
        errors_of = partial(squared_errors, predict, t=t, offset=offset)
        which = f"the error of x_0 at t = {t}, with an offset of {offset}"
        errors = per_image(errors_of, where, noised(predict.schedule, x0, eps, t), x0, label=which)
        error, error_std = mean_and_std(errors)
        excess, excess_std = mean_and_std(errors - right.setdefault(t, errors))
        points.append(
            {
                "t": t,
                "offset": offset,
                "error": error,
                "error_std": error_std,
                "excess": excess,
                "excess_std": excess_std,
            }
        )
    return {"n": len(x0), "points": points, "left_out": [{"t": t, "offset": offset} for t, offset in outside]}
