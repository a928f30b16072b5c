"""What `etsdm export` writes, as diffusers itself loads it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from diffusers import DDIMPipeline, UNet2DModel
from trained import model_spec, write_weights
from typed import build_network

from etsdm.cli import main
from etsdm.data.pixels import to_pixels
from etsdm.models.trained import load_network, load_predictor
from etsdm.models.weights import save_weights
from etsdm.runtime.files import read_json, sha256
from etsdm.solvers.ddim import ddim
from etsdm.solvers.solver import data_prediction

CPU = torch.device("cpu")
NETWORK: dict[str, Any] = {
    "channels": 16,
    "multipliers": [1, 2, 2],
    "blocks": 2,
    "attention": [8, 4],
    "heads": 1,
    "head_channels": 8,
    "dropout": 0.1,
    "norm_groups": 4,
    "scale_shift_norm": True,
    "resblock_updown": True,
}
DIFFUSION = {"schedule": "linear", "timesteps": 50, "time": "discrete", "tau_min": 1e-3, "prediction": "eps"}
ETSDM = {"name": "etsdm", "t_tilde": 20, "n": 2, "partition": "uniform"}


def specification(network: dict[str, Any], diffusion: dict[str, Any], method: dict[str, Any]) -> dict[str, Any]:
    return {
        "task": {"name": "generation"},
        "dataset": {"name": "mine", "resolution": 16, "channels": 3},
        "network": NETWORK | network,
        "diffusion": DIFFUSION | diffusion,
        "method": method,
    }


def random_weights(path: Path, spec: dict[str, Any]) -> Path:
    """Weights of that specification as they start, with random numbers instead of zeros."""
    torch.manual_seed(0)
    start = build_network(spec).state_dict()
    state = {name: tensor if tensor.any() else 0.2 * torch.randn(tensor.shape) for name, tensor in start.items()}
    save_weights(path, state, spec)
    return path


def export(weights: Path, folder: Path) -> Path:
    done = CliRunner().invoke(main, ["export", "--weights", str(weights), "--out", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"scale_shift_norm": False},
        {"resblock_updown": False},
        {"resblock_updown": False, "scale_shift_norm": False, "attention": []},
        {"attention": [16], "multipliers": [1, 2], "blocks": 1},
        {"head_channels": None, "heads": 4},
        {"multipliers": [1], "attention": [], "blocks": 1},
    ],
    ids=["adm", "bias", "convolutions", "ddpm", "attention-on-top", "heads", "one-level"],
)
@pytest.mark.parametrize("method", [{"name": "ddpm"}, ETSDM], ids=["ddpm", "etsdm"])
def test_the_network_gives_the_same_in_diffusers(
    tmp_path: Path, changes: dict[str, Any], method: dict[str, Any]
) -> None:
    weights = random_weights(tmp_path / "weights.safetensors", specification(changes, {}, method))
    theirs, loading = UNet2DModel.from_pretrained(export(weights, tmp_path / "out") / "unet", output_loading_info=True)
    assert not any(loading.values()), loading
    predict, _ = load_predictor(weights, CPU)
    x, t = torch.randn(3, 3, 16, 16), torch.tensor([0, 13, 49])
    with torch.inference_mode():
        ours = predict(x, t.double())
        torch.testing.assert_close(theirs(x, t).sample, ours, atol=1e-4, rtol=0)
    assert ours.std() > 0.1


@pytest.mark.parametrize("method", ["ddpm", "etsdm"])
def test_a_trained_network_gives_the_same_images_in_diffusers(tmp_path: Path, method: str) -> None:
    """By DDIM in 20 of 1000 steps: one step at a time to 1e-4, then by the pipeline, to a rounding of 8 bits."""
    weights = write_weights(tmp_path / "weights.safetensors", method)
    pipeline = DDIMPipeline.from_pretrained(export(weights, tmp_path / "out"))
    pipeline.set_progress_bar_config(disable=True)
    predict, _ = load_predictor(weights, CPU)
    times = list(range(999, 0, -50))
    x = noise = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    pipeline.scheduler.set_timesteps(20)
    assert pipeline.scheduler.timesteps.tolist() == times
    with torch.inference_mode():
        for t in pipeline.scheduler.timesteps:
            x = pipeline.scheduler.step(pipeline.unet(x, t).sample, t, x).prev_sample
        last = ddim(predict, predict.schedule, noise, times, 0.0, lambda: noise)
        ours = data_prediction(predict, predict.schedule, last, times[-1])
    torch.testing.assert_close(x, ours, atol=1e-4, rtol=0)
    assert ours.std() > 0.3
    drawn = pipeline(4, torch.Generator().manual_seed(1), num_inference_steps=20, output_type="np").images
    assert abs((255 * drawn).round() - to_pixels(ours).numpy()).max() <= 1


@pytest.mark.parametrize(
    ("diffusion", "method"),
    [
        ({"schedule": "cosine", "prediction": "v"}, {"name": "ddpm"}),
        ({"schedule": "zero-terminal-snr", "prediction": "x_0"}, {"name": "remap", "map": "sigma"}),
        ({"schedule": "quadratic", "timesteps": 200}, {"name": "modified-schedule", "t_tilde": 20}),
    ],
)
def test_schedule_prediction_and_condition_are_those_of_the_model(
    tmp_path: Path, diffusion: dict[str, Any], method: dict[str, Any]
) -> None:
    weights = random_weights(tmp_path / "weights.safetensors", specification({}, diffusion, method))
    pipeline = DDIMPipeline.from_pretrained(export(weights, tmp_path / "out"))
    predict, _ = load_predictor(weights, CPU)
    scheduler, schedule = pipeline.scheduler, predict.schedule
    alphas = torch.from_numpy(schedule.alpha(torch.arange(schedule.timesteps).numpy()))
    torch.testing.assert_close(scheduler.alphas_cumprod.double().sqrt(), alphas, atol=2e-6, rtol=1e-4)
    scheduler.set_timesteps(scheduler.config.num_train_timesteps)
    x = torch.randn(2, 3, 16, 16)
    with torch.inference_mode():
        for t in (schedule.timesteps - 2, 7):
            stepped = scheduler.step(pipeline.unet(x, t).sample, t, x).prev_sample
            ours = ddim(predict, schedule, x, [t, t - 1], 0.0, lambda: x)
            torch.testing.assert_close(stepped, ours, atol=1e-3, rtol=1e-4)


def test_sharing_is_in_the_table_of_times(tmp_path: Path) -> None:
    weights = random_weights(tmp_path / "weights.safetensors", specification({}, {}, ETSDM))
    unet = UNet2DModel.from_pretrained(export(weights, tmp_path / "out") / "unet")
    x = torch.randn(1, 3, 16, 16)
    with torch.inference_mode():
        at = {t: unet(x, torch.tensor([t])).sample for t in (9, 10, 19, 20)}
    assert torch.equal(at[10], at[19])
    assert not torch.equal(at[9], at[10])
    assert not torch.equal(at[19], at[20])


@pytest.mark.parametrize(
    ("network", "diffusion", "method", "reason"),
    [
        ({"multipliers": [2, 2, 2]}, {}, {"name": "ddpm"}, "first level has 2 times the channels"),
        (
            {"heads": 2, "head_channels": None, "attention": [16]},
            {},
            {"name": "ddpm"},
            "2 attention heads at every width",
        ),
        ({}, {"time": "continuous"}, {"name": "ddpm"}, "continuous time"),
        ({}, {"schedule": "zero-terminal-snr"}, {"name": "ddpm"}, "ends without signal"),
        ({}, {"schedule": "flow", "prediction": "flow"}, {"name": "ddpm"}, "straight path"),
        ({}, {"prediction": "flow"}, {"name": "ddpm"}, "straight path"),
        ({}, {}, {"name": "score-weighted"}, "predicts the score"),
        ({}, {}, {"name": "score-weighted", "output": "over-sigma"}, "predicts the score"),
        ({}, {}, ETSDM | {"name": "shared-noise"}, "shared inside sub-intervals"),
    ],
)
def test_what_diffusers_cannot_express_is_refused(
    tmp_path: Path, network: dict[str, Any], diffusion: dict[str, Any], method: dict[str, Any], reason: str
) -> None:
    weights = random_weights(tmp_path / "weights.safetensors", specification(network, diffusion, method))
    done = CliRunner().invoke(main, ["export", "--weights", str(weights), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert f"{weights}: cannot be exported: " in done.output and reason in done.output
    assert not (tmp_path / "out" / "unet").exists()


def test_a_network_for_super_resolution_is_refused(tmp_path: Path) -> None:
    spec = specification({}, {}, {"name": "ddpm"}) | {"task": {"name": "super-resolution", "factor": 2}}
    weights = random_weights(tmp_path / "weights.safetensors", spec)
    done = CliRunner().invoke(main, ["export", "--weights", str(weights), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "super-resolution" in done.output


def test_exporting_needs_no_diffusers_and_leaves_a_manifest(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "weights.safetensors")
    code = f"""
import sys
sys.modules["diffusers"] = None
from etsdm.cli import main
main(["export", "--weights", {str(weights)!r}, "--out", {str(tmp_path / "out")!r}])
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    written = read_json(tmp_path / "out" / "manifest.json")
    assert written["inputs"] == {weights.name: sha256(weights)}
    assert written["outputs"]["diffusion_pytorch_model.safetensors"]
    assert model_spec("ddpm")["network"] == load_network(weights)[1].json_values()["network"]
