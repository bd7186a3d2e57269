"""``torchx``, but ``torchx run`` is a dry run, and a scheduler that is not installed here is the local one."""

from __future__ import annotations

import sys

from torchx.cli.main import main
from torchx.plugins import get_plugin_manager


def dry(words: list[str]) -> list[str]:
    if words[:1] != ["run"]:
        return words
    known = get_plugin_manager().schedulers()
    local = [w if before != "-s" or w in known else "local_cwd" for before, w in zip(["", *words], words, strict=False)]
    return ["run", "--dryrun", *local[1:]]


if __name__ == "__main__":
    main(dry(sys.argv[1:]))
