"""The project's functions on plain values, as tests write specifications."""

from copy import deepcopy
from pathlib import Path
from typing import Any

from etsdm.diffusion.make import make_process
from etsdm.diffusion.methods import METHODS
from etsdm.diffusion.process import Process
from etsdm.diffusion.settings import Diffusion
from etsdm.models.spec import ModelSpec, read_model_spec
from etsdm.models.trained import build_network as build
from etsdm.models.unet import UNet
from etsdm.probes.theory import TheorySpec
from etsdm.probes.theory import theory as run_theory
from etsdm.sampling.restore import restore as restore_images
from etsdm.sampling.sample import sample as draw_samples
from etsdm.sampling.spec import RestorationSpec, SampleSpec
from etsdm.solvers import SOLVERS, Solver
from etsdm.training.train import train as run_training
from etsdm.training.trainer import Trainer


def replaced(spec: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """A specification with other values, wherever their keys are."""
    spec = deepcopy(spec)
    for key, value in settings.items():
        next(part for part in (spec, *spec.values()) if isinstance(part, dict) and key in part)[key] = value
    return spec


def solver(name: str, nfe: int, **values: Any) -> Solver:
    """A solver's settings, not checked. What it has no setting for is left out, so that tests can vary the name."""
    thing = SOLVERS[name]
    known = {key: value for key, value in values.items() if key in thing.model_fields}
    return thing.model_construct(name=name, nfe=[nfe], **known)


def solve(spec: dict[str, Any], predict: Any, schedule: Any, x: Any, noise: Any) -> Any:
    """Images by the solver that `spec` names, from `x`."""
    settings = solver(**spec)
    return SOLVERS.load(settings.name).solve(predict, schedule, x, settings, noise)


def process_with(diffusion: dict[str, Any], method: dict[str, Any], resolution: int = 8) -> Process:
    """The process of plain settings."""
    return make_process(Diffusion.model_validate(diffusion), METHODS.read(method), resolution)


def train(spec: dict[str, Any], *others: Any, **named: Any) -> Any:
    """Train what plain values specify."""
    return run_training(ModelSpec.model_validate(spec), *others, **named)


def new_trainer(spec: dict[str, Any], *others: Any, **named: Any) -> Trainer:
    """A training of what plain values specify."""
    return Trainer(ModelSpec.model_validate(spec), *others, **named)


def sample(weights: Path, spec: dict[str, Any], *others: Any, **named: Any) -> Any:
    """Draw the sample set that plain values specify."""
    return draw_samples(weights, SampleSpec.model_validate(spec), *others, **named)


def restore(weights: Path, images: Path, spec: dict[str, Any], *others: Any, **named: Any) -> Any:
    """Restore the images that plain values specify; which data set they are of changes nothing."""
    whole = {"test": {"name": "test", "resolution": 8, "channels": 1}} | spec
    return restore_images(weights, images, RestorationSpec.model_validate(whole), *others, **named)


def build_network(spec: dict[str, Any]) -> UNet:
    """The network that plain values specify."""
    return build(read_model_spec(spec))


def theory(spec: dict[str, Any], **named: Any) -> dict[str, Any]:
    """The theory of plain values."""
    return run_theory(TheorySpec.model_validate(spec), **named)
