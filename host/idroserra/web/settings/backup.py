"""The HTTP API of the backup in the settings: make one, see its age, download it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from msgspec import Meta
from starlette.responses import FileResponse

from idroserra.auth.audit import Audit
from idroserra.auth.identity import (
    check_not_token,
    check_recent_password,
    current_identity,
    holder_of,
)
from idroserra.backup.download_tickets import DownloadTickets
from idroserra.backup.page_backup import PageBackup
from idroserra.web.api.schemas import AskedBy, Out, error_replies
from idroserra.web.routing import Routes

_ERROR_REPLIES = error_replies({
    403: "The password is needed again, or a token asked for keys.", 404: "There is no backup.",
    409: "Not possible now; the message names the reason.",
})


class BackupIn(AskedBy):
    """A backup to make."""

    with_keys: Annotated[bool, Meta(
        description="With keys, users and addresses of recipients, to move the host.")] = False


class NewestBackupOut(Out):
    """The newest backup that was made on the page."""

    unix_ms: int
    bytes: int
    with_keys: bool
    by: str


class BackupOut(Out):
    """The state of the backup."""

    state: Annotated[str, Meta(description="idle, running or failed")]
    done_bytes: int
    expected_bytes: int
    error: str
    newest: NewestBackupOut | None


class DownloadOut(Out):
    """Where the file is, for one download by the same session or token within five minutes."""

    path: str


def settings_backup_router(backup: PageBackup, audit: Audit, site: str) -> Routes:
    """Return the routes."""
    router = Routes("/api/settings/backup", _ERROR_REPLIES)
    _add_changes(router, backup)
    _add_download(router, backup, audit, site)
    return router


def _add_changes(router: Routes, backup: PageBackup) -> None:
    @router.get("", answer=BackupOut)
    def show() -> dict[str, Any]:
        """Return the newest backup, and the progress of one that is being made."""
        return backup.status()

    @router.post("", status=202, answer=BackupOut)
    def make(body: BackupIn) -> dict[str, Any]:
        """Start a backup, which replaces the one before when it is complete."""
        check_recent_password()
        if body.with_keys:
            check_not_token()
        backup.begin(body.by, with_keys=body.with_keys)
        return backup.status()

    @router.delete("", answer=BackupOut)
    def remove() -> dict[str, Any]:
        """Delete the newest backup."""
        check_recent_password()
        backup.remove()
        return backup.status()


def _add_download(router: Routes, backup: PageBackup, audit: Audit, site: str) -> None:
    tickets = DownloadTickets()

    def checked_newest() -> dict[str, Any]:
        check_recent_password()
        newest = backup.newest()
        if newest["with_keys"]:
            check_not_token()
        return newest

    @router.post("/download", answer=DownloadOut)
    def allow_download(body: AskedBy) -> dict[str, Any]:
        """Allow one download of the backup."""
        checked_newest()
        query = urlencode({"ticket": tickets.issue(holder_of(current_identity()))})
        return {"path": f"/api/settings/backup/file?{query}"}

    @router.get("/file")
    def download(ticket: str = "") -> FileResponse:
        """Return the newest backup, once for each ticket of POST /download."""
        newest, who = checked_newest(), current_identity()
        tickets.use(ticket, holder_of(who))
        if who is not None:  # a GET has no row of the middleware
            audit.add(who.audited_name, "download backup", address=who.address,
                      detail={"with_keys": newest["with_keys"]})
        made = datetime.fromtimestamp(newest["unix_ms"] / 1_000)
        name = f"idroserra-{''.join(c if c.isalnum() else '-' for c in site)}-{made:%Y-%m-%d}"
        return FileResponse(
            backup.path(with_keys=newest["with_keys"]), media_type="application/x-tar",
            filename=f"{name}.backup", headers={"Content-Encoding": "identity"})  # no compression
