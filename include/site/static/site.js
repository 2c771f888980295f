// Search within the list of measures. Everything else works without a script; the filters are links.
const box = document.querySelector(".find");
const table = document.querySelector("#measures");
if (box && table) {
  const input = box.querySelector("input"), said = box.querySelector("[data-found]");
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const rows = [...table.tBodies[0].rows].map((row) => [row, plain(row.textContent)]);
  const find = () => {
    const words = plain(input.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    said.textContent = words.length ? `${shown} ${said.dataset.found}` : "";
    // The search has an address too, so that a list can be shared.
    history.replaceState(null, "", words.length ? `#find=${encodeURIComponent(input.value)}` : location.pathname);
  };
  box.hidden = false;
  const asked = location.hash.match(/^#find=(.*)$/);
  if (asked) { input.value = decodeURIComponent(asked[1]); find(); }
  input.addEventListener("input", find);
}
