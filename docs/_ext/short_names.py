"""Lets signatures say ``AppDef`` and link to ``torchx.specs.AppDef``.

Annotations are texts that are never evaluated, so Sphinx knows names as the source writes them. A name is looked up by
its last part among all that is documented; what belongs to Python or to another project stays plain text. Anything else
is a reference that leads nowhere, and a warning.
"""

from __future__ import annotations

import builtins
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

FOREIGN = {
    *dir(builtins),
    *("Any", "Callable", "ClassVar", "Generator", "Generic", "Iterable", "Iterator", "List", "Literal", "Mapping"),
    *("NoReturn", "Optional", "Protocol", "Self", "Sequence", "TextIO", "Type", "TypeVar", "Union"),
    *("ABC", "AbstractFileSystem", "Enum", "Namespace", "ArgumentParser", "TracebackType", "datetime", "Path"),
    *(
        "AbstractContextManager",
        "Logger",
        "Handler",
        "SubParsersAction",
        "TestCase",
        "FunctionDef",
        "NodeVisitor",
        "expr",
        "ModuleType",
    ),
    *("RawDescriptionHelpFormatter", "ArgumentDefaultsHelpFormatter", "MetavarTypeHelpFormatter", "ClassDef"),
}
"""Names of Python and of other projects that signatures use."""

OTHER_PROJECTS = {"torch", "fsspec", "pytest", "IPython"}

PRIVATE = {
    *("T", "C", "V", "K", "M", "_T", "_O", "_Overlay", "_Dataclass", "PackageType", "WorkspaceConfigType", "Test"),
    *("Cfg", "_CfgType", "Replica", "Fractionals", "ResourceLike", "Outage", "Unpack", "Fingerprint", "Factory"),
    *("HookRelay", "Provider", "Values", "ComponentFunctionValidator", "_Component", "SimpleNamespace"),
}
"""Type variables, aliases and classes of ours that readers need not know."""


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.TextElement) -> Any:
    """A link for a name that Sphinx does not find by itself; its plain text where no link is due."""
    if node.get("refdomain") != "py":
        return None
    target: str = node["reftarget"]
    name, top = target.rpartition(".")[2], target.partition(".")[0]
    domain = env.get_domain("py")
    found = [full for full, entry in domain.objects.items() if full.rpartition(".")[2] == name and not entry.aliased]
    found = [full for full in found if domain.objects[full].objtype in ("class", "exception", "function", "data")]
    if len(found) == 1 and (target == name or target.startswith("torchx")):
        entry = domain.objects[found[0]]
        from sphinx.util.nodes import make_refnode

        return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, text, found[0])
    if name in FOREIGN or name in PRIVATE or top in OTHER_PROJECTS or top in sys.stdlib_module_names:
        return text
    return None


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
