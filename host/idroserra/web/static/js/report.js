// The report page.

import { renderAlarmBadge } from "./alarm_badge.js";

renderAlarmBadge();
document.getElementById("print").addEventListener("click", () => window.print());
