"""A job whose every part holds a secret of its own, and a scheduler that is given one, too."""

from __future__ import annotations

import json
from typing import Any

CANARY = "c4n4ry"
"""Part of every secret: it must be found nowhere."""

TOKEN, PASSWORD, ACCESS_KEY, DSN_PASSWORD = (f"{CANARY}-{place}-Xy7" for place in ("token", "pw", "access", "dsn"))
ARG, ARG_WITH_EQUALS, URL_PASSWORD, HEADER = (f"{CANARY}-{place}-Xy7" for place in ("arg", "eq", "url", "header"))
METADATA, ROLE_METADATA, TRACKER, OPTION = (f"{CANARY}-{place}-Xy7" for place in ("meta", "rmeta", "tracker", "cfg"))
HOSTILE = f"""{CANARY} 'q' "d" $HOME \\ %41 é,=;\n{CANARY}"""

ENV = {
    "HF_TOKEN": TOKEN,
    "DB_PASSWORD": PASSWORD,
    "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
    "DATABASE_URL": f"postgres://me:{DSN_PASSWORD}@db/x",
    "SITE_SECRET": HOSTILE,
    "ELSEWHERE": f"once more {TOKEN}, {ARG}, {URL_PASSWORD} and {METADATA}",
}
ARGS = ["--token", ARG, f"--api-key={ARG_WITH_EQUALS}", f"https://me:{URL_PASSWORD}@host/"]
ARGS += ["-H", f"Authorization: Bearer {HEADER}", TOKEN]

KEEP = 'env -0 >"$0/env"; printf "%s\\0" "$@" >"$0/args"'
"""What the job does: it keeps what it was given in the folder that is its first argument."""

OPTIONS = f"api_token={OPTION}"


def job(received: str, code: str = KEEP, **changes: Any) -> dict[str, Any]:
    """The job as ``torchx run --stdin`` reads it; what it receives it writes to a folder."""
    role = {
        "name": "worker",
        "entrypoint": "sh",
        "args": ["-c", code, received, *ARGS],
        "env": ENV,
        "metadata": {"registry": {"user": "me", "password": ROLE_METADATA}},
    }
    metadata = {"deploy_token": METADATA, "origin": f"ssh://git:{URL_PASSWORD}@host/repo"}
    return {"name": "job", "metadata": metadata, "roles": [{**role, **changes}]}


def job_text(received: str, code: str = KEEP, **changes: Any) -> str:
    """As `job`, as JSON."""
    return json.dumps(job(received, code, **changes))


VAULT = """
    import json, os

    from torchx.schedulers.local_scheduler import LocalScheduler
    from torchx.specs import AppDryRunInfo


    class Vault(LocalScheduler):
        \"\"\"Local jobs; each is given a token, which its request shows.\"\"\"

        def _run_opts(self):
            opts = super()._run_opts()
            opts.add("api_token", type_=str, help="who asks", default="")
            opts.add("pin_secret", type_=int, help="a number", default=0)
            return opts

        def _submit_dryrun(self, app, cfg):
            info = super()._submit_dryrun(app, cfg)
            local = info._fmt
            return AppDryRunInfo(info.request, lambda request: f"{local(request)}\\nasked by <{cfg['api_token']}>")

        def schedule(self, dryrun_info):
            if "VAULT_FAILS" in os.environ:
                role = dryrun_info._app.roles[0]
                raise ConnectionError(f"{dryrun_info._cfg['api_token']} refused: {role.env['HF_TOKEN']} {role.args}")
            return super().schedule(dryrun_info)

        def iter_list(self, cfg=None):
            if "VAULT_FAILS" in os.environ:
                raise ConnectionError("https://me:@TOKEN@@vault/ does not answer")
            return super().iter_list(cfg)


    def create(session_name, **kwargs):
        return Vault(session_name, backend="vault")
""".replace("@TOKEN@", OPTION)

PLUGIN = """
    import logging, os

    from torchx.plugins import EventHandlerPlugin, SchedulerPlugin, hookimpl

    @hookimpl
    def torchx_schedulers():
        return [SchedulerPlugin(name="vault", factory="acme_vault:create")]

    @hookimpl
    def torchx_event_handlers():
        return [EventHandlerPlugin(name="acme", handler="acme_plugin:Records")]

    class Records(logging.Handler):
        def emit(self, record):
            with open(os.environ["RECORDS"], "a") as file:
                file.write(record.getMessage() + chr(10))
            if "HANDLER_FAILS" in os.environ:
                raise ValueError(f"cannot send to https://me:@TOKEN@@collector/ {record.getMessage()}")

        def handleError(self, record):
            raise

    @hookimpl
    def torchx_transform_app(request):
        if "POLICY_FAILS" in os.environ:
            role = request.app.roles[0]
            raise ValueError(f"no {role.env['HF_TOKEN']}, {role.args}, {request.cfg}, {request.app.metadata}")

    @hookimpl
    def torchx_app_submitted(event):
        if "OBSERVER_FAILS" in os.environ:
            raise ValueError(f"no {event.app.roles[0].env['HF_TOKEN']}, {event.app}")
""".replace("@TOKEN@", OPTION)
