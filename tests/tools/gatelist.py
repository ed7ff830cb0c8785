# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What each gate of ``make test`` does. A gate is one function that runs commands; gates.py runs the gates."""
from __future__ import annotations

import ast
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Mapping, Sequence, Tuple

from tests.lab import layout
from tests.tools import docs_site, labs, parallel, reproducible, sbom
from tests.tools import env as environments

ROOT = environments.ROOT
BUILD = environments.BUILD
MODULES = ROOT / "plugins" / "modules"


class Failed(Exception):
    """The gate does not hold; the text says why."""


@dataclass(frozen=True)
class Gate:
    """One gate: its name, its budget in minutes, what it does."""

    name: str
    minutes: float
    does: str
    function: Callable[..., None]
    arguments: Tuple[str, ...] = ()  # what the function is called with
    path: str = ""  # what has to be in the tree for this gate to have a subject
    needs: Tuple[str, ...] = ()
    alone: bool = False  # nothing else runs beside it
    pytest: bool = False  # its output ends with pytest's closing line
    default: bool = True

    def has_subject(self) -> bool:
        return not self.path or any(ROOT.glob(self.path))


def step(*words: object, cwd: Path | str = ROOT, **variables: str | None) -> None:
    """Run one command of a gate; a variable with the value None is unset."""
    argv = [str(word) for word in words]
    print("+ " + " ".join(argv), flush=True)
    env = {name: value for name, value in dict(os.environ, **variables).items() if value is not None}
    done = subprocess.run(argv, cwd=str(cwd), env=env, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise Failed("exit code %d: %s" % (done.returncode, " ".join(argv)))


def output(*argv: object, cwd: Path | str = ROOT, **variables: str) -> str:
    env = dict(os.environ, **variables)
    return subprocess.run([str(word) for word in argv], cwd=str(cwd), env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, check=True).stdout.decode()


def venv(name: str, program: str = "python") -> Path:
    return BUILD / ("venv-" + name) / "bin" / program


def path_with(*folders: Path | str) -> str:
    """PATH with these folders first and without pyenv's shims, which break ansible-test."""
    kept = [name for name in os.environ.get("PATH", "").split(os.pathsep) if "/.pyenv/" not in name]
    return os.pathsep.join([str(folder) for folder in folders] + kept)


def files() -> list[str]:
    """Every file that is tracked or would be, relative to the root."""
    listed = output("git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return sorted(name for name in set(listed.split("\0")) if name and os.path.lexists(str(ROOT / name)))


@contextlib.contextmanager
def copy() -> Iterator[Path]:
    """A copy of the tree at …/ansible_collections/drawbridge/docker: tools that look at the path get a real one."""
    with tempfile.TemporaryDirectory(prefix="drawbridge-gate-") as folder:
        collection = Path(folder, "ansible_collections", "drawbridge", "docker")
        for name in files():
            target = collection / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(str(ROOT / name), str(target), follow_symlinks=False)
        yield collection


PYTEST = (str(venv("newest")), "-m", "pytest")
COVERAGE = BUILD / "coverage"


def for_pytest() -> dict[str, str]:
    """The variables that pytest wants."""
    return {"PATH": path_with(venv("newest").parent), "ANSIBLE_COLLECTIONS_PATH": str(BUILD / "collections")}


def pytest(*arguments: str) -> None:
    step(*PYTEST, *arguments, **for_pytest())


# Runs pytest, and notes which branches of plugins/ ran. That takes twice the time, so the gates do without.
MEASURED_PYTEST = (str(venv("newest")), "-m", "coverage", "run", "-m", "pytest")
UNIT = ("tests/unit", "-m", "not drill")
# Packets are late on a busy machine. What failed is run again twice, attacks are not; what failed first is shown.
AGAIN = ("--reruns", "2", "--rerun-show-tracebacks")
KERNEL = ("tests/integration/kernel", "-m", "not drill", "--durations=5", *AGAIN)
# Kernel tests wait for packets that do not come most of their time, so two runs take less than one.
KERNEL_RUNS = 2


def unit() -> None:
    pytest(*UNIT)


def kernel() -> None:
    kernel_by(PYTEST, [{} for _number in range(KERNEL_RUNS)])


def kernel_by(program: Sequence[str], runs: Sequence[Mapping[str, str]]) -> None:
    """runs: the variables of each of the runs that share the test files."""
    named = [parallel.Run("run %d" % number, {**os.environ, **for_pytest(), **variables}) for number, variables in enumerate(runs, 1)]
    code = parallel.share([*program, *KERNEL], named, "kernel")
    if code:
        raise Failed("exit code %d" % code)


def for_coverage(name: str) -> dict[str, str]:
    """The variables that coverage wants. name: of the file that it writes."""
    return {"COVERAGE_RCFILE": str(ROOT / ".config" / "coverage.ini"), "COVERAGE_FILE": str(COVERAGE / name)}


def coverage() -> None:
    """Which branches of plugins/ the unit and the kernel tests run. It fails at no threshold."""
    shutil.rmtree(str(COVERAGE), ignore_errors=True)
    COVERAGE.mkdir(parents=True)
    step(*MEASURED_PYTEST, *UNIT, **for_pytest(), **for_coverage("unit"))
    kernel_by(MEASURED_PYTEST, [for_coverage("kernel%d" % number) for number in range(KERNEL_RUNS)])
    measured = sorted(COVERAGE.iterdir())
    variables = for_coverage("all")
    step(venv("newest"), "-m", "coverage", "combine", "--keep", "--quiet", *measured, **variables)
    table = output(venv("newest"), "-m", "coverage", "report", **variables)
    report = BUILD / "coverage.txt"
    report.write_text(table, encoding="utf-8")
    print(table)
    total = next(line for line in table.splitlines() if line.startswith("TOTAL")).split()[-1]
    print("%s of the lines and branches of plugins/ ran; what did not: %s" % (total, report.relative_to(ROOT)))


def lab() -> None:
    code = labs.share([*PYTEST, "tests/integration/lab", "-m", "not drill", "--durations=10", *AGAIN], for_pytest())
    if code:
        raise Failed("exit code %d" % code)


def drill() -> None:
    pytest("tests/unit", "tests/integration", "-m", "drill", "--durations=0")


def lab_up() -> None:
    """All hosts, or those whose Python the newest ansible-core at hand can work with: forky's came with 2.20."""
    hosts = [] if core_version("newest") >= (2, 20) else ["bookworm", "trixie"]
    if hosts:
        print("ansible-core before 2.20 knows nothing of forky's Python: without forky")
    if labs.each(["up", *hosts]):
        raise Failed("a lab did not come up")


def core_version(name: str) -> tuple[int, ...]:
    core = output(venv(name), "-c", "from ansible.release import __version__ as v; print(v, end='')")
    return tuple(int(part) for part in core.split(".")[:2])


def lab_down(*names: str) -> None:
    """End these labs, or both."""
    if labs.each(["down"], names or labs.NAMES):
        raise Failed("a lab is not gone")


def keep_pip_settings(home: Path) -> None:
    """Write pip's settings of this user where pip finds them in another HOME; ansible-test drops the PIP_ variables."""
    listed = output(venv("newest"), "-m", "pip", "config", "list", PIP_DISABLE_PIP_VERSION_CHECK="1")
    settings: dict[str, str] = {}
    for section in ("global", ":env:"):  # a variable wins over a file
        settings.update(re.findall(r"^%s\.([\w-]+)='(.*)'$" % section, listed, re.MULTILINE))
    path = home / ".config" / "pip" / "pip.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["%s = %s" % (key, value.replace("\\n", "\n    ")) for key, value in sorted(settings.items())]
    path.write_text("\n".join(["[global]"] + lines) + "\n", encoding="utf-8")


def sanity_with(name: str, *left_out: str) -> None:
    """ansible-test sanity of one ansible-core, over every Python found that it supports. left_out: tests that do not run."""
    if not venv(name, "ansible-test").exists():
        raise Failed("there is no environment %s: run make env" % name)
    home = environments.CACHE / ("ansible-test-" + name)
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    # ansible-test would fetch the installer of pip from its own server; Python brings one along.
    source = next(venv(name).parent.parent.glob("lib/python3*/site-packages/ansible_test/_internal"))
    text = (source / "python_requirements.py").read_text(encoding="utf-8")
    for version in re.findall(r"\bpip='([\d.]+)'", text):
        installer = cache / ("get_pip_%s.py" % version.replace(".", "_"))
        installer.write_text("import ensurepip\nensurepip.bootstrap(default_pip=True)\n", encoding="utf-8")
    pythons = sorted({str(path.parent) for path in environments.pythons().values()})
    # What ansible-test keeps there is not made for two runs at a time.
    with open(str(home / "lock"), "w", encoding="utf-8") as lock, copy() as collection:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keep_pip_settings(home)
        step(venv(name, "ansible-test"), "sanity", "--color", "no", *(word for test in left_out for word in ("--skip-test", test)), cwd=collection,
             HOME=str(home), PATH=path_with(venv(name).parent, *pythons), LC_ALL="C.UTF-8",
             PYENV_VERSION=None, PYTHONPATH=None, PYTHONDONTWRITEBYTECODE=None)
    core = output(venv(name), "-c", "from ansible.release import __version__ as v; print(v, end='')")
    here = ", ".join("%d.%d" % version for version in sorted(environments.pythons()) if version >= (3, 8))
    print("ansible-core %s: no complaint, no ignore entry; Pythons on this machine: %s" % (core, here))


def sanity() -> None:
    sanity_with("newest")


def sanity_oldest() -> None:
    """Without what says the same with any ansible-core."""
    sanity_with("oldest", "pylint", "pep8", "yamllint", "shellcheck")


def lint() -> None:
    with copy() as collection:
        step("git", "init", "--quiet", cwd=collection)
        step(venv("tools", "ansible-lint"), "--profile", "production", "--offline", "--nocolor", cwd=collection,
             PATH=path_with(venv("tools").parent),
             ANSIBLE_HOME=str(collection.parents[2] / "home"),
             ANSIBLE_COLLECTIONS_PATH=str(collection.parents[2]))


def docs() -> None:
    with copy() as collection:
        step(venv("tools", "antsibull-docs"), "lint-collection-docs", "--plugin-docs", "--skip-rstcheck", ".",
             cwd=collection, PATH=path_with(venv("tools").parent))
    print("documentation of plugins and roles: no complaint")


def site() -> None:
    """Documentation as a site that needs no server. A warning is an error, and each link within it is followed."""
    made = BUILD / "site"
    shutil.rmtree(str(made), ignore_errors=True)
    version = re.search(r"^version: (\S+)$", (ROOT / "galaxy.yml").read_text(encoding="utf-8"), re.MULTILINE)
    with copy() as source:
        variables = {"PATH": path_with(venv("tools").parent), "LC_ALL": "C.UTF-8", "ANSIBLE_HOME": str(source.parents[2] / "home"),
                     "ANSIBLE_COLLECTIONS_PATH": str(source.parents[2])}
        docs_site.prepare(source)
        step(venv("tools", "antsibull-docs"), "collection", "--use-current", "--squash-hierarchy", "--fail-on-error", "--no-add-antsibull-docs-version",
             "--dest-dir", source / "reference", "drawbridge.docker", cwd=source, **variables)
        docs_site.write_inventory(source)
        step("git", "init", "--quiet", cwd=source)
        # What is not released yet stands under the version that it will have. The date is not shown.
        step(venv("tools", "antsibull-changelog"), "release", "--version", version[1] if version else "", "--date", "2026-01-01", cwd=source, **variables)
        step(venv("tools", "sphinx-build"), "-q", "-W", "--keep-going", "-b", "html", "-c", source / "docs" / "site", "-d", source.parents[2] / "doctrees",
             source, made, cwd=source, **variables)
    wrong = docs_site.problems(made)
    print("\n".join(wrong))
    if wrong:
        raise Failed("%d problems in %s" % (len(wrong), made))
    print("%d pages; the first is %s" % (len(list(made.rglob("*.html"))), (made / "index.html").relative_to(ROOT)))


def types() -> None:
    """mypy --strict on the plugins and on what the tests are made of, in one run."""
    packages = ["ansible_collections.drawbridge.docker.plugins", "tests.bench", "tests.demo", "tests.lab", "tests.tools",
                "tests.unit.support", "tests.integration.browser.support", "tests.integration.kernel.support", "tests.integration.lab.support"]
    step(venv("tools", "mypy"), *(word for package in packages for word in ("--package", package)))


def syntax() -> None:
    """What travels to targets is Python 3.8, the oldest that ansible-core 2.18 supports there."""
    names = [name for name in files() if re.match(r"plugins/(modules|module_utils)/.*\.py$", name)]
    for name in names:
        ast.parse((ROOT / name).read_text(encoding="utf-8"), filename=name, feature_version=(3, 8))
    python = environments.pythons().get((3, 8))
    if python:
        code = "import sys; [compile(open(name, encoding='utf-8').read(), name, 'exec') for name in sys.argv[1:]]"
        step(python, "-c", code, *names)
    print("%d files parse as Python 3.8%s" % (len(names), ", by Python 3.8 itself too" if python else ""))


def ruff() -> None:
    step(venv("tools", "ruff"), "check", "--no-fix")


def shellcheck() -> None:
    scripts = [name for name in files() if is_shell(name)]
    step(venv("tools", "shellcheck"), "--external-sources", *scripts)
    print("%d shell scripts: no complaint" % len(scripts))


def is_shell(name: str) -> bool:
    """Whether a file is named, or begins, as a shell script."""
    if name.endswith(".sh"):
        return True
    with open(str(ROOT / name), "rb") as file:
        return re.match(rb"#!.*\b(ba|da)?sh\b", file.readline()) is not None


def archive_of(collection: Path, folder: Path | str) -> Path:
    """Build a copy of the tree into a folder, to bytes that depend on nothing but the files and the commit's time."""
    step(venv("newest", "ansible-galaxy"), "collection", "build", "--output-path", folder, cwd=collection, PATH=path_with(venv("newest").parent))
    archive = next(Path(folder).glob("drawbridge-docker-*.tar.gz"))
    reproducible.repack(archive, reproducible.built_at(ROOT))
    return archive


def build() -> None:
    """The collection builds to the same bytes twice, installs from its archive, and documents its modules from there."""
    wanted = {"drawbridge.docker." + path.stem for path in MODULES.glob("*.py") if path.stem != "__init__"}
    path = path_with(venv("newest").parent)
    with copy() as collection, tempfile.TemporaryDirectory(prefix="drawbridge-gate-") as folder:
        archive = archive_of(collection, folder)
        with copy() as again:
            reproducible.alter(again)
            if archive.read_bytes() != archive_of(again, again.parent).read_bytes():
                raise Failed("two builds of this tree are not the same bytes")
        inside = reproducible.contents(archive)
        strays = [name for name in inside if name.split("/")[0] in (".build", ".ci", ".git", ".github", "tests", "extensions")]
        if strays:
            raise Failed("the archive holds what nobody installs: %s" % " ".join(strays))
        step(venv("newest", "ansible-galaxy"), "collection", "install", "--offline", "-p", folder, archive, PATH=path)
        listed = output(venv("newest", "ansible-doc"), "--list", "--json", "drawbridge.docker", cwd=folder,
                        ANSIBLE_COLLECTIONS_PATH=folder, ANSIBLE_COLLECTIONS_SCAN_SYS_PATH="0", PATH=path)
        found = set(json.loads(listed))
        if found != wanted:
            raise Failed("modules in the tree and not in the installed collection, or the other way round: %s"
                         % " ".join(sorted(found ^ wanted)))
    print("%d files in the archive, the same bytes twice, %d packages imported, %d modules documented"
          % (len(inside), len(sbom.needed(inside)), len(found)))


def release() -> None:
    """What is put up for download, below .build/release: the last commit's archive, its bill of materials, the checksums of both."""
    changed = output("git", "-c", "safe.directory=*", "status", "--porcelain").splitlines()
    if changed:
        raise Failed("a release is what is committed; this is not: %s" % " ".join(line[3:] for line in changed))
    folder = BUILD / "release"
    shutil.rmtree(str(folder), ignore_errors=True)
    folder.mkdir(parents=True)
    with copy() as collection:
        archive = archive_of(collection, folder)
    sums = reproducible.write_checksums([archive, sbom.write(archive, reproducible.built_at(ROOT))])
    print("%s: %s" % (sums.relative_to(ROOT), ", ".join(sums.read_text(encoding="utf-8").splitlines())))


def changelog() -> None:
    step(venv("tools", "antsibull-changelog"), "lint", PATH=path_with(venv("tools").parent))
    print("changelog fragments: no complaint")


def molecule() -> None:
    step(venv("tools", "molecule"), "test", "--all", cwd=ROOT / "extensions",
         PATH=path_with(venv("tools").parent), COLUMNS="160", NO_COLOR="1", ANSIBLE_NOCOLOR="1",
         ANSIBLE_HOME=str(BUILD / "molecule"), DRAWBRIDGE_LAB_INVENTORY=str(layout.INVENTORY),
         ANSIBLE_COLLECTIONS_PATH=str(BUILD / "collections"))


GATES = (
    # First: the longest of those that share the machine, so that nothing is left to run beside it alone.
    Gate("kernel", 18, "tests in network namespaces", kernel, path="tests/integration/kernel", pytest=True),
    Gate("syntax", 0.5, "what runs on targets is Python 3.8", syntax, path="plugins/module*"),
    Gate("changelog", 0.5, "changelog fragments", changelog),
    Gate("unit", 6, "unit tests, no root needed", unit, path="tests/unit", pytest=True),
    Gate("lab-up", 12, "boot the labs (their file systems come from the cache, or are made)", lab_up, path="tests/lab"),
    Gate("types", 1, "mypy --strict on plugins and tests' support", types, path="plugins/module_utils"),
    Gate("ruff", 0.5, "ruff on every Python file", ruff),
    Gate("shellcheck", 0.5, "shellcheck on every shell script", shellcheck),
    Gate("lint", 2, "ansible-lint, profile production", lint),
    Gate("docs", 1, "documentation of plugins and roles", docs),
    Gate("site", 3, "documentation as a site; its links lead somewhere", site, path="docs/site"),
    Gate("build", 1.5, "the collection builds to the same bytes twice, installs, lists its modules", build),
    Gate("sanity", 8, "ansible-test sanity, newest ansible-core", sanity),
    Gate("sanity-oldest", 6, "ansible-test sanity, oldest ansible-core", sanity_oldest,
         path=".build/venv-oldest/bin"),
    Gate("lab", 40, "tests on the Docker hosts of two labs", lab, path="tests/integration/lab",
         needs=("lab-up",), alone=True, pytest=True),
    Gate("molecule", 5, "roles on the lab's hosts, twice", molecule, path="extensions/molecule/*/molecule.yml",
         needs=("lab-up",), alone=True),
    Gate("drill", 120, "tests too long for every run", drill, path="tests/integration",
         needs=("lab-up",), alone=True, pytest=True, default=False),
    Gate("coverage", 40, "which branches of plugins/ the unit and kernel tests run", coverage, path="tests/integration/kernel", default=False),
    Gate("release", 1, "archive, bill of materials and checksums of the last commit", release, default=False),
    Gate("lab-down", 2, "end the labs that this run started", lab_down, default=False),
)
BY_NAME = {gate.name: gate for gate in GATES}


def run(name: str, *arguments: str) -> int:
    """Run one gate in this process; the exit code of the process tells how it went."""
    signal.signal(signal.SIGTERM, lambda *_unused: sys.exit(143))  # so that what it made for itself goes away
    try:
        BY_NAME[name].function(*arguments)
    except Failed as error:
        print("%s: %s" % (name, error), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
