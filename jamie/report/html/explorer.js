"use strict";

/* The interactive embedding. A cell is a row: its modality, its position in each layout, values to colour it by. */

const GREY = { light: "#c3c9ce", dark: "#4a525a" };
const SHADES = {
  light: ["#dfe3e6", "#86bcb8", "#17807c", "#063b3b"],
  dark: ["#39424a", "#3f8f8a", "#8fe3c8", "#f6ffd6"],
};
const SYMBOLS = ["circle", "diamond", "square", "triangle-up", "cross"];
const SIGNS = ["●", "◆", "■", "▲", "✚"];
const OF_MODALITIES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"];
const STEPS = 254;
const SLOW = 4000; // points, where the browser has no WebGL and each is an element
const NOWHERE = 65535;

/** Black is a colour of figures on white; on dark ground it is white. */
const visible = (colour) => (isDark() && colour === "#000000" ? "#ffffff" : colour);

const hasWebGL = () => Boolean(make("canvas").getContext("webgl"));

function explorer(cells) {
  const n = cells.names.length;
  const modality = cells.counts.flatMap((count, m) => Array(count).fill(m));
  const layouts = cells.layouts.map((one) => ({ ...one, x: numbers(one.x), y: numbers(one.y) }));
  const columns = cells.columns.map((one) => ({ ...one, values: numbers(one.values) }));
  const features = cells.features.map((one) => ({ ...one, kind: "number", values: numbers(one.values) }));
  const partners = cells.partners.map((one) => ({ ...one, rows: numbers(one.rows) }));
  const firstOf = cells.modalities.map((_, m) => modality.indexOf(m));
  const byModality = { name: "modality", kind: "group", levels: cells.modalities, colours: OF_MODALITIES, values: modality };
  const choices = [...(cells.modalities.length > 1 ? [byModality] : []), ...columns, ...features];
  const fast = hasWebGL();
  const state = { layout: 0, colour: 0, hiddenModalities: new Set(), only: null, marked: null };
  const order = shuffled(n);
  const plot = byId("plot");

  /* Controls */

  layouts.forEach((one, i) => byId("layout").append(new Option(one.title, i)));
  const groups = new Map([["Cells", []]]);
  choices.forEach((one, i) => {
    const title = one.of === undefined ? "Cells" : `Features of ${one.of}`;
    if (!groups.has(title)) groups.set(title, []);
    groups.get(title).push(new Option(one.name, i));
  });
  for (const [label, options] of groups) {
    if (options.length) byId("colour").append(make("optgroup", { label }, ...options));
  }
  const label = choices.findIndex((one) => cells.labels.includes(one.name));
  state.colour = Math.max(0, label);
  byId("colour").value = state.colour;
  byId("layout").addEventListener("change", () => show({ layout: Number(byId("layout").value) }));
  byId("colour").addEventListener("change", () => show({ colour: Number(byId("colour").value), only: null }));
  if (cells.modalities.length > 1) {
    cells.modalities.forEach((name, m) => {
      const box = make("input", { type: "checkbox", checked: true });
      box.addEventListener("change", () => {
        state.hiddenModalities[box.checked ? "delete" : "add"](m);
        draw();
      });
      byId("modalities").append(make("label", {}, box, ` ${SIGNS[m % SIGNS.length]} ${name}`));
    });
  } else byId("modalities").hidden = true;
  byId("find").addEventListener("submit", (event) => {
    event.preventDefault();
    find(new FormData(byId("find")).get("cell").trim());
  });

  /** Let the table of features colour the cells: what to call, or nothing where that feature is not here. */
  window.colourBy = (target, name) => {
    const found = choices.findIndex((one) => one.of === target && one.name === name);
    if (found < 0) return undefined;
    return () => {
      byId("colour").value = found;
      show({ colour: found, only: null });
      byId("cells").scrollIntoView();
      byId("colour").focus({ preventScroll: true });
    };
  };

  function show(change) {
    Object.assign(state, change);
    draw();
  }

  function shuffled(count) {
    const found = Uint32Array.from({ length: count }, (_, i) => i);
    let seed = 1;
    for (let i = count - 1; i > 0; i--) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      const j = seed % (i + 1);
      [found[i], found[j]] = [found[j], found[i]];
    }
    return found;
  }

  /* What is drawn */

  function traces() {
    const layout = layouts[state.layout];
    const column = choices[state.colour];
    const theme = isDark() ? "dark" : "light";
    const behind = { x: [], y: [], row: [], symbol: [] };
    const front = { x: [], y: [], row: [], symbol: [], color: [] };
    let room = fast ? Infinity : SLOW;
    for (const row of order) {
      if (layout.x[row] === NOWHERE || state.hiddenModalities.has(modality[row]) || room-- <= 0) continue;
      const value = column.values[row];
      const absent = column.kind === "group" ? value >= column.levels.length : value > STEPS;
      const to = absent || (state.only !== null && value !== state.only) ? behind : front;
      to.x.push(layout.x[row]);
      to.y.push(layout.y[row]);
      to.row.push(row);
      to.symbol.push(SYMBOLS[modality[row] % SYMBOLS.length]);
      to.color?.push(column.kind === "group" ? visible(column.colours[value]) : value);
    }
    const count = front.row.length + behind.row.length;
    const size = Math.max(2.5, Math.min(8, 260 / Math.sqrt(count)));
    const shade = column.kind === "number" ? scale(column, theme) : {};
    return [
      points(behind, { size, color: GREY[theme], symbol: behind.symbol, opacity: 0.55 }),
      points(front, { size, color: front.color, symbol: front.symbol, opacity: 0.85, ...shade }),
      points(rings(layout), { size: 16, symbol: "circle-open", color: colourOf("--grave"), line: { width: 3 } }),
    ];
  }

  const points = ({ x, y, row }, marker) => ({
    type: fast ? "scattergl" : "scatter",
    mode: "markers",
    hoverinfo: "none",
    customdata: row,
    showlegend: false,
    x,
    y,
    marker,
  });

  function scale(column, theme) {
    const text = (share) => Number((column.low + share * (column.high - column.low)).toPrecision(3)).toString();
    return {
      cmin: 0,
      cmax: STEPS,
      colorscale: SHADES[theme].map((shade, i) => [i / (SHADES[theme].length - 1), shade]),
      showscale: true,
      colorbar: {
        thickness: 10,
        len: 0.6,
        tickvals: [0, STEPS / 2, STEPS],
        ticktext: [`≤ ${text(0)}`, text(0.5), `≥ ${text(1)}`],
        outlinewidth: 0,
      },
    };
  }

  function rings(layout) {
    const rows = state.marked === null ? [] : [state.marked, ...partnersOf(state.marked).map((one) => one.row)];
    const there = rows.filter((row) => row >= 0 && layout.x[row] !== NOWHERE);
    return { x: there.map((row) => layout.x[row]), y: there.map((row) => layout.y[row]), row: there };
  }

  const axis = { visible: false, showgrid: false, zeroline: false };
  async function draw() {
    const Plotly = await plotly();
    plot.querySelector("p")?.remove();
    await Plotly.react(
      plot,
      traces(),
      {
        ...plotLayout(),
        margin: { l: 8, r: 8, t: 8, b: 8 },
        uirevision: state.layout,
        xaxis: axis,
        yaxis: { ...axis, scaleanchor: "x" },
      },
      plotSettings,
    );
    if (!plot.dataset.drawn) {
      plot.dataset.drawn = "true";
      plot.on("plotly_hover", ({ points: [point], event }) => showTip(describe(point.customdata), event));
      plot.on("plotly_unhover", () => hideTip());
      plot.on("plotly_click", ({ points: [point] }) => mark(point.customdata));
    }
    legend();
  }

  function legend() {
    const column = choices[state.colour];
    if (column.kind !== "group") {
      const imputed = column.imputed?.length ? `Measured in cells of ${column.of}, imputed in those of ${column.imputed.join(", ")}.` : "";
      byId("legend").replaceChildren(make("span", { className: "quiet", textContent: imputed }));
      return;
    }
    const there = new Set(column.values);
    const buttons = column.levels.map((level, i) => {
      const swatch = make("i");
      swatch.style.background = visible(column.colours[i]);
      const button = make("button", { type: "button", title: "Show these alone" }, swatch, level);
      button.setAttribute("aria-pressed", String(state.only === i));
      button.addEventListener("click", () => {
        show({ only: state.only === i ? null : i });
      });
      return there.has(i) ? button : "";
    });
    const focused = [...byId("legend").children].indexOf(document.activeElement);
    byId("legend").replaceChildren(...buttons.filter(Boolean));
    byId("legend").children[focused]?.focus();
  }

  /* Description of a cell */

  /** Known partners; without one, the likeliest inferred one. Rows below -1 are not drawn; -3 has the same name. */
  function partnersOf(row) {
    const own = cells.modalities[modality[row]];
    const position = row - firstOf[modality[row]];
    const found = [];
    for (const to of cells.modalities) {
      const all = partners.filter((one) => one.from === own && one.to === to && one.rows[position] !== -1);
      const one = all.find((candidate) => !candidate.inferred) ?? all[0];
      if (one) found.push({ to, inferred: one.inferred, row: one.rows[position] });
    }
    return found;
  }

  function valueOf(column, row) {
    const value = column.values[row];
    if (column.kind === "group") return column.levels[value] ?? "none";
    if (value > STEPS) return "none";
    const text = Number((column.low + (value / STEPS) * (column.high - column.low)).toPrecision(3)).toString();
    return (value === 0 ? "≤ " : value === STEPS ? "≥ " : "about ") + text;
  }

  function describe(row) {
    const own = cells.modalities[modality[row]];
    const lines = [cells.names[row], `measured in ${own}`];
    const labels = columns.filter((one) => cells.labels.includes(one.name));
    for (const column of new Set([...labels, choices[state.colour]])) {
      const imputed = column.imputed?.includes(own) ? " (imputed)" : "";
      if (column !== byModality) lines.push(`${column.name}: ${valueOf(column, row)}${imputed}`);
    }
    const found = partnersOf(row);
    for (const { to, inferred, row: partner } of found) {
      const unseen = partner === -3 ? `${cells.names[row]}, which is not drawn` : "one that is not drawn";
      const name = partner < 0 ? unseen : cells.names[partner];
      lines.push(`${inferred ? "likeliest partner" : "partner"} in ${to}: ${name}`);
    }
    if (!found.length && cells.modalities.length > 1) lines.push("no known partner");
    return lines;
  }

  function mark(row) {
    byId("readout").textContent = describe(row).join(" · ");
    show({ marked: row });
  }

  function find(name) {
    const exact = cells.names.indexOf(name);
    const row = exact >= 0 ? exact : cells.names.findIndex((one) => one.toLowerCase().includes(name.toLowerCase()));
    if (name && row >= 0) mark(row);
    else byId("readout").textContent = name ? `No cell that is drawn is called ${name}.` : "Give the name of a cell.";
  }

  plot.addEventListener("mouseleave", () => hideTip());
  document.addEventListener("theme", () => plot.dataset.drawn && draw());
  whenNear(plot, draw);
}

if (byId("explorer")) dataRead.then(() => explorer(data.cells));
