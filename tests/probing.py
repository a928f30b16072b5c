"""What tests of probes share: a schedule, points to start from, and a probe run whole."""

import json

import numpy as np

from etsdm.data.archive import write_images
from etsdm.diffusion.schedules import make_schedule
from etsdm.probes import PROBES

LINEAR = make_schedule("linear", 1000, 8)
EDGES = [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]


def write_noise(folder):
    """An archive of nine images of noise."""
    write_images(folder / "images.zip", np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), dtype=np.uint8))
    return folder / "images.zip"


def probed(name, weights, images, spec):
    result = PROBES.load(name).probe(weights, images, PROBES.read({"probe": name} | spec), "cpu", progress=False)
    assert json.loads(json.dumps(result)) == result
    return result
