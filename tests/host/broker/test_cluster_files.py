"""The files of `idroserra broker init --engine rabbitmq`, without a broker."""

import json
import math
import re

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import example, given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub
from typer.testing import CliRunner

from idroserra.broker.access import HOME_ASSISTANT, SEND, SUBSCRIBE, rights_of
from idroserra.broker.certificates import broker_folder_of
from idroserra.broker.cluster import ClusterCertificates
from idroserra.broker.rabbitmq import erlang_name, permissions
from idroserra.cli.main import app
from idroserra.core.errors import ConfigError
from idroserra.pki.broker_ca import HOST, BrokerCA, login_of, read_certificate, subject_alt_names

USERS = (HOST, HOME_ASSISTANT, "foreign.hub", "lettuce", "lettuce-2")
MEMBERS = ("a.farm.lan", "b.farm.lan", "c.farm.lan")
LEVELS = st.sampled_from([
    "idro", "v1", "lettuce", "lettuce-2", "host", "up", "down", "telemetry", "command", "status",
    "ha", "set", "homeassistant", "foreign", "hub", "a.b", "", "$SYS"])
TOPICS = st.lists(LEVELS, min_size=1, max_size=7).map("/".join)
FILTERS = st.tuples(
    st.lists(st.one_of(LEVELS, st.just("+")), min_size=1, max_size=6), st.booleans(),
).map(lambda parts: "/".join([*parts[0], *(["#"] if parts[1] else [])]))


def routing_key(topic):
    """As RabbitMQ translates MQTT topics and filters (rabbit_mqtt_util:mqtt_to_amqp)."""
    return topic.translate(str.maketrans("/.+", "./*"))


def is_allowed(user, permission, topic):
    return re.search(permissions(user)[1][permission], routing_key(topic)) is not None


@given(st.sampled_from(USERS), TOPICS)
@example("lettuce", "idro/v1/lettuce/up/telemetry")
@example("lettuce", "idro.v1.lettuce.up.telemetry")
@example("lettuce", "idro/v1/lettuce/up/telemetry\n")
def test_a_user_may_publish_what_its_rights_say(user, topic):
    wanted = any(kind == SEND and topic_matches_sub(allowed, topic)
                 for kind, allowed in rights_of(user))
    assert is_allowed(user, "write", topic) == wanted


@given(st.sampled_from(USERS), FILTERS, TOPICS)
@example("lettuce", "idro/v1/+/down/command", "idro/v1/lettuce-2/down/command")
@example("lettuce", "#", "a")
def test_no_subscription_brings_more_than_the_rights_say(user, wanted, topic):
    """A filter is either refused, or all that it matches is within one right."""
    rights = [allowed for kind, allowed in rights_of(user) if kind in SUBSCRIBE]
    if is_allowed(user, "read", wanted) and topic_matches_sub(wanted, topic):
        assert any(topic_matches_sub(allowed, topic) for allowed in rights)


@pytest.mark.parametrize("user", USERS)
def test_every_subscription_of_the_rights_is_allowed(user):
    for kind, topic in rights_of(user):
        assert kind not in SUBSCRIBE or is_allowed(user, "read", topic), topic


@pytest.mark.parametrize("user", USERS)
def test_a_user_has_the_sessions_of_its_own_client_id_only(user):
    for other in USERS:
        for qos in ("qos0", "qos1"):
            name = f"mqtt-subscription-{other}{qos}"
            is_own = user in (other, HOST)
            assert bool(re.search(permissions(user)[0]["configure"], name)) == is_own


@pytest.fixture
def init(tmp_path, monkeypatch):
    """Return a function that runs `broker init --engine rabbitmq`."""
    monkeypatch.setenv("IDROSERRA_DATA_DIR", str(tmp_path / "data"))

    def run(*more, members=MEMBERS, names=("brokers.farm.lan",)):
        options = [word for member in members for word in ("--member", member)]
        options += [word for name in names for word in ("--name", name)]
        done = CliRunner().invoke(
            app, ["broker", "init", "--engine", "rabbitmq", *options, *more],
            catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    return run


def test_the_files_of_each_member_fit_it(init, tmp_path):
    printed = json.loads(init("--json"))
    assert printed["mqtt"]["url"] == "mqtts://brokers.farm.lan:8883"
    folder = broker_folder_of(tmp_path / "data")
    for member in MEMBERS:
        own = folder / member
        assert f"NODENAME={erlang_name(member)}\n" in (own / "rabbitmq-env.conf").read_text()
        assert subject_alt_names(read_certificate(own / "server.pem")) == {
            member, "brokers.farm.lan"}
        conf = (own / "rabbitmq.conf").read_text()
        assert [line.rpartition(" ")[2] for line in conf.splitlines() if "nodes" in line] == [
            "0.0.0.0:8883", *map(erlang_name, MEMBERS)]
    cookies = {(folder / member / "erlang.cookie").read_text() for member in MEMBERS}
    assert len(cookies) == 1


def test_a_session_is_at_every_one_of_five_members(init, tmp_path):
    """RabbitMQ keeps one at three, and has no name for the setting in rabbitmq.conf."""
    members = [f"{letter}.lan" for letter in "abcde"]
    init(members=members)
    for member in members:
        text = (tmp_path / "data-broker" / member / "rabbitmq-env.conf").read_text()
        assert " -rabbit quorum_cluster_size 5\"\nCTL_" in text


def test_the_log_of_a_broker_is_bounded(init, tmp_path):
    """A client that publishes where it may not fills it: 16 kB for each connection."""
    init()
    conf = (tmp_path / "data-broker" / MEMBERS[0] / "rabbitmq.conf").read_text()
    numbers = [int(one) for one in re.findall(r"^log\.file\.rotation\.\w+ = (\d+)$", conf, re.M)]
    assert len(numbers) == 2
    assert math.prod(numbers) <= 100_000_000


def test_a_member_keeps_its_name_when_others_come_and_go(init, tmp_path):
    """A broker that starts with another name has lost its messages and users."""
    def names():
        return {path.parent.name: re.findall(r"NODENAME=(.*)", path.read_text())
                for path in (tmp_path / "data-broker").glob("*/rabbitmq-env.conf")}
    init()
    before = names()
    init("--overwrite", members=("d.farm.lan", *reversed(MEMBERS[1:])))
    assert {member: names()[member] for member in MEMBERS} == before


def test_it_keeps_what_is_there(init, tmp_path):
    init()
    folder = tmp_path / "data-broker"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    files = json.loads(init("--json"))["files"]
    assert {path: path.read_bytes() for path in before} == before
    assert not [one for one in files if one["note"]]
    changed = json.loads(init("--json", "--port", "9999"))["files"]
    assert {one["path"].rpartition("/")[2] for one in changed if "--overwrite" in one["note"]} == {
        "rabbitmq.conf"}


def test_it_never_locks_out_a_cell_that_has_joined(init, tmp_path):
    init()
    trusted = [tmp_path / "data-broker" / member / "ca.pem" for member in MEMBERS]
    own = trusted[0].read_text()
    (tmp_path / "second").mkdir()
    second = BrokerCA.make(tmp_path / "second")
    joined = own + second.path.read_text()
    trusted[0].write_text(joined)
    trusted[1].write_text(f"The second cell:\n{second.path.read_text()}{joined}")
    assert [one["note"] for one in json.loads(init("--json"))["files"]
            if one["path"] == str(trusted[0])] == [""]
    files = json.loads(init("--json", "--overwrite"))["files"]
    assert [path.read_text() for path in trusted] == [joined, joined, own]
    assert [one["note"] for one in files if one["path"] in map(str, trusted)] == [
        *[f"it also trusts CN=line {second.cell},O=Idroserra"] * 2, ""]
    trusted[2].write_text("no certificate")
    with pytest.raises(ConfigError, match=r"c\.farm\.lan/ca\.pem: not a certificate"):
        init("--overwrite")


@pytest.mark.parametrize(("members", "names", "error"), [
    (("a.lan", "b.lan"), ("c.lan",), "--member: give one, three or five"),
    ((), (), "--member: give one, three or five"),
    (MEMBERS, (), "--name: give the name under which nodes reach the brokers"),
    (("fd00::1",), (), "--member: give host names, not IPv6 addresses"),
    (("a b",), (), "--member: not a host name"),
])
def test_a_wrong_cluster_is_refused(init, members, names, error):
    with pytest.raises(ConfigError, match=re.escape(error)):
        init(members=members, names=names)


def test_mosquitto_is_not_set_up_over_a_cluster(init):
    init()
    with pytest.raises(ConfigError, match="this host has a cluster of brokers"):
        CliRunner().invoke(app, ["broker", "init"], catch_exceptions=False)
    with pytest.raises(ConfigError, match="only with --engine rabbitmq"):
        CliRunner().invoke(app, ["broker", "init", "--member", "a.lan"], catch_exceptions=False)


def test_a_host_that_has_joined_does_not_become_the_one_of_the_brokers(init, tmp_path):
    """Its own CA would replace that of the brokers, which host and nodes verify them with."""
    (tmp_path / "first").mkdir()
    brokers_ca = BrokerCA.make(tmp_path / "first").path
    init("--joins", str(brokers_ca))
    trusted = ClusterCertificates(tmp_path / "data").server_ca
    with pytest.raises(ConfigError, match="--joins: this host has joined the cluster of another"):
        init()
    assert trusted.read_bytes() == brokers_ca.read_bytes()
    init("--joins", str(brokers_ca))


def test_a_certificate_of_an_earlier_version_is_named(init, tmp_path):
    init()
    certificates = ClusterCertificates(tmp_path / "data")
    cert, key = certificates.files("basil")
    cert.parent.mkdir()
    certificates.authority.issue_server(["basil"], cert, key)  # as before, it has no login
    assert login_of(read_certificate(cert)) == ""
    assert "`idroserra broker rotate basil`" in init()
    definitions = json.loads((tmp_path / "data-broker" / MEMBERS[0] / "definitions.json")
                             .read_text())
    assert [one["tags"] for one in definitions["users"]] == [
        ["administrator"], ["idroserra-host"]]


def test_the_longest_node_id_still_fits_a_node(tmp_path):
    """A node reads certificates of up to 512 bytes."""
    authority = BrokerCA.make(tmp_path)
    for _ in range(20):
        authority.issue_client("n" * 32, tmp_path / "n.pem", tmp_path / "n.key")

        assert len(read_certificate(tmp_path / "n.pem").public_bytes(Encoding.DER)) <= 512
