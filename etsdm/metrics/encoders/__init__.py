"""Encoders: from images to feature vectors, one file each with its settings and how its weights are made.

Each file has a class of settings, derived from `Encoder`, and these functions:

- `make_weights(settings, out, images, device)` puts the weights to `out` and gives what the manifest notes of them.
  Only an encoder that `needs_labels` is given images, beside which lies `dataset.json`, and a device.
- `make_encoder(weights, device)` gives a function from uint8 images (B, H, W, C) to features (B, d).
- `untrained(device)`, only where it is `timed`: such a function with weights that mean nothing, and how many images to
  time it by.

Nothing here imports torch when it is loaded: a plan reads the settings.
"""

from typing import Annotated

from etsdm.config.registry import OneOf, Registry
from etsdm.metrics.encoders.encoder import Encoder

ENCODERS = Registry("etsdm.metrics.encoders", "encoder", Encoder)
OneEncoder = Annotated[Encoder, OneOf(ENCODERS)]

__all__ = ["ENCODERS", "Encoder", "OneEncoder"]
