"""Specifications and processes of one method."""

from configs import tiny
from typed import process_with

from etsdm.diffusion.process import Process
from etsdm.plan.plan import make_plan

DIFFUSION = {"timesteps": 1000, "schedule": "linear", "time": "discrete", "prediction": "eps", "tau_min": 1e-3}


def specs(method, training=None, **diffusion):
    """What the plan makes of a tiny benchmark with this method: the model's and the sample set's specifications."""
    block = {"datasets": ["digits"], "methods": [method], "solvers": [{"name": "ddim", "nfe": [4]}]}
    config = tiny(**{"training.images": 64, "evaluation.samples": 70, "experiments": {"alternatives": block}})
    config["diffusion"] |= diffusion
    config["training"] |= training or {}
    plan = make_plan(config, "test")
    return next(iter(plan.models.values())).spec, next(iter(plan.samples.values())).spec


def process(method, **diffusion) -> Process:
    return process_with(DIFFUSION | diffusion, method)
