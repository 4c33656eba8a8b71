"""The recipes for CI: valid by the schemas of the services, and what they do with the token of a cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from rootstream.description.user_settings import VARIABLES

RECIPES = Path(__file__).parents[2] / "docs" / "how-to" / "ci"
TOKEN = "s3cret"
SHOWN = """\
#!/bin/sh
echo "$@"
env | grep -E "TOKEN|ROOTSTREAM_" | sort
[ ! -f "$ROOTSTREAM_CACHE_TOKEN_FILE" ] || {
    cat "$ROOTSTREAM_CACHE_TOKEN_FILE"
    stat -c " %a" "$ROOTSTREAM_CACHE_TOKEN_FILE"
}
"""


@pytest.mark.parametrize(
    ("recipe", "schema"),
    [("github-actions.yml", "vendor.github-workflows"), ("gitlab-ci.yml", "vendor.gitlab-ci")],
)
def test_recipes_have_the_form_that_the_service_wants(recipe: str, schema: str, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("check-jsonschema")
    words = [str(program), "--builtin-schema", schema]
    done = subprocess.run([*words, str(RECIPES / recipe)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    broken = tmp_path / recipe
    broken.write_text((RECIPES / recipe).read_text().replace("runs-on:", "runs-om:").replace("script:", "scirpt:"))
    assert subprocess.run([*words, str(broken)], capture_output=True, check=False).returncode == 1


def step(name: str) -> str:
    recipe = YAML(typ="safe").load(RECIPES / "github-actions.yml")
    (found,) = [each["run"] for each in recipe["jobs"]["images"]["steps"] if each.get("name") == name]
    return str(found)


@pytest.mark.parametrize(
    ("url", "token", "used"), [("https://c.example", TOKEN, True), ("https://c.example", "", False)]
)
def test_the_step_of_github_hands_on_a_file_and_no_token(tmp_path: Path, url: str, token: str, used: bool) -> None:
    told = tmp_path / "env"
    told.touch()
    given = {"URL": url, "TOKEN": token, "PUSH": "false", "RUNNER_TEMP": str(tmp_path), "GITHUB_ENV": str(told)}
    script = step("Use the shared cache")
    subprocess.run(["bash", "-e", "-c", script], env={"PATH": os.environ["PATH"], **given}, check=True)
    variables = dict(line.split("=", 1) for line in told.read_text().splitlines())
    if not used:
        assert variables == {}
        return
    assert variables.keys() <= set(VARIABLES.values())
    assert TOKEN not in told.read_text()
    file = Path(variables[VARIABLES["token"]])
    assert (file.read_text(), file.stat().st_mode & 0o777) == (TOKEN, 0o600)
    assert variables[VARIABLES["push"]] == "false"


@pytest.mark.parametrize("token", [TOKEN, ""])
def test_the_runner_keeps_the_token_from_the_build(tmp_path: Path, token: str) -> None:
    program = tmp_path / "rootstream"  # shows what it is given
    program.write_text(SHOWN)
    program.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "CACHE_URL": "https://c.example",
        "CACHE_TOKEN": token,
        "TMPDIR": str(tmp_path),
    }
    done = subprocess.run(
        ["sh", RECIPES / "runner.sh"], env=environment, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith(("doctor", "build", "verify"))] == [
        "doctor --quiet",
        "build --plain --locked",
        "verify --plain --locked",
    ]
    assert f"CACHE_TOKEN={TOKEN}" not in done.stdout
    assert lines.count(f"{TOKEN} 600") == (3 if token else 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rootstream"]


def test_the_page_names_every_recipe() -> None:
    page = (RECIPES.parent / "ci.md").read_text()
    assert all(f"ci/{path.name}" in page for path in RECIPES.iterdir())
