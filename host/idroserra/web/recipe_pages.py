"""The pages of the recipe library and of the stock calculator."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import HTMLResponse

from idroserra.i18n.translate import localize_decimal
from idroserra.inventory.stock_solutions import STOCKS
from idroserra.recipes import serialize
from idroserra.recipes.fields import bounds_text, fields
from idroserra.recipes.recipe_library import UnknownRecipe
from idroserra.simulation import stock_calculator as stock
from idroserra.web.pages import Pages, in_script
from idroserra.web.routing import Routes

_ACIDS, _BASES = ([one.name for one in STOCKS.values() if one.doser == doser]
                  for doser in ("ph_down", "ph_up"))
_RecipeName = Annotated[str, Meta(max_length=20)]


def _figure(value: float) -> str:
    """Return a bound in full, without trailing zeros and exponent."""
    return localize_decimal(f"{value:.4f}".rstrip("0").rstrip("."))


def recipe_pages_routes(pages: Pages) -> Routes:
    """Return the routes of these pages."""
    routes = Routes()
    context = pages.context

    @routes.get("/recipes")
    def recipes_page(request: Request) -> HTMLResponse:
        """The recipe library."""
        library = [serialize.entry_json(one, context.recipes.nodes_running(one.recipe.name))
                   for one in context.recipe_library.all()]
        return pages.page(request, "recipes.html", None, {"library": library})

    @routes.get("/recipes/{name}")
    def recipe_page(request: Request, name: _RecipeName) -> HTMLResponse:
        """One recipe, and the form of an own one."""
        try:
            entry = context.recipe_library.entry(name)
        except UnknownRecipe:
            return pages.refused(request, 404)
        recipe = serialize.recipe_json(entry.recipe)
        shown = serialize.entry_json(entry, context.recipes.nodes_running(name)) | recipe
        return pages.page(request, "recipe_page.html", None, {
            "entry": shown, "fields": fields(), "bounds": bounds_text,
            "data": in_script(recipe)})

    @routes.get("/stock")
    def stock_page(request: Request) -> HTMLResponse:
        """The stock calculator."""
        return pages.page(request, "stock.html", None, {
            "solutions": stock.solutions(), "solution_titles": stock.SOLUTIONS,
            "waters": stock.waters(), "water_titles": stock.WATER_TITLES,
            "figure": _figure, "report": stock.REPORT,
            "report_ph": stock.REPORT_PH, "most_mg_l": stock.MOST_MG_L,
            "stock_bounds": stock.BOUNDS, "acids": _ACIDS, "bases": _BASES,
            "stock_titles": {one.name: one.title for one in STOCKS.values()}})

    return routes
