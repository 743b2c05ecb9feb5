"""The import graph of our packages: who imports whom, what climbs, and what goes in a circle."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

from support.source_tree import imports, module_of, name_of

# From the bottom to the top. A package may import those of lower floors, not its neighbours.
Levels = Sequence[tuple[str, ...]]


class Import(NamedTuple):
    """One import of a module of ours by another, wherever in the file it stands."""

    importer: str
    imported: str
    place: str  # file:line


def imports_between(paths: Iterable[Path], package: str) -> list[Import]:
    """Return every import inside `package` among the modules of `paths`, lazy ones included."""
    files = {module_of(path): path for path in paths}
    found = []
    for module, path in files.items():
        for line, name in imports(path):
            target = name if name in files else name.rpartition(".")[0]
            if target in files and target not in (package, module):
                found.append(Import(module, target, f"{name_of(path)}:{line}"))
    return found


def package_of(module: str) -> str:
    """Return the package a module lies in, below the root: `ingest` of idroserra.ingest.spool."""
    return module.split(".")[1]


def upward_imports(found: Iterable[Import], floors: Levels) -> Iterator[str]:
    """Yield every import that does not go down, with its place and path."""
    floor_of = {name: number for number, names in enumerate(floors) for name in names}
    for one in found:
        above, below = package_of(one.importer), package_of(one.imported)
        if above != below and floor_of[below] >= floor_of[above]:
            yield f"{one.place}: {one.importer} -> {one.imported}"


def find_cycle(edges: Iterable[tuple[str, str]]) -> str | None:
    """Return a circle of the graph as a path, a -> b -> a, or None."""
    graph: dict[str, set[str]] = {}
    for importer, imported in edges:
        graph.setdefault(importer, set()).add(imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " -> ".join(reversed(error.args[1]))
    return None


def module_cycle(found: Iterable[Import]) -> str | None:
    """Return a circle of modules as a path, or None."""
    return find_cycle((one.importer, one.imported) for one in found)


def package_cycle(found: Iterable[Import]) -> str | None:
    """Return a circle of packages as a path, or None."""
    pairs = ((package_of(one.importer), package_of(one.imported)) for one in found)
    return find_cycle(pair for pair in pairs if pair[0] != pair[1])


def packages_of(found: Mapping[str, Path] | Iterable[str]) -> set[str]:
    """Return the packages of the modules named."""
    return {package_of(module) for module in found if "." in module}
