"""A user's own sources: fingerprints, and damaged or hostile files that are named or refused."""

import os
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packing import (
    Spec,
    cifar_spec,
    fashion_spec,
    from_npz,
    from_tar,
    from_tar_gz,
    from_zip,
    own,
    pictures,
    prepared,
    refused,
    write_fashion,
    write_folder,
    write_idx,
    write_lmdb,
    write_npz,
    write_tar,
    write_zip,
)
from PIL import Image

from etsdm.data.sources import check_source, fingerprint, load_source
from etsdm.errors import UserError


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return pictures()


@pytest.fixture
def folder(tmp_path: Path, files: dict[str, bytes]) -> Path:
    return write_folder(tmp_path / "folder", files)


@pytest.fixture
def fashion(tmp_path: Path) -> Path:
    return write_fashion(tmp_path)


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
