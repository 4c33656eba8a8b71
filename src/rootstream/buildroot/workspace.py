"""The workspace of a system: where its Buildroot tree, output folder, generated files, state and logs are.

Everything in it is derived from the project and may be deleted at any time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rootstream.buildroot.generate import completed
from rootstream.description.model import Described
from rootstream.description.roots import BuildrootRoot, FromBuildroot
from rootstream.project.project import Project

FOLDER = "buildroot"
EXTERNAL_NAME = "ROOTSTREAM"
ORIGIN = "BR2_DEFCONFIG"  # the symbol with the path of the defconfig; `make savedefconfig` leaves it out
# What of the user's environment a build may see: the rest has changed results before.
PASSED = (
    "HOME",
    "PATH",
    "USER",
    "LOGNAME",
    "TERM",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caches:
    """Folders that all projects of a user share."""

    trees: Path
    downloads: Path
    ccache: Path
    kconfig: Path

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Caches:
        """Return the folders; ROOTSTREAM_BUILDROOT_CACHE or XDG_CACHE_HOME move them, BR2_DL_DIR the downloads."""
        home = Path(env.get("HOME") or Path.home())
        base = Path(env.get("XDG_CACHE_HOME") or home / ".cache") / "rootstream" / FOLDER
        if env.get("ROOTSTREAM_BUILDROOT_CACHE"):
            base = Path(env["ROOTSTREAM_BUILDROOT_CACHE"]).absolute()
        downloads = Path(env["BR2_DL_DIR"]).absolute() if env.get("BR2_DL_DIR") else base / "dl"
        return cls(trees=base / "trees", downloads=downloads, ccache=base / "ccache", kconfig=base / "kconfig")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """One system (or variant) and the folders of its build.

    `tree` is the Buildroot tree, never written to. `project` is the folder of system.yaml. A scratch copy
    (scratch.py) has in `origin` the folder that it stands for. `pins` is what the lock has of downloads (pins.py).
    """

    described: Described
    project: Path
    folder: Path
    tree: Path
    caches: Caches
    env: Mapping[str, str]
    origin: Path | None = None
    pins: Mapping[str, str] = field(default_factory=dict)

    def original(self, path: Path) -> Path:
        """Return a path of this workspace as that of the workspace that it stands for."""
        return (
            self.origin / path.relative_to(self.folder)
            if self.origin and path.is_relative_to(self.folder)
            else path
        )

    def here(self, path: Path) -> Path:
        """Return a path of the workspace that this one stands for as a path of this one."""
        return (
            self.folder / path.relative_to(self.origin)
            if self.origin and path.is_relative_to(self.origin)
            else path
        )

    def original_text(self, text: str) -> str:
        """Return what a program said of this workspace as it would have said it of the one that it stands for."""
        return text.replace(str(self.folder), str(self.origin)) if self.origin else text

    def of_project(self, text: str) -> str:
        """Return what a program said with the paths of completed external trees as those in the project."""
        text = self.original_text(text)
        for own, place in zip(self.own_trees, self.externals, strict=False):
            if own != place:
                text = text.replace(f"{self.original(place)}/", f"{own}/")
        return text

    @property
    def root(self) -> BuildrootRoot:
        """Return what the description says of Buildroot."""
        root = self.described.system.root
        assert isinstance(root, FromBuildroot)  # noqa: S101  (workspaces are made for these only)
        return root.buildroot

    @property
    def output(self) -> Path:
        """Return Buildroot's output folder (O=)."""
        return self.folder / "output"

    @property
    def config(self) -> Path:
        """Return Buildroot's .config."""
        return self.output / ".config"

    @property
    def images(self) -> Path:
        """Return the folder where Buildroot puts the images."""
        return self.output / "images"

    @property
    def generated(self) -> Path:
        """Return the external tree that is made from the description; Buildroot calls it ROOTSTREAM."""
        return self.folder / "external"

    @property
    def logs(self) -> Path:
        """Return the folder of build logs."""
        return self.folder / "logs"

    @property
    def state(self) -> Path:
        """Return the folder with what is known about the last builds."""
        return self.folder / "state"

    @property
    def externals(self) -> tuple[Path, ...]:
        """Return the external trees in Buildroot's order: the user's (completed), then the generated one."""
        own = (completed.place(self.folder, number, tree) for number, tree in enumerate(self.own_trees))
        return (*own, self.generated)

    @property
    def own_trees(self) -> tuple[Path, ...]:
        """Return the external trees of the project, as they are."""
        return tuple((self.project / path).resolve() for path in self.root.external)

    def environment(self) -> dict[str, str]:
        """Return the environment of every make: the user's is cut down to what a build may see."""
        env = {name: self.env[name] for name in PASSED if name in self.env}
        env |= {
            "LC_ALL": "C",
            "TZ": "UTC",
            "PYTHONDONTWRITEBYTECODE": "1",
            # fakeroot takes only the refusal that it knows (EPERM) for an owner that it has to remember; in a user
            # namespace it is EINVAL (fakeroot(1), user_namespaces(7))
            "FAKEROOTDONTTRYCHOWN": "1",
            "BR2_DL_DIR": str(self.caches.downloads),
        }
        return env | {"BR2_CCACHE_DIR": str(self.ccache)}

    @property
    def ccache(self) -> Path:
        """Return the folder of ccache: what all projects share, or that of a configuration with one of its own."""
        return self.caches.ccache if self.root.ccache else self.folder / "ccache"


def workspace(
    project: Project, described: Described, tree: Path, env: Mapping[str, str] | None = None
) -> Workspace:
    """Return the workspace of a system whose tree is ready."""
    given = os.environ if env is None else env
    return Workspace(
        described=described,
        project=project.folder,
        folder=project.work / FOLDER / described.slug,
        tree=tree,
        caches=Caches.of(given),
        env=given,
    )
