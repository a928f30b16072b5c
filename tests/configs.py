"""A benchmark that runs in seconds, for tests to vary."""

import copy
from pathlib import Path
from typing import Any

import yaml

TINY: dict[str, Any] = {
    "name": "tiny",
    "seeds": [0],
    "datasets": {"digits": {"source": "bundled", "bundle": "digits"}},
    "diffusion": {"timesteps": 1000, "schedule": "linear", "time": "discrete", "prediction": "eps"},
    "network": {
        "channels": 8,
        "multipliers": [1],
        "blocks": 1,
        "attention": [],
        "heads": 1,
        "head_channels": None,
        "dropout": 0.0,
        "norm_groups": 4,
        "scale_shift_norm": True,
        "resblock_updown": False,
    },
    "training": {
        "images": 256,
        "batch": 32,
        "optimizer": "adamw",
        "learning_rate": 1e-3,
        "betas": [0.9, 0.999],
        "weight_decay": 0.0,
        "warmup": 64,
        "ema_half_life": 128,
        "gradient_clip": 1.0,
        "precision": "float32",
        "flip": False,
    },
    "evaluation": {
        "samples": 70,
        "encoders": [{"name": "classifier", "width": 4, "epochs": 1, "batch": 64, "learning_rate": 1e-3}],
        "distances": ["frechet", "kernel"],
    },
    "experiments": {
        "fast-sampling": {
            "datasets": ["digits"],
            "methods": ["ddpm", {"name": "etsdm", "t_tilde": 100, "n": 5}],
            "solvers": [{"name": "ddim", "nfe": [2]}, {"name": "dpm-solver-2", "nfe": [2]}],
        },
        "lipschitz": {
            "datasets": ["digits"],
            "methods": ["ddpm", {"name": "etsdm", "t_tilde": 100, "n": 5}],
            "images": 8,
        },
    },
}


BOTH: list[Any] = ["ddpm", "etsdm"]
FEW: list[Any] = [{"name": "ddim", "nfe": [2]}]
EVERY: dict[str, Any] = TINY["experiments"] | {
    "comparison": {"datasets": ["digits"], "methods": BOTH, "solvers": [{"name": "ancestral", "nfe": [2]}]},
    "schedules": {
        "datasets": ["digits"],
        "schedules": ["zero-terminal-snr"],
        "times": ["continuous"],
        "methods": BOTH,
        "solvers": FEW,
    },
    "predictions": {"datasets": ["digits"], "predictions": ["v"], "methods": BOTH, "solvers": FEW},
    "flow": {"datasets": ["digits"], "methods": BOTH, "solvers": FEW, "images": 4},
    "alternatives": {"datasets": ["digits"], "methods": [*BOTH, "regularization", "shared-noise"], "solvers": FEW},
    "confound": {"datasets": ["digits"], "loss_weights": ["none"], "methods": BOTH, "solvers": FEW},
    "no-training": {
        "datasets": ["digits"],
        "methods": BOTH,
        "solvers": [{"name": "ddim", "nfe": [2], "denoise": True}],
        "options": [{"t_end": 50}, {"eps_scale": 1.01}],
    },
    "told-less": {"datasets": ["digits"], "methods": [*BOTH, "unconditional"], "solvers": FEW, "images": 4},
    "ablation": {"datasets": ["digits"], "t_tilde": [100], "n": [2, 5], "solvers": FEW},
    "stability": {"datasets": ["digits"], "methods": BOTH, "images": 4, "nfe": 2},
    "mismatch": {"datasets": ["digits"], "methods": BOTH, "images": 4, "t": [45], "offsets": [-50, 5, 20]},
    "x-lipschitz": {"datasets": ["digits"], "methods": BOTH, "images": 4, "fine_until": 20, "iterations": 2},
    "super-resolution": {"train": "train", "test": "test", "factor": 2, "methods": BOTH, "solvers": FEW},
    "solver-error": {"datasets": ["digits"], "methods": BOTH, "images": 4, "solvers": FEW, "reference_nfe": 60},
    "resolution": {"datasets": ["photos"], "resolutions": [8, 16], "methods": BOTH, "solvers": FEW, "images": 4},
    "progress": {"datasets": ["digits"], "methods": BOTH, "solvers": FEW, "images": 4},
    "theory": {"schedules": ["linear"], "times": ["continuous"], "n": [2, 5], "points": 8},
}
"""Every experiment, as small as it can be."""
OTHER_DATA: dict[str, Any] = {
    "photos": {"source": "bundled", "bundle": "photos", "resolution": 8},
    "train": {"source": "bundled", "bundle": "digits", "split": "train"},
    "test": {"source": "bundled", "bundle": "digits", "split": "test"},
}


def every(**changes: Any) -> dict[str, Any]:
    """The tiny benchmark with every experiment, changed as by `tiny`."""
    kept = {"training.snapshots": {"images": [100, 256], "ema_half_lives": [128, 64]}}
    return tiny(name="every", datasets=TINY["datasets"] | OTHER_DATA, experiments=EVERY, **kept, **changes)


def tiny(**changes: Any) -> dict[str, Any]:
    """The tiny benchmark with dotted keys changed: `tiny(**{"training.images": 64})`."""
    config = copy.deepcopy(TINY)
    for key, value in changes.items():
        block = config
        *path, last = key.split(".")
        for step in path:
            block = block[int(step)] if isinstance(block, list) else block[step]
        if isinstance(block, list):
            block[int(last)] = copy.deepcopy(value)
        else:
            block[last] = copy.deepcopy(value)
    return config


def write_config(path: Path, **changes: Any) -> Path:
    """Write the changed tiny benchmark to `path`."""
    path.write_text(yaml.safe_dump(tiny(**changes)))
    return path
