"""The parts of the host that the web application uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from idroserra.alarms.loop import AlarmLoop
from idroserra.alarms.page_settings import AlarmPageSettings
from idroserra.auth.service import AuthService
from idroserra.backup.page_backup import PageBackup
from idroserra.boards.library import BoardLibrary
from idroserra.calibration.service import CalibrationService
from idroserra.core.config import Config
from idroserra.feeds.service import Feeds
from idroserra.foreign.service import ForeignReadings
from idroserra.history.models import Store
from idroserra.ingest.spool import Spool
from idroserra.journal.service import Journal
from idroserra.nodes.commands import Commands
from idroserra.nodes.live import LiveState
from idroserra.nodes.node import Node
from idroserra.nodes.registry import Nodes
from idroserra.nodes.states import NodeStates
from idroserra.other_hosts.service import OtherHosts
from idroserra.recipes.recipe_library import RecipeLibrary
from idroserra.recipes.runner import RecipeRunner
from idroserra.reports.builder import Range
from idroserra.reports.comparison import Figure
from idroserra.reports.model import Document
from idroserra.reports.summary import Summary
from idroserra.setpoints.history import SettingsHistory
from idroserra.simulation.preview_service import PreviewService
from idroserra.updates.service import UpdateService
from idroserra.web.node_titles import NodeTitles
from idroserra.web.node_view import NodeViews

if TYPE_CHECKING:
    from idroserra.auth.openid.login import OpenIdLogin
    from idroserra.pki.site_https import SiteHttps


@dataclass(frozen=True)
class WebContext:
    """What pages and API work on; web.app builds it. Every part may be used from any thread."""

    config: Config
    auth: AuthService
    openid: OpenIdLogin | None  # None if log-in at a provider is off
    nodes: Nodes
    settings_history: SettingsHistory
    views: NodeViews
    states: NodeStates
    live: LiveState
    commands: Commands
    store: Store
    spool: Spool
    feeds: Feeds
    foreign: ForeignReadings
    other_hosts: OtherHosts
    counts: Callable[[], dict[str, Any]]  # those of GET /api/health
    alarm_loop: AlarmLoop
    calibrations: CalibrationService
    recipes: RecipeRunner
    recipe_library: RecipeLibrary
    updates: UpdateService
    previews: PreviewService
    journal: Journal
    titles: NodeTitles
    alarm_settings: AlarmPageSettings
    backup: PageBackup
    boards: BoardLibrary
    site_https: SiteHttps | None  # None if the page is served on loopback only
    report: Callable[[Node, Range], Document]
    figures: Callable[[Node, Range], list[Figure]]
    summarize: Callable[[Node, Range], Summary]
    scrape: Callable[[str], tuple[bytes, str]]  # Accept header -> (body, content type)
