"""The bootstrap script on a small tree: a lock file of one package, from a folder of wheels, no network."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from cityperf.config import ROOT

# In a lock file's tree this stands for uv: it writes down what it was told, and cannot.
UV = """
import json, os, sys
def main():
    told = {"words": sys.argv[1:], "certificates": os.environ.get("SSL_CERT_FILE")}
    open(os.environ["TOLD"], "w").write(json.dumps(told))
    return 2
"""


def make_wheel(folder: Path, name: str, version: str) -> str:
    """A wheel with one module and one command; returns its SHA-256."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": UV if name == "uv" else f"version = {version!r}\ndef main():\n    print(version)\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name}={name}:main\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{each},,\n" for each in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as wheel:
        for each, text in files.items():
            wheel.writestr(each, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Tree:
    """A copy of the script with a stand-in for the command line that prints what it was given."""

    def __init__(self, root: Path, wheels: Path) -> None:
        self.root, self.wheels = root, wheels
        (root / "include" / "cityperf" / "cli").mkdir(parents=True)
        shutil.copy(ROOT / "cityperf", root / "cityperf")
        (root / "include" / "cityperf" / "__init__.py").touch()
        (root / "include" / "cityperf" / "cli" / "__init__.py").touch()
        (root / "include" / "cityperf" / "cli" / "__main__.py").write_text(
            "import sys, tiny\nprint('ran', tiny.version, sys.argv[1:], __file__)\nsys.exit(7)\n"
        )

    def lock(self, *packages: tuple[str, str]) -> None:
        text = "".join(
            f"{name}=={version} \\\n    --hash=sha256:{make_wheel(self.wheels, name, version)}\n"
            for name, version in packages
        )
        (self.root / "requirements.lock").write_text(text)

    def start(self, *arguments: str, cwd: str = "/", **environment: str) -> subprocess.Popen[str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON", "CITYPERF"))}
        env |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        return subprocess.Popen(
            [str(self.root / "cityperf"), *arguments],
            cwd=cwd,
            env=env | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, cwd: str = "/", **environment: str) -> tuple[int, str, str]:
        process = self.start(*arguments, cwd=cwd, **environment)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def installed(self) -> set[str]:
        found = (self.root / ".venv" / "lib").glob("python*/site-packages/*.dist-info")
        return {path.name.removesuffix(".dist-info") for path in found}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A fresh clone: nothing installed yet."""
    root, wheels = tmp_path / "a tree", tmp_path / "wheels"
    root.mkdir()
    wheels.mkdir()
    made = Tree(root, wheels)
    made.lock(("tiny", "1.0"))
    return made


@dataclass(frozen=True)
class Finished:
    """A tree after its first start, which was made twice at once: (code, output, errors) of both. Making one takes
    seconds, copying it does not.
    """

    tree: Tree
    said: list[tuple[int, str, str]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("finished")
    (folder / "first place").mkdir()
    (folder / "wheels").mkdir()
    made = Tree(folder / "first place", folder / "wheels")
    made.lock(("tiny", "1.0"), ("extra", "2.0"))
    both = [made.start("status", "--json", cwd=str(folder)) for _ in range(2)]
    told = [process.communicate(timeout=300) for process in both]
    return Finished(made, [(process.returncode, *each) for process, each in zip(both, told, strict=True)])


@pytest.fixture
def moved(finished: Finished, tmp_path: Path) -> Tree:
    """The finished tree at another place, as after a rename or a restored backup."""
    made = object.__new__(Tree)
    made.root, made.wheels = tmp_path / "second", finished.tree.wheels
    shutil.copytree(finished.tree.root, made.root, symlinks=True)
    return made


def test_the_first_start_installs_what_the_lock_says_and_the_second_only_runs(finished: Finished) -> None:
    code, out, err = next(each for each in finished.said if "installing 2 packages" in each[2])
    assert (code, out.startswith("ran 1.0 ['status', '--json']")) == (7, True), err
    assert {"tiny-1.0", "extra-2.0"} <= finished.tree.installed()
    begin = time.monotonic()
    code, out, err = finished.tree.run("psql", "-c", "select 'a b'")
    assert (code, err) == (7, "")
    assert "['psql', '-c', \"select 'a b'\"]" in out
    assert time.monotonic() - begin < 5


def test_a_moved_tree_runs_its_own_code_and_its_commands_too(moved: Tree) -> None:
    _, out, err = moved.run()
    assert str(moved.root) in out, err
    assert "installing" not in err
    said = subprocess.run([moved.root / ".venv" / "bin" / "tiny"], capture_output=True, text=True)
    assert said.stdout.strip() == "1.0", said.stderr


def test_a_changed_lock_is_followed_and_what_it_dropped_goes(moved: Tree) -> None:
    assert {"tiny-1.0", "extra-2.0"} <= moved.installed()
    moved.lock(("tiny", "1.1"))
    _, out, err = moved.run()
    assert out.startswith("ran 1.1"), err
    assert {name.split("-")[0] for name in moved.installed()} - {"pip", "setuptools"} == {"tiny"}


def test_two_first_starts_at_once_both_succeed(finished: Finished) -> None:
    assert [code for code, _, _ in finished.said] == [7, 7], finished.said
    assert sum("installing 2 packages" in err for _, _, err in finished.said) == 1


def test_a_start_after_a_killed_one_finishes_the_work(tree: Tree) -> None:
    process = tree.start()
    deadline = time.monotonic() + 60
    while not (tree.root / ".venv" / "pyvenv.cfg").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (tree.root / ".venv" / "cityperf.stamp").exists()
    code, out, err = tree.run()
    assert (code, out.startswith("ran 1.0")) == (7, True), err


def test_a_package_whose_metadata_is_half_written_is_installed_again(moved: Tree) -> None:
    (moved.root / ".venv" / "cityperf.stamp").unlink()
    site = next((moved.root / ".venv" / "lib").glob("python*/site-packages"))
    (site / "tiny.py").unlink()
    (site / "tiny-1.0.dist-info" / "RECORD").unlink()
    code, out, err = moved.run()
    assert (code, out.startswith("ran 1.0")) == (7, True), err


def test_a_wheel_that_is_not_the_locked_one_is_refused_with_pips_reason(moved: Tree) -> None:
    moved.lock(("tiny", "1.2"))
    text = (moved.root / "requirements.lock").read_text()
    (moved.root / "requirements.lock").write_text(text[:-3] + "00\n")
    code, out, err = moved.run()
    assert (code, out) == (1, "")
    assert "DO NOT MATCH THE HASHES" in err
    assert "start again" in err


def test_uv_is_told_of_the_index_that_pip_uses_and_where_it_cannot_pip_does(
    moved: Tree, tmp_path: Path
) -> None:
    moved.lock(("tiny", "1.0"), ("uv", "0.1"))
    told = tmp_path / "told.json"
    code, out, err = moved.run(
        TOLD=str(told), PIP_CERT="/some/ca.pem", PIP_EXTRA_INDEX_URL="https://one/ https://two/"
    )
    assert (code, out.startswith("ran 1.0")) == (7, True), err
    assert "uv could not" in err
    said = json.loads(told.read_text())
    words = " ".join(said["words"])
    assert "--no-index" in said["words"] and f"--find-links {moved.wheels}" in words
    assert "--extra-index-url https://one/ --extra-index-url https://two/" in words
    assert "--require-hashes" in said["words"] and "--no-deps" in said["words"]
    assert said["certificates"] == "/some/ca.pem"


def test_without_a_fitting_python_it_says_which_one_it_needs(tree: Tree, tmp_path: Path) -> None:
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    code, _, err = tree.run(CITYPERF_PYTHON=str(old))
    assert code == 1
    assert "3.11" in err and "CITYPERF_PYTHON" in err
