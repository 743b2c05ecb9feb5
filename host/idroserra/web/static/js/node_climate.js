// Light, climate and irrigation of a node.

import { byId } from "./dom.js";
import { name, startRoom } from "./node_room.js";
import { SettingForm } from "./setting_forms.js";

const settings = new SettingForm(byId("settings"), name);

startRoom({ renderSlow: (node) => settings.render(node) });
