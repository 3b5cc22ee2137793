"""A repository of Gentoo's kind with our ebuilds in it, and what they name of Gentoo's own, as stand-ins.

The real Portage and pkgcheck, which PyPI has, work on it: only what they work with is not Gentoo's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]
ENVIRONMENT = PROJECT / ".cache/gentoo-tools"
# pkgcore's next release wants a newer bash than Debian 12 has.
TOOLS = ("portage==3.0.83", "pkgcheck==0.10.36", "pkgcore==0.12.30")
ECLASSES = Path(__file__).with_name("eclass")
LICENCES = ("MIT", "Apache-2.0", "BSD", "BSD-2", "MPL-2.0", "PSF-2")
# What our ebuilds depend on: name, slot, USE flags.
PACKAGES = (
    ("app-misc/ca-certificates", "0", ""),
    ("dev-lang/python", "3.13", "ssl"),
    *((f"dev-python/{name}", "0", "python_targets_python3_13") for name in ("jinja2", "pip", "pyyaml")),
    ("dev-python/hatchling", "0", "python_targets_python3_13"),
    ("dev-libs/libbpf", "0", ""),
    ("llvm-core/clang", "21", "llvm_targets_BPF"),
    ("llvm-core/llvm", "21", ""),
)
DEFAULTS = """\
ARCH="amd64"
ACCEPT_KEYWORDS="~amd64"
CHOST="x86_64-pc-linux-gnu"
USE="python_single_target_python3_13 python_targets_python3_13 ssl llvm_targets_BPF"
"""


def tools() -> Path:
    """Return where Portage's and pkgcheck's commands are; install them where they are not."""
    if not (ENVIRONMENT / "bin/pkgcheck").exists():
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        pip = [str(ENVIRONMENT / "bin/python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--disable-pip-version-check", *TOOLS], check=True)
    return ENVIRONMENT / "bin"


class Tree:
    """The repository, and a Portage that is set up for it, all in one directory."""

    prefix = str(ENVIRONMENT.relative_to("/"))

    def __init__(self, directory: Path, ours: Path) -> None:
        self.directory = directory
        self.repository = directory / "repository"
        self.said = ""
        self.settings = directory / "etc/portage"
        self.build = directory / "build"
        shutil.copytree(ours, self.repository)
        self._ours = [path.parent for path in sorted(self.repository.glob("*/*/*.ebuild"))]
        shutil.copytree(ECLASSES, self.repository / "eclass", ignore=shutil.ignore_patterns("*.md"))
        self._stand_ins()
        profile = self.repository / "profiles/default"
        self.settings.mkdir(parents=True)
        (self.settings / "make.profile").symlink_to(profile)
        (self.settings / "repos.conf").write_text(
            f"[DEFAULT]\nmain-repo = nat64\n\n[nat64]\nlocation = {self.repository}\n", encoding="utf-8"
        )
        lines = {
            "DISTDIR": str(directory / "distfiles"),
            "PORTAGE_TMPDIR": str(self.build),
            "PKGDIR": str(directory / "binpkgs"),
            "CHECK_PYTHON": sys.executable,
            # Its sandbox and its user are no part of the package from PyPI.
            "FEATURES": "-sandbox -usersandbox -userpriv -userfetch -network-sandbox -ipc-sandbox -pid-sandbox test",
            "PORTAGE_USERNAME": "root",
            "PORTAGE_GRPNAME": "root",
        }
        # Without an EPREFIX it does not find its own settings where pip has put them.
        text = f"source {tools().parent}/share/portage/config/make.globals\n"
        text += "".join(f'{name}="{value}"\n' for name, value in lines.items())
        (self.settings / "make.conf").write_text(text, encoding="utf-8")
        for made in ("distfiles", "build", "binpkgs", "bin"):
            (directory / made).mkdir()
        # Gentoo calls GNU's tar so as well.
        (directory / "bin/gtar").symlink_to("/bin/tar")

    def pkgcheck(self) -> str:
        """Return what pkgcheck finds in our packages, nothing where all is well."""
        targets = [f"{path.relative_to(self.repository)}" for path in self._ours]
        scan = ["--config", str(self.settings), "scan", "--repo", "nat64", "--exit=error,warning,style"]
        done = subprocess.run(
            [tools() / "pkgcheck", *scan, *targets], check=False, capture_output=True, text=True
        )
        return done.stdout + done.stderr

    def ebuild(self, package: str, *phases: str, **settings: str) -> Path:
        """Have Portage go through the phases of a package, such as `acct-user/nat64-0`; return its image.

        `settings` are variables of the environment, such as USE. With a ROOT it merges below `Tree.prefix` there.
        """
        (ebuild,) = self.repository.glob(f"{package.rpartition('-')[0]}/{package.rpartition('/')[2]}.ebuild")
        environment = os.environ | {
            "PORTAGE_CONFIGROOT": str(self.directory),
            "PORTAGE_REPOSITORIES": (self.settings / "repos.conf").read_text(encoding="utf-8"),
            "PATH": f"{self.directory}/bin:{os.environ['PATH']}",
            "NOCOLOR": "yes",
        }
        # With a ROOT there is another Portage for this machine, which finds no settings but its own: by its prefix.
        if "ROOT" not in settings:
            environment["PORTAGE_OVERRIDE_EPREFIX"] = ""
        done = subprocess.run(
            [tools() / "ebuild", ebuild, *phases],
            check=False,
            capture_output=True,
            text=True,
            env=environment | settings,
        )
        if done.returncode:
            raise RuntimeError(f"ebuild {package} {phases}:\n{done.stdout}{done.stderr}")
        self.said = done.stdout + done.stderr
        return self.build / "portage" / package / "image"

    def _stand_ins(self) -> None:
        files = {
            "metadata/layout.conf": "masters =\nthin-manifests = true\nsign-manifests = false\n",
            "profiles/arch.list": "amd64\narm64\n",
            "profiles/profiles.desc": "amd64 default stable\narm64 default stable\n",
            "profiles/default/eapi": "8\n",
            "profiles/default/make.defaults": DEFAULTS,
            "profiles/use.desc": "ssl - stand-in\n",
            "profiles/desc/python_single_target.desc": "python3_13 - stand-in\n",
        }
        files |= {f"licenses/{name}": "stand-in\n" for name in LICENCES}
        for name, slot, flags in PACKAGES:
            files[f"{name}/{name.partition('/')[2]}-{slot if slot != '0' else '99'}.ebuild"] = (
                'EAPI=8\nDESCRIPTION="Stand-in"\nLICENSE="MIT"\n'
                f'SLOT="{slot}"\nKEYWORDS="amd64 arm64"\nIUSE="{flags}"\n'
            )
        categories = {name.partition("/")[0] for name, *_ in PACKAGES} | {
            path.parent.parent.name for path in self.repository.glob("*/*/*.ebuild")
        }
        files["profiles/categories"] = "".join(f"{name}\n" for name in sorted(categories))
        for name, text in files.items():
            path = self.repository / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
