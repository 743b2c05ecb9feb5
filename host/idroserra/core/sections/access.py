"""The sections [access] and [access.openid]: log-in sessions, and log-in by OpenID Connect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta
from msgspec.structs import force_setattr

from idroserra.core.config_section import Section, checked
from idroserra.core.hostnames import is_loopback, split_url
from idroserra.core.validation import Secret, ValidationError, string_pattern

_SCOPE = r"^[!#-\[\]-~]+$"  # RFC 6749, section 3.3


class OpenIdRoles(Section, frozen=True):
    """[access.openid.roles]: the values of the claim that give each role."""

    viewer: tuple[str, ...] = ()
    operator: tuple[str, ...] = ()
    admin: tuple[str, ...] = ()


class OpenIdConfig(Section, frozen=True):
    """[access.openid]: log-in at an OpenID provider, beside passwords: docs/users.md."""

    issuer: str | None = None
    client_id: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    client_secret: Secret | None = None  # None: a public client, which proves itself by PKCE
    ca_file: Path | None = None
    label: Annotated[str, Meta(max_length=40)] = ""  # of the button; "": the provider's host name
    scopes: tuple[Annotated[str, string_pattern(_SCOPE)], ...] = ("openid", "profile")
    role_claim: Annotated[str, Meta(min_length=1)] = "groups"
    name_claim: Annotated[str, Meta(min_length=1)] = "preferred_username"
    roles: OpenIdRoles = OpenIdRoles()

    def __post_init__(self) -> None:
        """Raises ValidationError for an invalid issuer, or if no one could log in."""
        if self.issuer is None:
            return
        checked("issuer", check_provider_url, self.issuer)
        if not self.label:
            force_setattr(self, "label", (urlsplit(self.issuer).hostname or "")[:40])
        if self.client_id is None:
            raise ValidationError(["client_id"], "required with issuer")
        if "openid" not in self.scopes:
            raise ValidationError(["scopes"], "must contain openid")
        if not (self.roles.viewer or self.roles.operator or self.roles.admin):
            raise ValidationError(["roles"], "no value gives a role, so no one could log in")


class AccessConfig(Section, frozen=True):
    """[access]: lifetime of log-in sessions, without use and in total."""

    idle_min: Annotated[int, Meta(ge=1, le=1_440)] = 30
    absolute_h: Annotated[int, Meta(ge=1, le=720)] = 12
    openid: OpenIdConfig = OpenIdConfig()


def check_provider_url(url: str) -> str:
    """Return a URL of an OpenID provider: https, or http on loopback. Raises ValueError."""
    parts = split_url(url, ("https", "http"))
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must be https:// except on loopback")
    if not (url.isascii() and url.isprintable()) or " " in url or parts.fragment:
        raise ValueError("must be ASCII without spaces, and end before any #")
    return url
