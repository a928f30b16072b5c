"""FID by clean-fid's resizing beside FID by that of TensorFlow 1, of images of MNIST, which are part of the package.

The reference is the first half of them. The second half is compared with it, as it is and with noise.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from benchmarks.timing import DEVICE, show
from etsdm.data.archive import Pixels
from etsdm.data.sources import load_source
from etsdm.metrics.distances.frechet import Frechet
from etsdm.metrics.encoders import inception, inception_legacy
from etsdm.metrics.features import Encode, default_batch, extract
from etsdm.metrics.names import metric_name
from etsdm.runtime.devices import pick_device

ENCODERS = {"inception": inception.make_encoder, "inception-legacy": inception_legacy.make_encoder}
NOISE = 8
"""Standard deviation of the noise, in grey levels."""


def halves(images: int) -> list[Pixels]:
    """Twice `images` images of MNIST at 28 px, (images, 28, 28, 1) each, of all classes equally."""
    source = load_source({"source": "bundled", "bundle": "mnist", "split": "all", "resolution": 28})
    return np.split(np.stack(list(source.images)[: 2 * images]), 2)


def noisy(pixels: Pixels) -> Pixels:
    """The images with noise."""
    noise = np.random.default_rng(0).normal(0, NOISE, pixels.shape)
    return (pixels + noise).round().clip(0, 255).astype(np.uint8)


def features(encode: Encode, pixels: Pixels, batch: int) -> np.ndarray:
    """Features (N, 2048) of images (N, H, W, C)."""
    return extract(encode, (pixels[i : i + batch] for i in range(0, len(pixels), batch)))


@click.command(help=__doc__)
@DEVICE
@click.option("--images", default=2_500, show_default=True, help="Of each half, 2,500 at most.")
def main(device: str, images: int) -> None:
    where = pick_device(device)
    reference, others = halves(images)
    sets = {"as they are": others, f"with noise of {NOISE} grey levels": noisy(others)}
    values: dict[str, dict[str, float]] = {name: {} for name in sets}
    with TemporaryDirectory() as temporary:
        weights = Path(temporary, "weights.pt")
        inception.provide_inception(None, weights)
        for encoder, make_encoder in ENCODERS.items():
            encode, metric = make_encoder(weights, where), metric_name("frechet", encoder, images)
            real = features(encode, reference, default_batch(where))
            summary = Frechet.summarise(real)
            for name, pixels in sets.items():
                generated = features(encode, pixels, default_batch(where))
                values[name][metric] = Frechet.between(generated, real, summary)
    show([{"images": name} | {metric: f"{value:.2f}" for metric, value in row.items()} for name, row in values.items()])


if __name__ == "__main__":
    main()
