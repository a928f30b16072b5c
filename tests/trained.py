"""Weights of a small network that has really been trained, for a few seconds."""

from functools import cache, partial
from pathlib import Path
from typing import Any

from configs import tiny
from shared import shared
from torch import Tensor
from typed import train

from etsdm.data.prepare import prepare
from etsdm.models.weights import load_weights, save_weights
from etsdm.plan.plan import Plan
from etsdm.plan.reading import parse_config

LONGER = {
    "training.images": 12_800,
    "training.batch": 64,
    "training.learning_rate": 3e-3,
    "training.ema_half_life": 500,
}


def model_spec(method: str) -> dict[str, Any]:
    """The specification that the tiny benchmark, trained longer, gives the model of a method."""
    models = Plan(parse_config(tiny(**LONGER), "test")).models.values()
    return next(run.spec for run in models if run.spec["method"]["name"] == method)


def data_spec() -> dict[str, Any]:
    """The specification of the data set of the digits."""
    (data,) = Plan(parse_config(tiny(), "test")).data.values()
    return data.spec


def prepared_digits() -> Path:
    """The archive of the digits."""
    return shared("digits", partial(prepare, data_spec(), progress=False)) / "images.zip"


@cache
def trained_tensors() -> dict[str, Tensor]:
    """Parameters of the baseline after a short training on the digits."""
    train_briefly = partial(train, model_spec("ddpm"), prepared_digits(), device="cpu", progress=False)
    return load_weights(shared("trained", train_briefly) / "weights.safetensors")[0]


def write_weights(path: Path, method: str = "ddpm") -> Path:
    """Write the trained parameters as those of `method`: same network, another timestep condition."""
    save_weights(path, trained_tensors(), model_spec(method))
    return path
