"""Access list of the broker: the topics that each user may publish and subscribe to.

That of `broker init` is the file of mosquitto's dynamic security plugin, because mosquitto's own
ACL file accepts every subscription. A node may use the topics of the protocol only, each listed by
name, so that neither its retained messages nor its subscriptions can fill the broker's memory. The
plugin reads the file when the broker starts; the commands change a running broker, which then
saves it. The demo's broker, and a broker of one's own, have the same rights in an ACL file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from idro.protocol.topics import DOWN, RESERVED_NODE_IDS, UP
from idroserra.core import protocol

CONTROL_TOPIC = "$CONTROL/dynamic-security/v1"
RESPONSE_TOPIC = f"{CONTROL_TOPIC}/response"
Json = dict[str, Any]
Rights = tuple[tuple[str, str], ...]  # (kind, topic)

HOST, HOME_ASSISTANT = RESERVED_NODE_IDS
# Users that publish foreign readings: FOREIGN_USER and a name. No node id has a dot.
FOREIGN_USER = "foreign."
FOREIGN_TOPICS = "foreign"
_FOREIGN_NAME = re.compile(r"[a-z0-9-]{1,32}")
SEND, _RECEIVE = "publishClientSend", "publishClientReceive"
SUBSCRIBE = _TOPIC, _PATTERN = "subscribeLiteral", "subscribePattern"
_WORDS = {_RECEIVE: "read", SEND: "write"}  # of an ACL file
_ALL = f"{protocol.PREFIX}/#"
_EVERY_NODE = "%u"  # the user name, in an ACL file
# The user `homeassistant` reads only the topics that the host publishes for it, and its status.
_HOME_ASSISTANT_READS = (
    f"{protocol.PREFIX}/host/ha/#", f"{protocol.PREFIX}/host/up/status", "homeassistant/#")
_HOME_ASSISTANT_SENDS = (f"{protocol.PREFIX}/host/ha/+/+/set", "homeassistant/status")
_CONTROL = tuple((kind, f"{CONTROL_TOPIC}/#") for kind in (SEND, _RECEIVE, _PATTERN))
PROGRAMS: Mapping[str, Rights] = {
    HOST: tuple((kind, topic) for topic in (_ALL, "homeassistant/#", f"{FOREIGN_TOPICS}/#")
                for kind in (SEND, _RECEIVE, _PATTERN)) + ((_PATTERN, "idro/#"),),
    HOME_ASSISTANT: tuple((kind, topic) for topic in _HOME_ASSISTANT_READS
                          for kind in (_RECEIVE, _PATTERN)) + tuple(
        (SEND, topic) for topic in _HOME_ASSISTANT_SENDS),
}


def is_foreign(user: str) -> bool:
    """Whether this is a user that publishes foreign readings, such as foreign.hub."""
    return user.startswith(FOREIGN_USER) and bool(
        _FOREIGN_NAME.fullmatch(user.removeprefix(FOREIGN_USER)))


def topics_of(user: str) -> tuple[str, ...]:
    """Return the filters of every topic that a node, a user of foreign readings or Home Assistant
    may publish."""
    if is_foreign(user):
        return (f"{FOREIGN_TOPICS}/{user.removeprefix(FOREIGN_USER)}/#",)
    if user == HOME_ASSISTANT:
        return _HOME_ASSISTANT_SENDS
    return (f"{protocol.PREFIX}/{user}/#",)


def access_file(nodes: Iterable[str]) -> bytes:
    """Return the access list for the host, Home Assistant and `nodes`."""
    roles = [_role(user) for user in dict.fromkeys((*PROGRAMS, *nodes))]
    return json.dumps({
        "defaultACLAccess": {SEND: False, _RECEIVE: False, "subscribe": False,
                             "unsubscribe": True},
        "clients": [_client(role["rolename"]) for role in roles],
        "groups": [],
        "roles": roles,
    }).encode()


def acl_file() -> str:
    """Return the access list as an ACL file. A user who is not a program is a node."""
    lines = _acl_lines("pattern", _node_rights(_EVERY_NODE))
    for user, rights in PROGRAMS.items():
        lines += [f"user {user}", *_acl_lines("topic", rights)]
    return "\n".join((*lines, ""))


def commands_to_add(user: str) -> list[Json]:
    """Return the commands that give a node, or another user, its rights.

    With a user of foreign readings the host gets the right to read them, which the access list of
    an earlier version does not have."""
    read = [{"command": "addRoleACL", "rolename": HOST, **acl} for acl in _role(HOST)["acls"]
            if acl["topic"].startswith(f"{FOREIGN_TOPICS}/")] if is_foreign(user) else []
    return [*read, {"command": "createRole", **_role(user)},
            {"command": "createClient", **_client(user)}]


def commands_to_remove(user: str) -> list[Json]:
    """Return the commands that take the rights of a user away and end its connection."""
    return [{"command": "deleteClient", "username": user},
            {"command": "deleteRole", "rolename": user}]


def _client(user: str) -> Json:
    return {"username": user, "roles": [{"rolename": user}]}


def _node_rights(node: str) -> Rights:
    topics = f"{protocol.PREFIX}/{node}"
    return (*((SEND, f"{topics}/up/{leaf}") for leaf in UP),
            # Nodes of earlier versions subscribe to each topic.
            *((kind, f"{topics}/down/{leaf}") for leaf in DOWN for kind in (_RECEIVE, _TOPIC)),
            (_TOPIC, f"{topics}/down/+"))


def rights_of(user: str) -> Rights:
    """Return what a node, a program or a user of foreign readings may do."""
    if is_foreign(user):
        return tuple((SEND, topic) for topic in topics_of(user))
    return PROGRAMS.get(user, _node_rights(user))


def _role(user: str) -> Json:
    rights = rights_of(user) + (_CONTROL if user == HOST else ())
    return {"rolename": user, "acls": [
        {"acltype": kind, "topic": topic, "priority": 0, "allow": True}
        for kind, topic in rights]}


def _acl_lines(directive: str, rights: Rights) -> list[str]:
    """Return the lines of rights; an ACL file has none to subscribe."""
    words: dict[str, set[str]] = {}
    for kind, topic in rights:
        if kind in _WORDS:
            words.setdefault(topic, set()).add(_WORDS[kind])
    return [f"{directive} {''.join(sorted(found))} {topic}" for topic, found in words.items()]
