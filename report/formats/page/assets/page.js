"use strict";
// Tables, theme, links and printing of the report's page. All of it is on top of
// markup that can be read without.
(() => {
  const root = document.documentElement;
  const all = (selector, within) => Array.from((within || document).querySelectorAll(selector));
  const make = (name, text) => {
    const e = document.createElement(name);
    if (text !== undefined) e.textContent = text;
    return e;
  };
  const say = (text) => { document.getElementById("said").textContent = text; };

  // text is a cell's without the mark of its note.
  const text = (cell) => {
    let words = "";
    cell.childNodes.forEach((node) => { if (node.nodeName !== "SUP") words += node.textContent; });
    return words.trim();
  };
  // exact is a cell's value: an empty data-v says that its text is just that.
  const exact = (cell) => {
    const v = cell.dataset.v;
    if (v === undefined) return null;
    return v === "" ? text(cell).replaceAll(",", "") : v;
  };

  // Sorting: by exact value where a column has any, else by words; what has no value
  // stays below. The third time it is as it was.
  function sort(table, column, heading) {
    const body = table.tBodies[0];
    const was = heading.getAttribute("aria-sort");
    const next = was === "ascending" ? "descending" : was === "descending" ? "none" : "ascending";
    all("th[aria-sort]", table.tHead).forEach((th) => th.setAttribute("aria-sort", "none"));
    heading.setAttribute("aria-sort", next);
    if (!table.order) table.order = Array.from(body.rows);
    const rows = table.order.map((row, place) => {
      const cell = row.cells[column];
      const value = exact(cell);
      return { row, place, number: value === null ? null : Number(value), words: text(cell) };
    });
    const numbers = rows.some((r) => r.number !== null);
    const sign = next === "descending" ? -1 : 1;
    if (next !== "none") {
      rows.sort((a, b) => {
        if (numbers && (a.number === null || b.number === null)) {
          return (a.number === null) - (b.number === null) || a.place - b.place;
        }
        const by = numbers ? a.number - b.number : a.words.localeCompare(b.words, "en", { numeric: true });
        return sign * by || a.place - b.place;
      });
    }
    body.append(...rows.map((r) => r.row));
    say(next === "none" ? "In the first order" : "Sorted by " + heading.textContent + ", " + next);
  }

  const lines = (table) => [table.tHead.rows[0], ...table.tBodies[0].rows];

  // A spreadsheet takes what begins so for a formula.
  const guarded = (words) => (/^[=+\-@]/.test(words) ? "'" + words : words).replace(/[\t\r\n]/g, " ");
  function tsv(table) {
    return lines(table).map((row) => Array.from(row.cells, (cell) => {
      const value = exact(cell);
      if (value !== null) return value;
      return guarded(text(cell) + (cell.dataset.u ? " (" + cell.dataset.u + ")" : ""));
    }).join("\t")).join("\n") + "\n";
  }

  const plain = (words) => words.replace(/[\\`*_{}[\]<>|~#&!]/g, "\\$&");
  function markdown(table) {
    const [head, ...body] = lines(table);
    const row = (cells) => "| " + cells.join(" | ") + " |\n";
    const cells = (r) => Array.from(r.cells, (c) => plain(text(c)));
    const rule = Array.from(head.cells, (c) => (c.classList.contains("n") ? "---:" : "---"));
    return row(cells(head)) + row(rule) + body.map((r) => row(cells(r))).join("");
  }

  async function copy(words, what) {
    try {
      await navigator.clipboard.writeText(words);
    } catch {
      const field = make("textarea", words); // where a page may not reach the clipboard
      field.className = "unseen";
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    say(what + " copied");
  }

  // dress gives a table its buttons.
  function dress(table) {
    const tools = make("div");
    tools.className = "copy";
    for (const [name, of] of [["Copy TSV", tsv], ["Copy Markdown", markdown]]) {
      const button = make("button", name);
      button.type = "button";
      button.title = of === tsv ? "Exact values, for a spreadsheet" : "As shown, for a ticket";
      button.addEventListener("click", () => copy(of(table), name.slice(5)));
      tools.append(button);
    }
    table.parentNode.after(tools);
    Array.from(table.tHead.rows[0].cells).forEach((heading, column) => {
      const button = make("button", heading.textContent);
      button.type = "button";
      heading.replaceChildren(button);
      heading.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => sort(table, column, heading));
    });
    // Rows have anchors, which in the markup would be a tenth of it.
    if (table.dataset.id) Array.from(table.tBodies[0].rows).forEach((row, i) => { row.id = table.dataset.id + "." + i; });
    const rowOf = (e) => e.target.closest("tbody tr");
    table.addEventListener("click", (e) => {
      if (e.target.closest("th[scope=row]") && !e.target.closest("a")) mark(rowOf(e));
    });
    table.parentNode.addEventListener("keydown", (e) => {
      if (e.target !== table.parentNode || (e.key !== "ArrowDown" && e.key !== "ArrowUp")) return;
      const now = table.querySelector("tr[aria-current]");
      const rows = table.tBodies[0].rows;
      const next = now ? (e.key === "ArrowDown" ? now.nextElementSibling : now.previousElementSibling) : rows[0];
      if (next) { mark(next); next.scrollIntoView({ block: "nearest" }); say(text(next.cells[0])); }
      e.preventDefault();
    });
  }
  // unpack gives a very long table its rows: JSON, compressed by gzip, in base64.
  const unpacked = new Map(); // a promise for each, since two may ask
  function unpack(table) {
    if (!unpacked.has(table)) unpacked.set(table, rowsOf(table));
    return unpacked.get(table);
  }
  async function rowsOf(table) {
    const bytes = Uint8Array.from(atob(table.dataset.packed.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const rows = JSON.parse(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text());
    const right = Array.from(table.tHead.rows[0].cells, (c) => c.classList.contains("n"));
    table.tBodies[0].append(...rows.map((row) => {
      const tr = make("tr");
      row.forEach((cell, i) => {
        const [words, value, mark] = Array.isArray(cell) ? cell : [cell, null, 0];
        const e = make(i ? "td" : "th", words.length > 400 ? undefined : words);
        if (words.length > 400) {
          const long = make("div", words);
          long.className = "long";
          long.tabIndex = 0;
          e.append(long);
        }
        if (!i) e.scope = "row";
        if (value !== null) e.dataset.v = value; else if (right[i]) e.className = "n";
        if (mark) {
          const link = make("a", mark), sup = make("sup");
          link.href = "#" + table.dataset.id + ".note" + mark;
          sup.append(link);
          e.append(sup);
        }
        tr.append(e);
      });
      return tr;
    }));
    delete table.dataset.packed;
    dress(table);
  }

  window.evabench = { dress }; // charts have tables too

  // mark shows a row and puts its link into the address.
  function mark(row) {
    all("tr[aria-current]").forEach((r) => r.removeAttribute("aria-current"));
    row.setAttribute("aria-current", "true");
    if (row.id) history.replaceState(null, "", "#" + row.id);
  }

  // A link into what is closed opens it.
  async function follow() {
    let id;
    try { id = decodeURIComponent(location.hash.slice(1)); } catch { return; }
    const table = document.querySelector('table[data-id="' + CSS.escape(id.replace(/\.\d+$/, "")) + '"][data-packed]');
    if (table) await unpack(table);
    const target = document.getElementById(id);
    if (!target) return;
    for (let e = target; e; e = e.parentElement) if (e.nodeName === "DETAILS") e.open = true;
    target.scrollIntoView();
    if (target.nodeName === "TR") mark(target);
  }

  // The theme is the reader's own until the button is used.
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  const changed = () => document.dispatchEvent(new Event("evabench-theme"));
  const button = document.querySelector("[data-do=theme]");
  const name = () => { button.textContent = dark() ? "Light" : "Dark"; };
  const keep = (theme) => { try { localStorage.setItem("evabench-theme", theme); } catch { /* not kept */ } };
  try {
    const kept = localStorage.getItem("evabench-theme");
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch { /* a page from a file may have no storage */ }
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    keep(root.dataset.theme);
    name();
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { name(); changed(); });
  name();

  // On paper everything is open, and back as it was after it.
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = all("details:not([open])").filter((d) => !d.querySelector("table[data-packed]"));
    closed.forEach((d) => { d.open = true; });
  });
  window.addEventListener("afterprint", () => closed.forEach((d) => { d.open = false; }));
  const print = document.querySelector("[data-do=print]");
  print.hidden = false;
  print.addEventListener("click", async () => {
    await Promise.all(all("table[data-packed]").map(unpack));
    window.print();
  });

  all("main table:not([data-packed])").forEach(dress);
  all("details").forEach((d) => d.addEventListener("toggle", () => {
    const table = d.open && d.querySelector("table[data-packed]");
    if (table) unpack(table);
  }));
  window.addEventListener("hashchange", follow);
  follow();
  root.dataset.ready = "true";
})();
