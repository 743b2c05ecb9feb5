"""Invalid messages, commands and files: each gives one clear error, and no record is lost."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from idroserra.auth.local_token import token_for
from idroserra.client.http import HostClient
from idroserra.mqtt.paho_client import stop_client
from support.command_line import idroserra
from support.e2e_stack import EndToEndStack
from support.wait import wait_until

NODE = "idro-one"
BAD_TELEMETRY = {
    b"[": "not a whole JSON object",
    b'{"v":1,"boot_id":"b","sent_at_ms":1,"oldest_seq":1,"records":[{"seq":1': "whole JSON object",
    b'{"v":1,"boot_id":"b","boot_unix_ms":null,"sent_at_ms":5,"oldest_seq":1,"records":'
    b'[{"seq":1,"at_ms":4,"values":{"reservoir.ph":99},"faults":{}}]}': "reservoir.ph",
    b'{"v":2,"records":[]}': "v: version 1 needed",
}


def test_a_malformed_message_is_stored_with_its_reason_and_blocks_nothing(tmp_path: Path) -> None:
    with EndToEndStack(tmp_path, (NODE,)) as stack:
        wait_until(lambda: sum(stack.sent().values()) > 5, 60, "records flow")
        stack.settle()  # the host has subscribed, so no message is sent twice
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="broken")
        client.username_pw_set(NODE)
        client.connect("127.0.0.1", stack.broker.port)
        client.loop_start()
        wait_until(client.is_connected, 10, "a connection")  # else the first is sent twice
        for payload in BAD_TELEMETRY:
            sent = client.publish(f"idro/v1/{NODE}/up/telemetry", payload, qos=1)
            sent.wait_for_publish(60)
            assert sent.is_published()
        stop_client(client)
        wait_until(lambda: len(stack.rejected()) == len(BAD_TELEMETRY), 30, "all are rejected")
        assert {topic for topic, _ in stack.rejected()} == {f"idro/v1/{NODE}/up/telemetry"}
        for expected in BAD_TELEMETRY.values():
            assert any(expected in error for _, error in stack.rejected())
        stack.settle()
        wait_until(stack.answers, 60, "the web server answers")
        health = HostClient(stack.url).get("/api/health")
        assert health["nodes"][NODE]["rejected"] == len(BAD_TELEMETRY)
        received = stack.stop_nodes()
        own = [count for boot, count in received.items() if boot in stack.sent()]
        assert sum(stack.stored(NODE)) == sum(own)
        assert stack.lost() == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"verb": "dose", "args": {"actuator": "ph_down"}, "by": "anna"}, "volume_ul"),
        ({"verb": "dose", "args": {"actuator": "ph_down", "volume_ul": -1}, "by": "a"},
         "volume_ul"),
        ({"verb": "explode", "args": {}, "by": "anna"}, "verb"),
        ({"verb": "stop", "args": {"really": True}, "by": "anna"}, "really"),
    ],
)
def test_a_command_with_an_invalid_field_is_refused_with_its_name(
    body: dict, field: str, stack: EndToEndStack
) -> None:
    request = urllib.request.Request(
        f"{stack.url}/api/nodes/{NODE}/commands", json.dumps(body).encode(),
        {"Content-Type": "application/json", "Origin": stack.url,
         "Authorization": f"Bearer {token_for(stack.url)}"}, method="POST",
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=600)
    assert refused.value.code == 422
    assert field in refused.value.read().decode()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory):
    with EndToEndStack(tmp_path_factory.mktemp("stack"), (NODE,)) as running:
        wait_until(lambda: sum(running.sent().values()) > 2, 60, "the node sends records")
        wait_until(running.answers, 60, "the web server answers")
        yield running


@pytest.mark.parametrize(
    ("arguments", "content", "message"),
    [
        (["serve", "--config"], "site = [broken", "not TOML"),
        (["serve", "--config"], "[http]\nprot = 8080", "http.prot: unknown key"),
        (["sim", "run"], "[scenario]\nname = 'x'", "scenario.days"),
        (["board", "check"], "[board]\nname = 'x'\nchip = 'esp33'", "board.chip"),
    ],
)
def test_an_invalid_file_gives_one_line_with_file_and_key(
    arguments: list[str], content: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "broken.toml"
    file.write_text(content)
    done = idroserra(*arguments, file)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert file.name in done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
