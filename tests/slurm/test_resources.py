"""What a role needs, and what of it Slurm can't be asked for: nothing is left out in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import torchx
from torchx.components.dist import ddp
from torchx.errors import UsageError
from torchx.specs.api import AppDef, CfgVal, Resource, Role
from torchx.specs.named_resources_aws import aws_p4d_24xlarge
from torchx_slurm.resources import CONSTRAINT, GRES
from torchx_slurm.scheduler import create_scheduler

if TYPE_CHECKING:
    from torchx_slurm.request import SlurmBatchRequest

EFA = "vpc.amazonaws.com/efa"


def a_role(name: str = "worker", image: str = "", resource: Resource | None = None, **fields: Any) -> Role:
    return Role(name, image, entrypoint="train", resource=resource or Resource(cpu=2, gpu=0, memMB=64), **fields)


def with_capabilities(gpu: int = 0, **capabilities: Any) -> Resource:
    return Resource(cpu=2, gpu=gpu, memMB=64, capabilities={f"slurm/{k}": v for k, v in capabilities.items()})


def request(*roles: Role, **cfg: CfgVal) -> SlurmBatchRequest:
    made: SlurmBatchRequest = create_scheduler("session").submit_dryrun(AppDef("app", [*roles]), cfg).request
    return made


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize(
    ("option", "capability", "word"),
    [
        (None, "a100&nvlink", "--constraint=a100&nvlink"),
        ("efa", "a100", "--constraint=efa&a100"),
        ("a100", "a100", "--constraint=a100"),
    ],
)
def test_constraint_of_a_resource(option: str | None, capability: str, word: str) -> None:
    argv = request(a_role(resource=with_capabilities(constraint=capability)), constraint=option).argv("/f")
    assert [w for w in argv if w.startswith("--constraint")] == [word]


def test_constraint_is_that_of_its_role() -> None:
    made = request(a_role("a", resource=with_capabilities(constraint="fast")), a_role("b"), constraint="efa")
    assert [role.sbatch["constraint"] for role in made.roles] == ["efa&fast", "efa"]


def test_constraints_that_no_and_can_join_are_refused() -> None:
    with pytest.raises(UsageError, match="constraint") as caught:
        request(a_role(resource=with_capabilities(constraint="[rack1|rack2]")), constraint="efa")
    assert caught.value.hint


def test_gres_of_a_resource_stands_beside_its_gpus() -> None:
    resource = with_capabilities(gpu=4, gres="nic:2")
    assert "--gres=gpu:4,nic:2" in request(a_role(resource=resource), gpus_by="gres").argv("/f")
    argv = request(a_role(resource=resource)).argv("/f")
    assert {"--gres=nic:2", "--gpus-per-task=4"} <= {*argv}


@pytest.mark.parametrize("key", [CONSTRAINT, GRES], ids=lambda key: key.key)
@pytest.mark.parametrize("value", ["", " ", "a\nb", 3], ids=repr)
def test_capabilities_that_are_no_words_are_refused(key: Any, value: Any) -> None:
    with pytest.raises((UsageError, TypeError), match=key.key):
        request(a_role(resource=with_capabilities(**{key.name: value})))


def test_devices_and_capabilities_without_effect_are_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    request(*(a_role(f"role{n}", resource=aws_p4d_24xlarge()) for n in range(3)))
    (text,) = warnings(caplog)
    assert "role `role0` and 2 more" in text
    assert f"`{EFA}`" in text
    assert "`node.kubernetes.io/instance-type=p4d.24xlarge`" in text
    assert "constraint" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("cfg", "overlay"),
    [({"constraint": "efa"}, {}), ({}, {"nodelist": "n[1-2]"}), ({}, {"gres": "efa:4"})],
    ids=["constraint", "nodes", "gres"],
)
def test_chosen_nodes_are_trusted(
    cfg: dict[str, Any], overlay: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    request(a_role(resource=aws_p4d_24xlarge(), metadata={"slurm/sbatch": overlay}), **cfg)
    assert warnings(caplog) == []


def test_gpus_by_gres_choose_no_nodes(caplog: pytest.LogCaptureFixture) -> None:
    request(a_role(resource=aws_p4d_24xlarge()), gpus_by="gres")
    assert EFA in warnings(caplog)[0]


def test_image_that_nothing_runs_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    request(a_role(image="ghcr.io/me/train:1"))
    (text,) = warnings(caplog)
    assert "`ghcr.io/me/train:1`" in text
    assert "container" in text


@pytest.mark.parametrize(
    ("image", "cfg"),
    [("", {}), ("/shared/env", {}), (torchx.IMAGE, {}), ("me/train:1", {"container": "pyxis"})],
    ids=["none", "folder", "default", "container"],
)
def test_image_that_is_used_or_was_nobodys_choice(
    image: str, cfg: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    request(a_role(image=image), **cfg)
    assert warnings(caplog) == []


@pytest.mark.parametrize(("image", "runs_it"), [("/shared/train.sif", "apptainer"), ("/shared/train.sqsh", "pyxis")])
def test_image_file_without_a_runtime_is_refused(image: str, runs_it: str) -> None:
    with pytest.raises(UsageError, match="train") as caught:
        request(a_role(image=image))
    assert runs_it in (caught.value.hint or "")
    request(a_role(image=image), container=runs_it)


def test_min_replicas_without_effect_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    request(*ddp(script="train.py", j="2:4x1").roles)
    (text,) = warnings(caplog)
    assert "min_replicas=2 has no effect" in text
    caplog.clear()
    request(a_role(num_replicas=2, min_replicas=2), *ddp(script="train.py", j="4x1").roles)
    assert warnings(caplog) == []
