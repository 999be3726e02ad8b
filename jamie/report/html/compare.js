"use strict";

/* Plots of several runs: label transfer accuracy against FOSCTTM, and the features of one run against another's. */

const RUN_COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b", "#6e6e6e"];
const METHOD_SYMBOLS = ["circle", "square", "diamond", "triangle-up", "x", "cross", "star", "hexagon"];
const MOST_NAMED = 24; // points in a legend

/** Draw, and keep the colours those of the theme; `content` gives traces and what the layout has of its own. */
function drawn(element, content, describe) {
  async function draw() {
    const Plotly = await plotly();
    const { traces, layout } = content();
    const line = { gridcolor: colourOf("--line"), zerolinecolor: colourOf("--line") };
    const axes = { xaxis: { ...line, ...layout.xaxis }, yaxis: { ...line, ...layout.yaxis } };
    await Plotly.react(element, traces, { ...plotLayout(), margin: { l: 60, r: 20, t: 20, b: 60 }, ...layout, ...axes }, plotSettings);
    if (element.dataset.drawn) return;
    element.dataset.drawn = "true";
    element.on("plotly_hover", ({ points: [point], event }) => point.customdata !== undefined && showTip(describe(point), event));
    element.on("plotly_unhover", hideTip);
  }
  whenNear(element, draw);
  document.addEventListener("theme", () => element.dataset.drawn && draw());
  return () => element.dataset.drawn && draw();
}

function alignment(points) {
  const titles = [...new Set(points.map((one) => one.title))];
  titles.forEach((title) => byId("modalities-and-scope").append(new Option(title)));
  const runs = [...new Set(points.map((one) => one.run))];
  const methods = [...new Set(points.map((one) => one.method))];
  const content = () => {
    const chosen = points.filter((one) => one.title === byId("modalities-and-scope").value);
    return {
      traces: chosen.map((one) => ({
        type: "scatter",
        mode: "markers",
        hoverinfo: "none",
        name: named(one),
        x: [one.x],
        y: [one.y],
        customdata: [points.indexOf(one)],
        marker: {
          size: 12,
          color: RUN_COLOURS[runs.indexOf(one.run) % RUN_COLOURS.length],
          symbol: METHOD_SYMBOLS[methods.indexOf(one.method) % METHOD_SYMBOLS.length],
        },
      })),
      layout: {
        showlegend: chosen.length <= MOST_NAMED && innerWidth > 700,
        xaxis: { title: { text: "FOSCTTM (0 best, 0.5 chance)" }, range: [-0.03, 0.6] },
        yaxis: { title: { text: "label transfer accuracy" }, range: [-0.05, 1.08] },
      },
    };
  };
  /** plotly reads a little HTML in its labels; a name is text. */
  const named = ({ run, method }) => `${runs.length > 1 ? `${run}, ` : ""}${method}`.replaceAll("<", "‹").replaceAll("&", "+");
  const redraw = drawn(byId("alignment"), content, ({ customdata }) => {
    const { run, method, x, y } = points[customdata];
    return [run, method, `FOSCTTM ${x.toFixed(3)}`, `label transfer accuracy ${y.toFixed(3)}`];
  });
  byId("modalities-and-scope").addEventListener("change", redraw);
}

function against(directions) {
  const direction = () => directions[Number(byId("direction").value)];
  const metric = () => direction().metrics[Number(byId("metric").value)];
  const selects = [byId("across"), byId("up")];

  const runOf = (name) => name.split(" · ")[0];

  function list() {
    const names = Object.keys(metric().values);
    byId("against").hidden = names.length < 2;
    selects.forEach((select, i) => {
      const before = select.value;
      select.replaceChildren(...names.map((name) => new Option(name)));
      const other = names.find((name) => runOf(name) !== runOf(names[0])) ?? names[1] ?? names[0];
      select.value = names.includes(before) ? before : [names[0], other][i];
    });
    redraw();
  }

  function content() {
    const { features } = direction();
    const { values, higher, title } = metric();
    const [x, y] = selects.map((select) => values[select.value] ?? []);
    const both = features.map((_, i) => i).filter((i) => (x[i] ?? null) !== null && (y[i] ?? null) !== null);
    const all = both.flatMap((i) => [x[i], y[i]]);
    const ends = [all.reduce((a, b) => Math.min(a, b), 0), all.reduce((a, b) => Math.max(a, b), 0)];
    const up = both.filter((i) => (higher ? y[i] > x[i] : y[i] < x[i])).length;
    const across = both.filter((i) => (higher ? x[i] > y[i] : x[i] < y[i])).length;
    byId("wins").textContent =
      `Of ${both.length.toLocaleString("en")} features, ${up.toLocaleString("en")} are imputed better by ${selects[1].value}, ` +
      `${across.toLocaleString("en")} by ${selects[0].value}. The line is where both are equal.`;
    return {
      traces: [
        { type: "scatter", mode: "lines", x: ends, y: ends, hoverinfo: "skip", showlegend: false, line: { color: colourOf("--quiet"), dash: "dot", width: 1 } },
        {
          type: both.length > 2000 ? "scattergl" : "scatter",
          mode: "markers",
          hoverinfo: "none",
          showlegend: false,
          x: both.map((i) => x[i]),
          y: both.map((i) => y[i]),
          customdata: both,
          marker: { size: Math.max(3, Math.min(9, 200 / Math.sqrt(both.length + 1))), color: colourOf("--accent"), opacity: 0.65 },
        },
      ],
      layout: { xaxis: { title: { text: `${title}, across` } }, yaxis: { title: { text: `${title}, up` }, scaleanchor: "x" } },
    };
  }

  const redraw = drawn(byId("scatter"), content, ({ customdata, x, y }) => [
    direction().features[customdata],
    `${selects[0].value}: ${x.toFixed(3)}`,
    `${selects[1].value}: ${y.toFixed(3)}`,
  ]);
  selects.forEach((select) => select.addEventListener("change", redraw));
  for (const id of ["direction", "metric"]) byId(id).addEventListener("change", list);
  list();
}

dataRead.then(() => {
  if (byId("alignment")) alignment(data.points);
  if (byId("against")) against(data.features);
});
