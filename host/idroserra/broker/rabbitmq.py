"""The files of a cluster of RabbitMQ brokers with the MQTT plugin, a folder for each member.

Beside `data_dir`, for one machine each, to be copied to /etc/rabbitmq:

    MEMBER/rabbitmq.conf rabbitmq-env.conf enabled_plugins inter_node_tls.config
    MEMBER/ca.pem server.pem server.key   what the member shows, and whom it trusts
    MEMBER/erlang.cookie                  the secret that the members share
    MEMBER/definitions.json               the cell of the host that wrote the files, without nodes

Users log in by certificate alone (pki/broker_ca.py). A cell is a virtual host: the messages,
sessions and users of one host and its nodes. The members keep sessions in quorum queues, so that
one of three may die, and keep no retained messages: RabbitMQ keeps those at the one member that
got them, and delivers none to a subscription with a wildcard.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from idroserra.broker.access import SEND, SUBSCRIBE, Rights, rights_of
from idroserra.broker.mosquitto import MAX_PACKET_BYTES
from idroserra.core.hostnames import is_address
from idroserra.pki.broker_ca import HOST

CONFIG_DIR = "/etc/rabbitmq"
MIN_VERSION = "4.0"
# Supported since 4.0, the only one from 4.3: https://www.rabbitmq.com/docs/metadata-store
METADATA_FLAG = "khepri_db"
ENABLE_METADATA = f"rabbitmqctl enable_feature_flag --opt-in {METADATA_FLAG}"
DISTRIBUTION_PORT = 25672
SESSION_S = 14 * 86_400
MAX_QUEUED, MAX_QUEUED_BYTES = 20_000, 16_777_216  # of one session; the oldest go first
MAX_IN_HAND = 1_000  # unacknowledged; the host acknowledges after each commit of its store
NODE_CONNECTIONS = 3  # one, and those that were cut without the broker noticing yet
EXCHANGE = "amq.topic"
_ERLANG_ARGUMENTS = f"-proto_dist inet_tls -ssl_dist_optfile {CONFIG_DIR}/inter_node_tls.config"
SESSION_POLICY = "sessions"
_END = r"$(?!\n)"  # a plain $ is also before a last line break
Json = dict[str, Any]


class Cluster(msgspec.Struct, frozen=True):
    """What a host knows of its cluster, in `line/cluster.json`.

    `password` is that of the management user, which is named after the cell."""

    members: list[str]
    node_port: int
    management_port: int
    cookie: str
    password: str

    @staticmethod
    def new(members: Sequence[str], node_port: int, management_port: int) -> Cluster:
        """Return a cluster with new secrets."""
        return Cluster(list(members), node_port, management_port, secrets.token_hex(32),
                       secrets.token_urlsafe(32))


def member_files(cluster: Cluster, member: str) -> dict[str, str]:
    """Return {file name: text} of a member, without its certificates and the definitions.

    A member given by its address listens there only, others at every address."""
    address = member if is_address(member) else "0.0.0.0"  # noqa: S104  nodes connect from the network
    return {
        "rabbitmq.conf": _configuration(cluster, address),
        "rabbitmq-env.conf": f"""\
NODENAME={erlang_name(member)}
USE_LONGNAME=true
DIST_PORT={DISTRIBUTION_PORT}
SERVER_ADDITIONAL_ERL_ARGS="{_ERLANG_ARGUMENTS} -rabbit quorum_cluster_size {len(cluster.members)}"
CTL_ERL_ARGS="{_ERLANG_ARGUMENTS}"
""",
        "enabled_plugins": "[rabbitmq_mqtt,rabbitmq_auth_mechanism_ssl,rabbitmq_management].\n",
        "inter_node_tls.config": f"""\
[{{server, [{_erlang_tls()}, {{fail_if_no_peer_cert, true}}]}},
 {{client, [{_erlang_tls()}]}}].
""",
        "erlang.cookie": cluster.cookie,
    }


def erlang_name(member: str) -> str:
    """Return the name of a member in the cluster, such as `a_farm_lan@a.farm.lan`.

    It is unique before the @ too, since members on one machine share a port mapper."""
    return f"{member.replace('.', '_')}@{member}"


def definitions(cell: str, site: str, login: str, password: str) -> str:
    """Return the definitions (JSON) of a cell: virtual host, policy, management user, and the
    `login` of its host.

    It has no node: a broker that starts may import an old file, and revoked certificates would be
    valid again."""
    salt = hashlib.sha256(cell.encode()).digest()[:4]  # the same file each time
    digest = hashlib.sha256(salt + password.encode()).digest()
    queues, topics = permissions(HOST)
    return json.dumps({
        "vhosts": [{"name": cell, "description": f"Idroserra: {site}", "tags": [],
                    "default_queue_type": "quorum"}],
        "users": [
            {"name": cell, "tags": ["administrator"],
             "password_hash": base64.b64encode(salt + digest).decode(),
             "hashing_algorithm": "rabbit_password_hashing_sha256"},
            {"name": login, "limits": limits(HOST), **user(HOST)}],
        "permissions": [
            {"user": cell, "vhost": cell, "configure": "", "write": "", "read": ".*"},
            {"user": login, "vhost": cell, **queues}],
        "topic_permissions": [{"user": login, "vhost": cell, **topics}],
        "policies": [{
            "vhost": cell, "name": SESSION_POLICY, "pattern": "^mqtt-subscription-",
            "apply-to": "queues", "priority": 0,
            "definition": {"max-length": MAX_QUEUED, "max-length-bytes": MAX_QUEUED_BYTES,
                           "overflow": "drop-head"}}],
    }, indent=1)


def user(name: str) -> Json:
    """Return a user who has no password; the tag tells an administrator whose login it is."""
    return {"password_hash": "", "tags": [f"idroserra-{name}"]}


def limits(name: str) -> dict[str, int]:
    """Return the limits of a user."""
    return {} if name == HOST else {"max-connections": NODE_CONNECTIONS}


def permissions(name: str) -> tuple[Json, Json]:
    """Return the permissions of a user: of queues and exchange, and of topics.

    Topics are patterns of routing keys, in which a dot stands for each slash; a subscription is
    checked as the filter that it is."""
    queues = "mqtt-.*" if name == HOST else f"mqtt-subscription-{re.escape(name)}qos[01]"
    rights = rights_of(name)
    return ({"configure": f"^{queues}{_END}", "write": f"^({queues}|amq\\.topic){_END}",
             "read": f"^({queues}|amq\\.topic){_END}"},
            {"exchange": EXCHANGE, "write": _pattern(rights, (SEND,)),
             "read": _pattern(rights, SUBSCRIBE)})


def _configuration(cluster: Cluster, address: str) -> str:
    """Return rabbitmq.conf of a member that listens on `address`."""
    formed = "\n".join(f"cluster_formation.classic_config.nodes.{number} = {erlang_name(member)}"
                       for number, member in enumerate(cluster.members, 1))
    return f"""\
# Written by `idroserra broker init --engine rabbitmq`.
listeners.tcp = none
mqtt.listeners.tcp = none
mqtt.listeners.ssl.nodes = {address}:{cluster.node_port}
{_tls("ssl_options")}
mqtt.allow_anonymous = false
mqtt.ssl_cert_login = true
ssl_cert_login_from = subject_alternative_name
ssl_cert_login_san_type = uri
ssl_cert_login_san_index = 0
# No client takes over the session of another user.
mqtt.ssl_cert_client_id_from = subject_alternative_name
mqtt.ssl_cert_login_san_type = dns

mqtt.durable_queue_type = quorum
mqtt.prefetch = {MAX_IN_HAND}
mqtt.max_session_expiry_interval_seconds = {SESSION_S}
mqtt.max_packet_size_authenticated = {MAX_PACKET_BYTES}
mqtt.retained_message_store = rabbit_mqtt_retained_msg_store_noop
# Memory that the log of the quorum queues takes before it is written out.
raft.wal_max_size_bytes = 67108864
disk_free_limit.absolute = 1GB
# A refused message is logged with its topic, which may have 16 kB.
log.file.rotation.size = 10485760
log.file.rotation.count = 5

management.ssl.ip = {address}
management.ssl.port = {cluster.management_port}
{_tls("management.ssl")}

definitions.import_backend = local_filesystem
definitions.local.path = {CONFIG_DIR}/definitions.json
definitions.skip_if_unchanged = true
cluster_partition_handling = pause_minority
cluster_formation.peer_discovery_backend = classic_config
{formed}
"""


def _pattern(rights: Rights, kinds: Sequence[str]) -> str:
    topics = sorted({_routing_key(topic) for kind, topic in rights if kind in kinds})
    return f"^({'|'.join(topics)}){_END}" if topics else f"^{_END}"


def _routing_key(topic: str) -> str:
    """Return the regular expression of a topic, or of a filter and those within it."""
    levels = topic.split("/")
    words = ["[^.]+" if level == "+" else re.escape(level) for level in levels if level != "#"]
    return r"\.".join(words) + (r"(\..*)?" if levels[-1] == "#" else "")


def _tls(option: str) -> str:
    return f"""\
{option}.cacertfile = {CONFIG_DIR}/ca.pem
{option}.certfile = {CONFIG_DIR}/server.pem
{option}.keyfile = {CONFIG_DIR}/server.key
{option}.verify = verify_peer
{option}.fail_if_no_peer_cert = true
{option}.versions.1 = tlsv1.3
{option}.versions.2 = tlsv1.2"""


def _erlang_tls() -> str:
    return (f'{{cacertfile, "{CONFIG_DIR}/ca.pem"}}, {{certfile, "{CONFIG_DIR}/server.pem"}}, '
            f'{{keyfile, "{CONFIG_DIR}/server.key"}}, {{verify, verify_peer}}')
