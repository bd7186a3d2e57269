"""The options of one call: those given, then those of the configuration files, then the defaults."""

from __future__ import annotations

from torchx.runner._checks import check_cfg
from torchx.runner._record_text import as_json, secrets_of
from torchx.runner.events.recorder import hide, note
from torchx.specs.api import runopts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Optional

    from torchx.schedulers.api import Scheduler
    from torchx.specs.api import CfgVal

    Cfg = Optional[Mapping[str, CfgVal]]


def resolve(sched: Scheduler[Any], scheduler: str, cfg: Cfg, *, to_submit: bool = True) -> dict[str, CfgVal]:
    """All options of a call, which its record tells, too.

    Args:
        sched: the scheduler.
        scheduler: its name.
        cfg: the options that were given.
        to_submit: False for a question about jobs, which need not be given what a submission must be.

    Raises:
        UsageError: an option is unknown, missing or of a wrong type.
    """
    from torchx.runner.config import apply_options, tell_unknown_names

    check_cfg(cfg)
    tell_unknown_names()
    opts = sched.run_opts()
    if not to_submit:
        opts = _all_optional(opts)
    given: dict[str, CfgVal] = {}
    for key, value in (cfg or {}).items():
        given[opts.canonical_key(key) or key] = value
    apply_options(scheduler, opts, given)
    resolved = opts.resolve(given)
    note(runcfg=lambda: as_json(resolved))
    hide(lambda: secrets_of(None, resolved))
    return resolved


def _all_optional(opts: runopts) -> runopts:
    relaxed = runopts()
    for name, opt in opts:
        relaxed.add(name, opt.opt_type, opt.help, opt.default)
    return relaxed
