"""Blocks of a configuration that tests change."""

SOLVERS = "experiments.fast-sampling.solvers"
METHODS = "experiments.fast-sampling.methods"
DDIM = [{"name": "ddim", "nfe": [4]}]
SAMPLED = {"datasets": ["digits"], "methods": ["ddpm"], "solvers": DDIM}
ABLATION = {"datasets": ["digits"], "t_tilde": [100], "n": [5], "solvers": DDIM}
PROGRESS = {"datasets": ["digits"], "methods": ["ddpm"], "solvers": DDIM, "images": 4}
