"""Data sets as specifications, and how they are prepared."""

import numpy as np
from PIL import Image

from etsdm.data.archive import read_images
from etsdm.data.prepare import prepare

DIGITS = {
    "name": "digits",
    "source": "bundled",
    "bundle": "digits",
    "split": "all",
    "resolution": 8,
    "channels": 1,
}
PHOTOS_32 = DIGITS | {"name": "photos", "bundle": "photos", "resolution": 32, "channels": 3}
MNIST = DIGITS | {"name": "mnist", "bundle": "mnist", "resolution": 28}


def folder_spec(path, resolution=16, channels=3, resize=None):
    return {
        "name": "mine",
        "source": "folder",
        "path": str(path),
        "resolution": resolution,
        "channels": channels,
        "resize": resize,
    }


def prepared(spec, folder):
    """The description and the images of a data set."""
    described = prepare(spec, folder, progress=False)
    return described, read_images(folder / "images.zip")


def write_photos(folder):
    """Two classes of noise pictures, three each."""
    generator = np.random.default_rng(0)
    for label in ("cat", "dog"):
        for number in range(3):
            file = folder / label / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(file)
    return folder


def block_means(images, factor):
    n, height, width, channels = images.shape
    return images.reshape(n, height // factor, factor, width // factor, factor, channels).mean((2, 4))
