// Events that have come in since the list was last drawn are lit for a moment.
const seen = new Set();

function note(root, lit) {
  for (const row of root.querySelectorAll("tr[data-event]")) {
    if (lit && !seen.has(row.dataset.event)) row.classList.add("fresh");
    seen.add(row.dataset.event);
  }
}

const list = document.querySelector('[data-part="events_rows"]');
if (list) {
  note(list, false);
  document.addEventListener("part", (event) => {
    if (event.target === list) note(list, true);
  });
}

// A box above a list ticks all of it.
document.addEventListener("change", (event) => {
  const all = event.target.closest("input[data-all]");
  if (!all) return;
  for (const box of all.closest("form").querySelectorAll('input[name="id"]')) box.checked = all.checked;
});
for (const all of document.querySelectorAll("[data-all]")) all.closest("label").hidden = false;
