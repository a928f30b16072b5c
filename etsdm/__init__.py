"""E-TSDM benchmark: Lipschitz singularities of diffusion models, measured and mended."""
