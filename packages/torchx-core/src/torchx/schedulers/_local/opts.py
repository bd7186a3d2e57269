"""Options of the local scheduler."""

from __future__ import annotations

from torchx.schedulers.structured_opts import StructuredOpts
from torchx.util.light_dataclass import dataclass


@dataclass
class Opts(StructuredOpts):
    """Options of the schedulers that run replicas as processes of this machine."""

    log_dir: str | None = None
    """Folder for the replicas' logs, as <log_dir>/<app id>/<role>/<replica>/. Default: a folder under TORCHX_HOME."""

    prepend_cwd: bool = False
    """Put the folder that replicas run in in front of their PATH."""

    auto_set_cuda_visible_devices: bool = False
    """Give each replica the GPUs that its role asks for, and no other, through CUDA_VISIBLE_DEVICES."""
