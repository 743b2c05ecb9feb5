"""Parts of the host receive what they use; only the composition roots know the whole Service."""

from support.source_tree import imports, module_of, python_files, report

COMPOSE = {"idroserra.web.app", "idroserra.web.process"}
COMPOSE_PACKAGES = ("idroserra.server.", "idroserra.demo.")


def test_no_part_of_the_host_takes_the_service():
    why = "Give the part what it uses, by keyword or as a dataclass named for its purpose:"
    found = [
        f"{module_of(path)}:{line} imports {name}"
        for path in python_files("host/idroserra")
        for line, name in imports(path)
        if name == "idroserra.server.service.Service" and module_of(path) not in COMPOSE
        and not module_of(path).startswith(COMPOSE_PACKAGES)
    ]
    assert not found, report(why, found)
