// What works better with a script: parts that are live, copying, reading charts. All else works without.

function copying(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) {
    button.hidden = !navigator.clipboard;
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  const text = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = text; }, 1200);
});

// Live parts: while the page is seen. Where somebody types or has the focus nothing is replaced.
const main = document.querySelector("main[data-live]");
let source = null;
let late = 0;

function replace(name, html) {
  const part = document.querySelector(`[data-part="${CSS.escape(name)}"]`);
  if (!part || part.contains(document.activeElement) || part.querySelector(".tip")) return;
  part.innerHTML = html;
  copying(part);
  part.dispatchEvent(new CustomEvent("part", { bubbles: true }));
}

function tell(state) {
  for (const each of document.querySelectorAll("[data-beat]")) {
    each.hidden = false;
    each.dataset.beat = state;
    each.textContent = state;
  }
}

function listen() {
  if (source || !main || document.hidden) return;
  source = new EventSource(main.dataset.live);
  source.onopen = () => {
    clearTimeout(late);
    tell("live");
  };
  source.onmessage = (message) => replace(...JSON.parse(message.data));
  source.onerror = () => {
    // It ends by itself every minute and comes back; what the server refused is asked for again.
    clearTimeout(late);
    late = setTimeout(() => tell("not live"), 6000);
    if (source?.readyState !== EventSource.CLOSED) return;
    source = null;
    setTimeout(listen, 5000);
  };
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden && source) {
    source.close();
    source = null;
  }
  listen();
});
addEventListener("pagehide", () => source?.close());

// Charts: what each line says where the pointer is.
function read(plot, event) {
  const { names, rows } = JSON.parse(plot.closest(".chart").dataset.chart);
  if (!rows?.length) return;
  const box = plot.getBoundingClientRect();
  const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  const row = rows[Math.round(share * (rows.length - 1))];
  forget(plot);
  const cursor = plot.appendChild(document.createElement("div"));
  cursor.className = "cursor";
  cursor.style.left = `${share * 100}%`;
  const tip = plot.appendChild(document.createElement("div"));
  tip.className = "tip";
  tip.append(`${new Date(row[0] * 1000).toISOString().slice(11, 19)} UTC`);
  names.forEach((name, place) => {
    const line = tip.appendChild(document.createElement("span"));
    line.textContent = `${name} ${row[place + 1]}`;
  });
  tip.style[share < 0.5 ? "left" : "right"] = `calc(${(share < 0.5 ? share : 1 - share) * 100}% + 8px)`;
}

function forget(plot) {
  for (const each of plot.querySelectorAll(".cursor, .tip")) each.remove();
}

document.addEventListener("pointermove", (event) => {
  const plot = event.target.closest?.(".plot");
  if (plot?.closest("[data-chart]")) read(plot, event);
});
document.addEventListener("pointerout", (event) => {
  const plot = event.target.closest?.(".plot");
  if (plot && !plot.contains(event.relatedTarget)) forget(plot);
});

copying(document);
listen();
