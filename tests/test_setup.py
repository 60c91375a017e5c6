"""The bootstrap finds a Python and uv, and does its work once; uv itself is faked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[1]
TOOLS = "sh dirname cp cmp rm sed tr mkdir grep env".split()

#: Logs what it is asked for, and makes of it what bootstrap looks at afterwards.
FAKE_UV = """#!/bin/sh
echo "$*" >> "$UV_LOG"
env | grep -E '^(UV_|SSL_CERT_FILE)' >> "$UV_LOG.env"
for last; do :; done
case "$*" in
    venv*) mkdir -p "$last/bin"; cp "$5" "$last/bin/python" ;;
    "python find"*) exit 1 ;;
    "python install"*) exit 1 ;;
esac
"""

#: What a version manager leaves on the PATH for a version that is not chosen.
BROKEN_SHIM = "#!/bin/sh\necho 'pyenv: command not found' >&2; exit 127\n"


class Clone:
    """A bare clone, a PATH of its own, and what was asked of uv."""

    def __init__(self, root: Path) -> None:
        self.root = root / "clone"
        self.bin = root / "bin"
        self.log = root / "uv.log"
        self.home = root / "home"
        for folder in (self.root, self.bin, self.home):
            folder.mkdir()
        for name in ("bootstrap", "Makefile", "requirements.lock"):
            shutil.copy(PROJECT / name, self.root)
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or tool)

    def program(self, name: str, text: str) -> Path:
        """Put a script on the PATH."""
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def python(self, name: str, version: str) -> Path:
        """Put a Python on the PATH that says it is of a version."""
        return self.program(
            name,
            f'#!/bin/sh\ncase "$1" in -m) exit 1 ;; esac\necho "$0 {version}"\n',
        )

    def make(self, target: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a target of the Makefile."""
        return subprocess.run(
            [shutil.which("make") or "make", target],
            cwd=self.root,
            env={
                "PATH": str(self.bin),
                "HOME": str(self.home),
                "UV_LOG": str(self.log),
                **variables,
            },
            capture_output=True,
            text=True,
        )

    def asked(self) -> list[str]:
        """Return what uv was asked for, but for its version."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if line != "--version"]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    found = Clone(tmp_path)
    found.program("uv", FAKE_UV)
    return found


def test_the_environment_is_made_with_hashes_by_the_python_of_the_path(
    clone: Clone,
) -> None:
    clone.python("python3.12", "3.12")
    assert clone.make("setup").returncode == 0
    venv, install = clone.asked()
    assert f"--python {clone.bin}/python3.12 .venv" in venv
    assert "--require-hashes" in install and "-r requirements.lock" in install


def test_a_broken_shim_is_passed_over(clone: Clone) -> None:
    clone.program("python3.12", BROKEN_SHIM)
    clone.python("python3.11", "3.11")
    assert clone.make("setup").returncode == 0
    assert f"{clone.bin}/python3.11" in clone.asked()[0]


@pytest.mark.parametrize("version", ["3.9", "3.13"])
def test_python3_of_another_version_is_passed_over(clone: Clone, version: str) -> None:
    clone.python("python3", version)
    clone.python("python", "3.11")
    assert clone.make("setup").returncode == 0
    assert f"{clone.bin}/python .venv" in clone.asked()[0]


def test_a_python_of_pyenv_that_is_not_on_the_path_is_found(clone: Clone) -> None:
    folder = clone.home / ".pyenv/versions/3.12.1/bin"
    folder.mkdir(parents=True)
    clone.python("python", "3.12").rename(folder / "python")
    assert clone.make("setup").returncode == 0
    assert str(folder) in clone.asked()[0]


def test_a_second_time_nothing_is_done(clone: Clone) -> None:
    clone.python("python3.12", "3.12")
    clone.make("setup")
    before = clone.asked()
    assert clone.make("setup").stderr == ""
    assert clone.asked() == before


def test_another_lock_makes_the_environment_anew(clone: Clone) -> None:
    clone.python("python3.12", "3.12")
    clone.make("setup")
    with (clone.root / "requirements.lock").open("a") as lock:
        lock.write("# another\n")
    clone.make("setup")
    assert len(clone.asked()) == 4


def test_the_python_that_the_user_names_is_used(clone: Clone) -> None:
    clone.python("python3.12", "3.12")
    other = clone.python("mine", "3.11")
    clone.make("setup")
    assert clone.make("setup", EARSHOT_PYTHON=str(other)).returncode == 0
    assert str(other) in clone.asked()[2]


Prepare = Callable[[Clone], object]


@pytest.mark.parametrize(
    ("prepare", "variables", "says"),
    [
        (lambda clone: (clone.bin / "uv").unlink(), {}, "no Python 3 on the PATH"),
        (lambda clone: clone.python("python3", "3.9"), {}, "could not be fetched"),
        (
            lambda clone: clone.python("python3", "3.13"),
            {"EARSHOT_PYTHON": "python3"},
            "EARSHOT_PYTHON=python3 is not a Python 3.11 or 3.12",
        ),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    clone: Clone, prepare: Prepare, variables: dict[str, str], says: str
) -> None:
    prepare(clone)
    ended = clone.make("setup", **variables)
    lines = [line for line in ended.stderr.splitlines() if "make:" not in line]
    assert ended.returncode != 0
    assert says in lines[-1]


def test_a_python_without_venv_and_pip_is_told_apart(clone: Clone) -> None:
    (clone.bin / "uv").unlink()
    clone.python("python3", "3.9")
    assert "neither venv nor pip" in clone.make("setup").stderr


def test_the_index_that_pip_uses_is_passed_on(clone: Clone) -> None:
    clone.python("python3.12", "3.12")
    clone.make("setup", PIP_INDEX_URL="https://mirror.example/simple")
    variables = Path(f"{clone.log}.env").read_text()
    assert "UV_DEFAULT_INDEX=https://mirror.example/simple" in variables


def test_what_uv_keeps_lies_in_the_clone(clone: Clone) -> None:
    clone.python("python3.12", "3.12")
    clone.make("setup")
    variables = Path(f"{clone.log}.env").read_text()
    for name in ("UV_CACHE_DIR", "UV_PYTHON_INSTALL_DIR"):
        assert f"{name}={clone.root}/.bootstrap/" in variables
    assert list(clone.home.iterdir()) == []


def test_no_file_of_the_set_up_names_a_host() -> None:
    for name in ("bootstrap", "Makefile", "requirements.lock", ".ci/run"):
        assert not re.search(r"https?://|\.org|\.com", (PROJECT / name).read_text())


def test_the_lock_pins_what_the_project_asks_for() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(text) for text in project["dependencies"]]
    lock = (PROJECT / "requirements.lock").read_text()
    for requirement in wanted:
        pinned = re.findall(rf"^{requirement.name}==(\S+)", lock, re.MULTILINE)
        assert pinned, requirement.name
        assert all(map(requirement.specifier.contains, pinned)), requirement.name


def test_every_target_is_explained_by_make_help() -> None:
    text = (PROJECT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
    plain = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    helped = subprocess.check_output(
        ["make", "help"], cwd=PROJECT, text=True, env=plain
    )
    assert {line.split()[0] for line in helped.splitlines()} == targets


def test_this_python_is_one_that_bytewax_has_wheels_for() -> None:
    assert sys.version_info[:2] in {(3, 11), (3, 12)}
