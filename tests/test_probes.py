"""What all probes share: the registry, the images, and batches that change nothing."""

import math
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from probing import write_noise
from pydantic import TypeAdapter
from trained import write_weights

from etsdm.config.checking import checked
from etsdm.data.archive import pick_images, write_images
from etsdm.errors import UserError
from etsdm.models.spec import Images
from etsdm.probes import PROBES, OneProbe
from etsdm.probes.inputs import even_images, mean_and_std, per_image
from etsdm.probes.stability import squared_change


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_noise(tmp_path_factory.mktemp("images"))


OWN = """
__name__ = "own_probe"
from typing import ClassVar, Literal
from etsdm.probes.probe import Probe
class Length(Probe):
    order: ClassVar[int] = 90
    probe: Literal["length"]
    images: int = 2
    def evaluations(self):
        return 7
def probe(weights, images, spec, device="auto", progress=True):
    return {"n": spec["images"], "points": []}
"""


def test_the_registry_names_modules_with_a_probe():
    assert PROBES.names() == ["lipschitz", "stability", "solver-error", "mismatch", "x-lipschitz"]
    for name in PROBES.names():
        assert PROBES.load(name).probe.__module__ == PROBES.module(name)
    with pytest.raises(UserError, match="unknown probe 'fid'"):
        PROBES.load("fid")


def test_what_a_plan_reads_loads_neither_torch_nor_pillow():
    rooms = "data.sources", "metrics.encoders", "metrics.distances", "probes"
    code = "import sys; from etsdm.config.registry import registries; " + "; ".join(f"import etsdm.{r}" for r in rooms)
    code += "; [registry.all() for registry in registries()]; sys.exit(bool({'torch', 'PIL'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_probe_in_one_file_is_one_of_all(monkeypatch):
    own = ModuleType("own_probe")
    exec(compile(OWN, "own_probe.py", "exec", dont_inherit=True), vars(own))
    monkeypatch.setitem(sys.modules, "own_probe", own)
    monkeypatch.setattr(PROBES, "_things", dict(PROBES.all()))
    PROBES.add(own)
    assert PROBES.names()[-1] == "length" and PROBES.load("length").probe is own.probe
    assert PROBES.read({"probe": "length", "images": 3}).evaluations() == 7
    assert checked(TypeAdapter(OneProbe), {"probe": "length"}, "spec").images == 2
    with pytest.raises(UserError, match=r"spec: probe: unknown 'lenght'; .*did you mean 'length'"):
        checked(TypeAdapter(OneProbe), {"probe": "lenght"}, "spec")


def test_images_are_spread_evenly_over_the_archive(tmp_path):
    ramp = np.arange(9, dtype=np.uint8).reshape(9, 1, 1, 1) * np.ones((1, 2, 2, 3), dtype=np.uint8)
    write_images(tmp_path / "ramp.zip", ramp)
    assert pick_images(tmp_path / "ramp.zip", [7, 2])[:, 0, 0, 0].tolist() == [7, 2]
    for count, expected in ((3, [0, 4, 8]), (1, [0]), (20, list(range(9)))):
        images = even_images(tmp_path / "ramp.zip", count, Images(name="ramp", resolution=2, channels=3))
        assert images.shape == (len(expected), 3, 2, 2)
        assert ((images[:, 0, 0, 0] + 1) * 127.5).tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["lipschitz", "stability", "mismatch", "x-lipschitz"])
def test_images_unlike_those_of_the_training_are_refused(tmp_path, name):
    write_images(tmp_path / "colour.zip", np.zeros((2, 16, 16, 3), dtype=np.uint8))
    weights = write_weights(tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match="16x16 pixels and 3 channels, but the network was trained on 8 pixels and 1"):
        PROBES.load(name).probe(
            weights, tmp_path / "colour.zip", PROBES.read({"probe": name, "images": 2}), "cpu", progress=False
        )


def test_batches_change_nothing(monkeypatch):
    a, b = torch.randn(2, 7, 1, 4, 4)
    whole = per_image(squared_change, torch.device("cpu"), a, b)
    monkeypatch.setattr("etsdm.probes.inputs.BATCH_VALUES", 32)
    torch.testing.assert_close(per_image(squared_change, torch.device("cpu"), a, b), whole, rtol=1e-6, atol=0)
    assert whole.dtype == torch.float64 and whole.shape == (7,)


def test_one_image_has_no_spread():
    assert mean_and_std(torch.tensor([3.0])) == (3.0, 0.0)
    assert mean_and_std(torch.tensor([1.0, 3.0])) == (2.0, pytest.approx(math.sqrt(2)))
