"""Settings of data sets, and a source in a file of its own."""

import sys
from types import ModuleType

import pytest
from data_sets import DIGITS, MNIST, PHOTOS_32, folder_spec, prepared, write_photos
from pydantic import TypeAdapter, ValidationError

from etsdm.data.sources import SOURCES, Dataset, check_source, fingerprint, module
from etsdm.errors import UserError
from etsdm.fingerprint import digest, reached
from etsdm.plan.runs import images_of


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path / "photos")


def test_no_source_changes_the_digest_of_another(tmp_path):
    specs = [DIGITS, PHOTOS_32, MNIST, folder_spec(tmp_path)]
    assert len({digest("prepare", module(spec)) for spec in specs}) == len(specs)
    for spec in specs:
        covered = {name for name, _ in reached("etsdm.data.prepare", module(spec))}
        files = {name for name in covered if name.startswith("etsdm.data.sources.")}
        assert files - {"etsdm.data.sources.source"} == {module(spec)}


DATASET = TypeAdapter(Dataset)


@pytest.mark.parametrize(
    ("settings", "resolved", "sizes"),
    [
        ({"source": "bundled", "bundle": "digits"}, DIGITS, [8]),
        ({"source": "bundled", "bundle": "photos"}, PHOTOS_32, [8, 16, 32, 64, 128]),
        ({"source": "bundled", "bundle": "mnist"}, MNIST, [8, 16, 28]),
        ({"source": "folder", "path": "x", "resolution": 64}, folder_spec("x", 64), [64]),
        (
            {"source": "folder", "path": "x", "resolution": 64, "resize": "box"},
            folder_spec("x", 64, resize="box"),
            [4, 8, 16, 28, 32, 64, 128, 256, 1024],
        ),
    ],
)
def test_settings_say_all_that_a_source_reads_and_which_sizes_it_can_have(settings, resolved, sizes):
    dataset = DATASET.validate_python(settings)
    assert {"name": resolved["name"], **dataset.model_dump()} == resolved
    tried = [2, 4, 8, 16, 28, 32, 64, 128, 256, 1024, 2048]
    assert [size for size in tried if dataset.can_be(size)] == sizes
    for size in tried:
        copied = dataset.model_copy(update={"resolution": size}).model_dump()
        if dataset.can_be(size):
            assert DATASET.validate_python(copied).resolution == size
        elif settings["source"] == "bundled":
            with pytest.raises(ValidationError):
                DATASET.validate_python(copied)


def test_damaged_images_are_part_of_a_data_sets_identity_only_where_they_are_skipped():
    settings = {"source": "folder", "path": "x", "resolution": 64}
    usual, none = (DATASET.validate_python(settings | more) for more in ({}, {"skip_damaged": 0}))
    assert usual.model_dump() == none.model_dump()
    assert DATASET.validate_python(settings | {"skip_damaged": 3}).model_dump()["skip_damaged"] == 3
    with pytest.raises(ValidationError):
        DATASET.validate_python(settings | {"skip_damaged": -1})


def test_images_without_labels_are_refused_where_an_encoder_needs_them(photos):
    check_source("mine", folder_spec(photos), encoder="classifier")
    with pytest.raises(UserError, match="no labels in"):
        check_source("mine", folder_spec(photos / "cat"), encoder="classifier")


OWN = """
__name__ = "own"
from typing import ClassVar, Literal
import numpy as np
from etsdm.data.originals import Originals, as_they_are
from etsdm.data.sources.source import Source
class Ramps(Source):
    order: ClassVar[int] = 200
    where: ClassVar[frozenset[str]] = frozenset({"source", "disk"})
    source: Literal["ramps"]
    disk: str = "a"
    resolution: Literal[4] = 4
    channels: Literal[1] = 1
def inspect(name, spec):
    return 3, False
def load(spec):
    return Originals(np.arange(48, dtype=np.uint8).reshape(3, 4, 4, 1), as_they_are, 3)
def fingerprint(spec):
    return spec["disk"]
"""


def test_a_source_in_one_file_is_one_of_all(tmp_path, monkeypatch):
    own = ModuleType("own")
    exec(compile(OWN, "own.py", "exec", dont_inherit=True), vars(own))
    monkeypatch.setitem(sys.modules, "own", own)
    monkeypatch.setattr(SOURCES, "_things", dict(SOURCES.all()))
    SOURCES.add(own)
    one, other = (DATASET.validate_python({"source": "ramps", "disk": disk}).model_dump() for disk in "ab")
    described, images = prepared({"name": "ramps", **one}, tmp_path)
    assert (described["count"], images.shape, images.max()) == (3, (3, 4, 4, 1), 47)
    assert (fingerprint(one), fingerprint(other)) == ("a", "b")
    assert images_of(one) == images_of(other) == {"resolution": 4, "channels": 1}, "the disk is no part of the images"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": "zpi"}, "source: unknown 'zpi'; allowed: bundled, folder, zip, .*did you mean 'zip'"),
        ({"source": "digits"}, "source: unknown 'digits'; allowed: bundled, folder"),
        ({"source": "bundled", "bundle": "zip"}, "bundle: unknown 'zip'; allowed: digits, photos, mnist"),
        ({"source": "bundled"}, "bundle: missing"),
        ({}, "source: missing"),
    ],
)
def test_an_unknown_source_is_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        DATASET.validate_python(settings)
    with pytest.raises(UserError, match="unknown source 'zpi'"):
        module({"source": "zpi"})
