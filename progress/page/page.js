"use strict";
// Every text comes from a run and its servers: it is set as text, never as HTML.
const by = (id) => document.getElementById(id);
const set = (id, text) => { const e = by(id); if (e.textContent !== text) e.textContent = text; };
const known = (v, f) => v === null || v === undefined ? "unknown" : f(v);
const number = (v) => Math.abs(v) >= 100 ? Math.round(v).toLocaleString("en") : String(Number(v.toPrecision(3)));
const rate = (v) => known(v, (v) => number(v) + "/s");
const seconds = (v) => v < 1 ? number(v * 1000) + " ms" : number(v) + " s";
const bytes = (v) => number(v / 2 ** 30) + " GiB";
const span = (v) => v >= 3600 ? Math.floor(v / 3600) + "h" + String(Math.floor(v % 3600 / 60)).padStart(2, "0") + "m"
  : v >= 60 ? Math.floor(v / 60) + "m" + String(Math.floor(v % 60)).padStart(2, "0") + "s" : Math.round(v) + "s";
const inUnit = (v, unit) => unit === "s" ? seconds(v) : unit === "ratio" ? number(v * 100) + " %" : unit === "1/s" ? number(v) + "/s" : number(v);

// rows fills a table's body with lists of texts, or of [text, class].
function rows(id, all, none) {
  const body = document.querySelector("#" + id + " tbody");
  const wide = document.querySelectorAll("#" + id + " th").length;
  const made = all.map((cells) => {
    const tr = document.createElement("tr");
    for (const c of cells) {
      const td = document.createElement("td");
      for (const part of Array.isArray(c) ? c : [c]) {
        const line = document.createElement("div");
        [line.textContent, line.className] = typeof part === "object" ? [part.text, part.name] : [part, ""];
        td.append(line);
      }
      tr.append(td);
    }
    return tr;
  });
  if (made.length === 0) {
    const tr = document.createElement("tr"), td = document.createElement("td");
    td.colSpan = wide;
    td.textContent = none;
    tr.append(td);
    made.push(tr);
  }
  body.replaceChildren(...made);
}

function clause(c) {
  const missed = c.holds === false;
  return { text: c.text + ": " + known(c.value, (v) => inUnit(v, c.unit)) + (missed ? " MISSED" : ""), name: missed ? "missed" : "" };
}

function service(s) {
  const failed = Object.entries(s.outcomes || {}).map(([name, n]) => n + " " + name);
  return [s.service, number(s.level) + " " + s.unit, rate(s.offered_per_second), rate(s.delivered_per_second),
    s.quantiles.map((q) => "p" + number(q.quantile * 100) + " " + known(q.seconds, seconds)),
    (s.clauses || []).map(clause), number(s.unfinished), known(s.queue, number),
    [{ text: number(s.failed) + " of " + number(s.done), name: s.failed > 0 ? "missed" : "" }, ...failed]];
}

function stepWords(step) {
  if (!step || !step.figures) return "";
  const f = step.figures, whole = f.warmup_seconds + f.window_seconds;
  const where = step.over ? "over" : f.part === "after" ? "window over, waiting for its answers" : span(f.into_seconds) + " of " + span(whole) + ", " + f.part;
  return "step " + (step.step + 1) + ": " + where + (step.plan.purpose ? ", " + step.plan.purpose : "");
}

function show(s) {
  const name = s.sweep.scenario ? "evabench: " + s.sweep.scenario : "evabench";
  set("scenario", name);
  document.title = Math.round(s.share * 100) + " % " + name;
  by("simulated").hidden = !s.sweep.simulated;
  set("simulated", "SIMULATED server " + (s.sweep.simulated || "") + (s.sweep.faults ? ", FAULTS INJECTED: " + s.sweep.faults : ""));
  set("words", s.words + (s.fault ? ": " + s.fault : ""));
  by("sweep").value = s.status === "done" ? 1 : s.share;
  by("cell").value = s.cell_share;
  set("cell-words", (s.cell ? s.cell.cell + ": " : "") + s.doing);
  const step = s.cell && s.cell.step, f = step && step.figures;
  by("step").value = f ? Math.min(1, f.into_seconds / Math.max(1e-9, f.warmup_seconds + f.window_seconds)) : 0;
  set("step-words", stepWords(step));
  rows("services", f ? f.services.map(service) : [], "no step runs");
  rows("devices", f ? (f.devices || []).map((d) => [d.name, known(d.activity_ratio, (v) => Math.round(v * 100) + " %"), known(d.memory_bytes, bytes)]) : [], "nothing is told of devices");
  const ended = (s.cells || []).map((c) => [c.cell, { text: c.status, name: c.status === "done" ? "" : "missed" }, known(c.seconds, span), c.text || ""]);
  rows("cells", ended.map((r) => [r[0], [r[1]], r[2], r[3]]).concat((s.left_out || []).map((c) => [c.cell, "left out", "", c.text || ""])), "none ended yet");
  set("said", (s.said || []).map((l) => new Date(l.at).toLocaleTimeString("en-GB") + " " + l.text).join("\n"));
}

async function ask() {
  try {
    const answer = await fetch("state.json", { signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error("status " + answer.status);
    show(await answer.json());
    by("lost").hidden = true;
  } catch {
    by("lost").hidden = false;
    set("lost", "evabench does not answer: it has ended, or cannot be reached. What is below is the last that it told.");
  }
  setTimeout(ask, 1000);
}
ask();
