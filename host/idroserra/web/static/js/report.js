// The page of a report: it prints.

import { renderBell } from "./bell.js";

renderBell();
document.getElementById("print").addEventListener("click", () => window.print());
