from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from torchx.errors import TorchXError, UsageError
from torchx.specs import (
    Resource,
    get_named_resources,
    named_resources,
    named_resources_aws,
    named_resources_generic,
    resource,
)

if TYPE_CHECKING:
    import pathlib

GENERIC = [
    ("gpu.small", 8, 1, 32768),
    ("gpu.medium", 16, 2, 65536),
    ("gpu.large", 32, 4, 131072),
    ("gpu.xlarge", 64, 8, 262144),
    ("cpu.nano", 1, 0, 512),
    ("cpu.micro", 1, 0, 1024),
    ("cpu.small", 1, 0, 2048),
    ("cpu.medium", 2, 0, 4096),
    ("cpu.large", 2, 0, 8192),
    ("cpu.xlarge", 8, 0, 32768),
]

# name, vCPU, GPU, MB, devices
AWS = [
    ("aws_t3.medium", 2, 0, 3932, {}),
    ("aws_m5.large", 2, 0, 7864, {}),
    ("aws_m5.xlarge", 4, 0, 15728, {}),
    ("aws_m5.2xlarge", 8, 0, 31456, {}),
    ("aws_m5.4xlarge", 16, 0, 62912, {}),
    ("aws_m5.8xlarge", 32, 0, 125824, {}),
    ("aws_m5.12xlarge", 48, 0, 188736, {}),
    ("aws_m5.16xlarge", 64, 0, 251648, {}),
    ("aws_m5.24xlarge", 96, 0, 377472, {}),
    ("aws_m5.metal", 96, 0, 377472, {}),
    ("aws_m5d.large", 2, 0, 7864, {}),
    ("aws_m5d.xlarge", 4, 0, 15728, {}),
    ("aws_m5d.2xlarge", 8, 0, 31456, {}),
    ("aws_m5d.4xlarge", 16, 0, 62912, {}),
    ("aws_m5d.8xlarge", 32, 0, 125824, {}),
    ("aws_m5d.12xlarge", 48, 0, 188736, {}),
    ("aws_m5d.16xlarge", 64, 0, 251648, {}),
    ("aws_m5d.24xlarge", 96, 0, 377472, {}),
    ("aws_m5d.metal", 96, 0, 377472, {}),
    ("aws_c5.18xlarge", 72, 0, 139586, {}),
    ("aws_p3.2xlarge", 8, 1, 59963, {}),
    ("aws_p3.8xlarge", 32, 4, 239852, {}),
    ("aws_p3.16xlarge", 64, 8, 479704, {}),
    ("aws_p3dn.24xlarge", 96, 8, 754944, {"vpc.amazonaws.com/efa": 1}),
    ("aws_p4d.24xlarge", 96, 8, 1132416, {"vpc.amazonaws.com/efa": 4}),
    ("aws_p4de.24xlarge", 96, 8, 1132416, {"vpc.amazonaws.com/efa": 4}),
    ("aws_p5.48xlarge", 192, 8, 2013184, {"vpc.amazonaws.com/efa": 32}),
    ("aws_p5e.48xlarge", 192, 8, 2013184, {"vpc.amazonaws.com/efa": 32}),
    ("aws_p5en.48xlarge", 192, 8, 2013184, {"vpc.amazonaws.com/efa": 16}),
    ("aws_p6-b200.48xlarge", 192, 8, 2013184, {"vpc.amazonaws.com/efa": 8}),
    ("aws_p6-b300.48xlarge", 192, 8, 4026368, {"vpc.amazonaws.com/efa": 16}),
    ("aws_p6e-gb200.36xlarge", 144, 4, 943680, {"vpc.amazonaws.com/efa": 16}),
    ("aws_g4dn.xlarge", 4, 1, 15728, {}),
    ("aws_g4dn.2xlarge", 8, 1, 31456, {}),
    ("aws_g4dn.4xlarge", 16, 1, 62912, {}),
    ("aws_g4dn.8xlarge", 32, 1, 125824, {"vpc.amazonaws.com/efa": 1}),
    ("aws_g4dn.16xlarge", 64, 1, 251648, {"vpc.amazonaws.com/efa": 1}),
    ("aws_g4dn.12xlarge", 48, 4, 188736, {"vpc.amazonaws.com/efa": 1}),
    ("aws_g4dn.metal", 96, 8, 377472, {"vpc.amazonaws.com/efa": 1}),
    ("aws_g5.xlarge", 4, 1, 15728, {}),
    ("aws_g5.2xlarge", 8, 1, 31456, {}),
    ("aws_g5.4xlarge", 16, 1, 62912, {}),
    ("aws_g5.8xlarge", 32, 1, 125824, {"vpc.amazonaws.com/efa": 1}),
    ("aws_g5.16xlarge", 64, 1, 251648, {"vpc.amazonaws.com/efa": 1}),
    ("aws_g5.12xlarge", 48, 4, 188736, {"vpc.amazonaws.com/efa": 1}),
    ("aws_g5.24xlarge", 96, 4, 377472, {"vpc.amazonaws.com/efa": 1}),
    ("aws_g5.48xlarge", 192, 8, 754944, {"vpc.amazonaws.com/efa": 1}),
    ("aws_g6e.xlarge", 4, 1, 31456, {}),
    ("aws_g6e.2xlarge", 8, 1, 62912, {}),
    ("aws_g6e.4xlarge", 16, 1, 125824, {}),
    ("aws_g6e.8xlarge", 32, 1, 251648, {}),
    ("aws_g6e.16xlarge", 64, 1, 503296, {}),
    ("aws_g6e.12xlarge", 48, 4, 377472, {}),
    ("aws_g6e.24xlarge", 96, 4, 754944, {"vpc.amazonaws.com/efa": 2}),
    ("aws_g6e.48xlarge", 192, 8, 1509888, {"vpc.amazonaws.com/efa": 4}),
    ("aws_trn1.2xlarge", 8, 0, 31456, {"aws.amazon.com/neurondevice": 1}),
    ("aws_trn1.32xlarge", 128, 0, 503296, {"vpc.amazonaws.com/efa": 8, "aws.amazon.com/neurondevice": 16}),
    ("aws_inf2.xlarge", 4, 0, 15728, {"aws.amazon.com/neurondevice": 1}),
    ("aws_inf2.8xlarge", 32, 0, 125824, {"aws.amazon.com/neurondevice": 1}),
    ("aws_inf2.24xlarge", 96, 0, 377472, {"aws.amazon.com/neurondevice": 6}),
    ("aws_inf2.48xlarge", 192, 0, 754944, {"aws.amazon.com/neurondevice": 12}),
]


@pytest.mark.parametrize(("name", "cpu", "gpu", "mem"), GENERIC, ids=[row[0] for row in GENERIC])
def test_generic_sizes(name: str, cpu: int, gpu: int, mem: int) -> None:
    assert resource(h=name) == Resource(cpu=cpu, gpu=gpu, memMB=mem)


@pytest.mark.parametrize(("name", "cpu", "gpu", "mem", "devices"), AWS, ids=[row[0] for row in AWS])
def test_aws_instance_types(name: str, cpu: int, gpu: int, mem: int, devices: dict[str, int]) -> None:
    made = resource(h=name)
    assert (made.cpu, made.gpu, made.memMB, made.devices) == (cpu, gpu, mem, devices)
    assert made.capabilities == {"node.kubernetes.io/instance-type": name.removeprefix("aws_")}


def test_the_tables_hold_nothing_else() -> None:
    assert set(named_resources_generic.NAMED_RESOURCES) == {row[0] for row in GENERIC}
    assert set(named_resources_aws.NAMED_RESOURCES) == {row[0] for row in AWS}


def test_each_resource_is_a_function_too() -> None:
    assert named_resources_aws.aws_p3_2xlarge() == resource(h="aws_p3.2xlarge")
    assert named_resources_aws.aws_p6_b200_48xlarge() == resource(h="aws_p6-b200.48xlarge")
    assert named_resources_generic.gpu_small() == resource(h="gpu.small")
    assert "cpu_nano" in dir(named_resources_generic)
    assert pickle.loads(pickle.dumps(named_resources_aws.aws_t3_medium))() == resource(h="aws_t3.medium")
    for module in (named_resources_aws, named_resources_generic):
        with pytest.raises(AttributeError, match="aws_nope"):
            module.aws_nope


def test_a_named_resource_knows_its_name_and_is_new_each_time() -> None:
    first = get_named_resources("gpu.small")
    first.cpu = 0
    first.capabilities["a"] = 1
    second = named_resources["gpu.small"]
    assert (second.cpu, second.capabilities, second.get_resource_name()) == (8, {}, "gpu.small")
    assert not second.is_fractional()


def test_all_names_are_listed() -> None:
    assert {row[0] for row in (*GENERIC, *AWS)} <= set(named_resources)
    assert len(named_resources) == len(list(named_resources))
    assert "gpu.small" in named_resources
    assert "gpu.smal" not in named_resources
    assert 1 not in named_resources  # type: ignore[comparison-overlap]  # wrong on purpose
    assert named_resources.get("gpu.smal") is None


@pytest.mark.parametrize("error", [KeyError, UsageError])
def test_an_unknown_name_is_told_with_the_nearest(error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^unknown named resource `gpu\.smal`$") as caught:
        resource(h="gpu.smal")
    assert "`gpu.small`" in (caught.value.hint or "")  # type: ignore[attr-defined]


def test_raw_values_have_defaults_and_a_name_wins_over_them() -> None:
    assert resource() == Resource(cpu=2, gpu=0, memMB=1024)
    assert resource(cpu=0, gpu=1, memMB=10) == Resource(cpu=0, gpu=1, memMB=10)
    assert resource(cpu=99, h="cpu.nano") == Resource(cpu=1, gpu=0, memMB=512)


# --- $TORCHX_CUSTOM_NAMED_RESOURCES


def _module(folder: pathlib.Path, name: str, source: str) -> None:
    (folder / f"{name}.py").write_text(source)


@pytest.mark.parametrize("separator", [",", ":", " , "])
def test_modules_of_the_environment_add_resources(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, separator: str
) -> None:
    tag = {",": "comma", ":": "colon", " , ": "blank"}[separator]
    source = "from torchx.specs import Resource\nNAMED_RESOURCES = {%r: lambda: Resource(3, 0, 33)}\n"
    _module(tmp_path, f"first_{tag}", source % "site.a")
    _module(tmp_path, f"second_{tag}", source % "gpu.small")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TORCHX_CUSTOM_NAMED_RESOURCES", f"first_{tag}{separator}second_{tag}")
    assert resource(h="site.a") == resource(h="gpu.small") == Resource(3, 0, 33)
    assert resource(h="site.a").get_resource_name() == "site.a"
    assert {"site.a", "gpu.medium"} <= set(named_resources)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param(
            "raise ImportError('boom')", "cannot load named resources from module `.*`: ImportError: boom", id="raises"
        ),
        pytest.param("", "cannot load named resources from module `.*`: AttributeError", id="no-table"),
        pytest.param("NAMED_RESOURCES = 3", "is no mapping", id="no-mapping"),
        pytest.param(
            "NAMED_RESOURCES = {'x': lambda: 3}", "named resource `x` is a int, not a Resource", id="no-resource"
        ),
    ],
)
def test_a_module_that_does_not_work_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, request: pytest.FixtureRequest, source: str, message: str
) -> None:
    name = "broken_" + request.node.callspec.id.replace("-", "_")
    _module(tmp_path, name, source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TORCHX_CUSTOM_NAMED_RESOURCES", name)
    with pytest.raises(TorchXError, match=message):
        resource(h="x")
