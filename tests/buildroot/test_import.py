"""A project of a Buildroot checkout: the configuration that comes out of it is the checkout's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.buildroot.conftest import Base, Command

from rootstream.buildroot.sources.checkout import own_values

pytestmark = pytest.mark.buildroot

DEFCONFIG = """\
BR2_aarch64=y
BR2_PACKAGE_HTOP=y
BR2_ROOTFS_OVERLAY="$(BR2_EXTERNAL_ACME_PATH)/../overlay"
"""


def make(tree: Path, output: Path, *words: str) -> None:
    argv = ["make", "-s", "-C", str(tree), f"O={output}", *words]
    subprocess.run(argv, check=True, capture_output=True)


def composed(project: Path, system: str) -> dict[str, str]:
    config = project / ".rootstream" / "buildroot" / system / "output" / ".config"
    return own_values(config.read_text())


def test_an_output_folder_with_an_external_tree(any_tree: Path, tmp_path: Path, run: Command) -> None:
    ext, output = tmp_path / "ext", tmp_path / "o"
    (ext / "configs").mkdir(parents=True)
    (tmp_path / "overlay").mkdir()
    for name, text in (("external.desc", "name: ACME\n"), ("Config.in", ""), ("external.mk", "")):
        (ext / name).write_text(text)
    (ext / "configs" / "acme_defconfig").write_text(DEFCONFIG)
    make(any_tree, output, f"BR2_EXTERNAL={ext}", "acme_defconfig")
    with (output / ".config").open("a") as file:
        file.write("BR2_PACKAGE_LZO=y\n")
    make(any_tree, output, "olddefconfig")
    before = (output / ".config").read_text()
    run("import", "o", cwd=tmp_path)
    assert composed(tmp_path, "acme") == own_values(before)
    assert (output / ".config").read_text() == before
    assert len((tmp_path / "configs" / "acme_defconfig").read_text().splitlines()) < 12
    assert "all have the requested values" in run("config", "check", cwd=tmp_path).stdout
    assert composed(tmp_path, "acme") == own_values(before)


def test_a_defconfig_of_the_tree(any_tree: Path, tmp_path: Path, run: Command) -> None:
    make(any_tree, tmp_path / "o", "qemu_x86_64_defconfig")
    run("import", str(any_tree), "project", "--defconfig", "qemu_x86_64", cwd=tmp_path)
    assert composed(tmp_path / "project", "qemu_x86_64") == own_values((tmp_path / "o" / ".config").read_text())
    assert run("import", str(any_tree), "project", cwd=tmp_path, check=False).returncode == 2


def test_no_path_of_the_checkout_is_in_the_defconfig(base: Base, tmp_path: Path, run: Command) -> None:
    name = next(each for each in ("small", "qemu_x86_64") if (base.tree / f"configs/{each}_defconfig").is_file())
    make(base.tree, tmp_path / "o", f"{name}_defconfig")
    whole = (tmp_path / "o" / ".config").read_text()
    assert f'\nBR2_DEFCONFIG="{base.tree}/configs/{name}_defconfig"\n' in whole
    project = tmp_path / "project"
    own = project / "configs" / f"{name}_defconfig"
    run("import", str(base.tree), "project", "--defconfig", name, cwd=tmp_path)
    assert "BR2_DEFCONFIG=" not in own.read_text()
    own.write_text(whole)
    run("config", "minimize", cwd=project)
    assert "BR2_DEFCONFIG=" not in own.read_text()
    assert run("config", "get", "BR2_DEFCONFIG", cwd=project).stdout == f'BR2_DEFCONFIG="{own}"\n'


def test_an_import_that_fails_leaves_nothing(base: Base, tmp_path: Path, run: Command) -> None:
    done = run("import", str(base.tree), "made/project", "--defconfig", "nobody", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert str(base.tree / "configs") in done.stderr
    (tmp_path / "there").mkdir()
    run("import", str(base.tree), "there", "--defconfig", "nobody", cwd=tmp_path, check=False)
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*")] == [Path("there")]
