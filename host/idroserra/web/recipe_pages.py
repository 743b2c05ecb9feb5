"""The pages of the recipe library, the comparison and the stock calculator."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import HTMLResponse

from idroserra.recipes import serialize
from idroserra.recipes.fields import bounds_text, fields
from idroserra.recipes.recipe_library import UnknownRecipe
from idroserra.web.pages import Pages, in_script
from idroserra.web.routing import Routes

_RecipeName = Annotated[str, Meta(max_length=20)]


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
            return pages.page(request, "missing.html")
        recipe = serialize.recipe_json(entry.recipe)
        shown = serialize.entry_json(entry, context.recipes.nodes_running(name)) | recipe
        return pages.page(request, "recipe_page.html", None, {
            "entry": shown, "fields": fields(), "bounds": bounds_text,
            "data": in_script(recipe)})

    return routes
