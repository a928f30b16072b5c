"""The training loop.

The clock counts images, and all randomness is a function of the seed and that count, so a run that is cut off
and resumed takes the same steps as one that is not: on a CPU, to the last bit.
"""

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from etsdm.data.archive import Pixels, read_images
from etsdm.devices import pick_device
from etsdm.diffusion.losses import prediction_loss
from etsdm.diffusion.process import make_process
from etsdm.errors import Interrupted, UserError
from etsdm.files import sha256, write_text
from etsdm.models.degradation import low_resolution
from etsdm.models.trained import build_network, make_predictor
from etsdm.models.weights import save_weights
from etsdm.seeds import derived_seed
from etsdm.training.data import batch_indices, draw, to_network
from etsdm.training.ema import AveragedWeights
from etsdm.training.metrics import MetricsLog, Tally
from etsdm.training.state import load_state, remove_states, run_identity, save_state
from etsdm.training.stop import StopRequest

Spec = dict[str, Any]


class Trainer:
    """A run in the middle of training: network, average, optimizer, and how many images they have seen.

    Args:
        spec: what to train: "task", "dataset", "diffusion", "method", "network", "training" and "seed".
        pixels: the images, uint8, (N, H, W, C).
        device: where to train.
    """

    def __init__(self, spec: Spec, pixels: Pixels, device: torch.device) -> None:
        self.settings = spec["training"]
        self.seed = spec["seed"]
        self.pixels = pixels
        self.device = device
        self.images = 0
        self.factor = spec["task"].get("factor")
        torch.manual_seed(derived_seed(self.seed, "weights", 0))
        self.network = build_network(spec).to(device).train()
        self.parameters = list(self.network.parameters())
        self.average = AveragedWeights(self.network, self.settings["batch"], self.settings["ema_half_life"])
        self.optimizer = torch.optim.AdamW(
            self.parameters,
            lr=self.settings["learning_rate"],
            betas=tuple(self.settings["betas"]),
            weight_decay=self.settings["weight_decay"],
            fused=True,
        )
        self.process = make_process(spec["diffusion"], spec["method"], spec["dataset"]["resolution"])
        self.predict = make_predictor(self.network, self.process)
        self.tally = Tally(self.process.schedule.timesteps, device)
        self.mixed_precision = self.settings["precision"] == "bfloat16" and has_bfloat16(device)

    @property
    def learning_rate(self) -> float:
        """The rate of the next step: it rises linearly to the full rate of the warm-up's last step."""
        seen = self.images + self.settings["batch"]
        return self.settings["learning_rate"] * min(1.0, seen / max(self.settings["warmup"], 1))

    def step(self) -> None:
        """Take one optimizer step on the next global batch."""
        self.optimizer.zero_grad()
        self._accumulate_gradient()
        norm = nn.utils.clip_grad_norm_(self.parameters, self.settings["gradient_clip"], foreach=True)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate
        self.optimizer.step()
        self.average.update()
        self.tally.add_step(norm)
        self.images += self.settings["batch"]

    def _accumulate_gradient(self) -> None:
        """Add up the gradient of the mean loss over the global batch, a micro-batch at a time."""
        batch = self.settings["batch"]
        indices = batch_indices(len(self.pixels), self.seed, self.images, batch)
        pixels = torch.from_numpy(self.pixels[indices]).to(self.device)
        shape = (batch, pixels.shape[3], *pixels.shape[1:3])
        draws = draw(self.seed, self.images, shape, self.process, self.device)
        flips = draws.flips.to(self.device)
        torch.manual_seed(derived_seed(self.seed, "dropout", self.images))
        size = self.settings["micro_batch"] or batch
        for start in range(0, batch, size):
            part = slice(start, start + size)
            x0 = to_network(pixels[part], flips[part] if self.settings["flip"] else None)
            self.predict.context = low_resolution(x0, self.factor) if self.factor else None
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed_precision):
                losses = prediction_loss(self.predict, x0, draws.eps[part], draws.t[part], self.process.penalty)
            (losses.sum() / batch).backward()
            self.tally.add_losses(draws.t[part], losses)

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed run needs."""
        return {
            "images": self.images,
            "network": self.network.state_dict(),
            "average": self.average.weights,
            "optimizer": self.optimizer.state_dict(),
            "tally": self.tally.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.images = state["images"]
        self.network.load_state_dict(state["network"])
        self.average.load(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.tally.load_state_dict(state["tally"])


def train(
    spec: Spec, images: Path, out: Path, device: str = "auto", progress: bool = True, fingerprint: str = ""
) -> dict[str, float]:
    """Train what `spec` says, or go on training it, and write out/weights.safetensors last.

    The weights are the average's, in float32. On the way: out/metrics.jsonl, out/tensorboard and, until the
    end, out/state. The last batch is a whole one, so a little more images than asked for may be seen.

    Args:
        spec: the resolved specification of the run.
        images: the data set's image archive.
        out: the run's folder.
        device: see `pick_device`.
        progress: draw a progress bar on stderr.
        fingerprint: digest of the code; a state left by other code, other images or another specification is not
            resumed.

    Returns:
        "images" seen, "seconds" of training (over all attempts that the weights come from), "parameters".

    Raises:
        UserError: the images are not those of the specification, or the training diverged.
        Interrupted: SIGTERM or SIGINT came; the state is saved.
    """
    pixels = read_images(images)
    check_images(images, pixels, spec["dataset"])
    trainer = Trainer(spec, pixels, pick_device(device))
    states, identity = out / "state", run_identity(spec, f"{fingerprint} {sha256(images)}")
    state = load_state(states, identity, trainer.device)
    earlier = 0.0
    if state:
        trainer.load_state_dict(state)
        earlier = state["seconds"]
    started = time.perf_counter()

    def seconds() -> float:
        return earlier + time.perf_counter() - started

    settings = spec["training"]
    with ExitStack() as stack:
        stop = stack.enter_context(StopRequest())
        log = stack.enter_context(MetricsLog(states, out / "tensorboard", trainer.images))
        bar = stack.enter_context(
            tqdm(
                total=settings["images"],
                initial=trainer.images,
                unit="img",
                unit_scale=True,
                mininterval=1,
                disable=not progress,
            )
        )
        while trainer.images < settings["images"]:
            before, rate = trainer.images, trainer.learning_rate
            trainer.step()
            bar.update(settings["batch"])
            done = trainer.images >= settings["images"]
            if done or passed(settings["log_every"], before, trainer.images):
                trainer.tally.check_finite(trainer.images)
                log.write(trainer.images, {**trainer.tally.means(), "lr": rate})
                trainer.tally.clear()
            due = stop.requested or passed(settings["save_every"], before, trainer.images)
            if due and not done:
                trainer.tally.check_finite(trainer.images)
                save_state(states, {**trainer.state_dict(), "fingerprint": identity, "seconds": seconds()})
                if stop.requested:
                    raise Interrupted(f"{out}: saved after {trainer.images:,} images; the same command goes on")
    write_text(out / "metrics.jsonl", log.path.read_text(encoding="utf-8"))
    save_weights(out / "weights.safetensors", trainer.average.weights, spec)
    remove_states(states)
    return {
        "images": trainer.images,
        "seconds": seconds(),
        "parameters": sum(parameter.numel() for parameter in trainer.parameters),
    }


def passed(every: int, before: int, after: int) -> bool:
    """Whether the clock, going from `before` to `after` images, came to a multiple of `every`."""
    return after // every > before // every


def has_bfloat16(device: torch.device) -> bool:
    """Whether `device` computes in bfloat16; says on stderr where it does not."""
    if device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False):
        return True
    print(f"etsdm: {device} has no bfloat16; training in float32", file=sys.stderr)
    return False


def check_images(path: Path, pixels: Pixels, dataset: Spec) -> None:
    """Raise UserError unless the images at `path` have the size and channels of `dataset`."""
    wanted = (dataset["resolution"], dataset["resolution"], dataset["channels"])
    if pixels.shape[1:] != wanted:
        raise UserError(
            f"{path}: its images are {pixels.shape[1:]} (height, width, channels) but the specification says "
            f"{wanted}; prepare the data set again"
        )
