"""CIFAR-10 against what torchvision reads, and damaged ones."""

import io
import pickle
import struct
import tarfile
import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from packing import cifar_spec, refused, write_tar

from etsdm.data.sources import check_source, load_source


class Python2Pickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes texts and bytes as Python 2 wrote its strings, as in CIFAR-10."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_string(self, value: str | bytes) -> None:
        content = value.encode("latin1") if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string


def python2_pickle(value: Any) -> bytes:
    content = io.BytesIO()
    Python2Pickler(content, protocol=2).dump(value)
    return content.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def cifar(path: Path) -> Path:
    """An archive like cifar-10-python.tar.gz, with random images."""
    generator = np.random.default_rng(0)
    files = {"batches.meta": python2_pickle({"label_names": [f"class {i}" for i in range(10)]})}
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        data = generator.integers(0, 256, (10_000, 1), dtype=np.uint8).repeat(3072, 1)
        data[:, 1024:2048] += 1
        files[name] = python2_pickle({"data": data, "labels": generator.integers(0, 10, 10_000).tolist()})
    return write_tar(path, {f"cifar-10-batches-py/{name}": content for name, content in files.items()})


@pytest.fixture(scope="module")
def cifar_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cifar(tmp_path_factory.mktemp("cifar") / "cifar-10-python.tar")


def test_cifar10_is_what_torchvision_reads(
    tmp_path: Path, cifar_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import CIFAR10

    with tarfile.open(cifar_archive) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    source = load_source(cifar_spec(cifar_archive))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, about the module that old pickles name
        expected = CIFAR10(str(tmp_path), train=False)
    assert np.array_equal(list(source.images), expected.data)
    assert (source.labels, source.classes) == (expected.targets, expected.classes)
    check_source("c", cifar_spec(cifar_archive), len(expected), encoder="classifier")
    check_source("c", cifar_spec(cifar_archive, "all"), 60_000, encoder="classifier")


@pytest.mark.parametrize("damage", ["cut", "text", "one file less"])
def test_a_damaged_cifar10_is_refused(tmp_path: Path, cifar_archive: Path, damage: str) -> None:
    path = tmp_path / "cifar-10-python.tar.gz"
    if damage == "cut":
        path.write_bytes(cifar_archive.read_bytes()[:10_000_000])
    elif damage == "text":
        path.write_text("hello")
    else:
        write_tar(path, {"cifar-10-batches-py/batches.meta": python2_pickle({"label_names": []})})
    refused(cifar_spec(path), tmp_path / "out", r"cifar-10-python\.tar\.gz: not a readable archive of CIFAR-10")
