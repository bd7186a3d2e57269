"""Small jobs of everyday use.

.. code-block:: console

    $ torchx run -s local_cwd utils.echo --msg "hello"
    $ torchx run -s local_cwd utils.sh --num_replicas 2 -- grep -e a -e b words.txt
    $ torchx run -s local_cwd utils.python -m my.module -- --epochs 10
"""

from __future__ import annotations

import torchx
from torchx.components._resources import replica_resource
from torchx.specs import AppDef, Resource, Role, parse_mounts
from torchx.specs.builders import ComponentArgsError
from torchx.util.shlex import join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

_SMALL = (1, 0, 1024)  # cores, GPUs, MB: what the helpers below need at most


def echo(msg: str = "hello world", image: str = torchx.IMAGE, num_replicas: int = 1) -> AppDef:
    """Prints a message.

    Args:
        msg: the message
        image: image of the job, e.g. a container image
        num_replicas: number of replicas
    """
    role = Role(
        name="echo",
        image=image,
        entrypoint="echo",
        args=[msg],
        num_replicas=num_replicas,
        resource=Resource(*_SMALL),
    )
    return AppDef(name="echo", roles=[role])


def touch(file: str, image: str = torchx.IMAGE) -> AppDef:
    """Creates an empty file, or sets its time to now.

    Args:
        file: the path of the file
        image: image of the job, e.g. a container image
    """
    role = Role(name="touch", image=image, entrypoint="touch", args=[_path(file)], resource=Resource(*_SMALL))
    return AppDef(name="touch", roles=[role])


def sh(
    *args: str,
    image: str = torchx.IMAGE,
    num_replicas: int = 1,
    cpu: int = 1,
    gpu: int = 0,
    memMB: int = 1024,
    h: str | None = None,
    env: dict[str, str] | None = None,
    max_retries: int = 0,
    mounts: list[str] | None = None,
    entrypoint: str | None = None,
) -> AppDef:
    """Runs a command with sh.

    The command's arguments reach it byte for byte: nothing in them is expanded. To have variables, pipes and the like,
    give a shell its code as one argument: utils.sh sh -c 'echo $HOME | wc -c'.

    Args:
        args: the command and its arguments
        image: image of the job, e.g. a container image
        num_replicas: number of replicas
        cpu: number of cores of a replica
        gpu: number of GPUs of a replica
        memMB: memory of a replica in MB
        h: named resource of a replica; wins over cpu, gpu and memMB
        env: environment variables, as K1=V1,K2=V2
        max_retries: how often a failed job is started again
        mounts: mounts, as type=bind,src=/host,dst=/job[,readonly][,type=...]
        entrypoint: the shell to use instead of sh
    """
    if not args:
        raise ComponentArgsError(
            "component `sh`: there is nothing to run", hint="write the command after the options: utils.sh echo hello"
        )
    role = Role(
        name="sh",
        image=image,
        entrypoint=entrypoint or "sh",
        args=["-c", join(args)],
        env=dict(env or {}),
        num_replicas=num_replicas,
        max_retries=max_retries,
        resource=replica_resource(cpu=cpu, gpu=gpu, memMB=memMB, h=h),
        mounts=parse_mounts(mounts or []),
    )
    return AppDef(name="sh", roles=[role])


def python(
    *args: str,
    m: str | None = None,
    c: str | None = None,
    script: str | None = None,
    image: str = torchx.IMAGE,
    name: str = "torchx_utils_python",
    cpu: int = 1,
    gpu: int = 0,
    memMB: int = 1024,
    h: str | None = None,
    num_replicas: int = 1,
    mounts: list[str] | None = None,
) -> AppDef:
    """Runs Python: a module, code, or a script.

    Args:
        args: arguments of the program
        m: the module to run
        c: the code to run
        script: the script to run
        image: image of the job, e.g. a container image
        name: name of the job
        cpu: number of cores of a replica
        gpu: number of GPUs of a replica
        memMB: memory of a replica in MB
        h: named resource of a replica; wins over cpu, gpu and memMB
        num_replicas: number of replicas
        mounts: mounts, as type=bind,src=/host,dst=/job[,readonly][,type=...]
    """
    given = [value for value in (m, c, script) if value is not None]
    if len(given) != 1:
        raise ComponentArgsError(
            f"component `python`: {'more than one' if given else 'none'} of module, code and script is given",
            hint="give one of `-m MODULE`, `-c CODE` and `--script FILE`",
        )
    program = ["-m", m] if m is not None else ["-c", c] if c is not None else [_path(script or "")]
    role = Role(
        name="python",
        image=image,
        entrypoint="python",
        args=[word for word in program if word is not None] + list(args),
        num_replicas=num_replicas,
        resource=replica_resource(cpu=cpu, gpu=gpu, memMB=memMB, h=h),
        mounts=parse_mounts(mounts or []),
    )
    return AppDef(name=name, roles=[role])


def binary(
    *args: str,
    entrypoint: str,
    name: str = "torchx_utils_binary",
    num_replicas: int = 1,
    cpu: int = 1,
    gpu: int = 0,
    memMB: int = 1024,
    h: str | None = None,
) -> AppDef:
    """Runs a program as it is, without a shell.

    Args:
        args: arguments of the program
        entrypoint: the program
        name: name of the job
        num_replicas: number of replicas
        cpu: number of cores of a replica
        gpu: number of GPUs of a replica
        memMB: memory of a replica in MB
        h: named resource of a replica; wins over cpu, gpu and memMB
    """
    role = Role(
        name="binary",
        image=torchx.IMAGE,
        entrypoint=entrypoint,
        args=list(args),
        num_replicas=num_replicas,
        resource=replica_resource(cpu=cpu, gpu=gpu, memMB=memMB, h=h),
    )
    return AppDef(name=name, roles=[role])


def copy(src: str, dst: str, image: str = torchx.IMAGE, mounts: list[str] | None = None) -> AppDef:
    """Copies a file or folder from one place to another; each is a path or a URI that fsspec knows.

    Args:
        src: where it is
        dst: where the copy goes
        image: image of the job, e.g. a container image
        mounts: mounts, as type=bind,src=/host,dst=/job[,readonly][,type=...]
    """
    role = Role(
        name="copy",
        image=image,
        entrypoint="python",
        args=["-m", "torchx.apps.utils.copy_main", f"--src={src}", f"--dst={dst}"],
        resource=Resource(*_SMALL),
        mounts=parse_mounts(mounts or []),
    )
    return AppDef(name="copy", roles=[role])


def booth(
    x1: float,
    x2: float,
    trial_idx: int = 0,
    tracker_base: str = "/tmp/torchx-util-booth",
    image: str = torchx.IMAGE,
) -> AppDef:
    """Evaluates the Booth function, (x1 + 2 x2 - 7)^2 + (2 x1 + x2 - 5)^2, and keeps the result.

    Args:
        x1: the first variable
        x2: the second variable
        trial_idx: the key under which the result is kept
        tracker_base: the folder of the results, a path or a URI that fsspec knows
        image: image of the job, e.g. a container image
    """
    role = Role(
        name="booth",
        image=image,
        entrypoint="python",
        args=[
            "-m",
            "torchx.apps.utils.booth_main",
            f"--x1={x1}",
            f"--x2={x2}",
            f"--trial_idx={trial_idx}",
            f"--tracker_base={tracker_base}",
        ],
        resource=Resource(*_SMALL),
    )
    return AppDef(name="booth", roles=[role])


def hydra(
    *overrides: str,
    config_name: Annotated[str, "-cn"],
    config_dir: Annotated[str, "-cd"] = ".torchx",
) -> AppDef:
    """The job that a Hydra configuration describes; its root has ``_target_: torchx.specs.AppDef``.

    Args:
        overrides: overrides of values in the configuration, as in key=value
        config_name: name of the configuration file, without its extension
        config_dir: the folder that it is in
    """
    from torchx.components._hydra import compose_app

    return compose_app(config_dir, config_name, overrides)


def _path(path: str) -> str:
    """A path that is not taken for an option."""
    return f"./{path}" if path.startswith("-") else path
