"""Render the roles' templates without Ansible, by the roles' own defaults and variables, as for a distribution.

What a template or variable takes from the look at a host (`__nat64_host`) or from an inventory is given by who renders;
a name that nobody gives is an error. Filters are those of Jinja, and the few of Ansible's and this collection's that stand
in `FILTERS`.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jinja2
import yaml  # type: ignore[import-untyped]
from building import PROJECT
from jinja2.nativetypes import NativeEnvironment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

TEMPLATES: Final = PROJECT / "templates"


def render(template: str, init: str, given: Mapping[str, object], family: str = "Debian") -> str:
    """Return what the template, such as `nat64/nat64d.service.j2`, gives on a host whose init system is `init`.

    `family` is the distribution, as Ansible calls it. `given` comes before the role's own variables. Raises `jinja2.TemplateError`, also for a name that nobody gives.
    """
    variables = role_variables(template.partition("/")[0], init, family) | dict(given)
    return _environment(variables).get_template(template).render()


def role_variables(role: str, init: str, family: str) -> dict[str, object]:
    """Return the variables of a role by name, those in `vars/` over its defaults, and not yet rendered."""
    found: dict[str, object] = {"platform_os": family.lower(), "platform_init": init}
    files = ("defaults/main.yml", "vars/main.yml", f"vars/{family}.yml", f"vars/{init}.yml")
    for file in (PROJECT / "roles" / role / name for name in files):
        if file.exists():
            found |= yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    return found


def _environment(variables: dict[str, object]) -> jinja2.Environment:
    """Return Jinja as Ansible sets it up for templates, with variables that may be templates themselves."""
    environment = jinja2.Environment(  # noqa: S701 - it makes no HTML
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    # A variable keeps the type of what it says.
    nested = NativeEnvironment(undefined=jinja2.StrictUndefined)

    class Lazily(jinja2.runtime.Context):
        """Where a name is looked up: what it holds is rendered only then, for not all can be."""

        def resolve_or_missing(self, key: str) -> Any:  # noqa: ANN401 - whatever it holds
            if key in variables:
                return _rendered(nested, variables[key])
            return super().resolve_or_missing(key)

    for each in (environment, nested):
        each.filters.update(FILTERS)
        each.context_class = Lazily
    return environment


def _rendered(environment: NativeEnvironment, raw: object) -> object:
    if isinstance(raw, str) and "{{" in raw:
        return environment.from_string(raw).render()
    if isinstance(raw, list):
        return [_rendered(environment, item) for item in raw]
    return raw


def _comment(text: str) -> str:
    """Comment `text` as Ansible's filter does by itself: empty comment lines around it."""
    return "\n".join(["#", *(f"# {line}".rstrip() for line in text.splitlines()), "#"])


def _first_host(network: str, otherwise: str = "") -> str:
    hosts: Iterator[object] = iter(ipaddress.ip_network(network).hosts()) if network else iter(())
    return str(next(hosts, otherwise))


FILTERS: Final[dict[str, Callable[..., object]]] = {
    "comment": _comment,
    "regex_replace": lambda text, pattern, replacement: re.sub(pattern, replacement, str(text)),
    "dirname": lambda path: str(Path(path).parent) if path else "",
    "bool": lambda said: str(said).lower() in {"true", "yes", "on", "1"},
    "nat64.gateway.first_host": _first_host,
}
