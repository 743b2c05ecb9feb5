// The page of one recipe: its timeline, and for an own recipe the form.

import { byId } from "./dom.js";
import { start } from "./connection.js";
import { startFrame } from "./page_frame.js";
import { drawTimelines } from "./recipe_timeline.js";
import { RecipeForm } from "./recipe_form.js";

drawTimelines();
if (byId("recipe-form")) new RecipeForm(byId("recipe-form"), byId("stage-form"), JSON.parse(byId("recipe-data").textContent));
startFrame();
start();
