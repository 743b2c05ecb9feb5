// The recipe of a node, and the preview of its next days.

import { byId } from "./dom.js";
import { name, startRoom } from "./node_room.js";
import { PreviewPanel } from "./preview.js";
import { RecipePanel } from "./recipe.js";

const preview = new PreviewPanel(byId("preview"), name);
const recipe = new RecipePanel(byId("recipe"), byId("recipe-sure"), name, preview);

startRoom({
  render(node) {
    recipe.render(node);
    byId("no-crop").hidden = !recipe.root.hidden;
  },
});
preview.start();
