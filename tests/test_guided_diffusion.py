"""Checkpoints in guided-diffusion's layout: what becomes of them, and what is refused."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from adm import AdmUNet
from checkpoints import DIGITS, LIKE_ADM, imported, reference, run, tuned
from torch import Tensor

from etsdm.errors import UserError
from etsdm.models.guided_diffusion import check_tensors, read_checkpoint, recognise, without_variance
from etsdm.models.spec import read_model_spec
from etsdm.models.trained import load_network, load_predictor
from etsdm.models.weights import load_weights
from etsdm.plan.plan import load_plan
from etsdm.runtime.files import read_json, sha256

MULTIPLIERS = (1, 1, 2, 2, 4, 4)


def inputs(channels: int, resolution: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(2, channels, resolution, resolution, generator=torch.Generator().manual_seed(1))
    return x, torch.tensor([3.0, 871.0])


def same(weights: Path, expected: Tensor, x: Tensor, t: Tensor) -> None:
    """The imported network gives what is expected of images and times, to 1e-5."""
    network, _ = load_network(weights)
    with torch.inference_mode():
        torch.testing.assert_close(network(x, t), expected, atol=1e-5, rtol=1e-5)
    assert expected.std() > 0.1


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        ({}, ["--head-channels", 16]),
        ({"use_new_attention_order": True}, ["--head-channels", 16, "--attention-order", "new"]),
        ({"num_heads": 4, "num_head_channels": -1}, ["--heads", 4]),
        (
            {"num_heads": 4, "num_head_channels": -1, "use_new_attention_order": True},
            ["--heads", 4, "--attention-order", "new"],
        ),
        ({"use_scale_shift_norm": False, "out_channels": 3}, ["--head-channels", 16]),
        ({"resblock_updown": False, "attention_ds": (1,), "channel_mult": (1, 2, 3, 4)}, ["--head-channels", 16]),
        ({"channel_mult": (2,), "num_res_blocks": 1, "attention_ds": ()}, ["--head-channels", 16]),
    ],
    ids=["adm", "new-order", "heads", "heads-new-order", "bias", "convolutions", "one-level"],
)
def test_an_imported_network_gives_what_the_reference_does(
    tmp_path: Path, flags: dict[str, Any], options: list[object]
) -> None:
    network = reference(**LIKE_ADM | flags)
    x, t = inputs(3, 16)
    with torch.inference_mode():
        expected = network(x, t)[:, :3]
    same(imported(tmp_path, network, 16, *options), expected, x, t)


@pytest.mark.parametrize(
    ("flags", "attention", "parameters"),
    [
        ({"num_channels": 128, "num_res_blocks": 1, "attention_ds": (16,), "out_channels": 3}, [16], 93_560_451),
        ({"num_channels": 256, "num_res_blocks": 2, "attention_ds": (8, 16, 32)}, [32, 16, 8], 552_807_171),
    ],
    ids=["256-px-recipe", "lsun"],
)
def test_networks_of_published_size_are_recognised(
    flags: dict[str, Any], attention: list[int], parameters: int
) -> None:
    with torch.device("meta"):
        network = AdmUNet(
            **{"in_channels": 3, "out_channels": 6, "channel_mult": MULTIPLIERS, "num_head_channels": 64} | flags
        )
    settings = recognise(network.state_dict(), 256, None, 64, 32)
    assert settings["multipliers"] == list(MULTIPLIERS)
    assert (settings["blocks"], settings["attention"]) == (flags["num_res_blocks"], attention)
    tensors, channels = without_variance(network.state_dict())
    images = {"name": "lsun", "resolution": 256, "channels": channels}
    check_tensors(tensors, read_model_spec(SOME | {"dataset": images, "network": settings}))
    assert sum(tensor.numel() for tensor in tensors.values()) == parameters


SOME = {"task": {"name": "generation"}, "diffusion": {}, "method": {"name": "ddpm"}}


@pytest.mark.parametrize("label", [0, 4])
def test_a_class_is_written_into_the_network(tmp_path: Path, label: int) -> None:
    network = reference(**LIKE_ADM, num_classes=5)
    x, t = inputs(3, 8)
    with torch.inference_mode():
        expected = network(x, t, torch.full((2,), label))[:, :3]
    weights = imported(tmp_path, network, 8, "--head-channels", 16, "--label", label)
    same(weights, expected, x, t)
    assert load_weights(weights)[1]["imported"]["label"] == label


def under(start: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {start + name: tensor for name, tensor in tensors.items()}


WRAPPED: dict[str, Callable[[dict[str, Tensor], dict[str, Tensor]], Any]] = {
    "module.": lambda net, _: under("module.", net),
    "_orig_mod.module.": lambda net, _: under("_orig_mod.module.", net),
    "model.": lambda net, _: {"model": net, "opt": {"state": {0: {"step": 3}}}, "step": 3},
    "state_dict.model.": lambda net, _: {"epoch": 1, "state_dict": under("model.", net)},
    "ema_model.": lambda net, other: {"net_model": other, "ema_model": net, "x_T": torch.zeros(1)},
    "model_ema.": lambda net, other: {"model": other, "model_ema": net},
    "ema.ema_model.": lambda net, other: {
        "model": other,
        "ema": {"step": torch.tensor(3)} | under("online_model.", other) | under("ema_model.", net),
    },
}
"""What trainers save, by what stands before the network's names; the second network is the one that is not averaged."""


@pytest.mark.parametrize(("start", "wrap"), WRAPPED.items(), ids=WRAPPED.keys())
def test_a_network_in_a_trainers_checkpoint_is_found_and_named(
    tmp_path: Path, start: str, wrap: Callable[..., Any]
) -> None:
    net = dict(reference(**DIGITS).state_dict())
    torch.save(wrap(net, {name: tensor + 1 for name, tensor in net.items()}), tmp_path / "checkpoint.pt")
    options = ["--name", "mine", "--resolution", 8, "--heads", 2, "--out", tmp_path / "model"]
    done = run("import", tmp_path / "checkpoint.pt", *options)
    assert done.exit_code == 0, done.output
    assert f"took the network under '{start}'" in done.stderr
    tensors, _ = load_weights(tmp_path / "model" / "weights.safetensors")
    assert torch.equal(tensors["time_embed.0.weight"], net["time_embed.0.weight"])
    assert torch.equal(tensors["out.2.bias"], net["out.2.bias"][:1])


def test_what_the_file_does_not_tell_is_said(tmp_path: Path) -> None:
    for flags, options, words in (
        ({}, ["--head-channels", 16], "--head-channels cannot be told from the file; with 16 channels a head"),
        ({"num_heads": 4}, ["--heads", 4], "--heads cannot be told from the file; with 4 heads, each has 16 channels"),
    ):
        torch.save(reference(**LIKE_ADM | flags).state_dict(), tmp_path / "checkpoint.pt")
        files = [tmp_path / "checkpoint.pt", "--out", tmp_path / "model"]
        done = run("import", *files, "--name", "mine", "--resolution", 16, *options)
        assert words in done.stderr
        assert "with 16 px, the network attends at 8 px and 4 px" in done.stderr


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    network = reference(**DIGITS).half()
    tensors, _ = load_weights(imported(tmp_path, network, 8, "--heads", 2))
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    assert torch.equal(tensors["out.2.weight"], network.out[2].weight[:1].float())


def test_the_specification_says_what_was_given_and_what_was_recognised(tmp_path: Path) -> None:
    schedule = ["--schedule", "cosine", "--timesteps", 4000, "--prediction", "v"]
    torch.save(reference(**LIKE_ADM).state_dict(), tmp_path / "checkpoint.pt")
    options = ["--name", "mine", "--resolution", 16, "--head-channels", 16, *schedule]
    done = run("import", tmp_path / "checkpoint.pt", *options, "--out", tmp_path / "model")
    weights = tmp_path / "model" / "weights.safetensors"
    predict, network_spec = load_predictor(weights, torch.device("cpu"))
    spec = network_spec.json_values()
    assert spec["network"] == {
        "channels": 32,
        "multipliers": [1, 2, 2],
        "blocks": 2,
        "attention": [8, 4],
        "heads": 1,
        "head_channels": 16,
        "dropout": 0.0,
        "norm_groups": 32,
        "scale_shift_norm": True,
        "resblock_updown": True,
    }
    assert spec["dataset"] == {"name": "mine", "resolution": 16, "channels": 3}
    assert (predict.schedule.name, predict.schedule.timesteps) == ("cosine", 4000)
    assert spec["diffusion"]["prediction"] == "v"
    assert yaml.safe_load(done.stdout) == {
        "network": spec["network"],
        "training": {"initial": {"weights": str(weights), "sha256": sha256(weights)}},
    }
    assert "warning: the network's time input will be t = 0, ..., 3999" in done.stderr
    manifest = read_json(tmp_path / "model" / "manifest.json")
    assert manifest["inputs"] == {"checkpoint.pt": spec["imported"]["sha256"]}
    assert manifest["outputs"] == {"weights.safetensors": sha256(weights)}


def test_a_network_that_was_told_scaled_times_is_told_them_again(tmp_path: Path) -> None:
    """improved-diffusion's networks of 4,000 steps were told t / 4."""
    network = reference(**DIGITS)
    x, _ = inputs(1, 8)
    t = torch.tensor([3.0, 3871.0])
    with torch.inference_mode():
        expected = network(x, t / 4)[:, :1]
    options = ["--heads", 2, "--timesteps", 4000, "--told-up-to", 1000]
    weights = imported(tmp_path, network, 8, *options)
    same(weights, expected, x, t)
    done = run("export", "--weights", weights, "--out", tmp_path / "exported")
    assert done.exit_code == 2 and "it is told times up to 1000" in done.output
    with pytest.raises(UserError, match="is told times up to 1000; trainings tell their networks t itself"):
        load_plan(tuned(tmp_path, weights))


class Trap:
    """Unpickled, it touches a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {shlex.quote(str(self.file))}",)


def refused(folder: Path, content: Any, message: str, *options: object, name: str = "checkpoint.pt") -> None:
    if isinstance(content, bytes):
        (folder / name).write_bytes(content)
    else:
        torch.save(content, folder / name)
    heads = () if "--heads" in options else ("--head-channels", 16)
    done = run(
        "import", folder / name, "--name", "mine", "--resolution", 16, "--out", folder / "model", *heads, *options
    )
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert "Traceback" not in done.output
    assert not (folder / "model" / "weights.safetensors").exists()


def test_a_hostile_checkpoint_is_refused_and_not_run(tmp_path: Path) -> None:
    trapped = reference(**DIGITS).state_dict() | {"trap": Trap(tmp_path / "sprung")}
    refused(tmp_path, trapped, "not a readable checkpoint")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["checkpoint.pt", "checkpoint.safetensors"])
def test_an_empty_checkpoint_is_called_empty(tmp_path: Path, name: str) -> None:
    refused(tmp_path, b"", "the file is empty; download it again", name=name)


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"not weights at all"])
@pytest.mark.parametrize("name", ["checkpoint.pt", "checkpoint.safetensors"])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, content: bytes, name: str) -> None:
    refused(tmp_path, content, "not a readable checkpoint", name=name)


@pytest.mark.parametrize("name", ["checkpoint.pt", "checkpoint.safetensors"])
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\n<!DOCTYPE html><html>Virus scan warning</html>", "an HTML page"),
        (b"<HTML lang='en'>404", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a pointer of Git LFS"),
    ],
)
def test_what_a_download_left_instead_is_named(tmp_path: Path, content: bytes, kind: str, name: str) -> None:
    refused(tmp_path, content, f"{name}: looks like {kind}, not a checkpoint; download the file itself", name=name)


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_a_checkpoint_that_is_not_finite_is_refused(tmp_path: Path, wrong: float) -> None:
    state = reference(**DIGITS).half().state_dict()
    state["out.2.bias"][1] = wrong
    refused(tmp_path, state, "out.2.bias: 1 of 2 values are not finite, the first at [1]", "--heads", 2)


@pytest.mark.parametrize(
    ("flags", "options", "message"),
    [
        ({"num_classes": 5}, [], "--label 0 to 4"),
        ({"num_classes": 5}, ["--label", 5], "has 5 classes, so none is number 5"),
        ({}, ["--label", 1], "has no classes"),
        ({"in_channels": 6}, [], "takes 6 channels and gives 6"),
        ({"channel_mult": (0.5, 1, 1), "num_channels": 64}, [], "no whole multiples of 64"),
        ({}, ["--head-channels", 24], "head_channels = 24 does not divide the 64 channels"),
        ({}, ["--resolution", 18], "multiple of 4 px"),
        ({}, ["--heads", 2, "--head-channels", 16], "either --heads or --head-channels"),
    ],
)
def test_a_network_that_ours_cannot_be_is_refused(
    tmp_path: Path, flags: dict[str, Any], options: list[object], message: str
) -> None:
    refused(tmp_path, reference(**LIKE_ADM | flags).state_dict(), message, *options)


def test_notes_beside_the_tensors_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = reference(**LIKE_ADM).state_dict()
    for notes in ({"steps": 3}, {"steps": 3, "loss": 0.5, "name": "mine", "best": None}):
        torch.save(state | notes, tmp_path / "noted.pt")
        assert read_checkpoint(tmp_path / "noted.pt").keys() == state.keys()
        names = ", ".join(f"'{name}'" for name in notes)
        assert f"left out {names}: notes, not tensors" in capsys.readouterr().err


def test_what_is_no_such_network_is_refused(tmp_path: Path) -> None:
    state = reference(**LIKE_ADM).state_dict()
    refused(tmp_path, torch.zeros(1), "not a state_dict: it must map names to tensors")
    refused(tmp_path, state | {"steps": [3]}, "not a state_dict: steps is of type list, and no tensor")
    refused(tmp_path, {"a": state, "b": state}, "holds several networks, under 'a.', 'b.'; save the one")
    adam = {"state": {0: {"exp_avg": torch.zeros(1)}}, "param_groups": [{"lr": 1e-4}]}
    refused(tmp_path, adam, "no tensor 'time_embed.0.weight'; it holds 'state', 'param_groups'")
    refused(tmp_path, {"weight": torch.zeros(1)}, "no tensor 'time_embed.0.weight'; it holds 'weight'")
    refused(
        tmp_path,
        {k: v for k, v in state.items() if k != "middle_block.1.norm.bias"},
        "middle_block.1.norm.bias is missing",
    )
    refused(tmp_path, state | {"out.3.weight": torch.zeros(1)}, "out.3.weight is (1,) and not there")
