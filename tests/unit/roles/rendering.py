"""Rendering of the roles' templates by Ansible itself, with a role's own defaults and variables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

PROJECT = Path(__file__).parents[3]
TEMPLATES = sorted(path.relative_to(PROJECT / "templates") for path in (PROJECT / "templates").glob("*/*.j2"))
UNITS = [path for path in TEMPLATES if path.name.endswith(".service.j2")]
INIT_SCRIPTS = [path for path in TEMPLATES if path.name.endswith(".openrc.j2")]

# What the look at a host makes of a default router's interface.
ADVERTISED: dict[str, Any] = {
    "name": "lan0",
    "router_lifetime": 1800,
    "preference": "medium",
    "min_interval": 200,
    "max_interval": 600,
    "mtu": 1480,
    "prefixes": ["::/64"],
    "valid_lifetime": 5400,
    "preferred_lifetime": 2700,
    "rdnss": ["2001:db8:64:1::1"],
    "dnssl": ["example"],
    "dns_lifetime": 1800,
    "pref64": ["64:ff9b::/96"],
    "pref64_lifetime": 1800,
    "route_information": ["64:ff9b::/96"],
    "route_lifetime": 1800,
}

FACTS: dict[str, Any] = {
    "__router_advertisements_host": {"interfaces": [ADVERTISED]},
    "__router_advertisements_interface": ADVERTISED,
    "ansible_managed": "Ansible managed",
    "ansible_check_mode": False,
    "ansible_facts": {"default_ipv4": {"interface": "eth0"}},
    "inventory_hostname": "gateway.example",
    "__nat64_host": {
        "netifrc": "preup",
        "netifrc_preup": False,
        "sysctl": {
            "wanted": {"net/ipv6/conf/eth0/accept_ra": "2", "net/ipv6/conf/all/forwarding": "1"},
            "uplinks": ["eth0"],
        },
    },
    "__nat44_host": {
        "rules": {
            "device": "nat64",
            "lan_interfaces": ["lan0"],
            "lan_networks": [],
            "uplinks": ["eth0"],
            "pools": ["192.168.240.0/20"],
            "source": "",
            "clamp_mss": "",
            "port_forwards": [],
        },
        "service_hooks": ["start_post", "stop_post", "reload_post", "save_post", "clear_post"],
    },
    "item": {"service": "nftables", "reloads": True},
    "dns64_interfaces": ["lan0"],
}


def render(template: Path | str, family: str | None = None, **variables: object) -> str:
    """Render a template as on an OS of `family`, with its role's defaults and variables, the facts above, and `variables`.

    Without `family` an OpenRC script is rendered for Alpine, and all else for Debian.
    """
    template = Path(template)
    openrc = ".openrc" in template.name or ".confd" in template.name
    family = family or ("Alpine" if openrc else "Debian")
    init = "openrc" if openrc or family != "Debian" else "systemd"
    templar = _templar(template.parts[0], family, init, variables)
    path = PROJECT / "templates" / template
    lookup = trust_as_template(f"{{{{ lookup('ansible.builtin.template', '{path}') }}}}")
    return str(templar.template(lookup))


def value(role: str, name: str, family: str = "Debian", /, **variables: object) -> Any:  # noqa: ANN401 - whatever it holds
    """Return what a variable of a role holds on an OS of `family` with systemd, by its defaults and `variables`."""
    return _templar(role, family, "systemd", variables).template(trust_as_template(f"{{{{ {name} }}}}"))


def _templar(role_name: str, family: str, init: str, variables: dict[str, object]) -> Any:  # noqa: ANN401 - Ansible has no types
    role = PROJECT / "roles" / role_name
    loader = DataLoader()
    found: dict[str, Any] = {}
    shared = [PROJECT / "roles/platform/vars" / name for name in ("main.yml", f"{family}.yml", f"{init}.yml")]
    own = [role / name for name in ("defaults/main.yml", *(f"vars/{x}.yml" for x in ("main", family, init)))]
    for file in (*shared, *own):
        if file.exists():
            found |= loader.load_from_file(str(file), trusted_as_template=True) or {}
    facts = {"platform_os": family.lower(), "platform_init": init}
    return Templar(loader, found | FACTS | facts | {"role_path": str(role)} | variables)


def evaluate(expression: str, **variables: object) -> Any:  # noqa: ANN401 - whatever the expression gives
    """Return the value of a Jinja expression."""
    return Templar(variables=variables).template(trust_as_template("{{ " + expression + " }}"))


def checked(command: str, config: str, directory: Path) -> tuple[int, str]:
    """Have a daemon check a config's text; return its status and what it says."""
    file = directory / "config"
    file.write_text(config)
    done = subprocess.run(
        [Path(sys.executable).with_name(command), "--check", "-c", file],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr
