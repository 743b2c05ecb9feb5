"""The HTTP API of tasks: what is due at nodes, with a date and where it is done."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from msgspec import Meta

from idroserra.core.errors import StoreError
from idroserra.core.sites import MAX_CHARS
from idroserra.i18n.channels import plain_name, volume_text
from idroserra.i18n.translate import gettext as _
from idroserra.inventory.bottles import Consumption
from idroserra.journal.models import NoteFilter
from idroserra.node_state.calibration_age import OLD_DAYS
from idroserra.nodes.node import Node
from idroserra.tasks.model import Bottle, Crop, Stage, Task, TaskInputs, by_date, tasks
from idroserra.updates.selection import open_to
from idroserra.web.api.schemas import Out, error_replies
from idroserra.web.context import WebContext
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import Routes

DAY_MS = 86_400_000
MOST_CHANGES = 6


class TaskOut(Out):
    """Something to do."""

    kind: Annotated[str, Meta(
        description="calibration, bottle, water_change, stage, harvest or update.")]
    node: str
    title: Annotated[str, Meta(description="The name of the node on the page.")]
    site: str
    due_unix_ms: Annotated[int | None, Meta(description="null: at any time.")]
    is_overdue: bool
    text: str
    why: Annotated[str, Meta(description="How the date is known.")]
    href: Annotated[str, Meta(description="The page where it is done.")]


class TasksOut(Out):
    """Tasks, the earliest first; those without a date last."""

    tasks: list[TaskOut]


def tasks_router(context: WebContext) -> Routes:
    """Return the route of the tasks."""
    router = Routes("/api", error_replies({404: "No such node or site."}))

    @router.get("/tasks", answer=TasksOut)
    def list_tasks(
        node: Annotated[str, Meta(max_length=40, description="Of one node.")] | None = None,
        site: Annotated[str, Meta(
            max_length=MAX_CHARS, description="Of the nodes of a site.")] | None = None,
    ) -> dict[str, Any]:
        """List what is due, of all nodes, of a site or of one node."""
        if node is not None:
            chosen = [context.nodes.get(node)]
        else:
            chosen = context.nodes.all() if site is None else context.nodes.at(site)
        return tasks_json(context, chosen)

    return router


def tasks_json(context: WebContext, nodes: list[Node]) -> dict[str, Any]:
    """Return TasksOut."""
    now, versions = wall_unix_ms(), _versions(context)
    context.alarm_loop.bottles.count(now)
    found = [task for node in nodes
             for task in tasks(_inputs(context, node, now, versions.get(node.node, [])))]
    return {"tasks": [_task_json(task, context.titles.of(task.node) or task.node, now)
                      for task in sorted(found, key=by_date)]}


def _versions(context: WebContext) -> dict[str, list[str]]:
    """Return {node: versions that are on offer and that it does not run}."""
    found: dict[str, list[str]] = {}
    for release in context.updates.releases.all():
        for node in open_to(context.nodes, release):
            found.setdefault(node, []).append(release.manifest.version)
    return found


def _inputs(context: WebContext, node: Node, now: int, versions: list[str]) -> TaskInputs:
    values = {} if node.report is None else node.report.values
    has_ph = node.info is not None and "reservoir.ph" in node.info.channels
    changes = context.journal.newest(
        about=NoteFilter((node.node,), node.site), kind="water_change", count=MOST_CHANGES)
    return TaskInputs(
        node.node, node.site, now,
        ph_calibrated_day=int(values.get("ph.calibrated_day", 0)) if has_ph else None,
        ph_due_days=OLD_DAYS, bottles=_bottles(context, node.node, now),
        water_changes_unix_ms=[note.unix_ms for note in changes],
        crop=_crop(context, node.node, now), versions=versions)


def _bottles(context: WebContext, node: str, now: int) -> list[Bottle]:
    inventory = context.alarm_loop.bottles
    known = inventory.of(node)
    if not known:
        return []
    try:
        use = inventory.use_of(node, known, now)
    except StoreError:
        use = Consumption({}, 0)
    return [Bottle(doser, left_ul, use.per_day_ul(doser))
            for doser, (_bottle, left_ul) in known.items() if left_ul is not None]


def _crop(context: WebContext, node: str, now: int) -> Crop | None:
    run = context.recipes.of(node)
    if run is None or not run.is_open:
        return None
    day = run.day_at(now)
    following = next((one for one in run.recipe.stages if one.first_day > day), None)
    stage = None if following is None else Stage(
        following.name, run.first_day_unix_ms + following.first_day * DAY_MS)
    return Crop(run.name, stage, run.end_unix_ms)


def _task_json(task: Task, title: str, now_unix_ms: int) -> dict[str, Any]:
    text, why = _words(task)
    return {"kind": task.kind, "node": task.node, "title": title, "site": task.site,
            "due_unix_ms": task.due_unix_ms, "is_overdue": task.is_overdue(now_unix_ms),
            "text": text, "why": why, "href": _href(task)}


def _words(task: Task) -> tuple[str, str]:
    """Return what to do, and how its date is known."""
    value = task.values
    if task.kind == "calibration":
        return _("Calibrate the pH probe"), (
            _("No calibration is recorded") if value["days"] is None else
            _("{days} days after the last calibration").format(days=value["days"]))
    if task.kind == "bottle":
        use = value["per_day_ul"]
        return (_("Refill the bottle of {what}").format(what=plain_name(str(value["doser"]))),
                _("Empty") if not use or not value["left_ul"] else
                _("{left} left, {use} a day").format(
                    left=volume_text(int(value["left_ul"])), use=volume_text(round(float(use)))))
    if task.kind == "water_change":
        pattern = (_("{days} days after the last one, the interval of the journal")
                   if value["source"] == "journal" else
                   _("{days} days after the last one, the usual interval"))
        return _("Change the water"), pattern.format(days=value["days"])
    if task.kind == "stage":
        return (_("Stage {stage} of the recipe begins").format(stage=_(str(value["stage"]))),
                _("By the recipe {recipe}").format(recipe=value["recipe"]))
    if task.kind == "harvest":
        return _("Harvest"), _("By the recipe {recipe}").format(recipe=value["recipe"])
    return (_("Update the node to version {version}").format(version=value["version"]),
            _("The release is on this host"))


def _href(task: Task) -> str:
    node = quote(task.node, safe="")
    return {
        "calibration": f"/nodes/{node}/calibrate", "bottle": f"/nodes/{node}/water#bottles",
        "water_change": f"/journal?node={node}", "stage": f"/nodes/{node}/crop",
        "harvest": f"/journal?node={node}", "update": "/updates"}[task.kind]
