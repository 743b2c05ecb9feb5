"""Errors of a log-in at an OpenID provider."""

from __future__ import annotations

from idroserra.auth.errors import AccessError, InvalidRequest
from idroserra.core.errors import Forbidden
from idroserra.core.text import Text
from idroserra.i18n.marker import N_


class ProviderUnavailable(AccessError):
    """The provider does not answer, or not as an OpenID provider. A log-in may be tried again."""

    def __init__(self, why: str) -> None:
        super().__init__(Text(
            N_("the log-in provider does not answer as it should: {why}. Log in with a password, "
               "or try again later"), why=why))
        self.why = why


class ProviderRefused(Forbidden, AccessError):
    """What came back from the provider proves nothing: it is refused."""

    def __init__(self, why: str) -> None:
        super().__init__(Text(
            N_("the answer of the log-in provider was refused: {why}. Try again, and tell an "
               "admin if it stays so"), why=why))


class NoRole(Forbidden, AccessError):
    """The provider knows the person, but gives them no role here."""

    def __init__(self, label: str, name: str, claim: str) -> None:
        super().__init__(Text(
            N_("{label} knows you as {name}, but gives you no role here: none of your {claim} is "
               "one that this host lets in. Ask who manages {label}"),
            label=label, name=name, claim=claim))


class NotFresh(Forbidden, AccessError):
    """The provider did not ask who it is, or does not say when it did."""

    def __init__(self, label: str) -> None:
        super().__init__(Text(
            N_("{label} did not ask you again who you are, or does not tell this host when it "
               "did: nothing is confirmed"), label=label))


class AnotherPerson(Forbidden, AccessError):
    """The person who confirmed is not the user of the session."""

    def __init__(self, name: str) -> None:
        super().__init__(Text(
            N_("another person than {name} logged in: nothing is confirmed"), name=name))


class LogInOver(InvalidRequest):
    """This log-in was begun by another browser, is too old, or has ended already."""

    def __init__(self) -> None:
        super().__init__(N_(
            "this log-in is over, too old, or was begun in another browser: begin again"))
