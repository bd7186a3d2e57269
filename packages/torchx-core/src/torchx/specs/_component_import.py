"""Importing the modules and files that components are in."""

from __future__ import annotations

import os
import sys

from torchx.errors import TorchXError
from torchx.util.foreign_output import foreign_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


class ComponentLoadError(TorchXError):
    """The module or file of a component exists but cannot be imported; the cause says why."""


def import_module(name: str) -> ModuleType | None:
    """The module, which may also lie in the current folder; None where there is no such module.

    Raises:
        ComponentLoadError: it exists, and fails to import.
    """
    import importlib

    module = _import_if_there(name)
    if module is None and _add_to_path(os.getcwd()):
        importlib.invalidate_caches()
        module = _import_if_there(name)
    return module


def _import_if_there(name: str) -> ModuleType | None:
    import importlib

    try:
        with foreign_output():
            return importlib.import_module(name)
    except ModuleNotFoundError as e:
        if e.name is not None and (name == e.name or name.startswith(f"{e.name}.")):
            return None
        raise _load_error(f"module `{name}`", e) from e
    except (Exception, SystemExit) as e:
        raise _load_error(f"module `{name}`", e) from e


def execute_file(path: str, source: bytes) -> ModuleType:
    """Runs a component file as a module of its own and returns it.

    The module stays in ``sys.modules``, so that what it defines can be pickled and its dataclasses work, and the file's
    folder stays at the end of ``sys.path``, so that it finds the modules beside it.

    Raises:
        ComponentLoadError: the file raises.
    """
    import hashlib
    import types

    real = os.path.realpath(path)
    stem = os.path.basename(real).removesuffix(".py")
    digest = hashlib.sha256(os.fsencode(real)).hexdigest()[:8]
    module = types.ModuleType(f"torchx_component_{stem}_{digest}")
    module.__file__ = real
    _add_to_path(os.path.dirname(real))
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module
    try:
        with foreign_output():
            exec(compile(source, real, "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as e:
        del sys.modules[module.__name__]
        if before is not None:
            sys.modules[module.__name__] = before
        raise _load_error(f"component file `{path}`", e, real) from e
    return module


def _add_to_path(folder: str) -> bool:
    # At the end, so that nothing that is installed is hidden by a file that happens to lie there.
    if folder in sys.path:
        return False
    sys.path.append(folder)
    return True


def _load_error(what: str, error: BaseException, path: str | None = None) -> ComponentLoadError:
    where = ""
    traceback = error.__traceback__
    while path is not None and traceback is not None:
        if traceback.tb_frame.f_code.co_filename == path:
            where = f", line {traceback.tb_lineno}"
        traceback = traceback.tb_next
    return ComponentLoadError(
        f"{what} fails to import{where}: {type(error).__name__}: {error}",
        hint="`torchx --log_level DEBUG` shows the traceback",
    )
