"""Sources of a user's own images: real files in every form, damaged and hostile ones included."""

import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import lmdb
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from sklearn.datasets import load_digits

from etsdm.data.archive import Pixels, read_images
from etsdm.data.prepare import prepare
from etsdm.data.sources import check_source, fingerprint, load_source
from etsdm.data.sources.fashion_mnist import FashionMnist
from etsdm.data.sources.photos import read_photo
from etsdm.errors import UserError

Spec = dict[str, Any]
LABELS = [0, 0, 1, 1, 1]
NAMES = ["cat/0.png", "cat/1.png", "dog/2.jpg", "dog/3.png", "dog/deep/4.webp"]


def own(source: str, path: Path, resolution: int = 16, resize: str | None = "box", **settings: Any) -> Spec:
    shared = {"resolution": resolution, "channels": 3, "resize": resize}
    return {"name": "mine", "source": source, "path": str(path)} | shared | settings


def encoded(image: Image.Image, form: str) -> bytes:
    content = io.BytesIO()
    image.save(content, form)
    return content.getvalue()


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """Five parts of a photograph, 40x32 pixels, in three formats."""
    photo = Image.fromarray(read_photo("chelsea"))
    forms = {".png": "png", ".jpg": "jpeg", ".webp": "webp"}
    parts = [photo.crop((60 * i, 50, 60 * i + 40, 82)) for i in range(len(NAMES))]
    return {name: encoded(part, forms[Path(name).suffix]) for name, part in zip(NAMES, parts, strict=True)}


@pytest.fixture
def folder(tmp_path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(content)
    return tmp_path / "folder"


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in reversed(files):
            archive.writestr(name, files[name])
    return path


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_lmdb(path: Path, values: dict[bytes, bytes]) -> Path:
    with lmdb.open(str(path), map_size=2**24) as database, database.begin(write=True) as transaction:
        for key, value in values.items():
            transaction.put(key, value)
    return path


def write_npz(path: Path, files: dict[str, bytes], **arrays: Any) -> Path:
    """The encoded form."""
    offsets = np.cumsum([0, *map(len, files.values())])
    given = {"jpeg": np.frombuffer(b"".join(files.values()), np.uint8), "offsets": offsets} | arrays
    np.savez(path, **{key: value for key, value in given.items() if value is not None})
    return path


def prepared(spec: Spec, out: Path) -> tuple[Spec, Pixels]:
    return prepare(spec, out, progress=False), read_images(out / "images.zip")


# ---------------------------------------------------------------- whole ones


def from_zip(path: Path, files: dict[str, bytes]) -> Spec:
    return own("zip", write_zip(path / "a.zip", files), folder=None)


def from_wrapped_zip(path: Path, files: dict[str, bytes]) -> Spec:
    junk = {"pets/read.me": b"hello", "__MACOSX/pets/cat/._0.png": b"junk"}
    return own("zip", write_zip(path / "a.zip", {f"pets/{name}": c for name, c in files.items()} | junk), folder=None)


def from_part_of_a_zip(path: Path, files: dict[str, bytes]) -> Spec:
    others = {"pets/test/cat/a.png": b"not looked at"}
    inside = {f"pets/train/{name}": content for name, content in files.items()}
    return own("zip", write_zip(path / "a.zip", inside | others), folder="pets/train")


def from_tar(path: Path, files: dict[str, bytes]) -> Spec:
    return own("zip", write_tar(path / "a.tar", files), folder=None)


def from_tar_gz(path: Path, files: dict[str, bytes]) -> Spec:
    return own("zip", write_tar(path / "a.tar.gz", files), folder=None)


def from_npz(path: Path, files: dict[str, bytes]) -> Spec:
    labels, classes = np.array(LABELS, np.int16), np.array(["cat", "dog"])
    return own("npz", write_npz(path / "a.npz", files, labels=labels, classes=classes), split="all")


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
    found = check_source("mine", spec, 5, encoder="classifier")
    assert found == (5, True, ())
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
    found = check_source("mine", spec, 2)
    assert found.images == 2
    assert found.remarks[0].endswith(f"the keys {key.decode()}, which hold no images")
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


def cifar_spec(path: Path, split: str = "test") -> Spec:
    return {"name": "c", "source": "cifar10", "path": str(path), "split": split, "resolution": 32, "channels": 3}


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


def write_idx(path: Path, values: np.ndarray) -> None:
    lengths = struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(gzip.compress(bytes([0, 0, 8, values.ndim]) + lengths + values.tobytes(), 1))


@pytest.fixture
def fashion(tmp_path: Path) -> Path:
    """Fashion-MNIST's four files, of noise and smaller."""
    generator = np.random.default_rng(0)
    for part, count in (("train", 60), ("t10k", 10)):
        images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", generator.integers(0, 10, count, dtype=np.uint8))
    return tmp_path


def fashion_spec(path: Path, split: str = "all") -> Spec:
    same = {"name": "f", "source": "fashion-mnist", "path": str(path), "split": split}
    return same | {"resolution": 28, "channels": 1}


@pytest.mark.parametrize(("split", "parts"), [("train", ["train"]), ("test", ["t10k"]), ("all", ["train", "t10k"])])
def test_fashion_mnist_is_what_torchvision_reads(tmp_path: Path, fashion: Path, split: str, parts: list[str]) -> None:
    from torchvision.datasets.mnist import read_image_file, read_label_file

    for file in fashion.glob("*.gz"):
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
    images = np.concatenate([read_image_file(str(fashion / f"{part}-images-idx3-ubyte")) for part in parts])
    labels = np.concatenate([read_label_file(str(fashion / f"{part}-labels-idx1-ubyte")) for part in parts])
    check_source("f", fashion_spec(fashion, split), len(images), encoder="classifier")
    described, found = prepared(fashion_spec(fashion, split), tmp_path / "out")
    assert np.array_equal(found[..., 0], images)
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


# ---------------------------------------------------------------- what changes


def test_fingerprints_see_a_change_that_keeps_the_size(tmp_path: Path, files: dict[str, bytes], fashion: Path) -> None:
    specs = [from_zip(tmp_path, files), from_tar_gz(tmp_path, files), from_npz(tmp_path, files), fashion_spec(fashion)]
    specs.append(own("lmdb", write_lmdb(tmp_path / "lmdb", {b"a": b"1"})))
    before = [fingerprint(spec) for spec in specs]
    assert None not in before
    assert [fingerprint(spec) for spec in specs] == before
    for path in tmp_path.rglob("*"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    touched = [fingerprint(spec) for spec in specs]
    assert not {*before} & {*touched}
    other = files | {"cat/0.png": files["cat/1.png"]}
    for write in (from_zip, from_tar_gz, from_npz):
        write(tmp_path, other)
    write_lmdb(tmp_path / "lmdb", {b"a": b"2"})
    write_idx(fashion / "t10k-labels-idx1-ubyte.gz", np.zeros(10, np.uint8))
    assert not {*before} & {fingerprint(spec) for spec in specs}


def absent(path: Path) -> list[Spec]:
    sources = {"zip": {"folder": None}, "lmdb": {}, "npz": {"split": "all"}, "folder": {}}
    return [
        *(own(source, path / "absent", **settings) for source, settings in sources.items()),
        cifar_spec(path / "absent"),
        fashion_spec(path / "absent"),
    ]


def test_a_source_that_is_not_there_is_named_and_has_no_fingerprint(tmp_path: Path) -> None:
    for spec in absent(tmp_path):
        assert fingerprint(spec) is None
        with pytest.raises(UserError, match=r"datasets\.mine\.path: no .*absent"):
            check_source("mine", spec)


# ---------------------------------------------------------------- damaged ones


def refused(spec: Spec, out: Path, message: str) -> None:
    with pytest.raises(UserError, match=message):
        prepare(spec, out, progress=False)
    assert not (out / "images.zip").exists()


@pytest.mark.parametrize("write", [from_zip, from_tar, from_tar_gz, from_npz])
def test_a_corrupt_image_is_named(
    tmp_path: Path, files: dict[str, bytes], write: Callable[[Path, dict[str, bytes]], Spec]
) -> None:
    name = "image 2" if write is from_npz else "dog/2.jpg"
    for content in (files["dog/2.jpg"][:300], b"hello", b""):
        spec = write(tmp_path, files | {"dog/2.jpg": content})
        refused(spec, tmp_path / "out", rf"a\.[a-z.]+: {name}: not a readable image")


def test_a_corrupt_value_of_an_lmdb_is_named(tmp_path: Path, files: dict[str, bytes]) -> None:
    path = write_lmdb(tmp_path / "lmdb", {b"fine": files["cat/0.png"], b"odd\xff": b"hello"})
    refused(own("lmdb", path), tmp_path / "out", r"lmdb: odd\\xff: not a readable image \(no known format\)")


def test_a_member_of_a_zip_with_a_wrong_checksum_may_be_left_out(tmp_path: Path, files: dict[str, bytes]) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    path.write_bytes(path.read_bytes().replace(files["dog/2.jpg"], files["dog/2.jpg"][:-9] + b"\0" * 9))
    spec = own("zip", path, folder=None)
    refused(spec, tmp_path / "out", r"dog/2\.jpg is damaged .*CRC")
    described, images = prepared(spec | {"skip_damaged": 1}, tmp_path / "out")
    assert (described["labels"], len(images)) == ([0, 0, 1, 1], 4)


def test_only_damage_to_an_image_is_skipped(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails, say, stops the preparation, and so does an image that is too small."""

    def failing(*_: Any, **__: Any) -> None:
        raise OSError(5, "Input/output error")

    spec = own("folder", folder, 16, skip_damaged=5)
    refused(spec | {"resolution": 128}, tmp_path / "out", "images are never enlarged")
    monkeypatch.setattr(Image, "open", failing)
    refused(spec, tmp_path / "out", "Input/output error")


@pytest.mark.parametrize("write", [from_zip, from_tar, from_tar_gz, from_npz])
@pytest.mark.parametrize("part", [0.1, 0.3, 0.5])
def test_a_truncated_file_is_refused(
    tmp_path: Path, files: dict[str, bytes], write: Callable[[Path, dict[str, bytes]], Spec], part: float
) -> None:
    spec = write(tmp_path, files)
    path = Path(spec["path"])
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    refused(spec, tmp_path / "out", rf"{path.name}.*again")


def test_a_truncated_lmdb_is_refused_and_does_not_kill_the_process(tmp_path: Path) -> None:
    path = write_lmdb(tmp_path / "lmdb", {bytes([i]): bytes(5000) for i in range(50)})
    file = path / "data.mdb"
    for size in (50_000, 9_000, 100, 0):
        file.write_bytes(file.read_bytes()[:size])
        with pytest.raises(UserError, match=r"lmdb.*(again|empty)"):
            check_source("mine", own("lmdb", path))


def test_an_lmdb_of_a_single_file_is_read(tmp_path: Path, files: dict[str, bytes]) -> None:
    file = write_lmdb(tmp_path / "lmdb", {name.encode(): content for name, content in files.items()}) / "data.mdb"
    alone = file.rename(tmp_path / "alone.lmdb")
    assert check_source("mine", own("lmdb", alone)).images == len(files)
    assert fingerprint(own("lmdb", alone))
    prepared(own("lmdb", alone), tmp_path / "out")
    alone.write_bytes(b"no database")
    with pytest.raises(UserError, match=r"alone\.lmdb: not a readable LMDB"):
        check_source("mine", own("lmdb", alone))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"offsets": np.array([0, 5, 3])}, "`offsets` do not rise"),
        ({"offsets": np.array([0, 10**12])}, "`offsets` do not rise"),
        ({"offsets": np.array([-5, 10])}, "`offsets` do not rise"),
        ({"offsets": None}, "it has no `offsets`"),
        ({"jpeg": None}, "neither `images` nor `jpeg`; it holds `offsets`"),
        ({"jpeg": None, "data": np.zeros((2, 3071), np.uint8), "mean": np.zeros(2)}, r"uint8 \(N, 3 H H\) is needed"),
        (
            {"jpeg": None, "images": np.zeros((3, 16, 16), np.uint8).T},
            r"Fortran's order; save numpy\.ascontiguousarray",
        ),
        ({"jpeg": None, "images": np.zeros((2, 16, 16), np.float32)}, "float32 of the shape"),
        ({"jpeg": None, "images": np.zeros((2, 16, 16, 4), np.uint8)}, "is needed"),
        ({"labels": np.zeros(2, int)}, "`labels` has the shape"),
        ({"labels": np.zeros(5)}, "labels are not numbers"),
        ({"labels": np.array([0, 1, 0, 1, 2**40])}, "labels are not numbers from 0 to 99,999"),
        ({"classes": np.arange(3)}, "classes are not names"),
    ],
)
def test_an_npz_in_neither_form_is_refused(
    tmp_path: Path, files: dict[str, bytes], arrays: dict[str, Any], message: str
) -> None:
    spec = own("npz", write_npz(tmp_path / "a.npz", files, **arrays), split="all")
    with pytest.raises(UserError, match=message):
        check_source("mine", spec)


def test_a_split_that_an_npz_does_not_have_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    spec = own("npz", write_npz(tmp_path / "a.npz", files), split="test")
    with pytest.raises(UserError, match="it has no `split`"):
        check_source("mine", spec)
    write_npz(tmp_path / "a.npz", files, split=np.zeros(5, np.uint8))
    with pytest.raises(UserError, match=r"datasets\.mine\.split: no image of 'test'"):
        check_source("mine", spec)


@pytest.mark.parametrize("file", ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"])
def test_a_damaged_file_of_fashion_mnist_is_named(tmp_path: Path, fashion: Path, file: str) -> None:
    whole = (fashion / file).read_bytes()
    axes = 3 if "images" in file else 1
    odd = gzip.compress(bytes([0, 0, 8, axes]) + struct.pack(f">{axes}I", *[60, 28, 28][:axes]) + b"\x0b" * 60)
    for content in (whole[:-9], whole[: len(whole) // 2], b"", b"hello", gzip.compress(b"hello"), odd):
        (fashion / file).write_bytes(content)
        refused(fashion_spec(fashion, "train"), tmp_path / "out", rf"{file}.*again")


@pytest.mark.parametrize("suffix", ["tar", "tar.gz"])
def test_two_tars_in_one_file_are_refused(tmp_path: Path, files: dict[str, bytes], suffix: str) -> None:
    """A reader of tars stops after the first."""
    parts = [write_tar(tmp_path / f"{i}.{suffix}", {f"{i}.png": files["cat/0.png"]}) for i in range(2)]
    path = tmp_path / f"both.{suffix}"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(UserError, match="something follows its end, as another tar does"):
        check_source("mine", own("zip", path, folder=None))


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_an_archive_with_a_name_twice_is_refused(
    tmp_path: Path, files: dict[str, bytes], write: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    path = write(tmp_path / f"a.{'zip' if write is write_zip else 'tar'}", files)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's own
        if write is write_zip:
            with zipfile.ZipFile(path, "a") as archive:
                archive.writestr("cat/1.png", files["cat/0.png"])
        else:
            with tarfile.open(path, "a") as tar:
                tar.addfile(tarfile.TarInfo("cat/1.png"))
    with pytest.raises(UserError, match=r"a\.(zip|tar): 'cat/1\.png' is there twice"):
        check_source("mine", own("zip", path, folder=None))


def test_an_npz_of_images_beyond_the_declared_limit_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((1, 4, 4097), np.uint8))
    with pytest.raises(UserError, match="images of 4097x4 pixels, more than 4,096 a side"):
        check_source("mine", own("npz", tmp_path / "a.npz", split="all"))


@pytest.mark.parametrize("path", ["~/folder", "$SCRATCH/folder", "${SCRATCH}/folder"])
def test_home_and_variables_in_paths_are_replaced_when_they_are_read(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    spec = own("folder", Path(path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SCRATCH", str(tmp_path))
    assert check_source("mine", spec).images == 5
    assert fingerprint(spec) == fingerprint(own("folder", folder))
    assert load_source(spec).count == 5
    monkeypatch.chdir(tmp_path)
    (tmp_path / path).mkdir(parents=True)
    (tmp_path / path / "a.png").write_bytes((folder / "cat" / "0.png").read_bytes())
    assert check_source("mine", spec).images == 1, "there is a folder of just that name"


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
