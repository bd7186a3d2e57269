"""Model serving."""

from __future__ import annotations

from torchx.specs import AppDef, Resource, Role


def torchserve(
    model_path: str,
    management_api: str,
    image: str,
    params: dict[str, str] | None = None,
    dryrun: bool = False,
) -> AppDef:
    """Registers a model with a running TorchServe instance.

    Args:
        model_path: the model archive, a path or a URI that fsspec knows
        management_api: address of the instance's management API, e.g. http://localhost:8081
        image: image of the job, e.g. a container image
        params: parameters of the registration, as model_name=NAME,initial_workers=1,...
        dryrun: whether to stop after the model was read, and print what would be sent
    """
    args = ["-m", "torchx.apps.serve.serve", f"--model_path={model_path}", f"--management_api={management_api}"]
    args += [f"--param={key}={value}" for key, value in (params or {}).items()]
    if dryrun:
        args.append("--dryrun")
    role = Role(
        name="torchserve",
        image=image,
        entrypoint="python",
        args=args,
        resource=Resource(cpu=1, gpu=0, memMB=1024),
        port_map={"model-download": 8222},
    )
    return AppDef(name="serve-torchserve", roles=[role])
