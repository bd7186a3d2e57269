"""What is installed when a distribution is: its own files, what it declares, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.packaging.built import DISTRIBUTIONS, ROOT, Built, Environment

if TYPE_CHECKING:
    from collections.abc import Callable

BACKENDS = DISTRIBUTIONS[1:]

MODULES = {name: name.replace("-", "_") for name in BACKENDS} | {"torchx-core": "torchx"}

NEEDS = {
    "torchx-core": {"pluggy", "fsspec", "pyyaml", "docstring-parser", "rich", "shtab", "tomli"},
    "torchx-docker": {"torchx-core", "docker", "requests", "zstandard", "isal"},
    "torchx-k8s": {"torchx-core", "kubernetes"},
    "torchx-slurm": {"torchx-core"},
    "torchx-lsf": {"torchx-core"},
    "torchx-aws": {"torchx-core", "boto3"},
}
"""What each distribution requires, extras left out."""

CLIENTS = {"docker", "kubernetes", "boto3", "botocore", "torch", "requests"}
"""What only the distribution that needs it may bring."""

every = pytest.mark.parametrize("name", DISTRIBUTIONS)


@every
def test_wheel_holds_its_module_and_nothing_else(built: Built, name: str) -> None:
    assert {path.partition("/")[0] for path in built.files(name)} == {MODULES[name]}


@every
def test_wheel_holds_every_source_file(built: Built, name: str) -> None:
    source = ROOT / "packages" / name / "src"
    files = [path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()]
    wanted = [path for path in files if "__pycache__" not in path and "/." not in path]
    assert sorted(built.files(name)) == sorted(wanted)


@every
def test_wheel_is_typed(built: Built, name: str) -> None:
    assert f"{MODULES[name]}/py.typed" in built.files(name)


def test_no_two_wheels_share_a_file_or_folder(built: Built) -> None:
    owners: dict[str, str] = {}
    for name in DISTRIBUTIONS:
        for path in built.files(name):
            parents = [path, *(parent.as_posix() for parent in Path(path).parents)]
            for part in set(parents) - {"."}:
                assert owners.setdefault(part, name) == name, f"{part} is in {owners[part]} and {name}"


@every
def test_wheel_has_metadata_for_the_index(built: Built, name: str) -> None:
    metadata = built.metadata(name)
    assert metadata["Name"] == name
    assert re.fullmatch(r"\d+\.\d+\.\d+", metadata["Version"])
    assert metadata["Summary"]
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata["License-File"] == "LICENSE"
    assert built.info(name, "licenses/LICENSE").startswith("BSD 3-Clause License")
    assert metadata.get_payload() == (ROOT / "packages" / name / "README.md").read_text()


@every
def test_wheel_declares_what_it_needs(built: Built, name: str) -> None:
    requirements = built.metadata(name).get_all("Requires-Dist") or []
    needed = {re.split(r"[^\w.-]", line)[0].lower() for line in requirements if "extra ==" not in line}
    assert needed == NEEDS[name]


@pytest.mark.parametrize("name", BACKENDS)
def test_backend_takes_any_core_up_to_the_next_major_version(built: Built, name: str) -> None:
    requirements = built.metadata(name).get_all("Requires-Dist") or []
    major, minor, _ = built.metadata("torchx-core")["Version"].split(".")
    lower, upper = f">={major}.{minor}", f"<{int(major) + 1}"
    core = [line for line in requirements if line.startswith("torchx-core")]
    assert [set(line.removeprefix("torchx-core").split(",")) for line in core] == [{lower, upper}]


@every
def test_wheel_registers_itself(built: Built, name: str) -> None:
    found = built.entry_points(name)
    if name == "torchx-core":
        assert found == {"console_scripts": {"torchx": "torchx._start:main"}}
    else:
        assert found == {"torchx.plugins": {name: f"{MODULES[name]}.plugin"}}


@every
def test_source_distribution_can_be_built_and_read(built: Built, name: str) -> None:
    files = built.source_files(name)
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "PKG-INFO"} <= set(files)
    assert set(built.files(name)) <= {path.removeprefix("src/") for path in files}
    assert [path for path in files if "__pycache__" in path or path.startswith("tests")] == []


@every
def test_install_brings_no_client_of_another_backend(
    built: Built, new_environment: Callable[..., Environment], name: str
) -> None:
    wheels = dict.fromkeys([str(built.wheel("torchx-core")), str(built.wheel(name))])
    said = new_environment().install(*wheels, dry_run=True)
    brought = {line.split()[1].partition("==")[0] for line in said.splitlines() if line.strip().startswith("+ ")}
    assert name in brought
    allowed = {"torchx-docker": {"docker", "requests"}, "torchx-k8s": {"kubernetes", "requests"}}
    assert brought & CLIENTS <= allowed.get(name, {"boto3", "botocore"} if name == "torchx-aws" else set())
    assert {other for other in brought if other.startswith("torchx-")} == {"torchx-core", name}


def test_core_alone_runs_a_job(built: Built, new_environment: Callable[..., Environment]) -> None:
    environment = new_environment(str(built.wheel("torchx-core")))
    done = environment.torchx("run", "-s", "local_cwd", "utils.echo", "--msg", "from a wheel")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("local_cwd://torchx/")
    assert "from a wheel" in done.stderr
    listed = environment.run(str(environment.python), "-m", "torchx", "plugins", "--json")
    assert '"torchx-core"' in listed.stdout


def test_backends_are_seen_beside_each_other(built: Built, new_environment: Callable[..., Environment]) -> None:
    environment = new_environment(*(str(built.wheel(name)) for name in ("torchx-core", "torchx-slurm", "torchx-lsf")))
    listed = environment.torchx("plugins").stdout
    assert all(name in listed for name in ("torchx-core", "torchx-slurm", "torchx-lsf"))
    environment.uninstall("torchx-lsf")
    assert "torchx-lsf" not in environment.torchx("plugins").stdout
    assert environment.torchx("run", "utils.echo").returncode == 0
