// What scripts add to a page that works without them.
import { localTimes } from "./times.js";
import { drawCharts } from "./charts.js";
import { follow } from "./live.js";

document.documentElement.dataset.script = "on";
localTimes();
drawCharts();
follow();

// A filter is applied as soon as a choice is made; without scripts there is the button.
for (const form of document.querySelectorAll("form[data-at-once]")) {
  form.addEventListener("change", () => form.requestSubmit());
}
