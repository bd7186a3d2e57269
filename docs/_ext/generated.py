"""Directives whose text is made from the code when the documentation is built, so that it cannot be out of date.

=============================  =========================================================
directive                      what it shows
=============================  =========================================================
``{torchx-command} NAME``      usage and arguments of a command
``{torchx-options} NAME``      the options of a scheduler
``{torchx-cli-keys} COMMAND``  what the section ``[cli:COMMAND]`` of a configuration may set
``{torchx-resources} LABEL``   a table of named resources
``{torchx-components} MODULE`` the components of a module, with their arguments
``{torchx-hook} NAME``         signature and description of a hook
=============================  =========================================================
"""

from __future__ import annotations

import argparse
import inspect
from typing import TYPE_CHECKING, Any, ClassVar

from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docutils import nodes
    from sphinx.application import Sphinx


class Generated(Directive):
    """A directive with one argument; its content is Markdown that a subclass writes."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        from docutils import nodes as docutils_nodes

        container = docutils_nodes.container()
        text = StringList([*self.lines(self.arguments[0])], source=f"<{self.name} {self.arguments[0]}>")
        self.state.nested_parse(text, self.content_offset, container)
        return container.children

    def lines(self, argument: str) -> Iterator[str]:
        """The Markdown."""
        raise NotImplementedError


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A Markdown table."""
    head = list(header)
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row) + " |"
    yield ""


def code(text: object) -> str:
    return f"`{text}`"


class Command(Generated):
    """Usage and arguments of a command."""

    def lines(self, argument: str) -> Iterator[str]:
        from torchx.cli.parser import TorchXArgumentParser
        from torchx.plugins import get_plugin_manager

        cls: Any = get_plugin_manager().get("cli_commands", argument).load()
        parser = TorchXArgumentParser(prog=f"torchx {argument}")
        cls().add_arguments(parser)
        yield from parser_lines(parser)


def parser_lines(parser: argparse.ArgumentParser) -> Iterator[str]:
    """A parser and its sub-parsers."""
    yield "```text"
    yield from parser.format_usage().removeprefix("usage: ").rstrip().splitlines()
    yield "```"
    yield ""
    actions = [a for a in parser._actions if not isinstance(a, (argparse._HelpAction, argparse._SubParsersAction))]
    if actions:
        yield from table(("argument", "meaning"), ((argument_names(a), a.help or "") for a in actions))
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield f"**`{sub.prog}`**"
                yield ""
                yield from parser_lines(sub)


def argument_names(action: argparse.Action) -> str:
    metavar = action.metavar or action.dest.upper()
    shown = "|".join(metavar) if isinstance(metavar, tuple) else metavar
    if not action.option_strings:
        return code(shown)
    value = "" if action.nargs == 0 else f" {shown}"
    return ", ".join(code(f"{option}{value}") for option in action.option_strings)


class Options(Generated):
    """The options of a scheduler."""

    def lines(self, argument: str) -> Iterator[str]:
        from torchx.runner import get_runner
        from torchx.specs import get_type_name

        with get_runner() as runner:
            options = runner.scheduler_run_opts(argument)
        rows = (
            (
                code(name),
                code(get_type_name(option.opt_type)),
                "required" if option.is_required else code(option.default),
                option.help,
            )
            for name, option in options
        )
        yield from table(("option", "type", "default", "meaning"), rows)


class CliKeys(Generated):
    """What a section ``[cli:...]`` may set."""

    def lines(self, argument: str) -> Iterator[str]:
        from importlib import import_module

        from torchx.cli.parser import TorchXArgumentParser

        module = import_module(f"torchx.cli.cmd_{argument}")
        parser = TorchXArgumentParser(prog=f"torchx {argument}")
        getattr(module, f"Cmd{argument.capitalize()}")().add_arguments(parser)
        helps = {a.dest: a.help or "" for a in parser._actions}
        helps["component"] = "the component, where none is named"
        yield from table(("key", "meaning"), ((code(key), helps.get(key, "")) for key in module.CONFIG_KEYS))


class Resources(Generated):
    """A table of named resources."""

    def lines(self, argument: str) -> Iterator[str]:
        from importlib import import_module

        module = import_module(f"torchx.specs.named_resources_{argument}")
        rows = []
        for name, factory in module.NAMED_RESOURCES.items():
            made = factory()
            devices = ", ".join(f"{count} {device}" for device, count in made.devices.items())
            rows.append((code(name), str(made.cpu), str(made.gpu), f"{made.memMB / 1024:g}", devices))
        if any(row[-1] for row in rows):
            yield from table(("name", "cores", "GPUs", "GiB of memory", "other devices"), rows)
        else:
            yield from table(("name", "cores", "GPUs", "GiB of memory"), (row[:-1] for row in rows))


class Components(Generated):
    """The components of a module."""

    def lines(self, argument: str) -> Iterator[str]:
        from torchx.specs.file_linter import get_fn_docstring
        from torchx.specs.finder import get_components

        for name, component in get_components().items():
            if name.partition(".")[0] != argument:
                continue
            description, helps = get_fn_docstring(component.fn)
            yield f"**`{name}`**"
            yield ""
            yield f"{' '.join(description.split())}"
            yield ""
            rows = []
            for parameter in inspect.signature(component.fn).parameters.values():
                default = "required" if parameter.default is parameter.empty else code(repr(parameter.default))
                many = parameter.kind is parameter.VAR_POSITIONAL
                shown = code(f"{parameter.name} ..." if many else f"--{parameter.name}")
                rows.append((shown, "" if many else default, helps.get(parameter.name, "")))
            yield from table(("argument", "default", "meaning"), rows)


class Hook(Generated):
    """Signature and description of a hook."""

    def lines(self, argument: str) -> Iterator[str]:
        from torchx.plugins import hookspecs

        hook = getattr(hookspecs, argument)
        yield "```{eval-rst}"
        yield f".. py:function:: {argument}{inspect.signature(hook)}"
        yield "   :noindex:"
        yield ""
        yield from (f"   {line}" for line in inspect.getdoc(hook).splitlines())
        yield "```"


def setup(app: Sphinx) -> dict[str, Any]:
    for name, directive in {
        "torchx-command": Command,
        "torchx-options": Options,
        "torchx-cli-keys": CliKeys,
        "torchx-resources": Resources,
        "torchx-components": Components,
        "torchx-hook": Hook,
    }.items():
        app.add_directive(name, directive)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
