"""A user's images in a zip, tar, LMDB or npz: the same in every form."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from packing import (
    LABELS,
    Spec,
    from_npz,
    from_part_of_a_zip,
    from_tar,
    from_tar_gz,
    from_wrapped_zip,
    from_zip,
    own,
    pictures,
    prepared,
    write_folder,
    write_lmdb,
    write_tar,
    write_zip,
)
from sklearn.datasets import load_digits

from etsdm.data.archive import read_images
from etsdm.data.prepare import prepare
from etsdm.data.sources import check_source, fingerprint
from etsdm.errors import UserError


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return pictures()


@pytest.fixture
def folder(tmp_path: Path, files: dict[str, bytes]) -> Path:
    return write_folder(tmp_path / "folder", files)


@pytest.mark.parametrize("write", [from_zip, from_wrapped_zip, from_part_of_a_zip, from_tar, from_tar_gz, from_npz])
def test_the_same_files_give_the_same_images_and_labels_in_every_form(
    tmp_path: Path, folder: Path, files: dict[str, bytes], write: Callable[[Path, dict[str, bytes]], Spec]
) -> None:
    described, images = prepared(own("folder", folder), tmp_path / "from-folder")
    assert (described["labels"], described["classes"]) == (LABELS, ["cat", "dog"])
    spec = write(tmp_path, files)
    check_source("mine", spec, len(files), encoder="classifier")
    assert prepare(spec, tmp_path / "out", progress=False) == described
    assert np.array_equal(read_images(tmp_path / "out" / "images.zip"), images)


def test_an_lmdb_gives_its_values_in_the_order_of_keys(tmp_path: Path, folder: Path, files: dict[str, bytes]) -> None:
    keys = [b"e", b"b", b"\xff", b"a", b"c"]
    spec = own("lmdb", write_lmdb(tmp_path / "lmdb", dict(zip(keys, files.values(), strict=True))))
    check_source("mine", spec, len(files))
    described, images = prepared(spec, tmp_path / "out")
    assert described["labels"] is None
    _, expected = prepared(own("folder", folder), tmp_path / "from-folder")
    assert np.array_equal(images, expected[np.argsort(keys)])


@pytest.mark.parametrize("form", ["folder", "zip", "tar"])
def test_labels_of_stylegans_and_edms_layout(tmp_path: Path, files: dict[str, bytes], form: str) -> None:
    """Folders of as many images as fit, and the labels in a list: they are the same in all three forms."""
    images = {f"0000{i // 2}/img{i:08d}.png": content for i, content in enumerate(files.values())}
    listing = {"labels": [[name, 7 - i] for i, name in enumerate(images)]}
    contents = images | {"dataset.json": json.dumps(listing).encode()}
    if form == "folder":
        for name, content in contents.items():
            (tmp_path / "a" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "a" / name).write_bytes(content)
        spec = own("folder", tmp_path / "a")
    else:
        spec = own("zip", (write_zip if form == "zip" else write_tar)(tmp_path / f"a.{form}", contents), folder=None)
    overview = check_source("mine", spec, 5, encoder="classifier")
    assert overview == (5, True, ())
    described, _ = prepared(spec, tmp_path / "out")
    assert (described["labels"], described["classes"]) == ([7, 6, 5, 4, 3], None)
    before = fingerprint(spec)
    if form == "folder":
        (tmp_path / "a" / "dataset.json").write_text(json.dumps({"labels": None}))
        assert fingerprint(spec) != before


@pytest.mark.parametrize("key", [b"length", b"num-samples"])
def test_what_a_packing_tool_notes_in_an_lmdb_is_no_image(tmp_path: Path, files: dict[str, bytes], key: bytes) -> None:
    values = {b"a": files["cat/0.png"], key: b"2", b"z": files["cat/1.png"]}
    spec = own("lmdb", write_lmdb(tmp_path / "lmdb", values))
    overview = check_source("mine", spec, 2)
    assert overview.images == 2
    assert overview.remarks[0].endswith(f"the keys {key.decode()}, which hold no images")
    assert prepared(spec, tmp_path / "out")[0]["count"] == 2


@pytest.mark.parametrize("axes", [3, 4])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_of_arrays_keeps_its_pixels(tmp_path: Path, axes: int, save: Callable[..., None]) -> None:
    digits = load_digits()
    pixels = (digits.images[:50] * 15).astype(np.uint8)
    split = np.arange(50) % 5 == 0
    save(tmp_path / "a.npz", images=pixels if axes == 3 else pixels[..., None], labels=digits.target[:50], split=split)
    for name, rows in (("all", split | True), ("train", ~split), ("test", split)):
        spec = own("npz", tmp_path / "a.npz", 8, None, split=name, channels=1)
        check_source("mine", spec, int(rows.sum()), encoder="classifier")
        described, images = prepared(spec, tmp_path / name)
        assert np.array_equal(images[..., 0], pixels[rows])
        assert described["labels"] == digits.target[:50][rows].tolist()


def test_the_nameless_array_of_an_npz_is_taken_for_its_images(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", pixels)
    _, images = prepared(own("npz", tmp_path / "a.npz", 8, None, split="all"), tmp_path / "out")
    assert np.array_equal(images, pixels)


def test_samples_as_guided_diffusion_saves_them_have_labels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", pixels, np.array([5, 0, 5]))
    described, images = prepared(own("npz", tmp_path / "a.npz", 8, None, split="all"), tmp_path / "out")
    assert np.array_equal(images, pixels)
    assert described["labels"] == [5, 0, 5]


@pytest.mark.parametrize("columns", [1, 14])
def test_medmnist_is_read_by_its_parts(tmp_path: Path, columns: int) -> None:
    """ChestMNIST has 14 findings of an image, from which no class follows."""
    generator = np.random.default_rng(0)
    parts = {"train": 5, "val": 2, "test": 3}
    arrays = {f"{part}_images": generator.integers(0, 256, (n, 8, 8), dtype=np.uint8) for part, n in parts.items()}
    labels = {f"{part}_labels": generator.integers(0, 9, (n, columns)) for part, n in parts.items()}
    np.savez(tmp_path / "a.npz", **arrays, **labels)
    for split in ("train", "test", "all"):
        described, images = prepared(own("npz", tmp_path / "a.npz", 8, None, split=split), tmp_path / split)
        joined = parts if split == "all" else (split,)
        assert np.array_equal(images[..., 0], np.concatenate([arrays[f"{part}_images"] for part in joined]))
        numbers = np.concatenate([labels[f"{part}_labels"] for part in joined]).ravel().tolist()
        assert described["labels"] == (numbers if columns == 1 else None)


def test_the_rows_of_imagenet_32_are_three_planes(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    rows = pixels.transpose(0, 3, 1, 2).reshape(3, -1)
    np.savez(tmp_path / "a.npz", data=rows, labels=np.array([1, 1000, 7]), mean=np.zeros(3072))
    described, images = prepared(own("npz", tmp_path / "a.npz", 32, None, split="all"), tmp_path / "out")
    assert np.array_equal(images, pixels)
    assert described["labels"] == [1, 1000, 7]


def test_an_npz_whose_header_is_forged_is_refused(tmp_path: Path) -> None:
    """A flag is a number to NumPy; a shape beyond the file takes memory before it is missed."""
    for shape, message in (("(True, 8, 8)", "has the shape"), ("(10000000000000, 8, 8)", "cut off")):
        header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}".encode().ljust(117) + b"\n"
        content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64)
        write_zip(tmp_path / "a.npz", {"images.npy": content})
        with pytest.raises(UserError, match=message):
            check_source("mine", own("npz", tmp_path / "a.npz", 8, None, split="all"))
