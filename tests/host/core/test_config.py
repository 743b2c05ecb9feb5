"""The configuration: precedence of sources, and one-line errors."""

import subprocess
import sys

import pytest

from idroserra.alarms.rules import load_rules
from idroserra.core.config import load_config
from idroserra.core.errors import ConfigError


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    import os

    for name in list(os.environ):
        if name.startswith("IDROSERRA_"):
            monkeypatch.delenv(name)


def toml(tmp_path, text):
    path = tmp_path / "idroserra.toml"
    path.write_text(text)
    return path


def test_defaults_need_nothing():
    config = load_config()
    assert (config.mqtt.host, config.mqtt.port) == ("127.0.0.1", 1883)
    assert config.store.kind == "sqlite"
    assert config.data_dir.name == "idroserra"


def test_command_line_over_environment_over_file(tmp_path, monkeypatch):
    path = toml(tmp_path, 'site = "farm"\n[mqtt]\nurl = "mqtt://127.0.0.1:1"\nclient_id = "file"\n'
                          '[store]\nkind = "influx"\ndatabase = "file"\n')
    monkeypatch.setenv("IDROSERRA_MQTT__URL", "mqtt://127.0.0.1:2")
    monkeypatch.setenv("IDROSERRA_STORE__DATABASE", "environment")
    config = load_config(path, {"mqtt": {"url": "mqtt://127.0.0.1:3"}})
    assert config.mqtt.port == 3
    assert config.mqtt.client_id == "file"
    assert (config.store.kind, config.store.database) == ("influx", "environment")
    assert config.site == "farm"


@pytest.mark.parametrize(("text", "key", "why"), [
    ("[mqtt]\nurll = 1\n", "mqtt.urll", "unknown key"),
    ('[access.openid.roles]\ngrowers = "operator"\n', "access.openid.roles.growers",
     "unknown key (known: viewer, operator, admin)"),
    ("[mqtt]\nurl = 1\n", "mqtt.url", "string"),
    ("[http]\nport = 70000\n", "http.port", "less than or equal to 65535"),
    ('[http]\nhost = "0.0.0.0"\n', "http.host", "loopback only"),
    ('[mqtt]\nurl = "mqtt://broker.example"\n', "mqtt.url", "must be mqtts://"),
    ('[mqtt]\nurl = "mqtt://a:b@127.0.0.1"\n', "mqtt.url", "their own keys"),
    ('[mqtt]\nurl = "mqtt://127.0.0.1:99999"\n', "mqtt.url", "port"),
    ('[store]\nkind = "duckdb"\n', "store.kind", "'sqlite' or 'influx'"),
    ('[store]\nurl = "http://db.example/#a"\n', "store.url", "must end with its path"),
    ('[store]\nurl = "http://db.example/?db=a"\n', "store.url", "must end with its path"),
    ('[store]\nurl = "http://db.example/a b"\n', "store.url", "without spaces"),
    ('[store]\nurl = "http://db.example/è"\n', "store.url", "in ASCII characters"),
    ('[store]\nurl = "http://db..example"\n', "store.url", "label empty"),
    ('[store]\ntoken = "abc\\n"\n', "store.token", "must be one line of ASCII characters"),
    ('[[feed]]\nname = "x"\ntoken = "è"\n', "feed.0.token", "one line of ASCII characters"),
    ('site = "a,b=c\\n"\n', "site", "letters"),
    ("stor = 1\n", "stor", "unknown key"),
    ("[mqtt\n", "", "not TOML"),
    ('[mqtt]\ncert_file = "a"\n', "", "go together"),
])
def test_one_line_names_file_and_key(tmp_path, text, key, why):
    path = toml(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert caught.value.key == key
    assert why in caught.value.why
    assert "\n" not in str(caught.value)
    if key:
        assert caught.value.file == str(path)


def test_the_source_of_the_fault_is_named(tmp_path, monkeypatch):
    path = toml(tmp_path, "[http]\nport = 80\n")
    with pytest.raises(ConfigError, match="command line: http.port"):
        load_config(path, {"http": {"port": -1}})
    monkeypatch.setenv("IDROSERRA_HTTP__PORT", "many")
    with pytest.raises(ConfigError, match="environment: http.port"):
        load_config()


def test_the_environment_holds_tables_and_lists_as_json(monkeypatch):
    monkeypatch.setenv("IDROSERRA_LAN__NAMES", '["farm.local"]')
    monkeypatch.setenv("IDROSERRA_LAN__ENABLED", "true")
    monkeypatch.setenv("IDROSERRA_STORE", '{"kind": "influx", "keep": {"raw_days": 5}}')
    monkeypatch.setenv("IDROSERRA_STORE__KEEP__MINUTES_DAYS", "7")
    monkeypatch.setenv("IDROSERRA_ALARMS__RULES__PH_HIGH__LIMIT", "7.5")
    monkeypatch.setenv("IDROSERRA_URL", "http://127.0.0.1:1")  # of the command line, no key
    config = load_config()
    assert (config.lan.names, config.lan.enabled) == (("farm.local",), True)
    assert (config.store.kind, config.store.keep.raw_days) == ("influx", 5)
    assert config.store.keep.minutes_days == 7
    assert config.alarms.rules == {"ph_high": {"limit": "7.5"}}
    assert load_rules(config.alarms.rules)["ph_high"].limit == 7.5


@pytest.mark.parametrize(("name", "text", "why"), [
    ("IDROSERRA_LAN__NAMES", "farm.local", "environment: lan.names: not JSON"),
    ("IDROSERRA_LAN__NAMES", '"farm.local"', "environment: lan.names: input should be a valid"),
    ("IDROSERRA_LAN__ENABLED", "yes", "environment: lan.enabled: input should be a valid"),
    ("IDROSERRA_MQTT__URLL", "x", "environment: mqtt.urll: unknown key"),
])
def test_a_fault_of_the_environment_is_named(monkeypatch, name, text, why):
    monkeypatch.setenv(name, text)
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert str(caught.value).startswith(why)


def test_a_key_that_is_missing_in_a_list_is_the_files_fault(tmp_path):
    path = toml(tmp_path, '[[alarms.targets]]\nname = "phone"\n')
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert (caught.value.file, caught.value.key) == (str(path), "alarms.targets.0.url")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="none.toml: No such file"):
        load_config(tmp_path / "none.toml")


def test_tls_beyond_this_machine():
    config = load_config(None, {"mqtt": {"url": "mqtts://broker.example"}})
    assert (config.mqtt.port, config.mqtt.is_tls) == (8883, True)


def test_secrets_are_not_shown():
    config = load_config(None, {"store": {"token": "hunter2"}, "mqtt": {"password": "hunter2"}})
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize("code", [
    "idroserra.server.service",
    "idroserra.history.influx.store as used; from idroserra.core.config import StoreConfig;"
    " used.InfluxStore(StoreConfig(kind='influx', write_api='v1'), 'farm')"])
def test_heavy_packages_load_only_when_used(code):
    code = (f"import sys, {code};"
            "print([m for m in ('influxdb_client', 'uvicorn') if m in sys.modules])")
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert said.stdout.strip() == b"[]"
