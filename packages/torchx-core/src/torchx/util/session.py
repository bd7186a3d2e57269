"""The session: ties together the events of one program, or of several that hand the id on in the environment."""

from __future__ import annotations

import os

from torchx.settings import ENV_TORCHX_INTERNAL_SESSION_ID

TORCHX_INTERNAL_SESSION_ID = ENV_TORCHX_INTERNAL_SESSION_ID

CURRENT_SESSION_ID: str | None = None
"""The id made by this process; None until one was needed, and where the environment brings one."""


def get_torchx_session_id() -> str | None:
    """The session id that the environment brings, if any."""
    return os.environ.get(TORCHX_INTERNAL_SESSION_ID) or None


def get_session_id_or_create_new() -> str:
    """The session id: the environment's, else the one made by this process, else a new one."""
    global CURRENT_SESSION_ID
    given = get_torchx_session_id()
    if given is not None:
        return given
    if CURRENT_SESSION_ID is None:
        import uuid

        CURRENT_SESSION_ID = str(uuid.uuid4())
    return CURRENT_SESSION_ID
