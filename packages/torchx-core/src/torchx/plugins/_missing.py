"""The error for a name that no plugin provides: what is near, what is not installed, what is broken or switched off."""

from __future__ import annotations

from torchx.errors import nearest
from torchx.plugins.descriptors import PluginType
from torchx.plugins.errors import PluginLoadError, UnknownPluginError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torchx.plugins._providers import PluginProblem, Provider

OFFICIAL = {
    (PluginType.SCHEDULER, "local_docker"): "torchx-docker",
    (PluginType.WORKSPACE, "docker"): "torchx-docker",
    (PluginType.WORKSPACE, "oci"): "torchx-docker",
    (PluginType.SCHEDULER, "kubernetes"): "torchx-k8s",
    (PluginType.SCHEDULER, "kubernetes_mcad"): "torchx-k8s",
    (PluginType.SCHEDULER, "slurm"): "torchx-slurm",
    (PluginType.SCHEDULER, "lsf"): "torchx-lsf",
    (PluginType.SCHEDULER, "aws_batch"): "torchx-aws",
    (PluginType.SCHEDULER, "aws_sagemaker"): "torchx-aws",
}

PLANNED = frozenset({"torchx-k8s", "torchx-lsf", "torchx-aws"})
"""Distributions of ours that register nothing yet; the tests compare this with what they register."""


def install_hint(distribution: str) -> str:
    """How to get a backend of ours that is not there."""
    if distribution in PLANNED:
        return f"`{distribution}` is planned and has no backend yet; `torchx runopts` lists those that are installed"
    return f"pip install {distribution}"


def official_schedulers() -> list[str]:
    """The schedulers of our own distributions, installed or not."""
    return [name for kind, name in OFFICIAL if kind is PluginType.SCHEDULER]


def official_distributions() -> list[str]:
    """Our own distributions with backends, installed or not."""
    return list(dict.fromkeys(OFFICIAL.values()))


def missing(
    kind: PluginType, name: str, known: Iterable[str], providers: Sequence[Provider]
) -> UnknownPluginError | PluginLoadError:
    """The error for ``name``: that of a plugin that does not work if that may be why, else that the name is unknown."""
    names = sorted(known)
    official = OFFICIAL.get((kind, name))
    near = nearest(name, names)
    broken = [(p, problem) for p in providers for problem in p.problems if problem.kind in (None, kind)]
    for provider, problem in broken:
        if provider.name == official or problem.what == f"{kind.label} `{name}`":
            return provider.failure(problem)
    if broken and not near and not official:
        return _may_be_in(kind, name, broken)
    hint = _switched_off(kind, name, official, providers)
    if not hint and official:
        installed = [provider.title for provider in providers if provider.name == official]
        hint = (
            f"`{installed[0]}` is installed but does not add it: pip install --upgrade {official}"
            if installed and official not in PLANNED
            else install_hint(official)
        )
    listed = f"known: {', '.join(names)}" if names else f"no {kind.label} is installed"
    message = f"there is no {kind.label} `{name}`"
    return UnknownPluginError(message, name=name, known=names, hint=hint or near or listed, fix=hint)


def _may_be_in(kind: PluginType, name: str, broken: Sequence[tuple[Provider, PluginProblem]]) -> PluginLoadError:
    """A plugin that fails before it says what it provides may be the one that is asked for: each that does is told."""
    failures = [provider.failure(problem) for provider, problem in broken]
    told = "; ".join(failure.message for failure in failures)
    dists = list(dict.fromkeys(failure.dist for failure in failures))
    hint = failures[0].hint
    if len(dists) > 1:
        hint = f"upgrade, repair or remove them; TORCHX_DISABLE_PLUGINS={','.join(dists)} switches them off"
    error = PluginLoadError(
        f"there is no {kind.label} `{name}` among the plugins that work; {told}",
        dist=failures[0].dist,
        version=failures[0].version,
        hint=hint,
    )
    error.__cause__ = failures[0].__cause__
    return error


def _switched_off(kind: PluginType, name: str, official: str | None, providers: Iterable[Provider]) -> str | None:
    for provider in providers:
        described = any(point.group == kind.group and point.name == name for point in provider.entry_points)
        if provider.disabled and (described or provider.name == official):
            return f"`{provider.title}` is installed but switched off; see TORCHX_DISABLE_PLUGINS and --no-plugins"
    return None
