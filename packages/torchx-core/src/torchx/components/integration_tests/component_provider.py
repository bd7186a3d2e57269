"""One job per built-in component, to be run on any scheduler.

A test makes a provider with the scheduler's name and an image, calls ``setUp``, submits ``get_app_def()``, expects it
to succeed, and calls ``tearDown`` at the end.
"""

from __future__ import annotations

import abc
import json
import os
import shutil
import tempfile
import textwrap
from typing import TYPE_CHECKING

from torchx.components import dist, metrics, serve, utils
from torchx.specs import Resource

if TYPE_CHECKING:
    from torchx.specs import AppDef


class ComponentProvider(abc.ABC):
    """Makes the job, and what it needs around it.

    Args:
        scheduler: the name of the scheduler that the job is for.
        image: the image of the job.
    """

    def __init__(self, scheduler: str, image: str) -> None:
        self._scheduler = scheduler
        self._image = image

    @abc.abstractmethod
    def get_app_def(self) -> AppDef:
        """The job."""

    def setUp(self) -> None:
        """Makes what the job needs."""

    def tearDown(self) -> None:
        """Removes it."""


class _InFolder(ComponentProvider):
    """A job that needs a folder."""

    def setUp(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="torchx-component-")

    def tearDown(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def _file(self, name: str, content: str = "") -> str:
        path = self._path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        return path


class EchoComponentProvider(ComponentProvider):
    """``utils.echo``."""

    def get_app_def(self) -> AppDef:
        return utils.echo(msg="hello from the test", image=self._image)


class ShComponentProvider(ComponentProvider):
    """``utils.sh``."""

    def get_app_def(self) -> AppDef:
        return utils.sh("echo", "it's $HOME", "a  b", image=self._image)


class PythonComponentProvider(ComponentProvider):
    """``utils.python``."""

    def get_app_def(self) -> AppDef:
        return utils.python("1", c="import sys; assert sys.argv[1:] == ['1']", image=self._image)


class BinaryComponentProvider(ComponentProvider):
    """``utils.binary``."""

    def get_app_def(self) -> AppDef:
        return utils.binary("-c", "exit 0", entrypoint="sh")


class TouchComponentProvider(_InFolder):
    """``utils.touch``."""

    def get_app_def(self) -> AppDef:
        return utils.touch(file=self._path("touched"), image=self._image)


class CopyComponentProvider(_InFolder):
    """``utils.copy``, of a file that is in the image."""

    def get_app_def(self) -> AppDef:
        return utils.copy(src="/etc/passwd", dst=self._path("copied"), image=self._image)


class BoothComponentProvider(_InFolder):
    """``utils.booth``."""

    def get_app_def(self) -> AppDef:
        return utils.booth(x1=1.0, x2=3.0, tracker_base=self._path("results"), image=self._image)


class HydraComponentProvider(_InFolder):
    """``utils.hydra``. The test's own environment needs Hydra."""

    _JOB = """
        _target_: torchx.specs.AppDef
        name: hydra
        roles:
          - {_target_: torchx.specs.Role, name: hydra, image: "", entrypoint: echo, args: [hello]}
    """

    def get_app_def(self) -> AppDef:
        self._file("job.yaml", textwrap.dedent(self._JOB))
        app = utils.hydra(f"roles.0.image={json.dumps(self._image)}", config_name="job", config_dir=self._folder)
        app["hydra"].resource = Resource(cpu=1, gpu=0, memMB=1024)
        return app


class TorchrunComponentProvider(ComponentProvider):
    """``dist.torchrun``: a module that is part of PyTorch, started on two nodes."""

    def get_app_def(self) -> AppDef:
        return dist.torchrun("--help", m="torch.distributed.run", j="2x1", image=self._image)


class DDPComponentProvider(ComponentProvider):
    """``dist.ddp``: two processes of a module that is part of PyTorch."""

    def get_app_def(self) -> AppDef:
        return dist.ddp("--help", m="torch.distributed.run", j="1x2", image=self._image)


class SpmdComponentProvider(ComponentProvider):
    """``dist.spmd``: the same, on a node without GPUs."""

    def get_app_def(self) -> AppDef:
        return dist.spmd("--help", m="torch.distributed.run", h="cpu.small", j="1x2", image=self._image)


class ServeComponentProvider(_InFolder):
    """``serve.torchserve``, without an instance to register with."""

    def get_app_def(self) -> AppDef:
        return serve.torchserve(
            model_path="/etc/passwd",
            management_api="http://localhost:8081",
            image=self._image,
            params={"model_name": "test", "initial_workers": "1"},
            dryrun=True,
        )


class TensorboardComponentProvider(_InFolder):
    """``metrics.tensorboard``, ended by a file that is in the image. The image needs TensorBoard."""

    def get_app_def(self) -> AppDef:
        return metrics.tensorboard(
            logdir=self._folder, image=self._image, timeout=60, port=0, exit_on_file="/etc/passwd"
        )
