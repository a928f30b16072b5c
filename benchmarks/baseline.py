"""How strong the baseline is: ddpm by this project's recipe, beside diffusers' training example in the same time.

All train the same architecture on the same images, in turn, a few seconds each. The peers stop when they have had as
long as ours. Every trained network is then sampled by both projects' samplers, so that training and sampler can be told
apart.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median, stdev
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import click
import numpy as np
import torch
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.project import ROOT, read_config
from benchmarks.timing import in_turn, repetitions, show
from etsdm.data.archive import Pixels, pieces, read_images
from etsdm.data.prepare import prepare
from etsdm.metrics.distances.frechet import Frechet
from etsdm.metrics.encoders.classifier import Classifier, make_encoder, train_classifier
from etsdm.metrics.features import CPU_BATCH, extract
from etsdm.models.diffusers import renamed, unet_config
from etsdm.models.spec import ModelSpec
from etsdm.models.trained import make_predictor, process_of, starts_at_high_noise
from etsdm.plan.plan import Plan, make_plan
from etsdm.sampling.sample import default_batch, sample_batch
from etsdm.sampling.spec import SampleSpec
from etsdm.training.trainer import Trainer

Spec = dict[str, Any]
CPU = torch.device("cpu")
OURS = "ours"
SLICE = 50
"""Steps of ours before each peer has its turn."""
PILOT = 30
"""Steps that say how many a peer will take, which the cosine schedule must know."""


@dataclass(frozen=True)
class Recipe:
    """Options of diffusers' training example, with their defaults."""

    batch: int = 16
    rate: float = 1e-4
    schedule: str = "cosine"
    warmup: int = 500


@dataclass(frozen=True)
class Trained:
    """A network in both projects' forms, each predicting noise, and what its training took."""

    ours: nn.Module
    theirs: UNet2DModel
    images: int
    seconds: float


class Peer:
    """diffusers' examples/unconditional_image_generation, without Accelerate and with all images in memory.

    Args:
        spec: of our model, whose architecture the network has.
        pixels: the images, uint8 (N, H, W, C).
        recipe: options of the example.
        steps: how many the schedule is for.
        seed: of the initial weights, the order, the times and the noise.
    """

    def __init__(self, spec: Spec, pixels: Pixels, recipe: Recipe, steps: int, seed: int) -> None:
        self.random = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.network = diffusers_network(spec).train()
        self.average = EMAModel(self.network.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=recipe.rate, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8
        )
        self.rate = get_scheduler(
            recipe.schedule, self.optimizer, num_warmup_steps=recipe.warmup, num_training_steps=steps
        )
        self.noising = DDPMScheduler(spec["diffusion"]["timesteps"], beta_schedule="linear")
        self.batches = self._batches(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1, recipe.batch)
        self.images = 0

    def _batches(self, images: Tensor, batch: int) -> Iterator[Tensor]:
        while True:
            for picked in torch.randperm(len(images), generator=self.random).split(batch):
                yield images[picked]

    def step(self) -> None:
        """One step on the next batch."""
        images = next(self.batches)
        noise = torch.randn(images.shape, generator=self.random)
        t = torch.randint(self.noising.config.num_train_timesteps, (len(images),), generator=self.random)
        predicted = self.network(self.noising.add_noise(images, noise, t), t).sample
        functional.mse_loss(predicted, noise).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.rate.step()
        self.optimizer.zero_grad()
        self.average.step(self.network.parameters())
        self.images += len(images)

    def trained(self, seconds: float) -> Trained:
        """The network with the averaged weights."""
        self.average.copy_to(self.network.parameters())
        return Trained(_Noise(self.network.eval()), self.network, self.images, seconds)


class _Noise(nn.Module):
    """diffusers' network, called as ours is."""

    def __init__(self, network: UNet2DModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        predicted: Tensor = self.network(x, t).sample
        return predicted


def diffusers_network(spec: Spec) -> UNet2DModel:
    """diffusers' network of the architecture that `spec` gives ours, with diffusers' initial weights."""
    network = ModelSpec.model_validate(spec)
    return UNet2DModel.from_config(unet_config(network, process_of(network)))


def our_trained(trainer: Trainer, spec: Spec, seconds: float) -> Trained:
    """Our network with the averaged weights, and the same weights in diffusers'."""
    trainer.network.load_state_dict(trainer.average.weights)
    network = diffusers_network(spec)
    network.load_state_dict(renamed(trainer.network, ModelSpec.model_validate(spec).network))
    return Trained(trainer.network.eval(), network.eval(), trainer.images, seconds)


def recipes_of(training: Spec) -> dict[str, Recipe]:
    """The example as it is, and with our learning rate, batch and warm-up."""
    rate, batch, warmup = training["learning_rate"], training["batch"], training["warmup"] // training["batch"]
    return {
        "diffusers, its example": Recipe(),
        "diffusers, our rate": Recipe(batch, rate, "constant_with_warmup", warmup),
    }


def train_all(spec: Spec, pixels: Pixels) -> dict[str, Trained]:
    """Train ours and every peer, in turn, for the same time."""
    recipes, steps = recipes_of(spec["training"]), steps_of(spec["training"])
    planned = planned_steps(spec, pixels, recipes)
    trainer = Trainer(ModelSpec.model_validate(spec), pixels, CPU)
    peers = {name: Peer(spec, pixels, recipe, planned[name], spec["seed"]) for name, recipe in recipes.items()}
    seconds = dict.fromkeys((OURS, *peers), 0.0)
    for start in range(0, steps, SLICE):
        for _ in range(start, min(start + SLICE, steps)):
            seconds[OURS] += seconds_of(trainer.step)
        for name, peer in peers.items():
            while seconds[name] < seconds[OURS]:
                seconds[name] += seconds_of(peer.step)
    ours = our_trained(trainer, spec, seconds[OURS])
    return {OURS: ours} | {name: peer.trained(seconds[name]) for name, peer in peers.items()}


def steps_of(training: Spec) -> int:
    """Steps of our training, the last batch a whole one."""
    return int(-(-training["images"] // training["batch"]))


def planned_steps(spec: Spec, pixels: Pixels, recipes: dict[str, Recipe]) -> dict[str, int]:
    """About how many steps each peer takes in the time of our training."""
    works: dict[str, Callable[[], None]] = {OURS: Trainer(ModelSpec.model_validate(spec), pixels, CPU).step}
    works |= {name: Peer(spec, pixels, recipe, 1, 0).step for name, recipe in recipes.items()}
    seconds = {name: median(taken) for name, taken in in_turn(works, PILOT).items()}
    ours = seconds[OURS] * steps_of(spec["training"])
    return {name: max(1, round(ours / seconds[name])) for name in recipes}


def seconds_of(work: Callable[[], None]) -> float:
    """Wall clock of some work."""
    started = perf_counter()
    work()
    return perf_counter() - started


def plan_of(config: Path, repeats: int, nfe: int) -> Plan:
    """The first data set of a configuration, ddpm, and our solvers."""
    values = read_config(config)
    values["seeds"] = list(range(repeats))
    solvers = [
        {"name": "ancestral", "nfe": [nfe], "variance": "fixed-small"},
        {"name": "ddim", "nfe": [nfe]},
        {"name": "ddim", "nfe": [nfe], "clip_x0": True},
    ]
    block = {"datasets": [next(iter(values["datasets"]))], "methods": ["ddpm"], "solvers": solvers}
    values["experiments"] = {"fast-sampling": block}
    return make_plan(values, str(config))


def by_our_sampler(trained: Trained, model: Spec, spec: Spec) -> Pixels:
    """Images of a sample set's specification, uint8 (B, H, W, C)."""
    network, drawn = ModelSpec.model_validate(model), SampleSpec.model_validate(spec)
    process, shape, clip_x0 = process_of(network), network.dataset.shape, drawn.solver.clip_x0
    clip = starts_at_high_noise(process) if clip_x0 == "auto" else clip_x0
    predict = make_predictor(trained.ours, process, clip)
    parts = pieces(range(drawn.samples), default_batch(shape, CPU))
    return np.concatenate([sample_batch(predict, drawn.solver, drawn.seed, part, shape) for part in parts])


def by_pipeline(pipeline: DDPMPipeline | DDIMPipeline, spec: Spec) -> Pixels:
    """As many images by diffusers' pipeline, in as many steps."""
    pipeline.set_progress_bar_config(disable=True)
    random = torch.Generator().manual_seed(spec["seed"])
    images = pipeline(spec["samples"], random, num_inference_steps=spec["solver"]["nfe"], output_type="np").images
    return np.asarray((images * 255).round(), np.uint8)


def sampler_name(solver: Spec) -> str:
    """Our sampler's name in the table."""
    title = {"ddim": "DDIM"}.get(solver["name"], solver["name"])
    return f"{title} {solver['nfe']}, ours" + (", x_0 clipped" if solver["clip_x0"] is True else "")


def draw_all(trained: Trained, model: Spec, specs: list[Spec]) -> dict[str, Pixels]:
    """A sample set of a trained network by each sampler; what is not named of a pipeline's settings is its default."""
    drawn = {sampler_name(spec["solver"]): by_our_sampler(trained, model, spec) for spec in specs}
    network, times, nfe = trained.theirs, model["diffusion"]["timesteps"], specs[0]["solver"]["nfe"]
    pipelines = {
        f"ancestral {nfe}, DDPMPipeline": DDPMPipeline(network, DDPMScheduler(times)),
        f"DDIM {nfe}, DDIMPipeline": DDIMPipeline(network, DDIMScheduler(times)),
        f"DDIM {nfe}, DDIMPipeline, not clipped": DDIMPipeline(network, DDIMScheduler(times, clip_sample=False)),
    }
    return drawn | {name: by_pipeline(pipeline, specs[0]) for name, pipeline in pipelines.items()}


def judge(plan: Plan, folder: Path) -> tuple[Pixels, Callable[[Pixels], float]]:
    """The images of the data set, and the Frechet distance to them in the features of the plan's first classifier."""
    (data,), encoder = plan.data.values(), next(run for run in plan.encoders.values() if "data" in run.needs)
    prepare(data.spec, folder, progress=False)
    images, weights = folder / "images.zip", folder / "encoder.safetensors"
    train_classifier(
        Classifier.model_validate(encoder.spec), images, folder / "dataset.json", weights, CPU, progress=False
    )
    encode, pixels = make_encoder(weights, CPU), read_images(images)

    def features(shown: Pixels) -> np.ndarray:
        return extract(encode, [shown[part.start : part.stop] for part in pieces(range(len(shown)), CPU_BATCH)])

    real = features(pixels)
    known = Frechet.summarise(real)
    return pixels, lambda shown: Frechet.between(features(shown), real, known)


def change(values: list[float], ours: list[float]) -> str:
    """Mean change of a distance in per cent, paired by seed, with its 95 % interval by Student's t of the logs."""
    logs = np.log(values) - np.log(ours)
    if len(logs) < 2 or values == ours:
        return "" if values == ours else f"{100 * np.expm1(logs.mean()):+.1f} %"
    half = stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / len(logs) ** 0.5
    middle, low, high = (100 * np.expm1(logs.mean() + shift) for shift in (0, -half, half))
    return f"{middle:+.1f} % [{low:+.1f}, {high:+.1f}]"


def rows_of(trained: dict[str, list[Trained]], distances: dict[str, dict[str, list[float]]]) -> list[dict[str, object]]:
    """A row for each sampler and training, with the change against our training by the same sampler."""
    return [
        {
            "sampler": sampler,
            "training": name,
            "images seen": f"{mean(run.images for run in trained[name]):,.0f}",
            "s": f"{mean(run.seconds for run in trained[name]):.1f}",
            "distance": f"{mean(values):.2f}",
            "sd": f"{stdev(values):.2f}" if len(values) > 1 else "",
            "n": len(values),
            "beside ours, 95 %": change(values, by_training[OURS]),
        }
        for sampler, by_training in distances.items()
        for name, values in by_training.items()
    ]


@click.command(help=__doc__)
@repetitions(5)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=ROOT / "config" / "digits.yaml",
    help="Whose data set, network, recipe and classifier.  [default: config/digits.yaml]",
)
@click.option("--nfe", default=50, show_default=True, help="Evaluations an image.")
def main(repeats: int, config: Path, nfe: int) -> None:
    torch.set_num_threads(1)
    plan = plan_of(config, repeats, nfe)
    trained: dict[str, list[Trained]] = {}
    distances: dict[str, dict[str, list[float]]] = {}
    with TemporaryDirectory() as folder:
        pixels, distance = judge(plan, Path(folder))
    for model in plan.models.values():
        specs = [run.spec for run in plan.samples.values() if run.needs["model"] is model]
        for name, network in train_all(model.spec, pixels).items():
            trained.setdefault(name, []).append(network)
            for sampler, drawn in draw_all(network, model.spec, specs).items():
                distances.setdefault(sampler, {}).setdefault(name, []).append(distance(drawn))
    show(rows_of(trained, distances))


if __name__ == "__main__":
    main()
