"""A draft of a configuration, and its text with comments."""

import json
import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import yaml

from etsdm.config.yaml_file import Loader
from etsdm.cost.first.rounding import two_digits
from etsdm.metrics.evaluation import fewest_images

if TYPE_CHECKING:
    from etsdm.cost.first.machine import Machine
    from etsdm.cost.sizes import Size
    from etsdm.data.look import Pictures

METHODS = ("ddpm", "etsdm")
HALF_LIVES = 12
"""Of the average of weights, in a training; the recipe for digits has as many."""
WARM_UP = 10
"""A training's length over that of its warm-up, at least."""
EPOCH_IMAGES = 60_000
"""Images that the classifier is trained on, over all epochs; config/digits.yaml has as many."""
WIDTH = 118
"""Of comments."""
PROBED = 256
"""Images over which K is averaged."""


@dataclass(frozen=True)
class Draft:
    """A first configuration.

    Attributes:
        name: of the benchmark and of its data set.
        pictures: what is known of them.
        machine: that runs it.
        size: to which they are reduced.
        seeds: how many.
        encoder: whose features are compared.
        samples: images of a sample set.
        images: length of a training, in images seen.
        is_scored: whether samples are drawn and compared; else K alone is measured.
    """

    name: str
    pictures: "Pictures"
    machine: "Machine"
    size: "Size"
    seeds: int
    encoder: Literal["classifier", "inception"]
    samples: int
    images: int
    is_scored: bool = True

    @property
    def trainings(self) -> int:
        """How many networks are trained."""
        return len(METHODS) * self.seeds

    @property
    def jobs(self) -> int:
        """How many run at a time: never more than there are trainings."""
        return min(self.machine.jobs, self.trainings)

    @property
    def passes(self) -> float:
        """How often a training sees each picture."""
        return self.images / self.pictures.images

    def values(self) -> dict[str, Any]:
        """What the configuration holds."""
        values: dict[str, Any] = yaml.load(self.text(), Loader)
        return values

    def text(self, *remarks: str) -> str:
        """The configuration with comments.

        Args:
            remarks: sentences for its head.
        """
        blocks = [
            *(textwrap.fill(remark, WIDTH, initial_indent="# ", subsequent_indent="#   ") for remark in remarks),
            f"name: {_flow(self.name)}",
            f"seeds: {[*range(self.seeds)]}  # each trains a network with each method; three or more are a fair answer",
            self._data(),
            f"network: {_flow(self.size.network)}  # presets are in etsdm/config/presets",
            self._training(),
            self._evaluation(),
            self._experiments(),
            self._cost(),
        ]
        return "\n".join(blocks) + "\n"

    def _data(self) -> str:
        pictures = self.pictures
        settings = {
            "source": pictures.source,
            "path": pictures.path,
            "resolution": self.size.side,
            "channels": 1 if pictures.is_grey else 3,
            "resize": "lanczos",
        }
        labels = f"{pictures.classes:,} classes" if pictures.classes else "no labels"
        return (
            f"# {pictures.images:,} images, {labels}, {pictures.side} pixels at least where they were opened.\n"
            "# The largest square in the middle of each is reduced.\n"
            f"datasets:\n  {_flow(self.name)}: {_flow(settings)}"
        )

    def _training(self) -> str:
        lines = {
            "images": f"{self.images:_}  # images seen by each network: {self.passes:,.3g} times each picture",
            "warmup": f"{two_digits(self.images / WARM_UP):_}",
            "ema_half_life": f"{two_digits(self.images / HALF_LIVES):_}",
            "flip": "false" if self.pictures.is_grey else "true  # mirrored at random: turn it off where sides matter",
        }
        settings = [f"{key}: {_flow(value)}" for key, value in self.size.training.items()]
        return "\n  ".join(["training:", *settings, *(f"{key}: {value}" for key, value in lines.items())])

    def _evaluation(self) -> str:
        least = fewest_images(self.encoder, ["frechet"])
        distances = ["frechet", "kernel"] if min(self.pictures.images, self.samples) >= least else ["kernel"]
        is_slow = self.encoder == "inception" and "frechet" in distances
        epochs = min(30, max(2, EPOCH_IMAGES // self.pictures.images))
        encoders = {
            "classifier": f"{{name: classifier, width: 32, epochs: {epochs}, batch: 64, learning_rate: 2.0e-3}}"
            "  # learns your labels; it is not FID",
            "inception": "inception  # that of FID",
        }
        return "\n".join(
            [
                "evaluation:",
                f"  samples: {self.samples:_}",
                "  encoders:",
                f"    - {encoders[self.encoder]}",
                f"  distances: {_flow(distances)}",
                *["  bootstrap: 10  # replicates, which take as long as the distance each"] * is_slow,
            ]
        )

    def _experiments(self) -> str:
        scored = [
            "  comparison:",
            "    solvers: [{name: ancestral, nfe: 50, variance: fixed-small, clip_x0: true}]",
            "  fast-sampling:",
            "    solvers:",
            "      - {name: ddim, nfe: [10, 50], clip_x0: true}",
            "      - {name: dpm-solver-3, nfe: 20, grid: log-snr, clip_x0: true}",
        ]
        return "\n".join(
            [
                "experiments:",
                "  defaults:",
                f"    datasets: {_flow([self.name])}",
                f"    methods: {_flow(METHODS)}",
                f"  lipschitz: {{images: {PROBED}}}",
                *(scored if self.is_scored else ["  # comparison and fast-sampling need a GPU, or labels"]),
            ]
        )

    def _cost(self) -> str:
        speed = self.machine.speeds[self.size.side]
        settings = {
            "device": self.machine.device + (f", {self.jobs} jobs at a time" if self.jobs > 1 else ""),
            "resolution": self.size.side,
            "train": self.jobs * speed.train,
            "sample": self.jobs * speed.sample,
            "features": self.jobs * self.machine.features,
            "images": {self.name: self.pictures.images},
        }
        lines = [f"{key}: {_flow(value)}" for key, value in settings.items()]
        return "\n  ".join(["# Rates, for `etsdm plan`; they change no result.\ncost:", *lines])


def _flow(value: Any) -> str:
    """A value in one line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    is_bare = isinstance(value, str) and re.fullmatch("[a-z][a-z0-9-]*", value) and yaml.safe_load(value) == value
    return value if is_bare else json.dumps(value, ensure_ascii=False)
