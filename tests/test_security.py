"""Hostile input: refused, and never executed."""

import io
import os
import pickle
import shlex
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from configs import tiny
from PIL import Image, PngImagePlugin
from projects import Project, copy_project
from test_sources import own, write_tar, write_zip
from tiers import every_nth_fast
from trained import model_spec, prepared_digits

from etsdm.cli import main
from etsdm.data.archive import read_images, write_images
from etsdm.data.prepare import prepare
from etsdm.data.sources import check_source
from etsdm.errors import UserError
from etsdm.metrics.store import load_features
from etsdm.models.trained import load_network
from etsdm.models.weights import load_weights, save_weights
from etsdm.runtime.files import write_json
from etsdm.runtime.parts import Parts
from etsdm.runtime.processes import ALONE
from etsdm.training.state import _digest, load_state


class Trap:
    """Unpickled, it touches a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {shlex.quote(str(self.file))}",)


@pytest.fixture
def sprung(tmp_path: Path) -> Path:
    """The file that a sprung trap would leave."""
    return tmp_path / "sprung"


def png(pixels: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "png")
    return content.getvalue()


# ---------------------------------------------------------------- pickles


def test_a_trap_works_where_nothing_guards_against_it(sprung: Path) -> None:
    """So the tests below would notice."""
    pickle.loads(pickle.dumps(Trap(sprung)))
    assert sprung.exists()


def test_a_pickle_as_weights_is_refused(tmp_path: Path, sprung: Path) -> None:
    for content in (pickle.dumps(Trap(sprung)), zipped_pickle(sprung)):
        (tmp_path / "weights.safetensors").write_bytes(content)
        with pytest.raises(UserError, match="not a readable safetensors file"):
            load_weights(tmp_path / "weights.safetensors")
    assert not sprung.exists()


def zipped_pickle(file: Path) -> bytes:
    """As `torch.save` writes it."""
    content = io.BytesIO()
    torch.save({"network": Trap(file)}, content)
    return content.getvalue()


def test_a_pickle_as_a_training_state_is_refused(
    tmp_path: Path, sprung: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even under the right digest."""
    content = zipped_pickle(sprung)
    (tmp_path / f"{1:012d}-{_digest(content)}.pt").write_bytes(content)
    assert load_state(tmp_path, "fingerprint", torch.device("cpu")) is None
    assert "DAMAGED" in capsys.readouterr().err
    assert not sprung.exists()


def test_a_pickle_as_features_or_as_a_part_is_refused(tmp_path: Path, sprung: Path) -> None:
    trap = np.array([Trap(sprung)], dtype=object)
    np.savez(tmp_path / "features.npz", features=trap, count=1, digest="")
    with pytest.raises(UserError, match="not a readable feature file"):
        load_features(tmp_path / "features.npz")
    parts = Parts(tmp_path / "samples.zip", "identity", 1, ALONE)
    np.save(parts.folder / "00000000.npy", trap, allow_pickle=True)
    with pytest.raises(UserError, match="damaged"):
        list(parts)
    assert not sprung.exists()


def test_a_pickle_as_inception_weights_is_refused(tmp_path: Path, sprung: Path) -> None:
    (tmp_path / "inception.pt").write_bytes(zipped_pickle(sprung))
    write_json(tmp_path / "spec.json", {"name": "inception", "weights": str(tmp_path / "inception.pt")})
    out = tmp_path / "out" / "inception-2015-12-05.pt"
    done = CliRunner().invoke(main, ["encoder", "--spec", str(tmp_path / "spec.json"), "--out", str(out)])
    assert done.exit_code == 2
    assert "not the Inception weights" in done.output
    assert not out.exists()
    assert not sprung.exists()


def test_a_pickle_as_dinov2_weights_is_refused(tmp_path: Path, sprung: Path) -> None:
    (tmp_path / "dinov2.pth").write_bytes(zipped_pickle(sprung))
    write_json(tmp_path / "spec.json", {"name": "dinov2", "weights": str(tmp_path / "dinov2.pth")})
    out = tmp_path / "out" / "dinov2_vitl14_pretrain.pth"
    done = CliRunner().invoke(main, ["encoder", "--spec", str(tmp_path / "spec.json"), "--out", str(out)])
    assert done.exit_code == 2
    assert "not the weights of DINOv2" in done.output
    assert not out.exists()
    assert not sprung.exists()


def test_a_pickle_as_images_is_refused(tmp_path: Path, sprung: Path) -> None:
    """In an .npz, and among those of CIFAR-10: instead of a file, of its texts and of its arrays."""
    trap, out = Trap(sprung), tmp_path / "out"
    for arrays in ({"images": np.array([trap])}, {"images": np.zeros((1, 8, 8), np.uint8), "labels": np.array([trap])}):
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises(UserError, match=r"a\.npz: not a readable \.npz"):
            prepare(own("npz", tmp_path / "a.npz", split="all"), out, progress=False)
    data = np.empty((10_000, 1), object)
    data[0, 0] = trap
    for content in (trap, {"data": trap, "labels": []}, {"data": data, "labels": [0] * 10_000}):
        files = {"batches.meta": pickle.dumps({"label_names": ["cat"]}), "test_batch": pickle.dumps(content)}
        path = write_tar(tmp_path / "cifar-10-python.tar.gz", files)
        spec = {"name": "c", "source": "cifar10", "path": str(path), "split": "test"}
        with pytest.raises(UserError, match=r"refused: it asks for (posix|nt)\.system"):
            prepare(spec | {"resolution": 32, "channels": 3}, out, progress=False)
    assert not sprung.exists()


@pytest.mark.parametrize(
    "text",
    [
        "name: !!python/object/apply:os.system ['touch {}']",
        """__use_yte__: true\nname: ?__import__("os").system("touch {}")""",
        """{{"__use_yte__": true, "?__import__('os').system('touch {}')": 1}}""",
    ],
)
@pytest.mark.parametrize("command", ["check", "plan", "fetch", "report"])
def test_code_in_a_configuration_is_refused(tmp_path: Path, sprung: Path, command: str, text: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text.format(sprung))
    done = CliRunner().invoke(main, [command, str(file)])
    assert done.exit_code == 2
    assert "refused: __use_yte__" in done.output or "!!python" in done.output or "could not determine" in done.output
    assert not sprung.exists()


# ---------------------------------------------------------------- archives

LINK = (stat.S_IFLNK | 0o777) << 16


@pytest.mark.parametrize(
    ("name", "attributes"),
    [("../outside.png", 0), ("/tmp/outside.png", 0), ("folder/inside.png", 0), ("..", 0), ("link.png", LINK)],
)
def test_members_that_lead_elsewhere_are_refused(tmp_path: Path, name: str, attributes: int) -> None:
    member = zipfile.ZipInfo(name)
    member.external_attr = attributes
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("00000000.png", png(np.zeros((8, 8), np.uint8)))
        archive.writestr(member, png(np.zeros((8, 8), np.uint8)))
    with pytest.raises(UserError, match="refused"):
        read_images(tmp_path / "images.zip")


@pytest.mark.parametrize("form", ["zip", "tar"])
@pytest.mark.parametrize(
    "name",
    ["../outside.png", "/tmp/outside.png", "cat/../../outside.png", "cat\\..\\outside.png", "link.png", "fifo.png"],
)
def test_an_archive_of_images_with_members_that_lead_elsewhere_is_refused(tmp_path: Path, form: str, name: str) -> None:
    """Folders in it are the labels, so they are allowed."""
    path, inside = tmp_path / f"a.{form}", {"cat/a.png": png(np.zeros((8, 8), np.uint8))}
    spec = own("zip", path, 8, folder=None)
    if form == "zip":
        write_zip(path, inside)
        check_source("mine", spec)
        member = zipfile.ZipInfo(name)
        member.external_attr = {"link.png": LINK, "fifo.png": (stat.S_IFIFO | 0o777) << 16}.get(name, 0)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(member, "/etc/passwd")
    else:
        write_tar(path, inside)
        check_source("mine", spec)
        other = tarfile.TarInfo(name)
        other.type = {"link.png": tarfile.SYMTYPE, "fifo.png": tarfile.FIFOTYPE}.get(name, tarfile.REGTYPE)
        other.linkname = "/etc/passwd"
        with tarfile.open(path, "a") as tar:
            tar.addfile(other)
    with pytest.raises(UserError, match="refused: "):
        check_source("mine", spec)
    with pytest.raises(UserError, match="refused: "):
        prepare(spec, tmp_path / "out", progress=False)


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_bomb_in_an_archive_of_images_is_refused_before_it_unpacks(
    tmp_path: Path, write: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    path = write(tmp_path / f"a.{'zip' if write is write_zip else 'tar.gz'}", {"a.png": bytes(100_000_000)})
    assert path.stat().st_size < 500_000
    with pytest.raises(UserError, match="unpacks to 100,000,000 bytes"):
        check_source("mine", own("zip", path, 8, folder=None))


def test_a_decompression_bomb_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("00000000.png", bytes(100_000_000))
    assert (tmp_path / "images.zip").stat().st_size < 200_000
    with pytest.raises(UserError, match="unpacks to 100,000,000 bytes"):
        read_images(tmp_path / "images.zip")


def bomb(side: int) -> bytes:
    """A PNG that says it is `side` pixels wide and high, and is a few bytes long."""
    content = io.BytesIO()
    PngImagePlugin.putchunk(content, b"IHDR", side.to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00")
    PngImagePlugin.putchunk(content, b"IDAT", b"")
    PngImagePlugin.putchunk(content, b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content.getvalue()


def test_an_image_of_absurd_size_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("00000000.png", bomb(5000))
    with pytest.raises(UserError, match="5000x5000 pixels"):
        read_images(tmp_path / "images.zip")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "huge.png").write_bytes(bomb(50_000))
    spec = {"name": "mine", "source": "folder", "path": str(tmp_path / "photos")}
    spec |= {"resolution": 8, "channels": 3, "resize": "lanczos"}
    with pytest.raises(UserError, match=r"huge\.png.*exceeds limit"):
        prepare(spec, tmp_path / "out", progress=False)
    assert not (tmp_path / "out" / "images.zip").exists()


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_archive_is_refused(tmp_path: Path, damage: str) -> None:
    write_images(tmp_path / "images.zip", np.random.default_rng(0).integers(0, 256, (9, 16, 16, 3), dtype=np.uint8))
    content = bytearray((tmp_path / "images.zip").read_bytes())
    if damage == "flipped":
        content[200] ^= 255
    (tmp_path / "images.zip").write_bytes(content[: -300 if damage == "truncated" else None])
    with pytest.raises(UserError, match=r"images\.zip.*again"):
        read_images(tmp_path / "images.zip")


# ---------------------------------------------------------------- names

HOSTILE = [
    "with spaces and 'quotes' and \"more\"",
    "; touch {sprung} ;",
    "$(touch {sprung})",
    "`touch {sprung}`",
    "two\nlines",
    "Bilder von Söhnchen 写真",
    "-rf",
    "{{braces}}{{input}}",
]


@pytest.mark.workflow
@pytest.mark.parametrize("name", every_nth_fast(HOSTILE, 4))
def test_a_folder_of_any_name_can_be_prepared(name: str, tmp_path: Path) -> None:
    """Through the real workflow, from the path in the configuration to the shell command and back."""
    copy_project(tmp_path / "project")
    project = Project(tmp_path / "project")
    sprung = project.folder / "sprung"
    folder = project.folder / name.format(sprung="sprung")
    folder.mkdir()
    for i, pixels in enumerate(read_images(prepared_digits(), 80)):
        Image.fromarray(pixels[..., 0]).save(folder / f"{i}.png")
    source = {"source": "folder", "path": str(folder.relative_to(project.folder)), "resolution": 8, "channels": 1}
    config = tiny(**{"datasets": {"mine": source}, "experiments": {"lipschitz": {"datasets": ["mine"]}}})
    config["experiments"]["lipschitz"] |= {"methods": ["ddpm"], "images": 8}
    project.config.write_text(yaml.safe_dump(config, allow_unicode=True))
    done = project.snakemake("--until", "prepare")
    assert done.returncode == 0, done.stderr
    assert len(list(project.folder.glob("results/data/*/images.zip"))) == 1
    assert not sprung.exists()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../up", "a/b", "a b", "a;b", "$(id)", "a\nb", "-a", "ü", "{a}", "a" * 300]
)
def test_a_data_set_or_benchmark_of_a_dangerous_name_is_refused(tmp_path: Path, name: str) -> None:
    for config in (tiny(name=name), tiny(datasets={name: tiny()["datasets"]["digits"]})):
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        done = CliRunner().invoke(main, ["check", str(tmp_path / "config.yaml")])
        assert done.exit_code == 2
        assert "Traceback" not in done.output


def test_weights_that_are_not_those_of_their_specification_are_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "weights.safetensors", {"one": torch.zeros(1)}, model_spec("ddpm"))
    with pytest.raises(UserError, match="not those of the network"):
        load_network(tmp_path / "weights.safetensors")
