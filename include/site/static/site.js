// What the pages gain with a script: search and filters within a list, and the text of a chart's point at once. Without it,
// filters are links, lists are whole and browsers show the same texts by themselves. Nothing is asked of any server.
"use strict";

// --- search and filters ----------------------------------------------------------------------------------------------
const box = document.querySelector(".find");
if (box) {
  const input = box.querySelector("input");
  const said = box.querySelector("[data-found]");
  const choices = [...box.querySelectorAll("select[data-by]")];
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const items = [...document.querySelectorAll("#measures > tbody > tr, [data-find] > li")].map((item) => [
    item,
    plain(item.textContent),
  ]);

  const apply = () => {
    const words = plain(input.value).split(/\s+/).filter(Boolean);
    const chosen = choices.filter((choice) => choice.value);
    let shown = 0;
    for (const [item, text] of items) {
      item.hidden = !(
        words.every((word) => text.includes(word)) &&
        chosen.every((choice) => item.dataset[choice.dataset.by] === choice.value)
      );
      if (!item.hidden) shown += 1;
    }
    said.textContent = words.length || chosen.length ? `${shown} ${said.dataset.found}` : "";
  };

  // Every state has an address, so that a list can be shared and the way back leads to it.
  const remember = () => {
    const address = new URL(location.href);
    for (const [name, value] of [["find", input.value.trim()], ...choices.map((c) => [c.dataset.by, c.value])]) {
      if (value) address.searchParams.set(name, value);
      else address.searchParams.delete(name);
    }
    history.replaceState(null, "", address);
    carry();
  };
  // The same list in the other language keeps the state.
  const other = document.querySelector("a.other");
  const carry = () => {
    if (other) other.search = location.search;
  };
  const recall = () => {
    const asked = new URLSearchParams(location.search);
    input.value = asked.get("find") ?? "";
    for (const choice of choices) {
      const value = asked.get(choice.dataset.by) ?? "";
      choice.value = [...choice.options].some((option) => option.value === value) ? value : "";
    }
    apply();
    carry();
  };

  box.hidden = false;
  recall();
  for (const each of [input, ...choices]) {
    for (const happening of ["input", "change"]) {
      each.addEventListener(happening, () => {
        apply();
        remember();
      });
    }
  }
  addEventListener("popstate", recall);
}

// --- text of a chart's point -----------------------------------------------------------------------------------------
const texts = new WeakMap();
let tip = null;

// The title is taken out while the tip stands in for it, or browsers would show the text twice.
const textOf = (mark) => {
  if (!texts.has(mark)) {
    const title = mark.querySelector("title");
    texts.set(mark, title ? title.textContent : "");
    title?.remove();
  }
  return texts.get(mark);
};
const hide = () => {
  if (tip) tip.hidden = true;
};

addEventListener("pointerover", (event) => {
  const mark = event.target.closest?.(".chart .hit, .chart .area, .multiples .hit");
  const text = mark && textOf(mark);
  if (!text) return hide();
  if (!tip) {
    tip = document.createElement("p");
    tip.className = "tip";
    tip.setAttribute("aria-hidden", "true"); // the same text stands in the table beside the chart
    document.body.append(tip);
  }
  tip.textContent = text;
  tip.hidden = false;
  const place = mark.getBoundingClientRect();
  const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
  const middle = place.left + place.width / 2 - tip.offsetWidth / 2;
  const over = Math.max(place.top, 0) - tip.offsetHeight - 6;
  tip.style.left = `${Math.max(8, Math.min(middle, room)) + scrollX}px`;
  tip.style.top = `${Math.max(over, 4) + scrollY}px`;
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape") hide();
});
addEventListener("scroll", hide, { passive: true });
