"""Checks the OpenID provider: that it is the configured one, what it can, and its clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime

from idroserra.auth.openid.errors import ProviderUnavailable
from idroserra.core.config import Config
from idroserra.doctor.result import Check

_NAME = "log-in provider"


def check_openid(config: Config) -> Iterator[Check]:
    """Yield checks of the provider of [access.openid]; none if it is off."""
    wanted = config.access.openid
    if wanted.issuer is None:
        return
    from idroserra.auth.openid.http import ProviderHttp
    from idroserra.auth.openid.provider import LEEWAY_S, Provider

    try:
        provider = Provider(wanted, ProviderHttp(wanted.ca_file), lambda: time.time_ns() // 10**6)
        metadata, date = provider.discover()
        provider.check_keys(metadata)
    except OSError as error:
        yield Check(_NAME, "fail", f"access.openid.ca_file: {error}",
                    "name a file of certificates in PEM")
        return
    except ProviderUnavailable as error:
        yield Check(_NAME, "fail", f"{wanted.issuer}: {error.why}",
                    "start it, or correct [access.openid]; meanwhile log in with a password")
        return
    yield Check(_NAME, "ok", f"{wanted.issuer}; register these addresses at it: "
                f"{', '.join(_addresses(config))}")
    if metadata.claims_supported and "auth_time" not in metadata.claims_supported:
        yield Check(_NAME, "warn", "does not list the claim auth_time",
                    "without it its users cannot confirm doses and limits: give those who do a "
                    "user with a password")
    skew_s = _skew_s(date)
    if skew_s is not None and abs(skew_s) > LEEWAY_S / 2:
        yield Check(_NAME, "fail" if abs(skew_s) > LEEWAY_S else "warn",
                    f"this clock differs from its by {skew_s:+.0f} s",
                    "let both machines use NTP: more than a minute lets no one in")


def _addresses(config: Config) -> Iterator[str]:
    """Yield the addresses that the provider may return to: of each known one of the page."""
    http, lan = config.http, config.lan
    origins = [http.public_url] if http.public_url else []
    if lan.enabled:
        port = "" if lan.port == 443 else f":{lan.port}"  # noqa: PLR2004
        origins += [f"https://{name}{port}" for name in lan.names]
    shown = f"[{http.host}]" if ":" in http.host else http.host
    for origin in origins or [f"http://{shown}:{http.port}"]:
        yield f"{origin}/login/openid"


def _skew_s(date: str) -> float | None:
    """Return this clock minus that of a Date header in s, None if it has none."""
    try:
        there: datetime = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return None
    return time.time() - there.timestamp()
