"""Configuration of the host: command line > environment > TOML file > defaults.

Environment: IDROSERRA_ and two underscores for a dot, such as IDROSERRA_MQTT__URL. An unknown key
is an error. Every error is a ConfigError that names the source and the key.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec
import platformdirs
from msgspec import Meta, field
from msgspec.structs import force_setattr

from idroserra.core.config_section import Section, checked
from idroserra.core.errors import ConfigError
from idroserra.core.hostnames import check_name, is_loopback, page_url, split_url
from idroserra.core.others_config import ForeignConfig, StandbyConfig
from idroserra.core.sections.access import AccessConfig
from idroserra.core.sites import BadSite, check_site
from idroserra.core.validation import Secret, ValidationError, string_pattern, validate

ENV_PREFIX = "IDROSERRA_"
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class MqttConfig(Section, frozen=True):
    """[mqtt]: the broker. mqtt:// is for loopback only; mqtts:// verifies the certificate."""

    url: str = "mqtt://127.0.0.1:1883"
    client_id: Annotated[str, string_pattern(r"^[A-Za-z0-9_-]{1,64}$")] = "idroserra-host"
    username: str | None = "host"  # a reserved node id with its own rules in the ACL
    password: Secret | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    # 3.1.1 has no Receive Maximum: the broker may drop bursts, which the nodes then send again.
    protocol: Literal["5", "3.1.1"] = "5"
    receive_maximum: Annotated[int, Meta(ge=1, le=65_535)] = 65_535
    session_expiry_s: Annotated[int, Meta(ge=0, le=0xFFFF_FFFE)] = 7 * 86_400

    def __post_init__(self) -> None:
        """Raises ValidationError for an invalid URL, or for mqtt:// beyond loopback."""
        parts = checked("url", split_url, self.url, ("mqtt", "mqtts"))
        if parts.scheme == "mqtt" and not is_loopback(parts.hostname or ""):
            raise ValidationError(["url"], "must be mqtts:// except on loopback")

    @property
    def user(self) -> str | None:
        """The user name to log in with, if a certificate alone does not name the user."""
        return None if self.cert_file is not None and self.password is None else self.username

    @property
    def host(self) -> str:
        """The broker's host name or address."""
        return urlsplit(self.url).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        """The broker's port."""
        return urlsplit(self.url).port or (8883 if self.is_tls else 1883)

    @property
    def is_tls(self) -> bool:
        """True for mqtts://."""
        return urlsplit(self.url).scheme == "mqtts"


class HttpConfig(Section, frozen=True):
    """[http]: the page and its API over plain HTTP, on loopback only."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    # URL of the page behind a proxy on this machine, such as https://farm.example.
    public_url: str | None = None

    def __post_init__(self) -> None:
        """Raises ValidationError for a host beyond loopback or an invalid public_url."""
        if not is_loopback(self.host):
            raise ValidationError(["host"], "loopback only: use [lan] for the site's network")
        if self.public_url is not None:
            force_setattr(self, "public_url", checked("public_url", page_url, self.public_url))


class KeepConfig(Section, frozen=True):
    """[store.keep]: retention by resolution in days; 0 is for ever. See docs/store.md."""

    raw_days: Annotated[int, Meta(ge=0, le=36_500)] = 400
    minutes_days: Annotated[int, Meta(ge=0, le=36_500)] = 800
    quarters_days: Annotated[int, Meta(ge=0, le=36_500)] = 3_650
    daily_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    events_days: Annotated[int, Meta(ge=0, le=36_500)] = 0

    def __post_init__(self) -> None:
        """Raises ValidationError if a coarser resolution expires before a finer one."""
        names = ("raw_days", "minutes_days", "quarters_days", "daily_days")
        days = [getattr(self, name) or 10**9 for name in names]
        for at in range(1, len(names)):
            if days[at] < days[at - 1]:
                raise ValidationError([], f"{names[at]} must be at least {names[at - 1]}: coarser"
                                      " data replaces finer data that has expired")


class LanConfig(Section, frozen=True):
    """[lan]: the page on the site's own network, over HTTPS only: docs/host.md."""

    enabled: bool = False
    host: str = "0.0.0.0"  # noqa: S104  the point of it
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8443
    # Host names and addresses of the page; the first one is shown to people. With the host's own
    # certificate, the machine's .local name and private addresses are added.
    names: tuple[str, ...] = ()
    cert_file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        """Raises ValidationError for an invalid name, or a certificate without its key."""
        force_setattr(self, "names", tuple(
            checked("names", check_name, name) for name in self.names))
        if (self.cert_file is None) != (self.key_file is None):
            raise ValidationError([], "cert_file and key_file go together")


class DatabaseConfig(Section, frozen=True, kw_only=True):
    """How a database with line protocol is reached."""

    url: str = "http://127.0.0.1:8086"
    database: Annotated[str, string_pattern(r"^[A-Za-z0-9_-]{1,64}$")] = "idroserra"
    # v2: /api/v2/write of InfluxDB 1.8+, 2, 3 and VictoriaMetrics; v1: /write of every 1.x.
    write_api: Literal["v2", "v1"] = "v2"
    org: str = ""
    user: str | None = None
    password: Secret | None = None
    token: Secret | None = None
    timeout_ms: Annotated[int, Meta(ge=100, le=120_000)] = 10_000

    def __post_init__(self) -> None:
        """Raises ValidationError for an invalid URL or token."""
        url = checked("url", split_url, self.url, ("http", "https"))
        if url.query or url.fragment or " " in url.path or not url.path.isascii():
            raise ValidationError(
                ["url"], "must end with its path, in ASCII characters without spaces")
        token = "" if self.token is None else self.token.get_secret_value()
        if not (token.isascii() and token.isprintable()):  # it becomes a header
            raise ValidationError(["token"], "must be one line of ASCII characters")


class StoreConfig(DatabaseConfig, frozen=True, kw_only=True):
    """[store]: history in a SQLite file under data_dir, or in an InfluxDB 1.x or 2.x."""

    kind: Literal["sqlite", "influx"] = "sqlite"
    keep: KeepConfig = KeepConfig()


class FeedConfig(DatabaseConfig, frozen=True, kw_only=True):
    """[[feed]]: a database that receives all readings and events beside the store."""

    name: Annotated[str, string_pattern(r"^[a-z0-9][a-z0-9_-]{0,31}$")]


class OtherHostConfig(Section, frozen=True):
    """[[other_host]]: a host whose state the page of this one shows: docs/host.md."""

    name: Annotated[str, string_pattern(r"^[^\s\x00-\x1f]([^\x00-\x1f\x7f]{0,38}[^\s])?$")]
    url: str
    token_file: Path
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        """Raises ValidationError for an invalid URL, or a CA without https."""
        force_setattr(self, "url", checked("url", page_url, self.url))
        if self.ca_file is not None and not self.url.startswith("https://"):
            raise ValidationError(["ca_file"], "is of no use without https://")


class SpoolConfig(Section, frozen=True):
    """[spool]: the durable queue between broker and store. Full: no more acknowledgements."""

    max_mb: Annotated[int, Meta(ge=1)] = 4_096
    max_rejected: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    max_unread: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000


class HomeAssistantConfig(Section, frozen=True):
    """[homeassistant]: MQTT discovery of the nodes: docs/integrations.md."""

    enabled: bool = False
    prefix: Annotated[str, string_pattern(r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$")] = "homeassistant"
    language: Literal["en", "it", "zh"] = "en"  # of states, events and alarms


class AlarmTarget(Section, frozen=True):
    """[[alarms.targets]]: a recipient of notifications: its apprise URL and language."""

    name: Annotated[str, string_pattern(r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,39}$")]
    url: Secret
    from_priority: Literal["low", "medium", "high", "urgent"] = "low"
    escalation_only: bool = False
    language: Literal["en", "it", "zh"] = "en"  # as in idroserra.i18n.translate.LANGUAGES
    sites: tuple[str, ...] = ()  # only alarms of these sites, and of the host


class AlarmsConfig(Section, frozen=True):
    """[alarms]: `rules` changes keys of the shipped rules, or adds rules: docs/alarms.md."""
    rules: dict[str, dict[str, Any]] = {}
    targets: tuple[AlarmTarget, ...] = ()
    notify_from: Literal["low", "medium", "high", "urgent"] = "medium"
    gather_s: Annotated[int, Meta(ge=0, le=600)] = 20
    # Quiet hours, local time: only urgent alarms are sent.
    quiet_from: str | None = None
    quiet_until: str | None = None
    # A daily message that notifications work, and a dead-man's switch such as healthchecks.io: a
    # URL that is requested while alarms work, and that notifies you when the requests stop.
    daily_at: str | None = None
    heartbeat_url: Secret | None = None
    heartbeat_every_min: Annotated[int, Meta(ge=1, le=1_440)] = 5

    def __post_init__(self) -> None:
        """Raises ValidationError for an invalid time or URL, or incomplete quiet hours."""
        for name in ("quiet_from", "quiet_until", "daily_at"):
            text = getattr(self, name)
            if text is not None and not _TIME.fullmatch(text):
                raise ValidationError([name], "must be a time of day such as 22:30")
        if self.heartbeat_url is not None:
            parts = checked("heartbeat_url", urlsplit, self.heartbeat_url.get_secret_value())
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValidationError(["heartbeat_url"], "must be an http or https URL")
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValidationError([], "quiet_from and quiet_until go together")


class JournalConfig(Section, frozen=True):
    """[journal]: maximum total size of the photos on disk."""

    photos_max_mb: Annotated[int, Meta(ge=1, le=1_000_000)] = 2_000


class UpdateConfig(Section, frozen=True):
    """[update]: updates over the air and their rollout through a fleet: docs/update.md."""

    public_keys: Annotated[tuple[Path, ...], Meta(max_length=2)] = ()
    wave_nodes: Annotated[int, Meta(ge=1, le=1_000)] = 5  # nodes per wave after the canary
    watch_min: Annotated[int, Meta(ge=0, le=10_080)] = 60  # without a new alarm before the next
    per_site: Annotated[int, Meta(ge=1, le=1_000)] = 1  # nodes of one site at the same time
    rest_after_dose_min: Annotated[int, Meta(ge=0, le=1_440)] = 15


class Config(Section, frozen=True, dict=True):
    """The whole configuration of the host. Built by load_config()."""

    site: str = "greenhouse"
    data_dir: Path = field(default_factory=lambda: platformdirs.user_data_path("idroserra"))
    mqtt: MqttConfig = MqttConfig()
    http: HttpConfig = HttpConfig()
    lan: LanConfig = LanConfig()
    store: StoreConfig = StoreConfig()
    feed: tuple[FeedConfig, ...] = ()
    spool: SpoolConfig = SpoolConfig()
    alarms: AlarmsConfig = AlarmsConfig()
    homeassistant: HomeAssistantConfig = HomeAssistantConfig()
    foreign: ForeignConfig = ForeignConfig()
    other_host: Annotated[tuple[OtherHostConfig, ...], Meta(max_length=200)] = ()
    access: AccessConfig = AccessConfig()
    journal: JournalConfig = JournalConfig()
    update: UpdateConfig = UpdateConfig()
    standby: StandbyConfig = StandbyConfig()

    def __post_init__(self) -> None:
        """Raises ValidationError for an invalid site, or a certificate without its key."""
        try:
            force_setattr(self, "site", check_site(self.site))
        except BadSite as error:
            raise ValidationError(["site"], str(error).removeprefix("site: ")) from None
        if (self.mqtt.cert_file is None) != (self.mqtt.key_file is None):
            raise ValidationError([], "mqtt.cert_file and mqtt.key_file go together")
        _check_names("feed", self.feed)
        _check_names("other_host", self.other_host)

    def source_of(self, *path: str) -> str | None:
        """Return where a key is set, as load_config() names it; None if it has its default."""
        sources: Mapping[str, Any] = self.__dict__.get("sources", {})
        return next((name for name, table in sources.items() if _holds(table, list(path))), None)


def _check_names(key: str, named: Sequence[FeedConfig | OtherHostConfig]) -> None:
    for number, one in enumerate(named):
        if one.name in [other.name for other in named[:number]]:
            why = f"another {key} has this name"
            raise ValidationError([key, str(number), "name"], why)


def load_config(file: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Config:
    """Return the configuration, merged from `overrides` (nested dicts, as from the command line),
    the environment, the TOML `file` and the defaults. Earlier ones win. Raises ConfigError."""
    sources = {"command line": dict(overrides or {}), "environment": _environment(),
               str(file): {} if file is None else _read_toml(file)}
    whole: dict[str, Any] = {}
    for table in reversed(sources.values()):
        whole = _merge(whole, table)
    try:
        config = validate(whole, Config)
        config.__dict__["sources"] = sources
        return config
    except ValidationError as error:
        raise ConfigError(_source_of(error.path, sources), ".".join(error.path),
                          error.why) from None


def _environment() -> dict[str, Any]:
    """Return the keys set by the environment; tables and lists are JSON. Raises ConfigError."""
    found: dict[str, Any] = {}
    for name, text in os.environ.items():
        keys = name.lower().removeprefix(ENV_PREFIX.lower()).split("__")
        if not name.upper().startswith(ENV_PREFIX) or keys[0] not in field_types(Config):
            continue  # not a variable of ours, or not a key of the configuration
        kind: Any = Config
        for key in keys:
            kind = field_types(kind).get(key, Any)
        value: Any = text
        if get_origin(kind) in (tuple, dict) or field_types(kind):
            try:
                value = msgspec.json.decode(text)
            except ValueError:
                raise ConfigError("environment", ".".join(keys), "not JSON") from None
        for key in reversed(keys):
            value = {key: value}
        found = _merge(found, value)
    return found


def field_types(kind: Any) -> dict[str, Any]:
    """Return the keys of a section with their types, without constraints."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return {}
    return get_type_hints(kind)


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return both tables as one; keys of `above` win."""
    return {**below, **{
        key: _merge(below[key], value)
        if isinstance(value, Mapping) and isinstance(below.get(key), Mapping) else value
        for key, value in above.items()}}


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(str(file), "", error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise ConfigError(str(file), "", "not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(file), "", f"not TOML: {error}") from None


def _source_of(path: list[str], sources: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the source that has the key, or the table that lacks it."""
    for end in range(len(path), 0, -1):
        for name, table in sources.items():
            if _holds(table, path[:end]):
                return name
    return list(sources)[-1]


def _holds(table: Any, path: list[str]) -> bool:
    here = table
    for part in path:
        if isinstance(here, list) and part.isdecimal() and int(part) < len(here):
            here = here[int(part)]
        elif isinstance(here, Mapping) and part in here:
            here = here[part]
        else:
            return False
    return True
