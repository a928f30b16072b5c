"""FID of an archive of images against stored statistics, beside clean-fid's compute_fid; and both values."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import click
import numpy as np
import torch
from cleanfid import fid
from cleanfid.inception_torchscript import InceptionV3W

from benchmarks.timing import DEVICE, OURS, compared, in_turn, repetitions, show
from etsdm.data.archive import Pixels, count_images, write_images
from etsdm.data.sources import load_source
from etsdm.metrics.distances import frechet
from etsdm.metrics.features import extract_features
from etsdm.metrics.inception import provide_inception
from etsdm.metrics.store import load_features

PHOTOS = {"source": "bundled", "bundle": "photos", "split": "all", "resolution": 32}


def noisy_photos(count: int) -> Pixels:
    """`count` crops of photographs with some noise, (N, 32, 32, 3)."""
    crops = np.stack(list(load_source(PHOTOS).images))
    numbers = np.random.default_rng(0)
    chosen = crops[numbers.integers(0, len(crops), count)]
    return (chosen + numbers.normal(0, 8, chosen.shape)).clip(0, 255).astype(np.uint8)


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


@click.command(help=__doc__)
@DEVICE
@repetitions(3)
@click.option("--images", default=500, show_default=True, help="On two cores 5,000 take 40 minutes a repetition.")
def main(device: str, repeats: int, images: int) -> None:
    with TemporaryDirectory() as temporary:
        folder, values = Path(temporary), dict[str, float]()
        weights, generated, reference = (folder / name for name in ("weights.pt", "samples.zip", "reference.npz"))
        provide_inception(None, weights)
        write_images(folder / "photos.zip", load_source(PHOTOS).images)
        write_images(generated, noisy_photos(images))
        zipfile.ZipFile(generated).extractall(folder / "samples")
        network = network_for_cleanfid(weights, folder, device)
        settings: dict[str, Any] = {"device": device, "progress": False}
        held = count_images(folder / "photos.zip")
        extract_features("inception", weights, folder / "photos.zip", reference, min(images, held), **settings)

        def ours() -> float:
            extract_features("inception", weights, generated, folder / "samples.npz", **settings)
            return frechet(load_features(folder / "samples.npz").features, load_features(reference).features)

        works: dict[str, Callable[[], float]] = {
            OURS: ours,
            "clean-fid": lambda: cleanfid_value(folder / "samples", reference, network, device),
        }

        def kept(name: str) -> Callable[[], object]:
            return lambda: values.update({name: works[name]()})

        seconds = in_turn({name: kept(name) for name in works}, repeats, device, warm_up=False)
    show(compared(f"FID of {images:,} images", seconds))
    click.echo(f"\n{values}: difference {abs(values[OURS] - values['clean-fid']):.2g}")


if __name__ == "__main__":
    main()
