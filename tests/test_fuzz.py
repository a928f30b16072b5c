"""Random and mutated configurations: each runs or is refused in plain words, and none ends in a traceback."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from configs import FEW, every
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etsdm.cli import main

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**31, 10**30, -(10**30)]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["ddpm", "etsdm", "ddim", "linear", "continuous", "v", "digits", "../x", "a b", "$(id)", "\n", "ü"]
    ),
    st.dates(),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=6,
)


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a configuration, by the keys that lead to it."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(path for key, part in inside for path in paths(part, (*here, key)))]


def mutate(config: Any, path: tuple[Any, ...], how: str, value: Any) -> Any:
    """The configuration with one place replaced, removed, renamed or given something more."""
    if not path:
        return value
    block = config
    for key in path[:-1]:
        block = block[key]
    if how == "replace":
        block[path[-1]] = value
    elif how == "remove":
        del block[path[-1]]
    elif isinstance(block, dict):
        block[str(value)[:20]] = block.pop(path[-1]) if how == "rename" else value
    else:
        block.append(value if how == "add" else block[path[-1]])
    return config


def every_short() -> dict[str, Any]:
    """Every experiment, and each short form."""
    config = every(network={"preset": "small"}, **{"training.preset": "small"})
    config["experiments"]["defaults"] = {"datasets": ["digits"], "methods": ["ddpm"], "solvers": FEW}
    config["experiments"]["predictions"] = {"predictions": ["v"]}
    return config


@st.composite
def mutated(draw: st.DrawFn) -> str:
    config = copy.deepcopy(draw(st.sampled_from([every(), every_short()])))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(paths(config)[1:] or [()]))
        config = mutate(config, path, draw(st.sampled_from(["replace", "remove", "rename", "add"])), draw(VALUES))
        if not isinstance(config, dict):
            break
    return yaml.safe_dump(config, allow_unicode=draw(st.booleans()))


@st.composite
def garbled(draw: st.DrawFn) -> str:
    """The text of a configuration with a piece cut out, doubled or overwritten."""
    text = yaml.safe_dump(every())
    start = draw(st.integers(0, len(text)))
    stop = draw(st.integers(start, min(len(text), start + 60)))
    return (
        text[:start]
        + draw(st.sampled_from(["", text[start:stop] * 2, "\t", "{", "&a *a", "\x00", "!!python/name:os.system"]))
        + text[stop:]
    )


def check(text: str, folder: Path) -> None:
    file = folder / "config.yaml"
    file.write_text(text, encoding="utf-8", newline="")
    done = CliRunner().invoke(main, ["check", str(file)])
    assert done.exit_code in (0, 2), done.output
    assert isinstance(done.exception, SystemExit | None)
    assert "Traceback" not in done.output
    if done.exit_code == 2:
        assert all(line.startswith("etsdm: error: ") and len(line) < 2000 for line in done.output.splitlines())
        assert done.output.count("\n") <= 40


FUZZ = settings(
    max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(mutated())
def test_a_mutated_configuration_runs_or_is_refused(tmp_path: Path, text: str) -> None:
    check(text, tmp_path)


@pytest.mark.slow
@settings(FUZZ, max_examples=500)
@given(mutated())
def test_many_mutated_configurations_run_or_are_refused(tmp_path: Path, text: str) -> None:
    check(text, tmp_path)


@settings(FUZZ, max_examples=200)
@given(st.one_of(garbled(), VALUES.map(yaml.safe_dump), st.text(max_size=50)))
def test_a_file_that_is_hardly_a_configuration_is_refused(tmp_path: Path, text: str) -> None:
    check(text, tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"name: [", b"- a\n- b\n", b"a: &x [*x]\n", b"a: &a [1]\nb: [*a,*a]"]
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    done = CliRunner().invoke(main, ["check", str(tmp_path / "config.yaml")])
    assert done.exit_code == 2
    assert "Traceback" not in done.output
