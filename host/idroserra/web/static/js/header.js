// The header of every page: the switcher between nodes, and Stop beside it.

import { byId } from "./dom.js";
import { wireStopBar } from "./stop_bar.js";
import { wireSwitcher } from "./switcher.js";

if (byId("switch")) wireSwitcher(byId("switch"), byId("switcher"));
if (byId("stop-bar")) wireStopBar(byId("stop-bar"));
