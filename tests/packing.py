"""Images of a user in every form, as files and as specifications."""

import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from PIL import Image

from etsdm.data.archive import Pixels, read_images
from etsdm.data.prepare import prepare
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


def pictures() -> dict[str, bytes]:
    """Five parts of a photograph, 40x32 pixels, in three formats."""
    photo = Image.fromarray(read_photo("chelsea"))
    forms = {".png": "png", ".jpg": "jpeg", ".webp": "webp"}
    parts = [photo.crop((60 * i, 50, 60 * i + 40, 82)) for i in range(len(NAMES))]
    return {name: encoded(part, forms[Path(name).suffix]) for name, part in zip(NAMES, parts, strict=True)}


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


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
    entries = {"jpeg": np.frombuffer(b"".join(files.values()), np.uint8), "offsets": offsets} | arrays
    np.savez(path, **{key: value for key, value in entries.items() if value is not None})
    return path


def prepared(spec: Spec, out: Path) -> tuple[Spec, Pixels]:
    return prepare(spec, out, progress=False), read_images(out / "images.zip")


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


def cifar_spec(path: Path, split: str = "test") -> Spec:
    return {"name": "c", "source": "cifar10", "path": str(path), "split": split, "resolution": 32, "channels": 3}


def write_idx(path: Path, values: np.ndarray) -> None:
    lengths = struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(gzip.compress(bytes([0, 0, 8, values.ndim]) + lengths + values.tobytes(), 1))


def write_fashion(folder: Path) -> Path:
    """Fashion-MNIST's four files, of noise and smaller."""
    generator = np.random.default_rng(0)
    for part, count in (("train", 60), ("t10k", 10)):
        images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", generator.integers(0, 10, count, dtype=np.uint8))
    return folder


def fashion_spec(path: Path, split: str = "all") -> Spec:
    same = {"name": "f", "source": "fashion-mnist", "path": str(path), "split": split}
    return same | {"resolution": 28, "channels": 1}


def refused(spec: Spec, out: Path, message: str) -> None:
    with pytest.raises(UserError, match=message):
        prepare(spec, out, progress=False)
    assert not (out / "images.zip").exists()
