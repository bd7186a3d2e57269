"""What ``torchx doctor`` runs in processes of their own: a plugin that hangs or crashes there takes nothing along.

The request comes as one line of JSON on standard input, the answers go as lines of JSON to standard output: ``ready``,
then ``begin`` ahead of each thing that is looked at, ``schedulers`` or a ``finding`` for what was found, and ``done``.
What the plugin itself prints goes to standard error. See :mod:`torchx.cli.checkup_processes` for the other end.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from functools import partial
from typing import Any


def main() -> None:
    """Answers one request, and ends without waiting for whatever hangs in a plugin."""
    request = json.loads(sys.stdin.readline())
    questions, answers = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    threading.Thread(target=_end_with_parent, args=[questions], name="torchx-doctor-parent", daemon=True).start()

    def tell(kind: str, value: object = None) -> None:
        os.write(answers, json.dumps({kind: value}).encode() + b"\n")

    from torchx.cli.checkup import check_distribution
    from torchx.plugins.manager import get_plugin_manager, reset_plugin_manager
    from torchx.runner.config import broken_files_skipped

    logging.getLogger("torchx.runner.config").disabled = True  # a broken file is a finding of its own
    reset_plugin_manager(disabled=request["disabled"])
    tell("ready")
    dist: Any = next((d for d in get_plugin_manager().distributions() if d.dist == request["dist"]), None)
    if dist is not None:
        tell("schedulers", dist.names.get("schedulers", ()))
    if dist is not None and request["check"]:
        begin = partial(tell, "begin")
        with broken_files_skipped():
            for finding in check_distribution(dist, request["names"], request["timeout"], begin):
                tell("finding", finding.to_plain())
    tell("done")
    os._exit(0)


def _end_with_parent(questions: int) -> None:
    # Nothing more is sent: the end of the file is the end of the process that asked.
    os.read(questions, 1)
    os._exit(1)
