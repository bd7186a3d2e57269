"""The hooks that take part in a submission."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from torchx.plugins import AppFinished, AppSubmitted, TransformRequest
from torchx.specs import AppDef, AppState, AppStatus, Role

if TYPE_CHECKING:
    from tests.core.plugins.conftest import Site

STAMP = """
    from torchx.plugins import hookimpl

    @hookimpl{options}
    def torchx_transform_app(request):
        request.app.metadata["order"] = request.app.metadata.get("order", "") + "{stamp}"
"""
SUBMITTED = AppSubmitted(app_handle="local_cwd://s/a", scheduler="local_cwd")
FINISHED = AppFinished(app_handle="local_cwd://s/a", scheduler="local_cwd", status=AppStatus(AppState.SUCCEEDED))


def _request() -> TransformRequest:
    return TransformRequest(app=AppDef(name="a", roles=[Role(name="r", image="")]), scheduler="local_cwd", cfg={"x": 1})


def _stamp(stamp: str, options: str = "") -> str:
    return STAMP.format(stamp=stamp, options=options)


def test_transforms_run_in_the_order_of_the_distributions(site: Site) -> None:
    site.plugin("zeta", _stamp("z"))
    site.plugin("acme", _stamp("a"))
    site.plugin("mid", _stamp("m"))
    request = _request()
    site.manager().hook.torchx_transform_app(request=request)
    assert request.app.metadata["order"] == "amz"


def test_first_and_last_can_be_asked_for(site: Site) -> None:
    site.plugin("acme", _stamp("a", "(trylast=True)"))
    site.plugin("mid", _stamp("m"))
    site.plugin("zeta", _stamp("z", "(tryfirst=True)"))
    request = _request()
    site.manager().hook.torchx_transform_app(request=request)
    assert request.app.metadata["order"] == "zma"


def test_an_error_of_a_transform_is_the_callers(site: Site) -> None:
    site.plugin(
        "policy",
        """
        from torchx.plugins import hookimpl

        @hookimpl
        def torchx_transform_app(request):
            raise PermissionError(f"{request.scheduler}: no jobs on Sundays")
        """,
    )
    site.plugin("zeta", _stamp("z"))
    request = _request()
    with pytest.raises(PermissionError, match="local_cwd: no jobs on Sundays"):
        site.manager().hook.torchx_transform_app(request=request)
    assert "order" not in request.app.metadata


OBSERVER = """
    from torchx.plugins import hookimpl

    SEEN = []

    @hookimpl
    def torchx_app_submitted(event):
        SEEN.append(event.app_handle)
        {then}

    @hookimpl
    def torchx_app_finished(event):
        SEEN.append(event.status.state.name)
        {then}
"""


def test_an_observer_that_fails_is_logged_and_stops_no_other(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.plugin("acme", OBSERVER.format(then="raise SystemExit('boom')"))
    site.plugin("zeta", OBSERVER.format(then="pass"))
    hook = site.manager().hook
    with caplog.at_level(logging.WARNING):
        hook.torchx_app_submitted(event=SUBMITTED)
        hook.torchx_app_finished(event=FINISHED)
    import sys

    for name in ("acme_plugin", "zeta_plugin"):
        assert sys.modules[name].SEEN == ["local_cwd://s/a", "SUCCEEDED"]
    messages = [record.getMessage().splitlines() for record in caplog.records]
    assert [lines[-1] for lines in messages] == ["SystemExit: boom"] * 2
    assert [lines[0] for lines in messages] == [
        "plugin `acme` failed in torchx_app_submitted; the job is not affected",
        "plugin `acme` failed in torchx_app_finished; the job is not affected",
    ]


def test_an_implementation_may_leave_out_the_argument(site: Site) -> None:
    site.plugin(
        "acme",
        """
        from torchx.plugins import hookimpl

        CALLS = []

        @hookimpl
        def torchx_app_submitted():
            CALLS.append(1)
        """,
    )
    import sys

    site.manager().hook.torchx_app_submitted(event=SUBMITTED)
    assert sys.modules["acme_plugin"].CALLS == [1]


def test_an_implementation_with_another_argument_is_recorded(site: Site) -> None:
    site.plugin(
        "bad", "from torchx.plugins import hookimpl\n@hookimpl\ndef torchx_app_submitted(evnt): raise ValueError\n"
    )
    site.plugin("acme", _stamp("a"))
    manager = site.manager()
    request = _request()
    manager.hook.torchx_transform_app(request=request)
    assert request.app.metadata["order"] == "a"
    record = next(record for record in manager.distributions() if record.dist == "bad")
    assert record.status == "failed"
    assert "evnt" in record.error


def test_a_plugin_that_cannot_take_part_is_told_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.plugin("policy", "raise ValueError('boom')", "3.0")
    hook = site.manager().hook
    with caplog.at_level(logging.WARNING):
        hook.torchx_transform_app(request=_request())
        hook.torchx_transform_app(request=_request())
    assert [record.getMessage() for record in caplog.records] == [
        "plugin `policy 3.0` does not work, and takes no part in this job"
    ]


def test_without_such_plugins_pluggy_is_not_imported(site: Site) -> None:
    code = """
        import sys
        from torchx.plugins import AppSubmitted, get_plugin_manager

        event = AppSubmitted(app_handle="a://b/c", scheduler="a")
        get_plugin_manager().hook.torchx_app_submitted(event=event)
        print("pluggy" in sys.modules)
        """
    assert site.python(code) == "False"
    site.plugin("acme", OBSERVER.format(then="pass"))
    assert site.python(code) == "True"


def test_disabled_plugins_take_no_part(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.plugin("acme", _stamp("a"))
    monkeypatch.setenv("TORCHX_DISABLE_PLUGINS", "acme")
    request = _request()
    site.manager().hook.torchx_transform_app(request=request)
    assert request.app.metadata == {}
