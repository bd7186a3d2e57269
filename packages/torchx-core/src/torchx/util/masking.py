"""Hides secrets wherever a job is shown: in a dry run, a description, a log line, an event, an error.

Only copies for display are changed, never what is sent to a scheduler. A value is hidden for its name
(`is_secret_name`), for being a password inside a URL, or for being told: a secret that was found once, in a role's
environment say, can be hidden in any text (`secret_values`, `mask_text`).

Where the secrets are is told in one place, `torchx.util.masking_spans` for texts and arguments and
`torchx.util.masking_data` for data; to hide them and to collect them are two uses of it.
"""

from __future__ import annotations

from torchx.util.masking_data import data_secrets, job_secrets, mask_data, role_secrets, secret_values
from torchx.util.masking_errors import attach_secrets, attached_secrets, masked_traceback
from torchx.util.masking_text import MASK, mask_args, mask_env, mask_text
from torchx.util.secret_names import is_secret_name

__all__ = [
    "MASK",
    "attach_secrets",
    "attached_secrets",
    "data_secrets",
    "is_secret_name",
    "job_secrets",
    "mask_args",
    "mask_data",
    "mask_env",
    "mask_text",
    "masked_traceback",
    "role_secrets",
    "secret_values",
]
