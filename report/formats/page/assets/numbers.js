"use strict";
// How the page's charts write numbers, and their numbers as a table.
(() => {
  const { dress } = window.evabench;
  const make = (name, text) => {
    const e = document.createElement(name);
    if (text !== undefined) e.textContent = text;
    return e;
  };
  const short = (text, most) => {
    const letters = Array.from(text);
    return letters.length > most ? letters.slice(0, most).join("") + "\u2026" : text;
  };

  // Numbers, as package units writes them.
  function measure(v) {
    const size = Math.abs(v);
    if (v === 0) return "0";
    if (size < 1e-4 || size >= 1e15) return v.toExponential(3);
    const n = Math.max(3 - Math.floor(Math.log10(size)), 0);
    return v.toLocaleString("en-US", { minimumFractionDigits: n, maximumFractionDigits: n });
  }
  const number = (v) => (Number.isInteger(v) && Math.abs(v) < 1e15 ? v.toLocaleString("en-US") : measure(v));
  function scale(unit, size) {
    const pick = (list) => list.find(([from]) => size >= from) || list[list.length - 1];
    if (unit === "s") return size === 0 ? [1, "s"] : pick([[1, 1, "s"], [1e-3, 1e3, "ms"], [1e-6, 1e6, "\u00b5s"], [0, 1e9, "ns"]]).slice(1);
    if (unit === "B") return pick([[2 ** 40, 2 ** -40, "TiB"], [2 ** 30, 2 ** -30, "GiB"], [2 ** 20, 2 ** -20, "MiB"], [1024, 1 / 1024, "KiB"], [0, 1, "B"]]).slice(1);
    if (unit === "ratio") return [100, "%"];
    return [1, unit === "1" || unit === "n" ? "" : unit || ""];
  }
  function amount(v, unit) {
    if (v === null || v === undefined) return "unknown";
    const [factor, name] = scale(unit, Math.abs(v));
    return (unit === "1" || unit === "n" || unit === "B" || !unit ? number(v * factor) : measure(v * factor)) + (name ? " " + name : "");
  }

  // table gives a chart's numbers, exact as in its JSON.
  function table(c, title) {
    const head = (name, unit) => name + (unit && unit !== "1" && unit !== "n" ? " (" + unit + ")" : "");
    const columns = c.heat ? [head(c.x.name + " from", c.x.unit), head("to", c.x.unit), head(c.y.name + " from", c.y.unit), head("to", c.y.unit), "Count"] :
      ["Series", head(c.x.name, c.x.names ? "" : c.x.unit), head(c.y.name, c.y.unit), "95 % from", "to", "Note"];
    const rows = c.heat ? c.heat.n.map((n, i) => [c.heat.xb[c.heat.x[i]], c.heat.xb[c.heat.x[i] + 1], c.heat.yb[c.heat.y[i]], c.heat.yb[c.heat.y[i] + 1], n]) :
      c.series.flatMap((s) => s.x.map((x, i) => [
        s.name + (s.right && s.unit ? " (" + s.unit + ")" : ""), c.x.names ? c.x.names[x] : x, s.y[i],
        s.low && s.low[i] !== null ? s.low[i] : "", s.high && s.high[i] !== null ? s.high[i] : "", (s.notes && s.notes[i]) || "",
      ]));
    const grid = make("div"), t = make("table"), caption = make("caption", title);
    grid.className = "grid";
    grid.tabIndex = 0;
    grid.setAttribute("role", "region");
    grid.setAttribute("aria-label", "Numbers of " + title);
    caption.className = "unseen";
    t.append(caption);
    const top = t.createTHead().insertRow();
    columns.forEach((name, i) => {
      const th = make("th", name);
      th.scope = "col";
      if (c.heat || (i > 0 && i < 5)) th.className = "n";
      top.append(th);
    });
    const body = t.createTBody();
    rows.forEach((row) => {
      const tr = body.insertRow();
      row.forEach((v) => {
        const numeric = typeof v === "number";
        const cell = make("td", v === null ? "unknown" : numeric ? number(v) : v);
        if (numeric) { cell.dataset.v = String(v); cell.className = "n"; }
        tr.append(cell);
      });
    });
    grid.append(t);
    dress(t);
    return grid;
  }

  Object.assign(window.evabench, { number, scale, amount, short, table });
})();
