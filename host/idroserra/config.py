"""The configuration of the host: command line > environment > TOML file > defaults.

Environment: IDROSERRA_ and two underscores for a dot, such as IDROSERRA_MQTT__URL. An unknown key
is an error. Every refusal is a ConfigError that names where it came from and the key.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from idroserra.errors import ConfigError
from idroserra.lan.names import check_name
from idroserra.sites import BadSite, check_site

ENV_PREFIX = "IDROSERRA_"
SHARED_EXPIRY_S = 60
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MqttConfig(_Section):
    """The broker. Plain mqtt:// is for this machine only; mqtts:// checks the certificate."""

    url: str = "mqtt://127.0.0.1:1883"
    client_id: str = Field(default="idroserra-host", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    username: str | None = "host"  # the reserved node id: the ACL knows it
    password: SecretStr | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    # 3.1.1 only for a broker that cannot do 5: no Receive Maximum, so bursts may be dropped there
    # and come again from the node's outbox.
    protocol: Literal["5", "3.1.1"] = "5"
    receive_maximum: int = Field(default=65_535, ge=1, le=65_535)
    session_expiry_s: int = Field(default=7 * 86_400, ge=0, le=0xFFFF_FFFE)
    # The group whose members share the records: the host and `idroserra ingest`. docs/workers.md
    share: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,32}$")

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        parts = split_url(url, ("mqtt", "mqtts"))
        if parts.scheme == "mqtt" and not is_loopback(parts.hostname or ""):
            raise ValueError("beyond this machine mqtts:// is needed")
        return url

    @property
    def host(self) -> str:
        """Return the broker's name or address."""
        return urlsplit(self.url).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        """Return the broker's port."""
        return urlsplit(self.url).port or (8883 if self.is_tls else 1883)

    @property
    def kept_s(self) -> int:
        """Return how long the broker keeps our session. Of a group: a minute, since a broker
        such as mosquitto goes on giving one that is away its part."""
        return self.session_expiry_s if self.share is None else min(
            self.session_expiry_s, SHARED_EXPIRY_S)

    @property
    def is_tls(self) -> bool:
        """True for mqtts://."""
        return urlsplit(self.url).scheme == "mqtts"


class HttpConfig(_Section):
    """The page and its API. Plain HTTP is for this machine only."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    # Where people reach the page through a proxy on this machine, such as https://farm.example.
    public_url: str | None = None

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = split_url(url, ("https", "http"))
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("a URL without a path needed, such as https://farm.example")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("beyond this machine https:// is needed")
        return f"{parts.scheme}://{parts.netloc}".lower()

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: str) -> str:
        if not is_loopback(host):
            raise ValueError("loopback only: for the network of the site there is [lan]")
        return host


class KeepConfig(_Section):
    """For how many days history is kept, by resolution; 0 is for ever. See docs/store.md."""

    raw_days: int = Field(default=400, ge=0, le=36_500)
    minutes_days: int = Field(default=800, ge=0, le=36_500)
    quarters_days: int = Field(default=3_650, ge=0, le=36_500)
    daily_days: int = Field(default=0, ge=0, le=36_500)
    events_days: int = Field(default=0, ge=0, le=36_500)

    @model_validator(mode="after")
    def _check_order(self) -> KeepConfig:
        names = ("raw_days", "minutes_days", "quarters_days", "daily_days")
        days = [getattr(self, name) or 10**9 for name in names]
        for at in range(1, len(names)):
            if days[at] < days[at - 1]:
                raise ValueError(f"{names[at]} must be at least {names[at - 1]}: what is coarser"
                                 " stands for what is finer once that is forgotten")
        return self


class LanConfig(_Section):
    """The page on the site's own network, over HTTPS only: docs/phone.md."""

    enabled: bool = False
    host: str = "0.0.0.0"  # noqa: S104  the point of it
    port: int = Field(default=8443, ge=0, le=65_535)
    # How people reach this host, the first as it is told them. The machine's name in .local and
    # its private addresses are added where the certificate is of our own authority.
    names: tuple[str, ...] = ()
    cert_file: Path | None = None
    key_file: Path | None = None

    @field_validator("names")
    @classmethod
    def _check_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_name(name) for name in names)

    @model_validator(mode="after")
    def _check_files(self) -> LanConfig:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        return self


class StoreConfig(_Section):
    """Where history lives: a SQLite file under data_dir, or a database that speaks InfluxQL."""

    kind: Literal["sqlite", "influx"] = "sqlite"
    url: str = "http://127.0.0.1:8086"
    database: str = Field(default="idroserra", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    # v2: /api/v2/write of InfluxDB 1.8+, 2, 3 and VictoriaMetrics; v1: /write of every 1.x.
    write_api: Literal["v2", "v1"] = "v2"
    org: str = ""
    user: str | None = None
    password: SecretStr | None = None
    token: SecretStr | None = None
    timeout_ms: int = Field(default=10_000, ge=100, le=120_000)
    keep: KeepConfig = KeepConfig()

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        split_url(url, ("http", "https"))
        return url


class SpoolConfig(_Section):
    """The durable queue between broker and store. Full: the host stops acknowledging."""

    max_mb: int = Field(default=4_096, ge=1)
    max_rejected: int = Field(default=1_000, ge=1, le=100_000)
    max_unread: int = Field(default=100_000, ge=1, le=10_000_000)


class HomeAssistantConfig(_Section):
    """Home Assistant: docs/homeassistant.md. It finds the nodes by itself over the broker."""

    enabled: bool = False
    # As in Home Assistant's own MQTT settings.
    prefix: str = Field(default="homeassistant", pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$")


class AlarmTarget(_Section):
    """Where people are told: an apprise address, which is a secret; and in which language."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,39}$")
    url: SecretStr
    from_priority: Literal["low", "medium", "high", "urgent"] = "low"
    escalation_only: bool = False
    language: Literal["en", "it", "zh"] = "en"  # those of idroserra.i18n.LANGUAGES


class AlarmsConfig(_Section):
    """Alarms. `rules` changes single keys of the shipped rules, or adds rules: docs/alarms.md."""

    rules: dict[str, dict[str, Any]] = {}
    targets: tuple[AlarmTarget, ...] = ()
    notify_from: Literal["low", "medium", "high", "urgent"] = "medium"
    gather_s: int = Field(default=20, ge=0, le=600)
    # Local time of the host; within, only what is urgent is told.
    quiet_from: str | None = None
    quiet_until: str | None = None
    # A word every day that alarms work, and an address that is asked every few minutes while they
    # do: a dead-man's switch such as healthchecks.io tells you when it no longer is.
    daily_at: str | None = None
    heartbeat_url: SecretStr | None = None
    heartbeat_every_min: int = Field(default=5, ge=1, le=1_440)

    @field_validator("quiet_from", "quiet_until", "daily_at")
    @classmethod
    def _check_time(cls, text: str | None) -> str | None:
        if text is not None and not _TIME.fullmatch(text):
            raise ValueError("a time of day such as 22:30 needed")
        return text

    @field_validator("heartbeat_url")
    @classmethod
    def _check_heartbeat(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            parts = urlsplit(url.get_secret_value())
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("a URL of http or https needed")
        return url

    @model_validator(mode="after")
    def _check_quiet(self) -> AlarmsConfig:
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValueError("quiet_from and quiet_until go together")
        return self


class AccessConfig(_Section):
    """How long people at the page stay logged in: without use, and in all."""

    idle_min: int = Field(default=30, ge=1, le=1_440)
    absolute_h: int = Field(default=12, ge=1, le=720)


class JournalConfig(_Section):
    """What the photos of the journal may take on the disk, all of them together."""

    photos_max_mb: int = Field(default=2_000, ge=1, le=1_000_000)


class UpdateConfig(_Section):
    """Updates of nodes over the air: docs/update.md. How a release goes through a fleet."""

    # Of those who make releases: the current key, and a spare. Without one nothing is taken.
    public_keys: tuple[Path, ...] = Field(default=(), max_length=2)
    wave_nodes: int = Field(default=5, ge=1, le=1_000)  # after the canary, so many at once
    watch_min: int = Field(default=60, ge=0, le=10_080)  # and no new alarm on them for that long
    per_site: int = Field(default=1, ge=1, le=1_000)  # of one site at once
    rest_after_dose_min: int = Field(default=15, ge=0, le=1_440)


class Config(BaseSettings):
    """Everything the host needs to know before it starts. Built by load_config()."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    site: str = "greenhouse"
    data_dir: Path = Field(default_factory=lambda: platformdirs.user_data_path("idroserra"))
    mqtt: MqttConfig = MqttConfig()
    http: HttpConfig = HttpConfig()
    lan: LanConfig = LanConfig()
    store: StoreConfig = StoreConfig()
    spool: SpoolConfig = SpoolConfig()
    alarms: AlarmsConfig = AlarmsConfig()
    homeassistant: HomeAssistantConfig = HomeAssistantConfig()
    access: AccessConfig = AccessConfig()
    journal: JournalConfig = JournalConfig()
    update: UpdateConfig = UpdateConfig()

    @field_validator("site")
    @classmethod
    def _check_site(cls, site: str) -> str:
        try:
            return check_site(site)
        except BadSite as error:
            raise ValueError(str(error).removeprefix("site: ")) from None

    @model_validator(mode="after")
    def _check_whole(self) -> Config:
        if (self.mqtt.cert_file is None) != (self.mqtt.key_file is None):
            raise ValueError("mqtt.cert_file and mqtt.key_file go together")
        return self


def load_config(
    file: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Config:
    """Return the configuration of `overrides` (nested dicts, as from the command line), the
    environment, the TOML `file` and the defaults, in this order. Raises ConfigError."""
    table = {} if file is None else _read_toml(file)

    class _Loaded(Config):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, table)

    given = dict(overrides or {})
    try:
        return _Loaded(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        location = [str(part) for part in first["loc"]]
        source = _source_of(location, given, table, file)
        raise ConfigError(source, ".".join(location), _why(dict(first))) from None


def split_url(url: str, schemes: tuple[str, ...]) -> Any:
    """Return the parts of a URL with one of `schemes` and a host. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(f"a URL such as {schemes[0]}://127.0.0.1 is needed")
    if parts.username or parts.password:
        raise ValueError("user and password have keys of their own")
    _ = parts.port  # raises ValueError where it is no port
    return parts


def is_loopback(host: str) -> bool:
    """True for localhost and loopback addresses."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(str(file), "", error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise ConfigError(str(file), "", "not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(file), "", f"not TOML: {error}") from None


def _source_of(
    location: list[str], given: Mapping[str, Any], table: Mapping[str, Any], file: Path | None
) -> str:
    if _holds(given, location):
        return "command line"
    if file is not None and _holds(table, location):
        return str(file)
    return "environment"


def _holds(table: Mapping[str, Any], location: list[str]) -> bool:
    here: Any = table
    for part in location:
        if not isinstance(here, Mapping) or part not in here:
            return False
        here = here[part]
    return True


def _why(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown key"
    why = str(error["msg"]).removeprefix("Value error, ")
    return why[:1].lower() + why[1:]
