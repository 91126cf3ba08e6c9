"use strict";
(() => {
  const filter = document.getElementById("filter");
  if (!filter) return;
  const cards = [...document.querySelectorAll(".card")];
  const chips = [...document.querySelectorAll(".chip")];
  const shown = document.getElementById("shown");
  const none = document.getElementById("none");
  const toggle = document.getElementById("toggle");

  function apply() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rules = chips.filter((chip) => chip.ariaPressed === "true").map((chip) => chip.dataset.rule);
    let count = 0;
    for (const card of cards) {
      const matches = words.every((word) => card.dataset.text.includes(word))
        && (rules.length === 0 || rules.includes(card.dataset.rule));
      card.hidden = !matches;
      count += matches;
    }
    shown.textContent = count === cards.length ? "" : `${count} of ${cards.length}`;
    none.hidden = count > 0;
  }

  filter.addEventListener("input", apply);
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      chip.ariaPressed = chip.ariaPressed === "true" ? "false" : "true";
      apply();
    });
  }
  toggle.addEventListener("click", () => {
    const open = !cards.some((card) => card.open);
    for (const card of cards) card.open = open;
    toggle.textContent = open ? "Collapse all" : "Expand all";
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== filter) {
      event.preventDefault();
      filter.focus();
    } else if (event.key === "Escape" && document.activeElement === filter) {
      filter.value = "";
      apply();
    }
  });
})();
