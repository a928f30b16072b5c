"""Registered data sets: what configurations make of their names, how one that is missing is got, and fetching."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torchvision.datasets as torchvision
from click.testing import CliRunner, Result
from configs import tiny, write_config

from etsdm.cli import main
from etsdm.data import registered as module
from etsdm.data.registered import Entry, File, registry
from etsdm.errors import UserError
from etsdm.fingerprint import ROOT
from etsdm.plan.plan import Plan
from etsdm.plan.reading import load_config, parse_config
from etsdm.runtime.download import download


def test_every_entry_is_whole_and_those_of_the_paper_are_there() -> None:
    paper = load_config(ROOT / "config" / "paper.yaml")
    assert {dataset.registered for dataset in paper.datasets.values()} == paper.datasets.keys() <= registry().keys()
    assert all(dataset.resolution == 256 for dataset in paper.datasets.values())
    assert paper.cost and paper.cost.images == {name: registry()[name].images for name in paper.datasets}


def test_downloads_are_torchvisions() -> None:
    files = {Path(path).name: file for entry in registry().values() for path, file in entry.files.items()}
    assert files.keys() == {*dict(torchvision.FashionMNIST.resources), torchvision.CIFAR10.filename}
    assert files[torchvision.CIFAR10.filename].url == torchvision.CIFAR10.url
    (mirror,) = torchvision.FashionMNIST.mirrors
    assert all(files[name].url == mirror + name for name, _ in torchvision.FashionMNIST.resources)


@pytest.mark.parametrize("value", ["digits", {"registered": "digits"}])
def test_a_name_stands_for_the_settings_and_is_no_other_data_set(value: Any) -> None:
    named = Plan(parse_config(tiny(**{"datasets.digits": value}), "test"))
    assert named.models.keys() == Plan(parse_config(tiny(), "test")).models.keys()


def test_settings_can_be_changed() -> None:
    changed = {"registered": "afhq-cat", "path": "/data/cats", "resolution": 64}
    dataset = parse_config(tiny(**{"datasets.cats": changed}), "test").datasets["cats"]
    usual = registry()["afhq-cat"].settings.model_dump()
    assert dataset.model_dump() == usual | {"path": "/data/cats", "resolution": 64}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "afhq-cats",
            r"datasets\.cats: no data set 'afhq-cats' in etsdm/data/datasets\.yaml; .*did you mean 'afhq-cat'",
        ),
        ({"registered": "afhq-cat", "size": 64}, r"datasets\.cats\.size: unknown key"),
        ({"registered": 5}, r"datasets\.cats\.source: missing"),
        (5, r"datasets\.cats"),
    ],
)
def test_a_wrong_name_or_key_is_explained(value: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_config(tiny(**{"datasets.cats": value}), "test")


def test_a_missing_data_set_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = write_config(tmp_path / "mine.yaml", **{"datasets.cats": "afhq-cat"})
    done = CliRunner().invoke(main, ["check", str(config)])
    assert done.exit_code == 2
    for part in ("datasets.cats.path: no folder", "bash download.sh afhq-dataset", "5,153 images", "CC BY-NC 4.0"):
        assert part in done.output


# ---------------------------------------------------------------- fetching


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a folder with one file."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "a.bin").write_bytes(b"images" * 1000)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()


SHA256 = hashlib.sha256(b"images" * 1000).hexdigest()


@pytest.mark.parametrize(("name", "digest"), [("a.bin", "0" * 64), ("none.bin", SHA256)])
def test_a_wrong_or_missing_download_leaves_nothing(tmp_path: Path, server: str, name: str, digest: str) -> None:
    with pytest.raises(UserError, match=r"not the expected file|cannot download"):
        download(f"{server}/{name}", tmp_path / "new" / "a.bin", digest, progress=False)
    assert not list((tmp_path / "new").iterdir())


def test_fetch_downloads_once_to_where_the_settings_look(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = registry()["cifar10"].settings
    path = settings.model_dump()["path"]
    files = {path: File(url=f"{server}/a.bin", sha256=SHA256)}
    entry = Entry(about="", images=1, licence="", get="", settings=settings, files=files)
    monkeypatch.setattr(module, "registry", lambda: {"cifar10": entry})
    out = tmp_path / "elsewhere" / "cifar.tar.gz"
    config = write_config(tmp_path / "mine.yaml", **{"datasets.c": {"registered": "cifar10", "path": str(out)}})

    def fetch() -> Result:
        return CliRunner().invoke(main, ["fetch", str(config), "--results", str(tmp_path / "results")])

    done = fetch()
    assert done.exit_code == 0, done.output
    assert "verified by its SHA-256" in done.output
    assert out.read_bytes() == b"images" * 1000
    assert "there already" in fetch().output
