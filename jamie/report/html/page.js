"use strict";

/* Theme, sections, figures and small tables; what the other scripts share. Nothing here asks anything of a network. */

const byId = (id) => document.getElementById(id);

/** An element with properties and children; text stays text. */
function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Text that was gzipped and written in base64 into an element of the page. */
async function unpack(id) {
  const bytes = Uint8Array.from(atob(byId(id).textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

/** A typed array as pack.py writes it. */
function numbers({ type, data }) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const kinds = { u8: Uint8Array, u16: Uint16Array, i32: Int32Array, f32: Float32Array };
  return new kinds[type](bytes.buffer);
}

let data = null;
const dataRead = byId("data") ? unpack("data").then((text) => (data = JSON.parse(text))) : Promise.resolve(null);

let plotlyRead = null;
/** plotly.js, which is unpacked before the first plot is drawn. */
function plotly() {
  plotlyRead ??= unpack("plotly").then((text) => {
    document.head.append(make("script", { textContent: text }));
    return window.Plotly;
  });
  return plotlyRead;
}

/** Call back when an element is nearly in view. */
function whenNear(element, then) {
  const observer = new IntersectionObserver(
    (entries) => {
      if (entries.some((entry) => entry.isIntersecting)) {
        observer.disconnect();
        then();
      }
    },
    { rootMargin: "800px" },
  );
  observer.observe(element);
}

/* A few lines beside the pointer; unlike plotly's own, they are never read as HTML. */

const tip = make("div", { id: "tip", hidden: true });
document.body.append(tip);
const hideTip = () => (tip.hidden = true);
function showTip(lines, event) {
  tip.textContent = lines.join("\n");
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const below = event.clientY + 14;
  tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
  tip.style.top = `${below + height > innerHeight ? event.clientY - height - 14 : below}px`;
}

/* What all plots have in common */

const plotSettings = {
  responsive: true,
  displaylogo: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  toImageButtonOptions: { filename: "jamie", scale: 2 },
};
const plotLayout = () => ({
  paper_bgcolor: "rgba(0,0,0,0)",
  plot_bgcolor: "rgba(0,0,0,0)",
  font: { color: colourOf("--text"), family: "system-ui, sans-serif" },
  modebar: { color: colourOf("--quiet"), activecolor: colourOf("--accent"), bgcolor: "rgba(0,0,0,0)" },
  hovermode: "closest",
  dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
});

const colourOf = (name) => {
  const probe = make("span", { hidden: true });
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};

/* Dark and light */

const darkByDefault = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (darkByDefault.matches ? "dark" : "light")) === "dark";

function showTheme() {
  byId("theme").textContent = isDark() ? "Light" : "Dark";
  byId("theme").setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colours`);
  byId("theme").setAttribute("aria-pressed", String(isDark()));
  document.dispatchEvent(new Event("theme"));
}
byId("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  showTheme();
});
darkByDefault.addEventListener("change", showTheme);
showTheme();

/* The section that is being read */

const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const sections = [...document.querySelectorAll("main section")];
function showPlace() {
  const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
  const passed = sections.filter((section) => section.getBoundingClientRect().top < innerHeight / 3);
  const current = atEnd ? sections.at(-1) : (passed.at(-1) ?? sections[0]);
  for (const [id, link] of links) {
    if (id === current?.id) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}
addEventListener("scroll", showPlace, { passive: true });
addEventListener("resize", showPlace);
showPlace();

/* Figures: enlarged in a dialog, or saved */

for (const button of document.querySelectorAll(".enlarge")) {
  button.addEventListener("click", () => {
    const image = button.querySelector("img");
    byId("zoom").querySelector("img").src = image.src;
    byId("zoom").querySelector("img").alt = image.alt;
    byId("zoom").querySelector("p").textContent = image.alt;
    byId("zoom").showModal();
  });
}
byId("zoom").addEventListener("click", (event) => event.target === byId("zoom") && byId("zoom").close());
for (const button of document.querySelectorAll(".download")) {
  button.addEventListener("click", () => {
    const image = button.closest("figure").querySelector("img");
    make("a", { href: image.src, download: button.dataset.name }).click();
  });
}

/* What is folded is printed, too */

addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("details:not([open])")) {
    one.open = true;
    one.dataset.folded = "";
  }
});
addEventListener("afterprint", () => {
  for (const one of document.querySelectorAll("details[data-folded]")) {
    one.open = false;
    delete one.dataset.folded;
  }
});

/* Sorting */

/** Compare as numbers if both are, else as text; empty values come last in either direction. */
function compare(one, other, sign) {
  const [emptyOne, emptyOther] = [one, other].map((value) => value === null || value === "" || Number.isNaN(value));
  if (emptyOne || emptyOther) return emptyOne - emptyOther;
  if (typeof one === "number" && typeof other === "number") return sign * (one - other);
  return sign * String(one).localeCompare(String(other), "en", { numeric: true });
}

/** Turn the mark of a heading, and say in which direction it now sorts: 1 or -1. */
function turn(heading, first) {
  const before = heading.getAttribute("aria-sort");
  const sign = before === "none" ? first : before === "ascending" ? -1 : 1;
  for (const other of heading.parentElement.querySelectorAll("[aria-sort]")) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  return sign;
}

for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.querySelectorAll("thead th")];
  headings.forEach((heading, column) =>
    heading.querySelector("button").addEventListener("click", () => {
      const numeric = heading.classList.contains("number");
      const sign = turn(heading, numeric ? -1 : 1);
      const valueOf = ({ cells }) => {
        if (!numeric) return cells[column].textContent;
        return cells[column].dataset.value === "" ? null : Number(cells[column].dataset.value);
      };
      const rows = [...table.tBodies[0].rows].sort((one, other) => compare(valueOf(one), valueOf(other), sign));
      table.tBodies[0].append(...rows);
    }),
  );
}
