"""Viewers of metrics."""

from __future__ import annotations

from torchx.specs import AppDef, Resource, Role


def tensorboard(
    logdir: str,
    image: str,
    timeout: float = 60 * 60,
    port: int = 6006,
    start_on_file: str = "",
    exit_on_file: str = "",
) -> AppDef:
    """Runs TensorBoard, for a limited time.

    Args:
        logdir: the folder with the logs, a path or a URI that TensorBoard knows
        image: image of the job, e.g. a container image
        timeout: seconds after which it ends
        port: the port that it listens on
        start_on_file: start when this file exists, a path or a URI that fsspec knows; at once if empty
        exit_on_file: end when this file exists; only after the timeout if empty
    """
    args = ["-m", "torchx.apps.utils.process_monitor", f"--timeout={timeout}"]
    args += [f"--start_on_file={start_on_file}"] if start_on_file else []
    args += [f"--exit_on_file={exit_on_file}"] if exit_on_file else []
    args += ["--", "tensorboard", "--bind_all", f"--port={port}", f"--logdir={logdir}"]
    role = Role(
        name="tensorboard",
        image=image,
        entrypoint="python",
        args=args,
        resource=Resource(cpu=1, gpu=0, memMB=1024),
        port_map={"http": port},
    )
    return AppDef(name="tensorboard", roles=[role])
