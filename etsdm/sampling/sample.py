"""From a trained network and a solver's settings to images."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from etsdm.data.archive import Pixels, write_images
from etsdm.data.mosaic import write_mosaic
from etsdm.data.pixels import to_pixels
from etsdm.data.saturation import Saturation
from etsdm.diffusion.predictor import NoisePredictor
from etsdm.errors import UserError
from etsdm.models.trained import load_predictor
from etsdm.runtime.batches import images_within
from etsdm.runtime.devices import can_fuse, computing_in, pick_device
from etsdm.runtime.files import sha256
from etsdm.runtime.finite import check_finite
from etsdm.runtime.parts import Parts
from etsdm.runtime.processes import joined
from etsdm.runtime.stop import StopRequest
from etsdm.sampling.noise import ImageNoise
from etsdm.sampling.replay import Replay
from etsdm.sampling.spec import SampleSpec
from etsdm.solvers import SOLVERS, Solver
from etsdm.solvers.eps_scale import divisor
from etsdm.solvers.grids import start
from etsdm.solvers.time_shift import fitting_times

BATCH_VALUES = 16_000
"""On a CPU the default batch holds this many pixel values: small batches stay in the cache."""
GPU_BATCH_VALUES = 2**23
"""The same for a GPU."""
MOST = 512
"""Images in such a batch."""


def default_batch(shape: tuple[int, ...], device: torch.device) -> int:
    """Images a batch, a function of the images' shape and the kind of device alone."""
    values = GPU_BATCH_VALUES if device.type == "cuda" else BATCH_VALUES
    return images_within(values, shape, MOST)


@torch.inference_mode()
def sample_batch(
    predict: NoisePredictor,
    solver: Solver,
    seed: int,
    indices: range,
    shape: tuple[int, ...],
    precision: str = "tf32",
) -> Pixels:
    """The images numbered `indices` of a sample set, uint8 (B, H, W, C).

    The network computes in `precision` (see `computing_in`), the solver in float32.

    Raises:
        UserError: more evaluations than timesteps are asked for (see `Solver.too_many`), sampling would stop where it
            starts (`Solver.too_late`), or a pixel value is not finite: the network or the solver diverged.
        RuntimeError: the solver did not spend exactly the evaluations asked for.
    """
    schedule = predict.schedule
    if reason := solver.too_late(schedule) or solver.too_many(schedule.timesteps, schedule.whole):
        raise UserError(reason)
    device = next(predict.network.parameters()).device  # type: ignore[attr-defined]
    noise = ImageNoise(seed, indices, shape, device)
    set_options(predict, solver)
    before = predict.nfe
    with computing_in(precision, device):
        settings = solver.model_copy(update={"clip_x0": predict.clip_x0})  # `auto` is decided by now
        x = SOLVERS.load(solver.name).solve(predict, schedule, noise(), settings, noise)
    if predict.nfe - before != solver.budget:
        raise RuntimeError(f"{solver.name} made {predict.nfe - before} evaluations instead of {solver.budget}")
    check_finite(
        x,
        f"sampling diverged: images {indices.start} to {indices.stop - 1}, by {solver.name} in {solver.budget} "
        "evaluations",
        "set clip_x0: true in the solver, or train with a lower training.learning_rate",
    )
    return to_pixels(x).cpu().numpy()


def set_options(predict: NoisePredictor, solver: Solver) -> None:
    """Give the predictor the options of a solver that change what it answers."""
    scale, shift, schedule = solver.eps_scale, solver.time_shift, predict.schedule
    first = start(schedule, solver.lambda_start)
    predict.eps_scale = partial(divisor, scale=scale) if scale else None
    predict.network_times = partial(fitting_times, shift=shift, schedule=schedule, first=first) if shift else None


class _Ticking(NoisePredictor):
    """A predictor that moves a progress bar at each evaluation."""

    bar: tqdm

    def __call__(self, x: Tensor, t: float | Tensor) -> Tensor:
        self.bar.update(len(x))
        return super().__call__(x, t)


def sample(
    weights: Path,
    spec: SampleSpec,
    out: Path,
    device: str = "auto",
    batch: int | None = None,
    progress: bool = True,
    fingerprint: str = "",
    minutes: float = 0,
    compiled: bool = False,
    few: bool = False,
) -> dict[str, Any]:
    """Write `spec.samples` images to `out`, going on with what an earlier attempt has left.

    Every batch is computed at full size, the last one too, so an image does not depend on how many are made; unless
    `few`, whose only cost is the last bits. Under torchrun, the processes share the batches.

    Args:
        weights: `weights.safetensors` of a training.
        spec: the sample set.
        out: the archive to write; a single picture of all images if it ends in `.png`.
        device: `auto`, `cpu`, `cuda`, ...
        batch: images at a time; None: `default_batch`.
        progress: show a progress bar, in images times evaluations.
        fingerprint: digest of the code; batches made by other code are made again.
        minutes: time limit of the job, before which it stops; 0 for none.
        compiled: let torch.compile fuse the network's operations, which moves the last bits of results.
        few: let no batch be larger than the set, so that a few images take no longer than they must.

    Returns:
        {"nfe", "samples", "batch", "saturated"}, the last the share of pixel values at 0 or 255 (`Saturation.share`),
        which the first process counts.

    Raises:
        UserError: the weights can't be read, more evaluations than timesteps are asked for, or an image is not finite.
        Interrupted: SIGTERM or SIGINT came, or the time is nearly up; finished batches are kept.
    """
    stop = StopRequest(minutes)
    solver, count, where = spec.solver, spec.samples, pick_device(device, stop)
    loaded, trained = load_predictor(weights, where, solver.clip_x0, lambda_start=solver.lambda_start)
    network = loaded.network
    if compiled:
        network.compile()  # type: ignore[attr-defined]
    elif where.type == "cuda":
        network.fuse(can_fuse(where))  # type: ignore[attr-defined]
        network = Replay(network, spec.precision)  # type: ignore[arg-type]
    predict = _Ticking(network, loaded.schedule, loaded.condition, loaded.clip_x0, loaded.prediction)
    shape = trained.dataset.shape
    size = batch or min(default_batch(shape, where), count if few else 2**63)
    work = size * solver.budget
    saturation = Saturation()
    with joined() as processes, stop:
        identity = (sha256(weights), spec.json_values(), size, where.type, fingerprint, compiled)
        parts = Parts(out, identity, math.ceil(count / size), processes)

        def part(number: int) -> Pixels:
            indices = range(number * size, (number + 1) * size)
            images = sample_batch(predict, solver, spec.seed, indices, shape, spec.precision)
            return images[: count - indices.start]

        mine = range(processes.rank, parts.count, processes.count)
        hidden = not progress or processes.rank > 0
        with tqdm(total=len(mine) * work, desc=f"sample {solver.name}", unit=" img·NFE", disable=hidden) as predict.bar:
            parts.make(part, stop, lambda _: predict.bar.update(work))
        if processes.rank == 0:
            write = write_mosaic if out.suffix == ".png" else write_images
            write(out, (image for images in saturation.counted(parts) for image in images))
    return {"nfe": solver.budget, "samples": count, "batch": size, "saturated": saturation.share}
