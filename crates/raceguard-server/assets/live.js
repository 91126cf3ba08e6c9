// Follows the server: counts and rows change where they stand. A hidden page does not listen; when seen
// again it goes on where it was.
import { setTime } from "./times.js";

const status = document.querySelector("[data-live]");
const number = new Intl.NumberFormat("en-US");
let source = null;
/** The last event that this page knows: that of its making, then each that came. */
let last = status?.dataset.after ?? "";

function show(state) {
  if (!status) return;
  status.dataset.state = state;
  status.textContent = status.dataset[state];
}

/** Offers to load the page again, when something came that it can't show by itself. */
function offerReload() {
  const notice = document.getElementById("stale");
  if (notice) notice.hidden = false;
}

function mark(row) {
  row.classList.remove("changed");
  void row.offsetWidth;
  row.classList.add("changed");
}

function fill(row, fields) {
  for (const [name, value] of Object.entries(fields)) {
    const element = row.querySelector(`[data-field="${name}"]`);
    if (!element) continue;
    if (element.tagName === "TIME") setTime(element, new Date(value));
    else if (element.tagName === "A") { element.textContent = value; }
    else element.textContent = typeof value === "number" ? number.format(value) : value;
  }
}

function setTotals(totals) {
  for (const [name, value] of Object.entries(totals)) {
    for (const element of document.querySelectorAll(`[data-total="${name}"]`)) element.textContent = number.format(value);
  }
}

/** Rows of a kind: those that are shown are brought up to date; new ones go to the top of lists that take them. */
function setRows(kind, rows) {
  for (const fields of rows) {
    const shown = document.querySelectorAll(`[data-${kind}="${CSS.escape(String(fields.key))}"]`);
    for (const row of shown) { fill(row, fields); mark(row); }
    if (shown.length === 0 && fields.new) addRow(kind, fields);
  }
}

function addRow(kind, fields) {
  for (const list of document.querySelectorAll(`[data-list="${kind}"]`)) {
    const row = list.querySelector("template")?.content.firstElementChild?.cloneNode(true);
    if (!row) { offerReload(); continue; }
    row.setAttribute(`data-${kind}`, fields.key);
    fill(row, fields);
    const link = row.querySelector("a");
    if (link) link.setAttribute("href", fields.link);
    list.prepend(row);
    mark(row);
    const rows = list.querySelectorAll(`[data-${kind}]`);
    if (rows.length > Number(list.dataset.most ?? 50)) rows[rows.length - 1].remove();
    list.parentElement.querySelector("[data-empty]")?.remove();
  }
}

function receive(event) {
  last = event.lastEventId || last;
  const change = JSON.parse(event.data);
  if (change.totals) setTotals(change.totals);
  if (change.findings) setRows("finding", change.findings);
  if (change.causes) setRows("cause", change.causes);
  if (change.more) offerReload();
}

function listen() {
  if (source) return;
  show("connecting");
  source = new EventSource(`/events?after=${encodeURIComponent(last)}`);
  source.addEventListener("open", () => show("on"));
  source.addEventListener("error", () => show(source?.readyState === EventSource.CLOSED ? "off" : "connecting"));
  source.addEventListener("change", receive);
  source.addEventListener("notice", offerReload);
  source.addEventListener("reload", (event) => { last = event.lastEventId || last; offerReload(); });
}

function pause() {
  source?.close();
  source = null;
  show("off");
}

export function follow() {
  if (!status || !window.EventSource) return;
  listen();
  document.addEventListener("visibilitychange", () => (document.hidden ? pause() : listen()));
}
