"use strict";

/* The table of features: twenty thousand rows are sorted and searched, and fifty of them drawn. */

const ROWS = 50;

function featureTable(directions) {
  const table = byId("feature-table");
  const state = { rows: [], page: 0, sort: null, columns: [] };
  const direction = () => directions[Number(byId("direction").value)];
  const metric = () => direction().metrics[Number(byId("metric").value)];

  directions.forEach((one, i) =>
    byId("direction").append(new Option(`${one.target} from ${one.source} (${one.scope})`, i)),
  );

  function listMetrics() {
    const before = metric()?.name;
    byId("metric").replaceChildren(...direction().metrics.map((one, i) => new Option(one.title, i)));
    const again = direction().metrics.findIndex((one) => one.name === before);
    byId("metric").value = Math.max(0, again);
  }

  /** Columns of the direction and metric that are chosen: the methods', the model's gain, imputability. */
  function columns() {
    const { features, imputability, model } = direction();
    const { values, higher } = metric();
    const methods = Object.keys(values);
    const found = [{ name: "feature", values: features, first: 1 }];
    for (const name of methods) found.push({ name, values: values[name], first: higher ? -1 : 1, method: true });
    if (values[model] && methods.length > 1) {
      const best = higher ? Math.max : Math.min;
      const others = methods.filter((name) => name !== model);
      const gain = features.map((_, i) => {
        const there = others.map((name) => values[name][i]).filter((value) => value !== null);
        return values[model][i] === null || !there.length ? null : (higher ? 1 : -1) * (values[model][i] - best(...there));
      });
      found.push({ name: "gain", values: gain, first: -1, signed: true });
    }
    if (imputability) found.push({ name: "imputability", values: imputability, first: -1 });
    return found;
  }

  function head() {
    const row = make("tr");
    state.columns.forEach((column, i) => {
      const heading = make("th", { scope: "col", className: i ? "number" : "" });
      heading.setAttribute("aria-sort", "none");
      heading.append(make("button", { type: "button", textContent: column.name }));
      heading.firstChild.addEventListener("click", () => {
        state.sort = { column: i, sign: turn(heading, column.first) };
        refresh();
      });
      row.append(heading);
    });
    table.tHead.replaceChildren(row);
  }

  function choose() {
    state.columns = columns();
    head();
    const first = state.columns.length > 1 ? 1 : 0;
    state.sort = { column: first, sign: turn(table.tHead.rows[0].cells[first], state.columns[first].first) };
    refresh();
  }

  function refresh() {
    const wanted = byId("search").value.trim().toLowerCase();
    const { values } = state.columns[state.sort.column];
    state.rows = direction()
      .features.map((name, i) => (name.toLowerCase().includes(wanted) ? i : -1))
      .filter((i) => i >= 0)
      .sort((one, other) => compare(values[one], values[other], state.sort.sign) || one - other);
    state.page = 0;
    draw();
  }

  const digits = (value, signed) =>
    value === null ? "—" : (signed && value > 0 ? "+" : "") + (Math.abs(value) < 1000 ? value.toFixed(3) : value.toPrecision(4)).replace("-", "−");

  function nameCell(name) {
    const cell = make("th", { scope: "row" });
    const colourable = window.colourBy?.(direction().target, name);
    if (!colourable) {
      cell.textContent = name;
      return cell;
    }
    cell.append(make("button", { type: "button", className: "show", textContent: name, title: "Colour the cells by it" }));
    cell.firstChild.addEventListener("click", colourable);
    return cell;
  }

  function draw() {
    const from = state.page * ROWS;
    const { higher } = metric();
    const drawn = state.rows.slice(from, from + ROWS).map((i) => {
      const row = make("tr", {}, nameCell(direction().features[i]));
      const scores = state.columns.filter((one) => one.method).map((one) => one.values[i]).filter((value) => value !== null);
      const best = scores.length > 1 ? (higher ? Math.max : Math.min)(...scores) : NaN;
      for (const column of state.columns.slice(1)) {
        const value = column.values[i];
        row.append(
          make("td", {
            className: column.method && value === best ? "number best" : "number",
            textContent: digits(value, column.signed),
          }),
        );
      }
      return row;
    });
    table.tBodies[0].replaceChildren(...drawn);
    const count = state.rows.length.toLocaleString("en");
    byId("range").textContent = drawn.length ? `${from + 1}–${from + drawn.length} of ${count}` : "no feature of this name";
    byId("previous").disabled = !state.page;
    byId("next").disabled = from + ROWS >= state.rows.length;
  }

  byId("direction").addEventListener("change", () => {
    listMetrics();
    choose();
  });
  byId("metric").addEventListener("change", choose);
  byId("search").addEventListener("input", refresh);
  byId("previous").addEventListener("click", () => (state.page--, draw()));
  byId("next").addEventListener("click", () => (state.page++, draw()));
  listMetrics();
  choose();
}

if (byId("features")) dataRead.then(() => featureTable(data.features));
