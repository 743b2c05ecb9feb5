"""Checks a cluster of brokers: members, alarms, users, sessions, and the name that nodes use."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from idroserra.broker.certificates import folder_of
from idroserra.broker.cluster import OLD_CERTIFICATE, ClusterCertificates
from idroserra.broker.file_names import SETTINGS
from idroserra.broker.management import Management
from idroserra.broker.mosquitto import BrokerControlError
from idroserra.broker.rabbitmq import (
    CONFIG_DIR,
    ENABLE_METADATA,
    METADATA_FLAG,
    MIN_VERSION,
    SESSION_POLICY,
    erlang_name,
)
from idroserra.core.errors import HostError
from idroserra.doctor.result import Check
from idroserra.pki.broker_ca import HOST

_MEMBERS, _USERS, _SESSION = "brokers of the cluster", "users of the cluster", "session"
_NAME = "name of the cluster"
_ALARMS = {"mem_alarm": "memory", "disk_free_alarm": "disk space"}
Json = dict[str, Any]


def check_cluster(data_dir: Path, broker: str) -> Iterator[Check]:
    """Yield the checks of a cluster; none for a host with another broker. `broker` is the host
    name in mqtt.url."""
    if not (folder_of(data_dir) / SETTINGS).exists():
        return
    try:
        certificates = ClusterCertificates(data_dir)
    except HostError as error:
        yield Check(_MEMBERS, "fail", str(error), "restore the file from a backup")
        return
    yield _name(certificates, broker)
    answers = dict(certificates.management.answers_of_each(
        "/nodes?columns=name,running,partitions,mem_alarm,disk_free_alarm"))
    members = _members(certificates, answers)
    yield members
    if members.state == "fail":
        return
    try:
        yield _version(certificates.management)
        yield _metadata(certificates.management)
        yield from _users(certificates)
        yield _session(certificates, _running(answers))
    except BrokerControlError as error:
        yield Check(_MEMBERS, "fail", str(error), "repeat when the broker has started")


def _name(certificates: ClusterCertificates, broker: str) -> Check:
    """Check that the name leads to every broker: a node that knows one is lost with it."""
    members = {member: _addresses(member) for member in certificates.cluster.members}
    found = _addresses(broker)
    missing = [member for member, addresses in members.items() if not addresses & found]
    if not missing:
        return Check(_NAME, "ok", f"{broker} leads to all {len(members)} brokers")
    return Check(_NAME, "warn", f"{broker} does not lead to {', '.join(missing)}",
                 "give one name the addresses of all brokers, or put a TCP load balancer before "
                 "them; set it in mqtt.url, and provision the nodes with it")


def _members(certificates: ClusterCertificates, answers: dict[str, Any]) -> Check:
    wanted = set(map(erlang_name, certificates.cluster.members))
    problems = []
    for member, answer in answers.items():
        if isinstance(answer, BrokerControlError):
            problems.append(str(answer))
            continue
        running = {one["name"] for one in answer if one.get("running")}
        if erlang_name(member) in running and wanted - running:
            problems.append(f"{member} is without {', '.join(sorted(wanted - running))}")
        problems += [f"{one['name']}: low {what}" for one in answer
                     for key, what in _ALARMS.items() if one.get(key)]
        problems += [f"{one['name']}: cut off from {', '.join(one['partitions'])}"
                     for one in answer if one.get("partitions")]
    if not problems:
        return Check(_MEMBERS, "ok", f"{len(wanted)} of {len(wanted)} run as one")
    failed = all(isinstance(answer, BrokerControlError) for answer in answers.values())
    return Check(
        _MEMBERS, "fail" if failed else "warn", "; ".join(dict.fromkeys(problems)),
        "start the missing ones (journalctl -u rabbitmq-server). All need the same erlang.cookie, "
        "names that resolve on each other's machines, and ports 4369 and 25672 open among them. "
        "With low memory or disk space a broker takes no messages")


def _running(answers: dict[str, Any]) -> set[str]:
    """Return the brokers that at least one of the others knows as running."""
    return {one["name"] for answer in answers.values()
            if not isinstance(answer, BrokerControlError)
            for one in answer if one.get("running")}


def _version(management: Management) -> Check:
    found = str(management.get("/overview?columns=rabbitmq_version")["rabbitmq_version"])
    if tuple(map(int, found.split(".")[:2])) >= tuple(map(int, MIN_VERSION.split("."))):
        return Check("RabbitMQ", "ok", found)
    return Check("RabbitMQ", "fail", found, f"update it to {MIN_VERSION} or newer")


def _metadata(management: Management) -> Check:
    """Check that the brokers keep users, sessions and subscriptions in Khepri."""
    flags = {one["name"]: one["state"] for one in management.get("/feature-flags")}
    if flags.get(METADATA_FLAG) == "enabled":
        return Check("metadata of the cluster", "ok", "in Khepri")
    return Check("metadata of the cluster", "warn", "in Mnesia: it takes several times as long "
                 "until all nodes are back after a broker died", f"on one broker, while all run: "
                 f"{ENABLE_METADATA}")


def _users(certificates: ClusterCertificates) -> Iterator[Check]:
    logins, cell = certificates.logins, certificates.authority.cell
    known = {one["name"] for one in certificates.management.get("/users?columns=name")}
    missing = [name for name, login in logins.items() if login and login not in known]
    accepted = {one["user"] for one in certificates.management.get(
        f"/vhosts/{cell}/permissions?columns=user") or ()}
    stale = sorted(accepted - {cell, *logins.values(), *certificates.renewals})
    definitions = ("`idroserra broker init` writes definitions.json: copy it to one broker, and "
                   f"there: rabbitmqctl import_definitions {CONFIG_DIR}/definitions.json")
    if missing:
        yield Check(_USERS, "fail", f"the cluster does not know {', '.join(missing)}", "; ".join(
            definitions if name == HOST else f"`idroserra broker node {name}`"
            for name in missing))
    elif stale:
        yield Check(_USERS, "warn", f"accepted, but not of a certificate of this host: "
                    f"{', '.join(stale)}", "; ".join(
                        f"on one broker: rabbitmqctl delete_user {login}" for login in stale))
    elif certificates.earlier:
        yield Check(_USERS, "warn", ", ".join(certificates.earlier),
                    OLD_CERTIFICATE.format(node="NODE"))
    else:
        yield Check(_USERS, "ok", f"{len(logins)} certificates have a login")
    if certificates.management.get(f"/policies/{cell}/{SESSION_POLICY}") is None:
        yield Check("limits of sessions", "fail", "the policy is missing, so that messages can "
                    "fill the memory of the brokers", definitions)


def _session(certificates: ClusterCertificates, running: set[str]) -> Check:
    """Check that every broker has the sessions, and that its copy runs: a session at one broker
    is lost with it, and a broker with a broken copy accepts the host and delivers nothing."""
    cell, members = certificates.authority.cell, certificates.cluster.members
    queues = certificates.management.get(f"/queues/{cell}?columns=name,type,members,online")
    kept = [one for one in queues if one.get("type") == "quorum"]
    if not kept:
        return Check(_SESSION, "ok", "none kept yet: the host has not connected")
    wanted = set(map(erlang_name, members))
    lacking = {member for one in kept for member in wanted.difference(one.get("members", ()))}
    broken = sorted((member, one["name"]) for one in kept if "online" in one
                    for member in running.intersection(one["members"]).difference(one["online"]))
    if not lacking and not broken:
        return Check(_SESSION, "ok", f"kept at {len(members)} brokers")
    found = [f"not kept at {', '.join(sorted(lacking))}"] if lacking else []
    found += [f"its copy at {member} does not run" for member, _ in broken]
    commands = [f"rabbitmq-queues delete_member --vhost {cell} {name} {member}"
                for member, name in broken]
    commands += [f"rabbitmq-queues grow {member} all"
                 for member in sorted(lacking | {member for member, _ in broken})]
    return Check(_SESSION, "warn", "; ".join(found),
                 "if it is still so a minute after that broker has started, on any broker: "
                 + "; ".join(commands))


def _addresses(name: str) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(name, None, socket.AF_INET)}
    except OSError:
        return set()
