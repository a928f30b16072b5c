"""The Lipschitz constant of a trained network in x, which no sharing of times lowers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from etsdm.config.strict import Count, Steps, Strict
from etsdm.probes.inputs import even_images, fixed_noise, mean_and_std, noised, per_image
from etsdm.probes.probe import Probe
from etsdm.runtime.batches import images_within

if TYPE_CHECKING:
    from torch import Tensor

    from etsdm.diffusion.predictor import NoisePredictor

BATCH_VALUES = 2**14
"""Pixel values in a batch; the network's activations are kept for all of them."""
EVALUATIONS = 7
"""What an iteration takes, in evaluations of the network: 5.6 its forward derivative, 1.5 its reverse one, on a CPU."""


class Iterations(Strict):
    """How the constant in x is searched for."""

    iterations: int = Field(20, ge=1, le=1000)
    """Products with the Jacobian and its transpose, by which the largest singular value is found."""


class XLipschitz(Iterations, Probe):
    """The probe of the constant in x."""

    order: ClassVar[int] = 50

    probe: Literal["x-lipschitz"]
    images: Count
    """Images x_0 over which the constant is averaged."""
    t: Steps = Field(list(range(10, 101, 10)))
    """Times of x_t, in steps."""

    def evaluations(self) -> int:
        """One for each t, and `EVALUATIONS` an iteration."""
        return len(self.t) * (1 + EVALUATIONS * self.iterations)


def largest_singular_value(function: Callable[[Tensor], Tensor], x: Tensor, start: Tensor, iterations: int) -> Tensor:
    """The largest singular value of the Jacobian J of `function` at each image, by power iteration with J^T J.

    Images do not meet in the function, so one product serves a whole batch. ||J v|| of a unit vector v is never above
    the true value, and rises with each iteration.

    Args:
        function: from (B, ...) to (B, ...), each image by itself.
        x: where, (B, ...).
        start: vectors to begin with, (B, ...), not 0.
        iterations: products with J and J^T.

    Returns:
        (B, 2): K = ||J v|| of the last v, and its residual ||J^T J v - K^2 v|| / K^2. The square of some singular value
        lies within this share of K^2.
    """
    import torch
    from torch.func import jvp, vjp
    from torch.nn.attention import SDPBackend, sdpa_kernel

    pulled, tiny = start, torch.finfo(x.dtype).tiny  # instead of a norm of 0, where the function is constant
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no forward derivative
        transposed = vjp(function, x)[1]
        for _ in range(iterations):
            direction = pulled / _norm(pulled).clamp_min(tiny)
            pushed = jvp(function, (x,), (direction,))[1]
            (pulled,) = transposed(pushed)
        square = _norm(pushed).square()
        residual = _norm(pulled - square * direction) / square.clamp_min(tiny)
        return torch.stack([square.sqrt().flatten(), residual.flatten()], 1)


def _norm(x: Tensor) -> Tensor:
    """The norm of each image, (B, 1, ..., 1)."""
    return x.flatten(1).norm(dim=1).view(-1, *[1] * (x.ndim - 1))


def constant(predict: NoisePredictor, x: Tensor, start: Tensor, t: float, iterations: int) -> Tensor:
    """The largest singular value of d eps(x, t) / dx for each image, and its residual, (B, 2)."""
    import torch

    with torch.inference_mode(False):  # what is made in inference mode has no derivatives
        x, start, times = x.clone(), start.clone(), torch.full((len(x),), t, dtype=torch.float64)
        condition, levels = predict.conditions(times, x), predict.levels(times, x)

        def eps(x: Tensor) -> Tensor:
            return predict.prediction.eps(predict.network_output(x, condition), x, *levels)

        return largest_singular_value(eps, x, start, iterations)


def probe(weights: Path, images: Path, spec: XLipschitz, device: str = "auto", progress: bool = True) -> dict[str, Any]:
    """K(x) = E || d eps(x_t, t) / dx ||_2 for each t, the largest singular value of the Jacobian at x_t.

    The images are spread evenly over the archive; they, their noise and the vectors that the search begins with are the
    same for every network.

    Args:
        weights: `weights.safetensors` of a training.
        images: archive of clean images.
        spec: settings of the probe.
        device: `auto`, `cpu`, `cuda`, ...
        progress: show a progress bar.

    Returns:
        {"n": images, "points": [{"t", "K", "K_std", "residual"}]}, with the standard deviation over images. The mean
        residual says how far the search has come (see `largest_singular_value`).

    Raises:
        UserError: a file can't be read, the images are unlike those of the training, a t lies outside the schedule's
            times, or a constant is not finite.
    """
    import torch
    from tqdm import tqdm

    from etsdm.models.trained import load_predictor
    from etsdm.runtime.devices import pick_device

    where = pick_device(device)
    predict, trained = load_predictor(weights, where)
    x0 = even_images(images, spec.images, trained.dataset)
    eps, start = fixed_noise(x0, stream=0), fixed_noise(x0, stream=1)
    batch = images_within(BATCH_VALUES, x0.shape[1:])
    points = []
    for t in tqdm(spec.t, "probe", unit=" times", disable=not progress):
        measure = partial(constant, predict, t=t, iterations=spec.iterations)
        parts = zip(noised(predict.schedule, x0, eps, t).split(batch), start.split(batch), strict=True)
        label = f"the constant in x of each image at t = {t}"
        values, residuals = torch.cat([per_image(measure, where, *part, label=label) for part in parts]).unbind(1)
        mean, std = mean_and_std(values)
        points.append({"t": t, "K": mean, "K_std": std, "residual": residuals.mean().item()})
    return {"n": len(x0), "points": points}
