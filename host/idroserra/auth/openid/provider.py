"""An OpenID provider: its discovery, the exchange of a code, and the proof in the ID token.

Nothing of the provider is kept: a log-in is rare, and reads its description and its keys afresh,
so a key that it changed or withdrew counts at once. joserfc verifies the ID token.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote_plus

import msgspec
from joserfc import jwk, jwt
from joserfc.errors import JoseError

from idroserra.auth.openid.errors import ProviderRefused, ProviderUnavailable
from idroserra.auth.openid.http import Answer, ProviderHttp
from idroserra.core.sections.access import OpenIdConfig, check_provider_url

# Of public keys: never `none`, and never HS256, for which a public key would be the secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
              "EdDSA")
KEY_TYPES = ("RSA", "EC", "OKP")
MAX_SUBJECT_CHARS = 255  # of the standard
LEEWAY_S = 60  # between the clocks of provider and host
_OK = 200
_Kind = TypeVar("_Kind")


class Metadata(msgspec.Struct, frozen=True):
    """What a provider says about itself (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    claims_supported: tuple[str, ...] = ()
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct):
    id_token: str
    access_token: str = ""


class _Failure(msgspec.Struct):
    error: str = ""


class Provider:
    """The provider of a configuration. Thread-safe."""

    def __init__(
        self, config: OpenIdConfig, http: ProviderHttp, now_unix_ms: Callable[[], int]
    ) -> None:
        self._config = config
        self._http = http
        self._now_unix_ms = now_unix_ms

    def discover(self) -> tuple[Metadata, str]:
        """Return what the provider says about itself, and its time as in HTTP; "" if unknown.

        Raises ProviderUnavailable."""
        issuer = self._config.issuer or ""
        answer = self._http.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        found = _decode(answer, Metadata, "its description")
        if found.issuer != issuer:
            raise ProviderUnavailable(
                f"it names itself {found.issuer[:200]!r}, and access.openid.issuer is {issuer!r}")
        for url in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri,
                    found.userinfo_endpoint, found.end_session_endpoint):
            try:
                check_provider_url(issuer if url is None else url)
            except ValueError as error:
                raise ProviderUnavailable(f"{str(url)[:200]}: {error}") from None
        return found, answer.date

    def check_keys(self, metadata: Metadata) -> None:
        """Raises ProviderUnavailable if it has no key that verifies an ID token."""
        self._keys(metadata)

    def exchange(
        self, metadata: Metadata, code: str, verifier: str, redirect_uri: str, nonce: str
    ) -> dict[str, Any]:
        """Return the verified claims of the person whom a code stands for.

        Raises ProviderUnavailable, ProviderRefused."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri,
                "code_verifier": verifier}
        headers = self._authentication(metadata, form)
        answer = self._http.post(metadata.token_endpoint, form, headers)
        if 400 <= answer.status < 500:  # noqa: PLR2004
            try:
                why = msgspec.json.decode(answer.content, type=_Failure).error
            except msgspec.DecodeError:
                why = ""
            raise ProviderRefused(f"{why[:60]!r} for the code" if why.isidentifier() else
                                  f"HTTP {answer.status} for the code")
        tokens = _decode(answer, _Tokens, "its tokens")
        claims = self._verified(metadata, tokens.id_token, nonce)
        return self._with_userinfo(metadata, claims, tokens.access_token)

    def _authentication(self, metadata: Metadata, form: dict[str, str]) -> dict[str, str]:
        """Add to the form who asks, or return the header that says it."""
        name, secret = self._config.client_id or "", self._config.client_secret
        methods = metadata.token_endpoint_auth_methods_supported
        if secret is None:
            form["client_id"] = name
            return {}
        if "client_secret_basic" not in methods and "client_secret_post" in methods:
            form |= {"client_id": name, "client_secret": secret.get_secret_value()}
            return {}
        pair = f"{quote_plus(name)}:{quote_plus(secret.get_secret_value())}"  # RFC 6749, 2.3.1
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def _verified(self, metadata: Metadata, id_token: str, nonce: str) -> dict[str, Any]:
        """Return the claims of an ID token (OpenID Connect Core 1.0, section 3.1.3.7)."""
        name = self._config.client_id or ""
        keys = self._keys(metadata)
        required = jwt.JWTClaimsRegistry(
            now=self._now_unix_ms() // 1_000, leeway=LEEWAY_S,
            iss={"essential": True, "value": metadata.issuer},
            aud={"essential": True, "value": name},
            sub={"essential": True}, exp={"essential": True}, iat={"essential": True})
        try:
            claims = jwt.decode(id_token, keys, algorithms=ALGORITHMS).claims
            required.validate(claims)
            json.dumps(claims, ensure_ascii=False).encode()  # half a character is no text
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            # joserfc raises the last two for a header of odd values.
            raise ProviderRefused(f"ID token: {error}"[:200]) from None
        if len(claims["sub"]) > MAX_SUBJECT_CHARS:
            raise ProviderRefused("ID token: sub")
        if claims.get("nonce") != nonce:
            raise ProviderRefused("ID token: nonce")
        audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        if claims.get("azp", name) != name or (len(audience) > 1 and "azp" not in claims):
            raise ProviderRefused("ID token: azp")
        return claims

    def _keys(self, metadata: Metadata) -> jwk.KeySet:
        """Return the provider's present keys for signatures."""
        found = _decode(self._http.get(metadata.jwks_uri), dict[str, Any], "its keys")
        listed = found.get("keys")
        keys: list[jwk.Key] = []
        why = "no key of signatures"
        for one in listed if isinstance(listed, list) else ():
            if (not isinstance(one, dict) or one.get("kty") not in KEY_TYPES
                    or one.get("use", "sig") != "sig"):
                continue
            try:
                keys.append(jwk.import_key(one))
            except (JoseError, ValueError, KeyError, TypeError) as error:
                why = str(error)  # of a kind yet to come: RFC 7517, section 5, says to skip it
        if not keys:
            raise ProviderUnavailable(f"its keys: {why}"[:200])
        return jwk.KeySet(keys)

    def _with_userinfo(
        self, metadata: Metadata, claims: dict[str, Any], access_token: str
    ) -> dict[str, Any]:
        """Return the claims, with those of its userinfo if the claim of the role is not in the ID
        token: some providers keep that small. What the ID token says counts."""
        is_whole = claim_at(claims, self._config.role_claim) is not None
        if is_whole or metadata.userinfo_endpoint is None or not access_token:
            return claims
        if not (access_token.isascii() and access_token.isprintable()):
            raise ProviderRefused("access token")
        answer = self._http.get(
            metadata.userinfo_endpoint, {"Authorization": f"Bearer {access_token}"})
        more = _decode(answer, dict[str, Any], "its userinfo")
        if more.get("sub") != claims["sub"]:
            raise ProviderRefused("userinfo: sub")
        return more | claims


def claim_at(claims: Mapping[str, Any], path: str) -> Any:
    """Return the claim of this name, or the one that its dots lead to; None if there is none."""
    if path in claims:
        return claims[path]
    here: Any = claims
    for part in path.split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    return here


def _decode(answer: Answer, kind: type[_Kind], what: str) -> _Kind:
    """Return an answer in JSON. Raises ProviderUnavailable."""
    if answer.status != _OK:
        raise ProviderUnavailable(f"HTTP {answer.status} for {what}")
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProviderUnavailable(f"{what}: {error}"[:200]) from None
