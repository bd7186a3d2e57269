"""A job for a batch system: what is written to its folder, and the record of what was asked for."""

from __future__ import annotations

from torchx.schedulers.batch.quoting import script_bytes
from torchx.schedulers.ids import make_unique
from torchx.schedulers.role_records import role_record
from torchx.util.light_dataclass import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from torchx.specs.api import AppDef

RECORD_FILE = "job.json"
SCRIPT_FILE = "job.sh"
BATCH_LOG = "batch.log"

JOBS_FOLDER = ".torchx-jobs"
"""Folder in ``job_dir`` with a folder for each job."""


@dataclass
class BatchRequest:
    """A job for a batch system.

    Attributes:
        key: names the job before the batch system gives it an id; it is unique.
        folder: the job's folder; ``~`` stands for the home folder of the machine that submits.
        app: the job as described by the user, macros in place.
        host: the login node that submits; None: this machine.
    """

    key: str
    folder: str
    app: AppDef
    host: str | None = None
    session: str = ""

    def scripts(self, folder: str) -> dict[str, str]:
        """The files of the job's folder beside its record, by name.

        Args:
            folder: the absolute path of the folder.
        """
        raise NotImplementedError

    def files(self, folder: str) -> dict[str, bytes]:
        """All files of the job's folder, by name."""
        import json

        record = json.dumps(self.record(), ensure_ascii=True).encode()
        return {**{name: script_bytes(text) for name, text in self.scripts(folder).items()}, RECORD_FILE: record}

    def record(self) -> dict[str, Any]:
        """What `describe` and the logs need to know later, as plain data."""
        return {
            "version": 1,
            "key": self.key,
            "session": self.session,
            "name": self.app.name,
            "metadata": {str(k): v for k, v in self.app.metadata.items() if isinstance(v, str)},
            "roles": [
                {
                    "name": role.name,
                    "max_retries": role.max_retries,
                    "retry_policy": role.retry_policy.value,
                    "spec": role_record(role),
                }
                for role in self.app.roles
            ],
        }

    def __str__(self) -> str:
        from torchx.util.masking import job_secrets, mask_text

        return mask_text(self.render(), job_secrets(self.app))

    __repr__ = __str__

    def render(self) -> str:
        """The request as text, secrets included."""
        return "".join(f"--- {name}\n{text}" for name, text in self.scripts(self.folder).items())


def new_key(name: str) -> str:
    """A unique name for a job that is safe as a folder's name and in a comment."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "_-.") else "-" for c in name).strip(".-_")
    return make_unique(plain[:60] or "app")
