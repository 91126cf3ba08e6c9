// Times: how long ago, kept up to date, and the exact time in the reader's zone on hover.

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const language = document.documentElement.lang;
const relative = new Intl.RelativeTimeFormat(language, { style: "narrow" });
const exact = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "long" });

/** `3 min. ago`, for a time not too long ago. */
export function ago(date) {
  const seconds = Math.max(0, Math.round((Date.now() - date) / 1000));
  if (seconds > 60 * 86400) return null;
  const [unit, length] = UNITS.find(([, length]) => seconds >= length) ?? ["second", 1];
  return relative.format(-Math.floor(seconds / length), unit);
}

/** Writes a time into an element. */
export function setTime(element, date) {
  element.dateTime = date.toISOString();
  element.title = exact.format(date);
  element.textContent = ago(date) ?? element.textContent;
}

function refresh() {
  for (const element of document.querySelectorAll("time[data-ago]")) {
    const date = new Date(element.dateTime);
    if (!Number.isNaN(date.getTime())) setTime(element, date);
  }
}

export function localTimes() {
  refresh();
  setInterval(refresh, 20_000);
}
