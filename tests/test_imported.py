"""What an imported checkpoint is good for: sampling, probes, and further training."""

from pathlib import Path
from typing import Any

import pytest
import torch
from adm import AdmUNet
from checkpoints import DIGITS, LIKE_ADM, imported, reference, run, tuned
from configs import write_config
from pages import commands
from PIL import Image
from torch import Tensor
from trained import prepared_digits

from etsdm.data.archive import count_images, write_images
from etsdm.errors import UserError
from etsdm.metrics.encoders.inception import provide_inception
from etsdm.models.weights import load_weights
from etsdm.plan.plan import load_plan
from etsdm.report.rows import collect_losses
from etsdm.runtime.files import read_json, sha256, write_json


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return imported(tmp_path_factory.mktemp("imported"), reference(**DIGITS), 8, "--heads", 2)


@pytest.mark.parametrize("solver", ["ancestral", "ddim", "dpm-solver-3", "dpm-solver++-2m"])
def test_an_imported_network_can_be_sampled(model: Path, tmp_path: Path, solver: str) -> None:
    done = run("sample", "--weights", model, "--solver", solver, "--nfe", 4, "-n", 2, "--out", tmp_path / "s.zip")
    assert done.exit_code == 0, done.output
    assert count_images(tmp_path / "s.zip") == 2


def test_an_imported_network_can_be_probed(model: Path, tmp_path: Path) -> None:
    steps = {"fine_step": 10, "fine_until": 20, "coarse_step": 100, "coarse_until": 100}
    write_json(tmp_path / "spec.json", {"probe": "lipschitz", "images": 2} | steps)
    files = ["--data", prepared_digits(), "--spec", tmp_path / "spec.json", "--out", tmp_path / "result.json"]
    done = run("probe", "--weights", model, *files)
    assert done.exit_code == 0, done.output
    assert all(point["K"] > 0 for point in read_json(tmp_path / "result.json")["points"])


SMALL = {"256": "8", "64": "16"}
"""Resolution and channels of a head: those of the pages' checkpoint, and those of the tests'."""


def documented(page: str, *names: str) -> list[list[str]]:
    """The arguments of the commands that a page shows for a checkpoint, the first of each name."""
    shown = [words for tool, *words in commands(page) if tool == "etsdm" and len(words) > 2]
    return [next(words for words in shown if words[0] == name) for name in names]


def lipschitz(network: AdmUNet, pixels: Tensor, t: int, timesteps: int, **named: Tensor) -> float:
    """K(t - 10, t) of the noise that a network of guided-diffusion predicts, told 1000 t / T, by its definition."""
    betas = torch.linspace(0.1 / timesteps, 20 / timesteps, timesteps, dtype=torch.float64)
    level = torch.cumprod(1 - betas, 0)[t].item()
    noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(0))
    x_t = level**0.5 * (pixels / 127.5 - 1) + (1 - level) ** 0.5 * noise
    with torch.inference_mode():
        at, before = (
            network(x_t, torch.full((len(x_t),), time * 1000 / timesteps), **named)[:, :3] for time in (t, t - 10)
        )
    return (at - before).flatten(1).norm(dim=1).mean().item() / 10


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        ({}, []),
        ({"num_classes": 5}, ["--label", "2"]),
        ({"use_new_attention_order": True}, ["--attention-order", "new"]),
        ({"use_scale_shift_norm": False, "out_channels": 3}, []),
        ({"resblock_updown": False, "attention_ds": (1,)}, []),
        ({}, ["--timesteps", "4000", "--told-up-to", "1000"]),
    ],
    ids=["learned-variance", "class", "new-order", "bias", "convolutions", "improved"],
)
def test_the_line_that_is_documented_measures_k_of_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: dict[str, Any], options: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    network = reference(**LIKE_ADM | flags)
    torch.save(network.state_dict(), "lsun_bedroom.pt")
    pixels = torch.randint(256, (3, 8, 8, 3), generator=torch.Generator().manual_seed(1))
    write_images(Path("images.zip"), pixels.byte().numpy())
    importing, probing = documented("docs/experiments.md", "import", "probe")
    for command in ([*(SMALL.get(word, word) for word in importing), *options], probing):
        done = run(*command)
        assert done.exit_code == 0, done.output
    classes = {"y": torch.full((3,), 2)} if "num_classes" in flags else {}
    expected = [
        lipschitz(network, pixels.permute(0, 3, 1, 2), t, 4000 if "4000" in options else 1000, **classes)
        for t in (10, 100)
    ]
    k = {point["t"]: point["K"] for point in read_json(Path("k.json"))["points"] if point["t"] <= 100}
    assert [k[10], k[100]] == pytest.approx(expected, rel=1e-3)
    assert expected[0] > 0


def test_the_lines_that_are_documented_sample_from_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(reference(**LIKE_ADM).state_dict(), "lsun_bedroom.pt")
    importing, sampling = documented("docs/extending.md", "import", "sample")
    for command in ([SMALL.get(word, word) for word in importing], sampling):
        done = run(*command)
        assert done.exit_code == 0, done.output
    with Image.open("grid.png") as grid:
        assert grid.mode == "RGB" and min(grid.size) >= 8 * 8


def trained(folder: Path, config: Path, method: str) -> Path:
    """The folder of the training that the configuration asks for."""
    spec = next(run.spec for run in load_plan(config).models.values() if run.spec["method"]["name"] == method)
    write_json(folder / "spec.json", spec)
    done = run("train", "--spec", folder / "spec.json", "--data", prepared_digits(), "--out", folder, "--device", "cpu")
    assert done.exit_code == 0, done.output
    return folder


def test_training_goes_on_from_imported_weights_as_etsdm(model: Path, tmp_path: Path) -> None:
    """After one step of a tiny learning rate every weight is near where it started, and none of the moved is there."""
    changes = {"training.images": 32, "training.learning_rate": 1e-6, "training.warmup": 0, "training.ema_half_life": 1}
    out = trained(tmp_path, tuned(tmp_path, model, **changes), "etsdm")
    before, (after, spec) = load_weights(model)[0], load_weights(out / "weights.safetensors")
    assert spec["method"]["name"] == "etsdm"
    assert max((after[name] - before[name]).abs().max() for name in before) < 2e-6
    assert not torch.equal(after["out.2.weight"], before["out.2.weight"])
    assert sha256(model) in read_json(out / "manifest.json")["inputs"].values()


def test_no_images_make_the_initial_network_a_model_as_it_is(model: Path, tmp_path: Path) -> None:
    config = tuned(tmp_path, model, **{"training.images": 0})
    out = trained(tmp_path, config, "ddpm")
    before, after = load_weights(model)[0], load_weights(out / "weights.safetensors")[0]
    assert all(torch.equal(after[name], before[name]) for name in before)
    models = {"models/mine": load_plan(config).inventory()["models"].popitem()[1]}
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine").symlink_to(out)
    assert collect_losses({"models": models}, tmp_path).empty


def test_other_initial_weights_make_another_model(model: Path, tmp_path: Path) -> None:
    def paths(**changes: Any) -> set[str]:
        return set(load_plan(tuned(tmp_path, model, **changes), look=False).models)

    other = {"weights": str(model), "sha256": "0" * 64}
    assert not paths() & paths(**{"training.initial": other})
    assert not paths() & paths(**{"training.initial": None})
    plan = load_plan(write_config(tmp_path / "plain.yaml"), look=False)
    assert all("initial" not in run.spec["training"] for run in plan.models.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training.initial": {"weights": "none.safetensors", "sha256": "0" * 64}}, "none.safetensors"),
        ({"network.blocks": 2}, "has blocks 1, where a training has 2"),
        ({"network.heads": 4}, "has heads 2, where a training has 4"),
        ({"datasets": {"digits": {"source": "bundled", "bundle": "photos", "resolution": 8}}}, "channels of images 1"),
        ({"training.initial": None, "training.images": 0}, "images = 0 takes the `initial` weights"),
    ],
)
def test_initial_weights_that_do_not_fit_are_refused(
    model: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        load_plan(tuned(tmp_path, model, **changes))


def test_home_and_variables_in_paths_of_weights_are_replaced(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRATCH", str(model.parent))
    initial = {"weights": f"$SCRATCH/{model.name}", "sha256": sha256(model)}
    (spec, *_) = (
        run.spec for run in load_plan(tuned(tmp_path, model, **{"training.initial": initial})).models.values()
    )
    assert spec["training"]["initial"] == initial
    with pytest.raises(UserError, match="not the Inception weights"):  # but found
        provide_inception(f"$SCRATCH/{model.name}", tmp_path / "inception.pt")


def test_initial_weights_of_another_digest_are_refused(model: Path, tmp_path: Path) -> None:
    other = {"weights": str(model), "sha256": "0" * 64}
    with pytest.raises(UserError, match="has the SHA-256"):
        load_plan(tuned(tmp_path, model, **{"training.initial": other}))
