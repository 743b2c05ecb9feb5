"""The configuration of the host: command line > environment > TOML file > defaults.

Environment: IDROSERRA_ and two underscores for a dot, such as IDROSERRA_MQTT__URL. An unknown key
is an error. Every refusal is a ConfigError that names where it came from and the key.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec
import platformdirs
from msgspec import Meta, field
from msgspec.structs import force_setattr

from idroserra.core.errors import ConfigError
from idroserra.core.hostnames import check_name
from idroserra.core.sites import BadSite, check_site
from idroserra.core.validation import Secret, ValidationError, matching, validate

ENV_PREFIX = "IDROSERRA_"
_T = TypeVar("_T")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def _checked(name: str, check: Callable[..., _T], *values: Any) -> _T:
    """Return what a check gives. Raises Misfit with the key's name where it raises ValueError."""
    try:
        return check(*values)
    except ValueError as error:
        why = str(error)
        raise ValidationError([name], f"{why[:1].lower()}{why[1:]}") from None


def _public(url: str) -> str:
    """Return where people reach the page, in its one spelling. Raises ValueError."""
    parts = split_url(url, ("https", "http"))
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("a URL without a path needed, such as https://farm.example")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("beyond this machine https:// is needed")
    return f"{parts.scheme}://{parts.netloc}".lower()


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


class Section(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A table of the file. Whoever makes one of Python's own values is believed as to the types:
    shaped() checks them, and __post_init__ what depends on more than one value's type."""


class MqttConfig(Section, frozen=True):
    """The broker. Plain mqtt:// is for this machine only; mqtts:// checks the certificate."""

    url: str = "mqtt://127.0.0.1:1883"
    client_id: Annotated[str, matching(r"^[A-Za-z0-9_-]{1,64}$")] = "idroserra-host"
    username: str | None = "host"  # the reserved node id: the ACL knows it
    password: Secret | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    # 3.1.1 only for a broker that cannot do 5: no Receive Maximum, so bursts may be dropped there
    # and come again from the node's outbox.
    protocol: Literal["5", "3.1.1"] = "5"
    receive_maximum: Annotated[int, Meta(ge=1, le=65_535)] = 65_535
    session_expiry_s: Annotated[int, Meta(ge=0, le=0xFFFF_FFFE)] = 7 * 86_400

    def __post_init__(self) -> None:
        """Raises Misfit for an address that is none, or plain beyond this machine."""
        parts = _checked("url", split_url, self.url, ("mqtt", "mqtts"))
        if parts.scheme == "mqtt" and not is_loopback(parts.hostname or ""):
            raise ValidationError(["url"], "beyond this machine mqtts:// is needed")

    @property
    def host(self) -> str:
        """Return the broker's name or address."""
        return urlsplit(self.url).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        """Return the broker's port."""
        return urlsplit(self.url).port or (8883 if self.is_tls else 1883)

    @property
    def is_tls(self) -> bool:
        """True for mqtts://."""
        return urlsplit(self.url).scheme == "mqtts"


class HttpConfig(Section, frozen=True):
    """The page and its API. Plain HTTP is for this machine only."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    # Where people reach the page through a proxy on this machine, such as https://farm.example.
    public_url: str | None = None

    def __post_init__(self) -> None:
        """Raises Misfit for an address of others; puts the public one into its one spelling."""
        if not is_loopback(self.host):
            raise ValidationError(
                ["host"], "loopback only: for the network of the site there is [lan]"
            )
        if self.public_url is not None:
            force_setattr(self, "public_url", _checked("public_url", _public, self.public_url))


class KeepConfig(Section, frozen=True):
    """For how many days history is kept, by resolution; 0 is for ever. See docs/store.md."""

    raw_days: Annotated[int, Meta(ge=0, le=36_500)] = 400
    minutes_days: Annotated[int, Meta(ge=0, le=36_500)] = 800
    quarters_days: Annotated[int, Meta(ge=0, le=36_500)] = 3_650
    daily_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    events_days: Annotated[int, Meta(ge=0, le=36_500)] = 0

    def __post_init__(self) -> None:
        """Raises Misfit where what is coarser is forgotten first."""
        names = ("raw_days", "minutes_days", "quarters_days", "daily_days")
        days = [getattr(self, name) or 10**9 for name in names]
        for at in range(1, len(names)):
            if days[at] < days[at - 1]:
                raise ValidationError(
                    [],
                    f"{names[at]} must be at least {names[at - 1]}: what is coarser"
                    " stands for what is finer once that is forgotten",
                )


class LanConfig(Section, frozen=True):
    """The page on the site's own network, over HTTPS only: docs/host.md."""

    enabled: bool = False
    host: str = "0.0.0.0"  # noqa: S104  the point of it
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8443
    # How people reach this host, the first as it is told them. The machine's name in .local and
    # its private addresses are added where the certificate is of our own authority.
    names: tuple[str, ...] = ()
    cert_file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        """Raises Misfit for a name that is none, or half a certificate."""
        force_setattr(self, "names", tuple(
            _checked("names", check_name, name) for name in self.names))
        if (self.cert_file is None) != (self.key_file is None):
            raise ValidationError([], "cert_file and key_file go together")


class StoreConfig(Section, frozen=True):
    """Where history lives: a SQLite file under data_dir, or a database that speaks InfluxQL."""

    kind: Literal["sqlite", "influx"] = "sqlite"
    url: str = "http://127.0.0.1:8086"
    database: Annotated[str, matching(r"^[A-Za-z0-9_-]{1,64}$")] = "idroserra"
    # v2: /api/v2/write of InfluxDB 1.8+, 2, 3 and VictoriaMetrics; v1: /write of every 1.x.
    write_api: Literal["v2", "v1"] = "v2"
    org: str = ""
    user: str | None = None
    password: Secret | None = None
    token: Secret | None = None
    timeout_ms: Annotated[int, Meta(ge=100, le=120_000)] = 10_000
    keep: KeepConfig = KeepConfig()

    def __post_init__(self) -> None:
        """Raises Misfit for an address that is none."""
        _checked("url", split_url, self.url, ("http", "https"))


class SpoolConfig(Section, frozen=True):
    """The durable queue between broker and store. Full: the host stops acknowledging."""

    max_mb: Annotated[int, Meta(ge=1)] = 4_096
    max_rejected: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    max_unread: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000


class HomeAssistantConfig(Section, frozen=True):
    """Home Assistant: docs/integrations.md. It finds the nodes by itself over the broker."""

    enabled: bool = False
    # As in Home Assistant's own MQTT settings.
    prefix: Annotated[str, matching(r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$")] = "homeassistant"


class AlarmTarget(Section, frozen=True):
    """Where people are told: an apprise address, which is a secret; and in which language."""

    name: Annotated[str, matching(r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,39}$")]
    url: Secret
    from_priority: Literal["low", "medium", "high", "urgent"] = "low"
    escalation_only: bool = False
    language: Literal["en", "it", "zh"] = "en"  # those of idroserra.i18n.translate.LANGUAGES


class AlarmsConfig(Section, frozen=True):
    """Alarms. `rules` changes single keys of the shipped rules, or adds rules: docs/alarms.md."""

    rules: dict[str, dict[str, Any]] = {}
    targets: tuple[AlarmTarget, ...] = ()
    notify_from: Literal["low", "medium", "high", "urgent"] = "medium"
    gather_s: Annotated[int, Meta(ge=0, le=600)] = 20
    # Local time of the host; within, only what is urgent is told.
    quiet_from: str | None = None
    quiet_until: str | None = None
    # A word every day that alarms work, and an address that is asked every few minutes while they
    # do: a dead-man's switch such as healthchecks.io tells you when it no longer is.
    daily_at: str | None = None
    heartbeat_url: Secret | None = None
    heartbeat_every_min: Annotated[int, Meta(ge=1, le=1_440)] = 5

    def __post_init__(self) -> None:
        """Raises Misfit for a time or an address that is none, or half a quiet time."""
        for name in ("quiet_from", "quiet_until", "daily_at"):
            text = getattr(self, name)
            if text is not None and not _TIME.fullmatch(text):
                raise ValidationError([name], "a time of day such as 22:30 needed")
        if self.heartbeat_url is not None:
            parts = _checked("heartbeat_url", urlsplit, self.heartbeat_url.get_secret_value())
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValidationError(["heartbeat_url"], "a URL of http or https needed")
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValidationError([], "quiet_from and quiet_until go together")


class AccessConfig(Section, frozen=True):
    """How long people at the page stay logged in: without use, and in all."""

    idle_min: Annotated[int, Meta(ge=1, le=1_440)] = 30
    absolute_h: Annotated[int, Meta(ge=1, le=720)] = 12


class JournalConfig(Section, frozen=True):
    """What the photos of the journal may take on the disk, all of them together."""

    photos_max_mb: Annotated[int, Meta(ge=1, le=1_000_000)] = 2_000


class UpdateConfig(Section, frozen=True):
    """Updates of nodes over the air: docs/update.md. How a release goes through a fleet."""

    # Of those who make releases: the current key, and a spare. Without one nothing is taken.
    public_keys: Annotated[tuple[Path, ...], Meta(max_length=2)] = ()
    wave_nodes: Annotated[int, Meta(ge=1, le=1_000)] = 5  # after the canary, so many at once
    watch_min: Annotated[int, Meta(ge=0, le=10_080)] = 60  # and no new alarm on them for that long
    per_site: Annotated[int, Meta(ge=1, le=1_000)] = 1  # of one site at once
    rest_after_dose_min: Annotated[int, Meta(ge=0, le=1_440)] = 15


class Config(Section, frozen=True):
    """Everything the host needs to know before it starts. Built by load_config()."""

    site: str = "greenhouse"
    data_dir: Path = field(
        default_factory=lambda: platformdirs.user_data_path("idroserra"))
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

    def __post_init__(self) -> None:
        """Raises Misfit for a site's name that is none, or half a certificate."""
        try:
            force_setattr(self, "site", check_site(self.site))
        except BadSite as error:
            raise ValidationError(["site"], str(error).removeprefix("site: ")) from None
        if (self.mqtt.cert_file is None) != (self.mqtt.key_file is None):
            raise ValidationError([], "mqtt.cert_file and mqtt.key_file go together")


def load_config(
    file: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Config:
    """Return the configuration of `overrides` (nested dicts, as from the command line), the
    environment, the TOML `file` and the defaults, in this order. Raises ConfigError."""
    sources = {"command line": dict(overrides or {}), "environment": _environment(),
               str(file): {} if file is None else _read_toml(file)}
    whole: dict[str, Any] = {}
    for table in reversed(sources.values()):
        whole = _laid_over(whole, table)
    try:
        return validate(whole, Config)
    except ValidationError as error:
        raise ConfigError(_source_of(error.path, sources), ".".join(error.path),
                          error.why) from None


def _environment() -> dict[str, Any]:
    """Return what the environment says: tables and lists as JSON. Raises ConfigError."""
    found: dict[str, Any] = {}
    for name, text in os.environ.items():
        keys = name.lower().removeprefix(ENV_PREFIX.lower()).split("__")
        if not name.upper().startswith(ENV_PREFIX) or keys[0] not in kinds_of(Config):
            continue  # another program's, or one of ours that is no key
        kind: Any = Config
        for key in keys:
            kind = kinds_of(kind).get(key, Any)
        value: Any = text
        if get_origin(kind) in (tuple, dict) or kinds_of(kind):
            try:
                value = msgspec.json.decode(text)
            except ValueError:
                raise ConfigError("environment", ".".join(keys), "not JSON") from None
        for key in reversed(keys):
            value = {key: value}
        found = _laid_over(found, value)
    return found


def kinds_of(kind: Any) -> dict[str, Any]:
    """Return the keys of a section with their types, without what limits them."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return {}
    return get_type_hints(kind)


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return both tables as one; where both have a key that of `above` counts."""
    return {**below, **{
        key: _laid_over(below[key], value)
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
    """Return which source has the key, or the table that it is missing in."""
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
