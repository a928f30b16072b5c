"""Fashion-MNIST against what torchvision reads, and damaged ones."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from packing import fashion_spec, prepared, refused, write_fashion
from pydantic import ValidationError

from etsdm.data.sources import check_source
from etsdm.data.sources.fashion_mnist import FashionMnist


@pytest.fixture
def fashion(tmp_path: Path) -> Path:
    return write_fashion(tmp_path)


@pytest.mark.parametrize(("split", "parts"), [("train", ["train"]), ("test", ["t10k"]), ("all", ["train", "t10k"])])
def test_fashion_mnist_is_what_torchvision_reads(tmp_path: Path, fashion: Path, split: str, parts: list[str]) -> None:
    from torchvision.datasets.mnist import read_image_file, read_label_file

    for file in fashion.glob("*.gz"):
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
    images = np.concatenate([read_image_file(str(fashion / f"{part}-images-idx3-ubyte")) for part in parts])
    labels = np.concatenate([read_label_file(str(fashion / f"{part}-labels-idx1-ubyte")) for part in parts])
    check_source("f", fashion_spec(fashion, split), len(images), encoder="classifier")
    described, pixels = prepared(fashion_spec(fashion, split), tmp_path / "out")
    assert np.array_equal(pixels[..., 0], images)
    assert described["labels"] == labels.tolist()
    assert described["classes"][9] == "Ankle boot"


@pytest.mark.parametrize("size", [8, 16])
def test_smaller_fashion_mnist_is_area_means(tmp_path: Path, fashion: Path, size: int) -> None:
    """Every pixel cut into size x size equal parts, blocks of 28 x 28 parts are the pixels of the smaller image."""
    whole, images = prepared(fashion_spec(fashion), tmp_path / "whole")
    described, reduced = prepared(fashion_spec(fashion) | {"resolution": size}, tmp_path / "reduced")
    parts = images[..., 0].repeat(size, 1).repeat(size, 2).reshape(-1, size, 28, size, 28)
    assert reduced.shape == (70, size, size, 1)
    assert np.abs(reduced[..., 0] - parts.mean((2, 4))).max() <= 0.5 + 1e-9
    assert described["labels"] == whole["labels"]


def test_fashion_mnist_can_be_had_at_three_sizes(tmp_path: Path) -> None:
    settings = {key: value for key, value in fashion_spec(tmp_path).items() if key not in ("name", "resolution")}
    dataset = FashionMnist.model_validate(settings)
    assert {"name": "f", **dataset.model_dump()} == fashion_spec(tmp_path)
    assert [size for size in range(4, 65) if dataset.can_be(size)] == [8, 16, 28]
    with pytest.raises(ValidationError):
        FashionMnist.model_validate(settings | {"resolution": 32})


@pytest.mark.parametrize("file", ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"])
def test_a_damaged_file_of_fashion_mnist_is_named(tmp_path: Path, fashion: Path, file: str) -> None:
    whole = (fashion / file).read_bytes()
    axes = 3 if "images" in file else 1
    odd = gzip.compress(bytes([0, 0, 8, axes]) + struct.pack(f">{axes}I", *[60, 28, 28][:axes]) + b"\x0b" * 60)
    for content in (whole[:-9], whole[: len(whole) // 2], b"", b"hello", gzip.compress(b"hello"), odd):
        (fashion / file).write_bytes(content)
        refused(fashion_spec(fashion, "train"), tmp_path / "out", rf"{file}.*again")
