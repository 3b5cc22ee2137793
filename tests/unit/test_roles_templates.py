"""What lands on a host: every template, rendered by Ansible with the role's own defaults."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader  # type: ignore[import-untyped]
from ansible.plugins.loader import init_plugin_loader  # type: ignore[import-untyped]
from ansible.template import Templar, trust_as_template  # type: ignore[import-untyped]

PROJECT = Path(__file__).parents[2]
TEMPLATES = sorted(path.relative_to(PROJECT / "templates") for path in (PROJECT / "templates").glob("*/*.j2"))
UNITS = [path for path in TEMPLATES if path.name.endswith(".service.j2")]

needs_systemd_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze"
)

FACTS: dict[str, Any] = {
    "ansible_managed": "Ansible managed",
    "ansible_check_mode": False,
    "ansible_facts": {"default_ipv4": {"interface": "eth0"}},
    "inventory_hostname": "gateway.example",
    "__nat64_host": {
        "sysctl": {
            "wanted": {"net/ipv6/conf/eth0/accept_ra": "2", "net/ipv6/conf/all/forwarding": "1"},
            "uplinks": ["eth0"],
        }
    },
    "dns64_interfaces": ["lan0"],
    "nat44_lan_interfaces": ["lan0"],
}


@pytest.fixture(scope="module", autouse=True)
def _plugins() -> None:
    init_plugin_loader([])


def render(template: Path, **variables: object) -> str:
    """Render a template with its role's defaults and variables, the facts above, and `variables`."""
    role = PROJECT / "roles" / template.parts[0]
    loader = DataLoader()
    found: dict[str, Any] = {}
    for file in ("defaults/main.yml", "vars/main.yml", "vars/Debian.yml"):
        if (role / file).exists():
            found |= loader.load_from_file(str(role / file), trusted_as_template=True)
    templar = Templar(loader, found | FACTS | {"role_path": str(role)} | variables)
    path = PROJECT / "templates" / template
    lookup = trust_as_template(f"{{{{ lookup('ansible.builtin.template', '{path}') }}}}")
    return str(templar.template(lookup))


def test_each_role_reaches_its_templates_by_a_link() -> None:
    for directory in (PROJECT / "templates").iterdir():
        link = PROJECT / "roles" / directory.name / "templates"
        assert os.readlink(link) == f"../../templates/{directory.name}"  # noqa: PTH115 - the text of the link


@pytest.mark.parametrize("template", TEMPLATES, ids=str)
def test_a_template_begins_with_who_manages_the_file(template: Path) -> None:
    lines = (PROJECT / "templates" / template).read_text().splitlines()
    first = lines[1 if lines[0].startswith("#!") else 0]
    assert re.fullmatch(r"\{\{ ansible_managed \| comment(\('cblock'\))? \}\}", first)


@pytest.mark.parametrize("template", TEMPLATES, ids=str)
def test_a_template_renders_with_the_defaults(template: Path) -> None:
    text = render(template)
    assert "Ansible managed" in text
    assert "{{" not in text
    assert "{%" not in text
    assert text.endswith("\n")


@pytest.mark.parametrize("template", TEMPLATES, ids=str)
def test_a_role_writes_every_template(template: Path) -> None:
    role = PROJECT / "roles" / template.parts[0]
    assert any(f"src: {template.name}" in tasks.read_text() for tasks in (role / "tasks").glob("*.yml"))


@pytest.mark.parametrize("name", ["nat64.conf.j2", "dns64.conf.j2", "named.conf.j2", "nat44.nft.j2"])
def test_a_config_is_validated_before_it_replaces_one(name: str) -> None:
    (tasks,) = [
        path for path in (PROJECT / "roles").glob("*/tasks/*.yml") if f"src: {name}" in path.read_text()
    ]
    after = tasks.read_text().partition(f"src: {name}")[2].partition("- name:")[0]
    assert "validate:" in after


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a directory with all our units, whose commands of ours stand for any that exists."""
    directory = tmp_path_factory.mktemp("units")
    for template in UNITS:
        text = re.sub(r"/usr/sbin/(nat64d|dns64d|nft)\b", "/bin/true", render(template))
        (directory / template.name.removesuffix(".j2")).write_text(text)
    return directory


@needs_systemd_analyze
@pytest.mark.parametrize("unit", [path.name.removesuffix(".j2") for path in UNITS])
def test_systemd_finds_no_fault_in_a_unit(unit: str, units: Path) -> None:
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(units / unit)],
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{units}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in verified.stderr.splitlines() if str(units) in line or unit in line]
    assert complaints == []
    assert verified.returncode == 0, verified.stderr


@needs_systemd_analyze
@pytest.mark.parametrize(("unit", "most"), [("nat64d.service", 20), ("dns64d.service", 16)])
def test_a_unit_is_hardened(unit: str, most: int, units: Path) -> None:
    rated = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            f"--threshold={most}",
            "--no-pager",
            str(units / unit),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout.splitlines()[-1:]


MAPS = [
    {"ipv4": "192.0.2.80", "ipv6": "2001:db8:1::80"},
    {"ipv4": "198.51.100.0/28", "ipv6": "2001:db8:2::/124"},
]


@pytest.mark.parametrize(
    ("command", "template", "variables"),
    [
        ("nat64d", "nat64/nat64.conf.j2", {}),
        ("nat64d", "nat64/nat64.conf.j2", {"nat64_maps": MAPS, "nat64_tun_addresses": ["192.0.2.1/32"]}),
        ("nat64d", "nat64/nat64.conf.j2", {"nat64_extra_directives": ["offlink-mtu 1400"]}),
        ("dns64d", "dns64/dns64.conf.j2", {}),
        (
            "dns64d",
            "dns64/dns64.conf.j2",
            {
                "dns64_interfaces": [],
                "dns64_listen": [{"address": "2001:db8:1::53"}, {"address": "192.0.2.53", "port": 5353}],
                "dns64_allow_query": ["2001:db8::/32", "192.0.2.0/24"],
            },
        ),
    ],
)
def test_the_daemon_accepts_the_config(
    command: str, template: str, variables: dict[str, object], tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(render(Path(template), **variables))
    checked = subprocess.run(
        [Path(sys.executable).with_name(command), "--check", "-c", config],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_accept_ra_is_set_before_forwarding() -> None:
    lines = render(Path("nat64/sysctl.conf.j2")).splitlines()
    assert lines.index("net/ipv6/conf/eth0/accept_ra = 2") < lines.index("net/ipv6/conf/all/forwarding = 1")


def test_a_host_keeps_its_own_unique_local_address() -> None:
    def address(host: str) -> str:
        config = render(Path("nat64/nat64.conf.j2"), inventory_hostname=host)
        (line,) = re.findall(r"^ipv6-addr (.*)$", config, re.MULTILINE)
        return str(line)

    assert address("one") == address("one") != address("two")
    assert re.fullmatch(r"fd[0-9a-f]{2}(:[0-9a-f]{1,4}){2}::64", address("one"))


@pytest.mark.parametrize(
    ("pool", "first"),
    [("192.168.240.0/20", "192.168.240.1"), ("10.0.0.128/25", "10.0.0.129"), ("100.64.0.0/10", "100.64.0.1")],
)
def test_the_translators_address_is_the_pools_first(pool: str, first: str) -> None:
    assert f"\nipv4-addr {first}\n" in render(Path("nat64/nat64.conf.j2"), nat64_pool=pool)


@pytest.mark.parametrize(("given", "written"), [("auto", "auto"), ("no", "no"), (False, "no"), (True, "yes")])
def test_an_unquoted_yes_or_no_means_what_it_says(given: object, written: str) -> None:
    text = render(Path("resolver/named.conf.j2"), resolver_dnssec_validation=given)
    assert f"dnssec-validation {written};" in text


def test_the_resolver_is_open_to_this_host_alone() -> None:
    text = render(Path("resolver/named.conf.j2"), resolver_forwarders=[{"address": "192.0.2.53"}])
    assert re.findall(r"listen-on(?:-v6)? port 65053 \{ (.*?); \};", text) == ["127.0.0.1", "::1"]
    assert re.findall(r"allow-(?:query|recursion) \{ (.*?) \};", text) == ["127.0.0.0/8; ::1;"] * 2


@pytest.mark.skipif(shutil.which("nft") is None or os.geteuid() != 0, reason="needs nft and root")
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"nat44_lan_interfaces": [], "nat44_lan_networks": ["2001:db8:1::/64", "2001:db8:2::/64"]},
        {"nat44_lan_interfaces": ["lan0", "eth0.100"], "nat44_uplinks": ["ppp0", "wan-1"]},
    ],
)
def test_nft_accepts_the_table(variables: dict[str, object], tmp_path: Path) -> None:
    rules = tmp_path / "nat44.nft"
    rules.write_text(render(Path("nat44/nat44.nft.j2"), **variables))
    loaded_twice = f"nft --file {rules} && nft --file {rules} && nft list ruleset"
    loaded = subprocess.run(
        ["unshare", "--net", "sh", "-c", loaded_twice], capture_output=True, text=True, check=False
    )
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.count("masquerade") == 1


def test_what_ifupdown_runs_is_sound_shell(tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text(render(Path("nat64/ifupdown-hook.sh.j2")))
    shellcheck = Path(sys.executable).with_name("shellcheck")
    checked = subprocess.run([shellcheck, hook], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")


@pytest.mark.parametrize(
    "changed",
    [
        {"nat44_lan_interfaces": ["lan1"]},
        {"nat44_lan_networks": ["2001:db8:1::/64"]},
        {"nat44_uplinks": ["eth1"]},
        {"nat44_pool": "192.168.0.0/24"},
        {"nat44_device": "nat65"},
    ],
)
def test_a_table_of_other_rules_has_another_version(changed: dict[str, object]) -> None:
    def version(**variables: object) -> str:
        (found,) = re.findall('comment "([0-9a-f]{64})"', render(Path("nat44/nat44.nft.j2"), **variables))
        return str(found)

    assert version() == version() != version(**changed)
