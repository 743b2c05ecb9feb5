"""The import graph of our packages, its upward imports and its cycles."""

from collections.abc import Iterable, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

from support.source_tree import imports, module_of, name_of

# From the bottom up. A package may import those of lower levels, but not of its own.
Levels = Sequence[tuple[str, ...]]


class Import(NamedTuple):
    """An import of one of our modules by another, at any place in the file."""

    importer: str
    imported: str
    place: str  # file:line


def imports_between(paths: Iterable[Path], package: str) -> list[Import]:
    """Return every import between the modules of `paths`, lazy ones included."""
    files = {module_of(path): path for path in paths}
    found = []
    for module, path in files.items():
        for line, name in imports(path):
            target = name if name in files else name.rpartition(".")[0]
            if target in files and target not in (package, module):
                found.append(Import(module, target, f"{name_of(path)}:{line}"))
    return found


def package_of(module: str) -> str:
    """Return the package of a module below the root: `ingest` of idroserra.ingest.spool."""
    return module.split(".")[1]


def upward_imports(found: Iterable[Import], levels: Levels) -> Iterator[str]:
    """Yield every import that does not go down, as "file:line: importer -> imported"."""
    level_of = {name: number for number, names in enumerate(levels) for name in names}
    for each in found:
        above, below = package_of(each.importer), package_of(each.imported)
        if above != below and level_of[below] >= level_of[above]:
            yield f"{each.place}: {each.importer} -> {each.imported}"


def find_cycle(edges: Iterable[tuple[str, str]]) -> str | None:
    """Return a cycle of the graph as a path, a -> b -> a, or None."""
    graph: dict[str, set[str]] = {}
    for importer, imported in edges:
        graph.setdefault(importer, set()).add(imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " -> ".join(reversed(error.args[1]))
    return None


def module_cycle(found: Iterable[Import]) -> str | None:
    """Return a cycle of modules as a path, or None."""
    return find_cycle((each.importer, each.imported) for each in found)


def package_cycle(found: Iterable[Import]) -> str | None:
    """Return a cycle of packages as a path, or None."""
    pairs = ((package_of(each.importer), package_of(each.imported)) for each in found)
    return find_cycle(pair for pair in pairs if pair[0] != pair[1])


def packages_of(modules: Iterable[str]) -> set[str]:
    """Return the packages of the named modules."""
    return {package_of(module) for module in modules if "." in module}
