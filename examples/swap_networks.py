"""Two trained networks in one sampling run, one above a time and the other below: which part makes the difference?

python examples/swap_networks.py RUN_A/weights.safetensors RUN_B/weights.safetensors --below 100 --out swapped.png
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from etsdm.diffusion.predictor import NoisePredictor
from etsdm.errors import UserError
from etsdm.models.trained import load_predictor
from etsdm.plan.reading import parse_solver
from etsdm.sampling.sample import default_batch, sample_batch
from etsdm.solvers import Solver

CPU = torch.device("cpu")


class Swapped(nn.Module):
    """F(x, t), from one predictor's network below a time and from another's at and above it, each told t in its way."""

    def __init__(self, above: NoisePredictor, below: NoisePredictor, time: float) -> None:
        super().__init__()
        self.above, self.below, self.time = above, below, time
        self.networks = nn.ModuleList([above.network, below.network])

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        part = self.below if float(t[0]) < self.time else self.above
        return part.output(x, t.double().cpu())


def swapped(above: NoisePredictor, below: NoisePredictor, time: float) -> NoisePredictor:
    """A predictor of both.

    Raises:
        UserError: the networks have different schedules or predictions, so one's output means nothing to the other.
    """
    if (above.schedule, above.prediction) != (below.schedule, below.prediction):
        raise UserError("the two networks must have the same schedule and the same prediction")
    return NoisePredictor(
        Swapped(above, below, time), above.schedule, clip_x0=above.clip_x0, prediction=above.prediction
    )


def draw(predict: NoisePredictor, solver: Solver, seed: int, count: int, shape: tuple[int, ...]) -> np.ndarray:
    """The first images of a seed, uint8 (N, H, W, C)."""
    size = default_batch(shape, CPU)
    parts = [range(start, min(start + size, count)) for start in range(0, count, size)]
    return np.concatenate([sample_batch(predict, solver, seed, indices, shape) for indices in parts])


def noise(images: np.ndarray) -> np.ndarray:
    """The noise in each image, grey levels, (N,): the median of |d| / 0.6745 (Donoho and Johnstone 1994, section 4.2).

    d are the diagonal details of Haar's wavelets, which hold little of an image and all of its noise's spread.
    """
    height, width = (2 * (side // 2) for side in images.shape[1:3])
    x = images[:, :height, :width].astype(float)
    even, odd = x[:, ::2], x[:, 1::2]
    details = (even[:, :, ::2] - even[:, :, 1::2] - odd[:, :, ::2] + odd[:, :, 1::2]) / 2
    return np.median(np.abs(details).reshape(len(x), -1), axis=1) / 0.6745


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", type=Path, help="weights of a network")
    parser.add_argument("b", type=Path, help="those of another one")
    parser.add_argument("--below", type=float, default=100, help="time below which the other one takes over")
    parser.add_argument("--solver", default="dpm-solver-3", help="by name")
    parser.add_argument("--nfe", type=int, default=20, help="evaluations an image")
    parser.add_argument("--seed", type=int, default=0, help="of the noise that sampling starts from")
    parser.add_argument("--images", type=int, default=12, help="of each kind")
    parser.add_argument(
        "--out", type=Path, default=Path("swapped.png"), help="a picture, a row of images for each kind"
    )
    options = parser.parse_args()
    solver = parse_solver({"name": options.solver, "nfe": [options.nfe], "clip_x0": True})
    try:
        (a, spec), (b, other) = (load_predictor(weights, CPU, clip_x0=True) for weights in (options.a, options.b))
        if spec.dataset.shape != other.dataset.shape:
            raise UserError(f"one network draws images of {spec.dataset.shape}, the other of {other.dataset.shape}")
        kinds = {
            "A": a,
            "B": b,
            f"A, and B below t = {options.below:g}": swapped(a, b, options.below),
            f"B, and A below t = {options.below:g}": swapped(b, a, options.below),
        }
    except UserError as error:
        parser.error(str(error))
    rows = []
    for name, predict in kinds.items():
        images = draw(predict, solver, options.seed, options.images, spec.dataset.shape)
        low, middle, high = np.quantile(noise(images), (0.25, 0.5, 0.75))
        print(f"{name}: noise {middle:.1f} ({low:.1f} to {high:.1f}) grey levels, median and quartiles")
        rows.append(np.concatenate(list(images), axis=1))
    Image.fromarray(np.concatenate(rows).squeeze()).save(options.out)


if __name__ == "__main__":
    main()
