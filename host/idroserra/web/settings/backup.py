"""The HTTP API of the backup in the settings: make one, see its age, download it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta
from starlette.responses import FileResponse

from idroserra.auth.identity import check_recent_password
from idroserra.backup.page_backup import PageBackup
from idroserra.web.api.schemas import AskedBy, Out, error_replies
from idroserra.web.routing import Routes

_ERROR_REPLIES = error_replies({
    403: "The password is needed again.", 404: "There is no backup.",
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
    """Where the file is for the next five minutes."""

    path: str


def settings_backup_router(backup: PageBackup, site: str) -> Routes:
    """Return the routes."""
    router = Routes("/api/settings/backup", _ERROR_REPLIES)

    @router.get("", answer=BackupOut)
    def show() -> dict[str, Any]:
        """Return the newest backup, and the progress of one that is being made."""
        return backup.status()

    @router.post("", status=202, answer=BackupOut)
    def make(body: BackupIn) -> dict[str, Any]:
        """Start a backup, which replaces the one before when it is complete."""
        check_recent_password()
        backup.begin(body.by, with_keys=body.with_keys)
        return backup.status()

    @router.delete("", answer=BackupOut)
    def remove() -> dict[str, Any]:
        """Delete the newest backup."""
        check_recent_password()
        backup.remove()
        return backup.status()

    @router.post("/download", answer=DownloadOut)
    def allow_download(body: AskedBy) -> dict[str, Any]:
        """Confirm that the backup may be downloaded; the audit log has who did."""
        check_recent_password()
        backup.file()
        return {"path": "/api/settings/backup/file"}

    @router.get("/file")
    def download() -> FileResponse:
        """Return the newest backup."""
        check_recent_password()
        path = backup.file()
        made = datetime.fromtimestamp(backup.status()["newest"]["unix_ms"] / 1_000)
        name = f"idroserra-{''.join(c if c.isalnum() else '-' for c in site)}-{made:%Y-%m-%d}"
        return FileResponse(path, media_type="application/x-tar", filename=f"{name}.backup",
                            headers={"Content-Encoding": "identity"})  # no compression

    return router
