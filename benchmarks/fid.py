"""Features and FID of an archive of images against stored statistics, beside clean-fid; rates, and both values.

Features are timed from PNGs to numbers with the network loaded, the FID with everything it takes. On a GPU clean-fid
multiplies in TF32 unless told otherwise, and this project in float32; so clean-fid is measured both ways.
"""

import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import click
import numpy as np
import torch
from cleanfid import fid
from cleanfid.inception_torchscript import InceptionV3W
from PIL import Image

from benchmarks.timing import DEVICE, OURS, compared, in_turn, repetitions, show, spread
from etsdm.data.archive import Pixels, count_images, iterate_ahead, pieces, write_images
from etsdm.data.sources import load_source
from etsdm.metrics.distances.frechet import Frechet
from etsdm.metrics.encoders.inception import make_encoder, provide_inception
from etsdm.metrics.features import default_batch, extract, extract_features
from etsdm.metrics.store import load_features
from etsdm.runtime.devices import pick_device, without_tf32

PHOTOS = {"source": "bundled", "bundle": "photos", "split": "all", "resolution": 32}
PEER, IN_FULL = "clean-fid", "clean-fid without TF32"


def noisy_photos(count: int, side: int) -> Iterator[Pixels]:
    """`count` crops of photographs with some noise, (side, side, 3) each."""
    crops = list(load_source(PHOTOS).images)
    numbers = np.random.default_rng(0)
    for chosen in numbers.integers(0, len(crops), count):
        enlarged = np.asarray(Image.fromarray(crops[chosen]).resize((side, side), Image.Resampling.BICUBIC))
        yield (enlarged + numbers.normal(0, 8, enlarged.shape)).clip(0, 255).astype(np.uint8)


def network_for_cleanfid(weights: Path, folder: Path, device: str) -> torch.nn.Module:
    """clean-fid's own network; its weights, which it would take from the shared temporary folder, laid at hand."""
    module = torch.jit.load(str(weights), map_location="cpu")
    (module.net if hasattr(module, "net") else module).save(str(folder / "inception-2015-12-05.pt"))
    return InceptionV3W(str(folder), download=False).to(device).eval()


def cleanfid_value(folder: Path, reference: Path, network: torch.nn.Module, device: str) -> float:
    """compute_fid of a folder of images against the statistics of stored features."""
    features = load_features(reference).features
    statistics = features.mean(0), np.cov(features, rowvar=False)
    with patch.object(fid, "get_reference_statistics", lambda *_, **__: statistics):
        return float(
            fid.compute_fid(
                str(folder),
                custom_feat_extractor=network,
                num_workers=os.cpu_count(),
                device=torch.device(device),
                verbose=False,
            )
        )


def cleanfid_features(folder: Path, network: torch.nn.Module, device: str) -> object:
    """Features of a folder of images by clean-fid's own function."""
    settings = {"num_workers": os.cpu_count(), "device": torch.device(device), "verbose": False}
    return fid.get_folder_features(str(folder), network, **settings)


def extractor(weights: Path, archive: Path, device: str) -> Callable[[], object]:
    """What computes the features of an archive with a network that is loaded."""
    where = pick_device(device)
    encode, batches = make_encoder(weights, where), pieces(range(count_images(archive)), default_batch(where))
    return lambda: extract(encode, iterate_ahead(archive, batches))


def peers(device: str, work: Callable[[], Any]) -> dict[str, Callable[[], Any]]:
    """clean-fid's work as it comes; for a GPU also without TF32."""

    def within(setting: Callable[[], AbstractContextManager[None]]) -> Any:
        with setting():
            return work()

    settings = {PEER: nullcontext} | ({IN_FULL: without_tf32} if device == "cuda" else {})
    return {name: partial(within, setting) for name, setting in settings.items()}


@click.command(help=__doc__)
@DEVICE
@repetitions(3)
@click.option(
    "--images", default=500, show_default=True, help="On two cores 5,000 take more than an hour a repetition."
)
@click.option("--side", default=32, show_default=True, help="Of the images, in pixels.")
def main(device: str, repeats: int, images: int, side: int) -> None:
    with TemporaryDirectory() as temporary:
        folder, values = Path(temporary), dict[str, float]()
        weights, generated, reference = (folder / name for name in ("weights.pt", "samples.zip", "reference.npz"))
        provide_inception(None, weights)
        write_images(folder / "photos.zip", load_source(PHOTOS).images)
        write_images(generated, noisy_photos(images, side))
        zipfile.ZipFile(generated).extractall(folder / "samples")
        network = network_for_cleanfid(weights, folder, device)
        settings: dict[str, Any] = {"device": device, "progress": False}
        real = count_images(folder / "photos.zip")
        extract_features("inception", weights, folder / "photos.zip", reference, min(images, real), **settings)

        def ours() -> float:
            with TemporaryDirectory(dir=folder) as fresh:  # what is extracted is kept, and found by the next repetition
                out = Path(fresh, "samples.npz")
                extract_features("inception", weights, generated, out, **settings)
                return Frechet.between(load_features(out).features, load_features(reference).features)

        def kept(name: str, work: Callable[[], float]) -> Callable[[], object]:
            return lambda: values.update({name: work()})

        warm_up = device == "cuda"
        theirs = peers(device, lambda: cleanfid_features(folder / "samples", network, device))
        of_features = {OURS: extractor(weights, generated, device)} | theirs
        features = in_turn(of_features, repeats, device, warm_up)
        theirs = peers(device, lambda: cleanfid_value(folder / "samples", reference, network, device))
        works = {name: kept(name, work) for name, work in ({OURS: ours} | theirs).items()}
        seconds = in_turn(works, repeats, device, warm_up)
    show(compared(f"features of {images:,} images", features) + compared(f"FID of {images:,} images", seconds))
    for name, each in features.items():
        click.echo(f"{name}: {spread([images / one for one in each])} images/s to features")
    in_full = IN_FULL if device == "cuda" else PEER
    click.echo(f"\n{values}: difference {abs(values[OURS] - values[in_full]):.2g}")


if __name__ == "__main__":
    main()
