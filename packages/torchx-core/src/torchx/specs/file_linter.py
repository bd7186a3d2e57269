"""Checks a component's source without running it, and reads its help from its docstring."""

from __future__ import annotations

import abc
import argparse
import ast
import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = [
    "ArgTypeValidator",
    "ComponentFnVisitor",
    "ComponentFunctionValidator",
    "LinterMessage",
    "ReturnTypeValidator",
    "TorchXArgumentHelpFormatter",
    "get_fn_docstring",
    "get_generic_type",
    "get_optional_type",
    "is_primitive",
    "validate",
]

_PRIMITIVES = frozenset({"str", "int", "float", "bool"})
_LISTS = frozenset({"list", "List", "Sequence", "Iterable"})
_DICTS = frozenset({"dict", "Dict", "Mapping"})
_SUPPORTED = (
    "str, int, float, bool, lists and dicts of these, Literal, enumerations of the same file, and Optional of all these"
)
_ENUMS = frozenset({"Enum", "IntEnum", "StrEnum"})


class TorchXArgumentHelpFormatter(
    argparse.RawDescriptionHelpFormatter,
    argparse.ArgumentDefaultsHelpFormatter,
    argparse.MetavarTypeHelpFormatter,
):
    """Help with the description's own line breaks, the type of each option and its default."""


def get_fn_docstring(fn: Callable[..., object]) -> tuple[str, dict[str, str]]:
    """What a component's docstring says.

    Returns:
        The description, and the description of each parameter of the function by its name: one space for a parameter
        that the docstring does not mention (``argparse`` shows the default only of options that have some help).
    """
    import inspect

    import docstring_parser

    from torchx.specs._component_params import read_params

    doc = docstring_parser.parse(inspect.getdoc(fn) or "")
    described = {param.arg_name.lstrip("*"): param.description or " " for param in doc.params}
    parts = [text for text in (doc.short_description, doc.long_description) if text]
    description = "\n\n".join(parts) or f"{fn.__name__} (a docstring of the component would be shown here)"
    return description, {p.name: described.get(p.name, " ") for p in read_params(fn)}


@dataclass
class LinterMessage:
    """Something wrong in a component's source.

    Attributes:
        name: the rule that is broken.
        description: what is wrong and what would be right.
        line: where, from 1.
        char: the column, from 0.
        severity: ``"error"``.
    """

    name: str
    description: str
    line: int
    char: int
    severity: str = "error"


class ComponentFunctionValidator(abc.ABC):
    """A rule for the source of component functions."""

    @abc.abstractmethod
    def validate(self, app_specs_func_def: ast.FunctionDef) -> list[LinterMessage]:
        """What breaks the rule in this function; an empty list where nothing does."""


def is_primitive(arg: ast.expr) -> bool:
    """Whether the annotation is ``str``, ``int``, ``float`` or ``bool``."""
    return isinstance(arg, ast.Name) and arg.id in _PRIMITIVES


def get_generic_type(arg: ast.expr) -> ast.expr:
    """``list`` of ``list[X]``; an annotation without arguments as it is."""
    return arg.value if isinstance(arg, ast.Subscript) else arg


def get_optional_type(arg: ast.expr) -> ast.expr | None:
    """``X`` of ``Optional[X]``, ``X | None`` and ``None | X``; None for any other annotation."""
    if isinstance(arg, ast.Subscript) and _name(arg.value) == "Optional":
        return arg.slice
    if isinstance(arg, ast.BinOp) and isinstance(arg.op, ast.BitOr):
        if _is_none(arg.right):
            return arg.left
        if _is_none(arg.left):
            return arg.right
    return None


class ArgTypeValidator(ComponentFunctionValidator):
    """Every parameter has a type that can be written on a command line.

    These are ``str``, ``int``, ``float``, ``bool``, lists and dicts of them, ``Literal``, enumerations, and the
    optional and ``Annotated`` forms of these.

    Args:
        enums: the names of the enumerations that the source defines.
    """

    def __init__(self, enums: Collection[str] = ()) -> None:
        self._enums = frozenset(enums)

    def validate(self, app_specs_func_def: ast.FunctionDef) -> list[LinterMessage]:
        args = app_specs_func_def.args
        messages = [self._check(app_specs_func_def, arg) for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
        if args.vararg is not None:
            messages.append(self._check(app_specs_func_def, args.vararg))
        if args.kwarg is not None:
            messages.append(_message("arg-kind", f"`**{args.kwarg.arg}` cannot be given on a command line", args.kwarg))
        return [message for message in messages if message is not None]

    def _check(self, fn: ast.FunctionDef, arg: ast.arg) -> LinterMessage | None:
        if arg.annotation is None:
            return _message("arg-type", f"`{fn.name}`: parameter `{arg.arg}` has no type annotation", arg)
        if self._is_supported(_unquoted(arg.annotation)):
            return None
        problem = f"`{fn.name}`: parameter `{arg.arg}` has the type `{ast.unparse(arg.annotation)}`"
        return _message("arg-type", f"{problem}; supported are {_SUPPORTED}", arg)

    def _is_supported(self, annotation: ast.expr) -> bool:
        if (inner := get_optional_type(annotation)) is not None:
            return self._is_supported(inner)
        name = _name(get_generic_type(annotation))
        arguments = _arguments(annotation)
        if name == "Annotated":
            return bool(arguments) and self._is_supported(arguments[0])
        if name == "Literal":
            return True
        if name in _LISTS | _DICTS:
            return len(arguments) in (0, 1 if name in _LISTS else 2) and all(map(self._is_scalar, arguments))
        return self._is_scalar(annotation)

    def _is_scalar(self, annotation: ast.expr) -> bool:
        return is_primitive(annotation) or (isinstance(annotation, ast.Name) and annotation.id in self._enums)


class ReturnTypeValidator(ComponentFunctionValidator):
    """The function says that it returns the supported type.

    Args:
        supported_return_type: the name of the type, which the source may qualify: ``AppDef``, ``specs.AppDef``.
    """

    def __init__(self, supported_return_type: str) -> None:
        self._supported_return_type = supported_return_type

    def validate(self, app_specs_func_def: ast.FunctionDef) -> list[LinterMessage]:
        returns = app_specs_func_def.returns
        supported = self._supported_return_type
        if returns is None:
            problem = f"`{app_specs_func_def.name}` has no return annotation"
        elif _name(_unquoted(returns)) == supported:
            return []
        else:
            problem = f"`{app_specs_func_def.name}` is annotated to return `{ast.unparse(returns)}`"
        return [_message("return-type", f"{problem}; a component has `-> {supported}`", app_specs_func_def)]


class ComponentFnVisitor(ast.NodeVisitor):
    """Finds one component in a module's source and applies the validators to it.

    Args:
        component_function_name: the function, or the class with a method ``build``.
        validators: the rules; None stands for the types of the parameters and of the result.

    Attributes:
        linter_errors: what was found.
        found: whether the component is there.
    """

    def __init__(self, component_function_name: str, validators: list[ComponentFunctionValidator] | None) -> None:
        self.component_function_name = component_function_name
        self.validators = _default_validators() if validators is None else validators
        self.linter_errors: list[LinterMessage] = []
        self.found = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Applies the validators where the function is the component."""
        if node.name == self.component_function_name:
            self.found = True
            # A later definition of the same name replaces the earlier one, as it does when the module runs.
            self.linter_errors = [message for rule in self.validators for message in rule.validate(node)]

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Applies the validators to ``build`` (of ``__init__``, to the parameters) where the class is the component."""
        if node.name != self.component_function_name:
            return
        self.found = True
        self.linter_errors = []
        methods = {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)}
        if "build" in methods:
            build = _without_self(methods["build"])
            self.linter_errors += [message for rule in self.validators for message in rule.validate(build)]
        elif not node.bases:
            self.linter_errors.append(_message("class-build", f"class `{node.name}` has no method `build`", node))
        if "__init__" in methods:
            init = _without_self(methods["__init__"])
            rules = [rule for rule in self.validators if not isinstance(rule, ReturnTypeValidator)]
            self.linter_errors += [message for rule in rules for message in rule.validate(init)]


def validate(
    path: str, component_function: str, validators: list[ComponentFunctionValidator] | None = None
) -> list[LinterMessage]:
    """Checks one component in a file, without running the file.

    Args:
        path: the Python file.
        component_function: the function, or the class with a method ``build``.
        validators: the rules to apply; None stands for the types of the parameters and of the result.

    Returns:
        What is wrong: also that the file is no valid Python, or that the component is not in it.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        source = file.read()
    return validate_source(source, path, component_function, validators)


def validate_source(
    source: bytes | str,
    path: str,
    component_function: str,
    validators: list[ComponentFunctionValidator] | None = None,
) -> list[LinterMessage]:
    """Like :py:func:`validate`, for source that was read already; ``path`` is for messages."""
    try:
        tree = ast.parse(source, path)
    except SyntaxError as e:
        return [LinterMessage("syntax", f"{path} is not valid Python: {e.msg}", e.lineno or 1, e.offset or 0)]
    except (ValueError, RecursionError, MemoryError) as e:  # null bytes, nesting beyond the parser's limits
        return [LinterMessage("syntax", f"{path} is not valid Python: {e}", 1, 0)]
    rules = _default_validators(_enum_names(tree)) if validators is None else validators
    visitor = ComponentFnVisitor(component_function, rules)
    visitor.visit(tree)
    if not visitor.found:
        return [LinterMessage("not-found", f"{path} defines no function `{component_function}`", 1, 0)]
    return visitor.linter_errors


def _default_validators(enums: Collection[str] = ()) -> list[ComponentFunctionValidator]:
    return [ArgTypeValidator(enums), ReturnTypeValidator("AppDef")]


def _enum_names(tree: ast.Module) -> list[str]:
    classes = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    return [node.name for node in classes if any(_name(base) in _ENUMS for base in node.bases)]


def _message(name: str, description: str, at: ast.stmt | ast.arg) -> LinterMessage:
    return LinterMessage(name=name, description=description, line=at.lineno, char=at.col_offset)


def _name(expr: ast.expr) -> str:
    """The last part of a possibly dotted name, ``""`` for what is not a name."""
    if isinstance(expr, ast.Attribute):
        return expr.attr
    return expr.id if isinstance(expr, ast.Name) else ""


def _is_none(expr: ast.expr) -> bool:
    return isinstance(expr, ast.Constant) and expr.value is None


def _arguments(annotation: ast.expr) -> list[ast.expr]:
    if not isinstance(annotation, ast.Subscript):
        return []
    return list(annotation.slice.elts) if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]


def _unquoted(annotation: ast.expr) -> ast.expr:
    """The annotation inside a string, as in ``x: "list[str]"``."""
    if not (isinstance(annotation, ast.Constant) and isinstance(annotation.value, str)):
        return annotation
    try:
        return ast.parse(annotation.value, mode="eval").body
    except SyntaxError:
        return annotation


def _without_self(method: ast.FunctionDef) -> ast.FunctionDef:
    if any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in method.decorator_list):
        return method
    copied = copy.copy(method)
    copied.args = copy.copy(method.args)
    if copied.args.posonlyargs:
        copied.args.posonlyargs = copied.args.posonlyargs[1:]
    else:
        copied.args.args = copied.args.args[1:]
    return copied
