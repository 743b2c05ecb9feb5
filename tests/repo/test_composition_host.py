"""Parts of the host receive what they use; only the composition roots know the whole Service."""

from support.source_tree import calls, imports, module_of, python_files, report

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


def test_one_module_stops_clients_of_paho():
    why = "loop_stop() of paho 2.1 may fail as its thread ends. Use idroserra.mqtt.paho_client:"
    found = {
        module_of(path): line
        for path in python_files("host/idroserra", "tests", "bench", "tools")
        for line, called, _ in calls(path)
        if called.rpartition(".")[2] == "loop_stop"
    }
    assert set(found) == {"idroserra.mqtt.paho_client"}, report(why, [
        f"{module}:{line}" for module, line in found.items()])
