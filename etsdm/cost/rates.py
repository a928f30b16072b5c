"""How fast a device is: given in the configuration, or measured on this machine."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from etsdm.metrics.encoders import ENCODERS

if TYPE_CHECKING:
    import torch

    from etsdm.models.spec import ModelSpec
    from etsdm.plan.plan import Plan
    from etsdm.plan.runs import Run

REPEATS = 5
"""Timed repetitions of a measurement, of which the median counts."""


class Shape(NamedTuple):
    """What tells the networks of one benchmark apart in cost."""

    channels: int
    """Of the input: twice the images' for super-resolution."""
    resolution: int
    """Side in pixels."""


class Speed(NamedTuple):
    """Rates of one network."""

    train: float
    """Images a second."""
    sample: float
    """Images times evaluations a second."""


@dataclass(frozen=True)
class Rates:
    """How fast a device is.

    Attributes:
        device: what it is called.
        speeds: of each network.
        features: images a second by encoder; one that is not here costs nothing.
    """

    device: str
    speeds: dict[Shape, Speed]
    features: dict[str, float]


def shape_of(model: "Run") -> Shape:
    """The shape of a trained model's network."""
    return Shape(model.model.inputs, model.model.dataset.resolution)


def given_rates(plan: "Plan") -> Rates | None:
    """The rates in the configuration, scaled to each network's size by the number of pixels; None if there are none."""
    cost = plan.config.cost
    if cost is None:
        return None
    shapes = {shape_of(model) for model in plan.models.values()}
    pixels = {shape: (shape.resolution / cost.resolution) ** 2 for shape in shapes}
    speeds = {shape: Speed(cost.train / factor, cost.sample / factor) for shape, factor in pixels.items()}
    features = {name: cost.features / encoder.work for name, encoder in ENCODERS.all().items() if encoder.timed}
    return Rates(cost.device, speeds, features)


Rate = Callable[[int, Callable[[], object]], float]
"""(images, work) -> images per second of the work that takes in this many images."""


def measure_rates(plan: "Plan", device: str = "auto", progress: bool = True) -> Rates:
    """The rates of this machine, for each network and size of the plan. Imports torch.

    Args:
        plan: the benchmark's plan; its data need not be there, random images stand in.
        device: `auto`, `cpu`, `cuda`, ...
        progress: show a progress bar.
    """
    from tqdm import tqdm

    from etsdm.runtime.devices import pick_device

    where = pick_device(device)
    models = {shape_of(model): model for model in plan.models.values()}
    sides = [m.model.model.dataset.resolution for m in plan.measurements if m.model and m.encoder]
    timed = [encoder.name for encoder in plan.config.evaluation.encoders if sides and encoder.timed]
    with tqdm(total=2 * len(models) + len(timed), desc="measure", unit=" rates", disable=not progress) as bar:

        def rate(images: int, work: Callable[[], object]) -> float:
            seconds = _median_seconds(work, where)
            bar.update()
            return images / seconds

        speeds = {shape: _measured_speed(model.model, where, rate) for shape, model in models.items()}
        features = {name: rate(*_features(name, max(sides), where)) for name in timed}
    return Rates(f"this machine's {_device_name(where)}, measured", speeds, features)


def _measured_speed(spec: "ModelSpec", device: "torch.device", rate: Rate) -> Speed:
    import numpy as np
    import torch

    from etsdm.diffusion.methods.ddpm import Ddpm
    from etsdm.sampling.sample import default_batch
    from etsdm.training.trainer import Trainer

    shape, batch = spec.dataset.shape, spec.training.batch
    pixels = np.random.default_rng(0).integers(0, 256, (batch, *shape[1:], shape[0]), np.uint8)
    training = spec.training.model_copy(update={"initial": None})
    usual = spec.model_copy(update={"method": Ddpm(name="ddpm"), "training": training})
    trainer = Trainer(usual, pixels, device)
    train = rate(batch, trainer.step)
    x = torch.randn(default_batch(shape, device), *shape, device=device)
    trainer.network.eval()
    trainer.predict.context = x if trainer.factor else None

    @torch.inference_mode()
    def evaluate() -> None:
        trainer.predict(x, spec.diffusion.timesteps / 2)

    return Speed(train, rate(len(x), evaluate))


def _features(encoder: str, side: int, device: "torch.device") -> tuple[int, Callable[[], object]]:
    """A number of images, and the work of an encoder on them, whose network is not trained."""
    import numpy as np

    from etsdm.runtime.devices import without_tf32

    encode, images = ENCODERS.load(encoder).untrained(device)
    pixels = np.random.default_rng(0).integers(0, 256, (images, side, side, 3), np.uint8)

    def timed() -> None:
        with without_tf32():
            encode(pixels)

    return images, timed


def _median_seconds(work: Callable[[], object], device: "torch.device") -> float:
    import torch

    def timed() -> float:
        started = perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return perf_counter() - started

    timed()  # the first repetition sets things up
    return median(timed() for _ in range(REPEATS))


def _device_name(device: "torch.device") -> str:
    import torch

    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{device.type} with {torch.get_num_threads()} threads"
