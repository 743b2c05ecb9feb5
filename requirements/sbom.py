"""Writes the software bill of materials (SBOM) as CycloneDX JSON from the lock files.

    .venv/bin/python requirements/sbom.py build/sbom.cdx.json       (make sbom)

The components are those of the lock files here and in host/web. Licences and dependencies are from
the metadata of the installed packages.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LOCKS = ("build.txt", "all.txt", "host.txt")
SHIPPED = "host.txt"  # runtime dependencies of the host; the others build, test or are extras

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Pin:
    """A pinned package: its version, environment marker and hashes."""

    name: str
    version: str
    marker: Marker | None
    sha256: tuple[str, ...]


def pins(lock: Path) -> list[Pin]:
    """Return the pins of a lock file. Raises ValueError naming file and line."""
    found = []
    for line in lock.read_text("utf-8").replace("\\\n", " ").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split("--hash=", 1)[0].strip()
        requirement = Requirement(words)
        exact = [one.version for one in requirement.specifier if one.operator == "=="]
        hashes = tuple(_HASH.findall(line))
        if requirement.url or len(requirement.specifier) != 1 or not exact or not hashes:
            raise ValueError(f"{lock.name}: {words}: not a single version with hashes")
        found.append(Pin(requirement.name, exact[0], requirement.marker, hashes))
    return found


def scripts(lock: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (name, entry) of npm's lock file."""
    for path, entry in json.loads(lock.read_text("utf-8"))["packages"].items():
        if path:
            yield path.rpartition("node_modules/")[2], entry


def bill() -> Bom:
    """Return the SBOM of this checkout."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    bom = Bom()
    ours = Component(name=project["name"], version=project["version"],
                     type=ComponentType.APPLICATION, bom_ref="idroserra",
                     licenses=[LicenseExpression(project["license"])])
    bom.metadata.component = ours
    shipped = {(pin.name, pin.version) for pin in pins(HERE / SHIPPED)}
    every = {(pin.name, pin.version): pin for lock in LOCKS for pin in pins(HERE / lock)}
    python = {key: _of_python(pin, key in shipped) for key, pin in every.items()}
    javascript = [_of_npm(name, entry)
                  for name, entry in scripts(ROOT / "host/web/package-lock.json")]
    for component in (*python.values(), *javascript):
        bom.components.add(component)
    here = {name: python[name, version] for name, version in python
            if _installed(name) == version}
    for name, component in here.items():
        bom.register_dependency(component, [here[one] for one in _needs(name) if one in here])
    declared = [*project["dependencies"],
                *(one for extra in project["optional-dependencies"].values() for one in extra)]
    wanted = {canonicalize_name(Requirement(one).name) for one in declared}
    bom.register_dependency(
        ours, [*(here[one] for one in sorted(wanted) if one in here), *javascript])
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_OID, repr(sorted(
        (str(one.purl), str(one.scope)) for one in bom.components)))
    return bom


def text(bom: Bom) -> str:
    """Return an SBOM as CycloneDX 1.6 JSON."""
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)


def _of_python(pin: Pin, is_shipped: bool) -> Component:
    purl = PackageURL("pypi", name=pin.name, version=pin.version)
    return Component(
        name=pin.name, version=pin.version, purl=purl, bom_ref=str(purl),
        scope=ComponentScope.REQUIRED if is_shipped else ComponentScope.OPTIONAL,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in pin.sha256],
        licenses=_licences(pin) if _installed(pin.name) == pin.version else (),
    )


def _of_npm(name: str, entry: dict[str, str]) -> Component:
    scope, _, bare = name.rpartition("/")
    algorithm, _, digest = entry["integrity"].partition("-")
    if algorithm != "sha512":
        raise ValueError(f"package-lock.json: {name}: integrity is {algorithm}, not sha512")
    purl = PackageURL("npm", namespace=scope or None, name=bare, version=entry["version"])
    return Component(
        name=name, version=entry["version"], purl=purl, bom_ref=str(purl),
        scope=ComponentScope.REQUIRED if name == "uplot" else ComponentScope.OPTIONAL,
        hashes=[HashType(alg=HashAlgorithm.SHA_512,
                         content=base64.b64decode(digest, validate=True).hex())],
        licenses=[LicenseFactory().make_from_string(entry["license"])],
    )


def _licences(pin: Pin) -> Iterable[DisjunctiveLicense | LicenseExpression]:
    about = metadata.metadata(pin.name)
    if "License-Expression" in about:
        return [LicenseExpression(about["License-Expression"])]
    stated = [one.split(" :: ")[-1] for one in about.get_all("Classifier") or ()
              if one.startswith("License ::")]
    if not stated and "License" in about and "\n" not in about["License"]:
        stated = [about["License"]]  # one line; some packages put the full text there
    return [DisjunctiveLicense(name=one) for one in stated]


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _needs(name: str) -> set[str]:
    """Return the dependencies of an installed package on this platform, without extras."""
    found = (Requirement(one) for one in metadata.requires(name) or ())
    return {canonicalize_name(one.name) for one in found
            if one.marker is None or one.marker.evaluate({"extra": ""})}


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    made = bill()
    target.write_text(text(made) + "\n", "utf-8")
    print(f"{target}: {len(made.components)} packages")
