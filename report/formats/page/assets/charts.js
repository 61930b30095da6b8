"use strict";
// Charts of the report's page: each is drawn with Apache ECharts when it comes into
// view, from the JSON beside it, and can be read as a table. No text goes in as markup.
(() => {
  const light = ["#0b62c4", "#c2410c", "#0f766e", "#9333ea", "#b91c1c", "#4d7c0f", "#be185d", "#475569"];
  const dark = ["#6ab0ff", "#ff9d5c", "#4fd1c5", "#c79bff", "#ff8080", "#b3d65c", "#ff8ec7", "#b6c2d1"];
  const heats = ["#fde8c8", "#fbc78d", "#f5a05f", "#e67845", "#cf5138", "#ae2f35", "#861a37", "#5a0f35"];
  const symbols = ["circle", "rect", "triangle", "diamond", "emptyCircle", "emptyRect", "emptyTriangle", "emptyDiamond"];
  const dashes = ["solid", "dashed", "dotted", [8, 3, 2, 3]];
  const dense = 200; // points of a line, beyond which they have no symbols

  const make = (name, text) => {
    const e = document.createElement(name);
    if (text !== undefined) e.textContent = text;
    return e;
  };
  const { number, scale, amount, short, table } = window.evabench;

  // look gives colours that are in force, which the style sheet has.
  const probe = make("span");
  probe.hidden = true;
  document.body.append(probe);
  function colour(name) {
    probe.style.color = "var(" + name + ")";
    return getComputedStyle(probe).color;
  }
  let printing = false;
  function look() {
    const theme = document.documentElement.dataset.theme;
    const night = !printing && (theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
    return {
      night, palette: night ? dark : light, heats: night ? heats.slice().reverse() : heats,
      text: printing ? "#1b2127" : colour("--text"), quiet: printing ? "#4d5863" : colour("--quiet"),
      line: printing ? "#c9d0d7" : colour("--line"), back: printing ? "#ffffff" : colour("--back"), doubt: printing ? "#a63a00" : colour("--doubt"),
    };
  }

  // A configuration has the same place in the palette in every chart.
  const places = new Map();
  function placesOf(c) {
    const names = new Set(c.series.map((s) => s.config));
    if (names.size !== c.series.length || names.has("") || names.has(undefined)) return c.series.map((s, i) => i);
    return c.series.map((s) => {
      if (!places.has(s.config)) places.set(s.config, places.size);
      return places.get(s.config);
    });
  }

  function extent(lists) {
    let low = Infinity, high = -Infinity;
    for (const list of lists) for (const v of list || []) if (v !== null) { low = Math.min(low, v); high = Math.max(high, v); }
    return low > high ? null : [low, high];
  }

  // axisOf makes an axis over values and the limits that it must show.
  function axisOf(axis, range, limits, l, more) {
    const base = {
      nameLocation: "middle", nameTextStyle: { color: l.quiet }, axisLine: { show: true, lineStyle: { color: l.line } },
      axisLabel: { color: l.text, hideOverlap: true }, splitLine: { lineStyle: { color: l.line, opacity: 0.55 } }, axisTick: { lineStyle: { color: l.line } },
    };
    if (axis.names) {
      return Object.assign(base, { type: "category", data: axis.names.map((n) => short(n, 34)), name: short(axis.name, 60), nameGap: 30 }, more);
    }
    let [low, high] = range || [0, 1];
    for (const at of limits) if (at <= 4 * high) { high = Math.max(high, at); low = Math.min(low, at); }
    const [factor, unit] = scale(axis.unit, Math.max(Math.abs(low), Math.abs(high)));
    const bare = axis.unit === "1" || axis.unit === "n" ? "" : unit;
    Object.assign(base, {
      type: axis.log ? "log" : "value", name: short(axis.name, 60) + (bare ? " (" + bare + ")" : ""), nameGap: 30,
      axisLabel: Object.assign(base.axisLabel, { formatter: (v) => Number((v * factor).toPrecision(6)).toLocaleString("en-US", { maximumSignificantDigits: 6 }) }),
    });
    const over = limits.filter((at) => range && at > range[1] && at <= 4 * range[1]);
    if (more.scale && range && !axis.log) base.boundaryGap = ["4%", "4%"];
    if (over.length && !axis.log) base.max = (v) => nice(Math.max(v.max, Math.max(...over)) * 1.04);
    return Object.assign(base, more);
  }
  // nice rounds up to two digits.
  function nice(v) {
    const unit = 10 ** (Math.floor(Math.log10(v)) - 1);
    return Math.ceil(v / unit) * unit;
  }

  const seen = (c, state) => c.series.map((s, i) => ({ s, i })).filter(({ i }) => !state.hidden.has(i));
  const limitsOf = (c, axis) => (c.limits || []).filter((m) => m.of === axis && m.at !== null).map((m) => m.at);
  const unitOf = (c, s) => (s.right && s.unit ? s.unit : c.y.unit);

  // lines across, and the warm-up, belong to a series of their own, so that they stay
  // when others are hidden.
  function marks(c, l, turned) {
    const data = (c.limits || []).filter((m) => m.at !== null).map((m) => {
      const across = turned ? (m.of === "y" ? "xAxis" : "yAxis") : m.of + "Axis";
      return {
        [across]: m.at, name: m.name, lineStyle: { color: l.doubt, type: "dashed", width: 1.5 },
        label: { formatter: () => short(m.name, 40), color: l.doubt, position: across === "yAxis" ? "insideStartTop" : turned ? "start" : "end", rotate: 0 },
      };
    });
    const made = { type: "line", data: [], silent: true, animation: false };
    if (data.length) made.markLine = { symbol: "none", silent: true, animation: false, data };
    if (c.kind === "course" && c.warmup !== undefined) {
      made.markArea = {
        silent: true, itemStyle: { color: l.quiet, opacity: 0.16 }, label: { color: l.quiet, position: "insideTop" },
        data: [[{ name: "warm-up", xAxis: "min" }, { xAxis: c.warmup }]],
      };
      const range = extent(c.series.map((s) => s.x));
      if (range) made.markArea.data[0][0].xAxis = Math.min(range[0], 0);
    }
    return made;
  }

  // whiskers draw the intervals of a series.
  function whiskers(rows, colourOf, turned, offset, more) {
    return Object.assign({
      type: "custom", silent: true, z: 4, animation: false, data: rows, encode: turned ? { x: [1, 2], y: 0 } : { x: 0, y: [1, 2] },
      renderItem: (params, api) => {
        const at = api.value(0);
        const a = turned ? api.coord([api.value(1), at]) : api.coord([at, api.value(1)]);
        const b = turned ? api.coord([api.value(2), at]) : api.coord([at, api.value(2)]);
        const shift = offset ? offset(api) : 0;
        const dx = turned ? 0 : 4, dy = turned ? 4 : 0;
        if (turned) { a[1] += shift; b[1] += shift; } else { a[0] += shift; b[0] += shift; }
        const stroke = { stroke: colourOf, lineWidth: 1.4, fill: null };
        const line = (x1, y1, x2, y2) => ({ type: "line", shape: { x1, y1, x2, y2 }, style: stroke });
        return {
          type: "group",
          children: [line(a[0], a[1], b[0], b[1]), line(a[0] - dx, a[1] - dy, a[0] + dx, a[1] + dy), line(b[0] - dx, b[1] - dy, b[0] + dx, b[1] + dy)],
        };
      },
    }, more);
  }
  const intervals = (s, at) => (s.low ? s.low.map((low, i) => [at(i), low, s.high[i]]).filter((r) => r[1] !== null && r[2] !== null) : []);

  function tip(lines) {
    const e = make("div");
    e.className = "tip";
    lines.filter(Boolean).forEach((text, i) => e.append(make(i ? "div" : "b", short(text, 400))));
    return e;
  }
  const xText = (c, v) => (c.x.names ? c.x.names[v] || String(v) : amount(v, c.x.unit));
  function pointLines(c, s, i) {
    const unit = unitOf(c, s);
    const between = s.low && (s.low[i] !== null || s.high[i] !== null); // an end may be unknown
    return [s.name, c.x.name + ": " + xText(c, s.x[i]), (s.right ? "" : c.y.name + ": ") + amount(s.y[i], unit) +
      (between ? " [" + amount(s.low[i], unit) + ", " + amount(s.high[i], unit) + "]" : ""), s.notes && s.notes[i]];
  }

  const base = (l) => ({
    animation: false, backgroundColor: "transparent", textStyle: { color: l.text, fontFamily: "system-ui, 'DejaVu Sans', sans-serif" },
    tooltip: { confine: true, appendTo: undefined, backgroundColor: l.back, borderColor: l.line, textStyle: { color: l.text }, axisPointer: { lineStyle: { color: l.quiet } } },
    grid: { left: 36, right: 26, top: 22, bottom: 40, containLabel: true },
  });

  // over draws lines, points and courses.
  function over(c, state, l) {
    const o = base(l);
    const shown = seen(c, state), right = c.series.find((s) => s.right);
    const many = c.series.some((s) => s.x.length > dense);
    const lists = (side) => c.series.filter((s) => !!s.right === side).flatMap((s) => [s.y, s.low, s.high]);
    o.xAxis = axisOf(c.x, extent(c.series.map((s) => s.x)), limitsOf(c, "x"), l, c.kind === "course" ? { min: "dataMin", max: "dataMax" } : { scale: true });
    o.yAxis = [axisOf(c.y, extent(lists(false)), limitsOf(c, "y"), l, { nameGap: 46 })];
    if (right) o.yAxis.push(axisOf({ name: right.name, unit: right.unit }, extent(lists(true)), [], l, { nameGap: 46, splitLine: { show: false } }));
    o.series = [];
    shown.forEach(({ s, i }) => {
      const place = state.places[i], of = l.palette[place % l.palette.length];
      const item = { yAxisIndex: s.right ? 1 : 0, name: short(s.name, 60), itemStyle: { color: of }, symbol: symbols[Math.floor(place / l.palette.length + place) % symbols.length], data: s.x.map((x, k) => [x, s.y[k]]), evabench: i };
      if (c.kind === "scatter") {
        Object.assign(item, { type: "scatter", symbolSize: s.x.length > 1000 ? 4 : 8 });
      } else {
        Object.assign(item, {
          type: "line", symbolSize: 7, showSymbol: c.kind === "lines" && !many, connectNulls: false,
          lineStyle: { color: of, width: many ? 1.3 : 2, type: dashes[Math.floor(place / l.palette.length) % dashes.length] },
        });
      }
      state.index.push(i);
      o.series.push(item);
      const rows = intervals(s, (k) => s.x[k]);
      if (rows.length) { o.series.push(whiskers(rows, of, false, null, { yAxisIndex: item.yAxisIndex })); state.index.push(i); }
    });
    o.series.push(marks(c, l, false));
    o.dataZoom = [{ type: "inside", xAxisIndex: 0, filterMode: "none", zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false, preventDefaultMouseMove: false }];
    const axis = c.kind === "course" || (many && c.kind === "lines");
    o.tooltip.trigger = axis ? "axis" : "item";
    o.tooltip.formatter = (p) => {
      const list = Array.isArray(p) ? p : [p];
      const at = list.filter((q) => q.seriesType !== "custom");
      if (!at.length) return "";
      const first = c.series[state.index[at[0].seriesIndex]];
      if (!axis) return tip(pointLines(c, first, at[0].dataIndex));
      return tip([c.x.name + ": " + xText(c, first.x[at[0].dataIndex]), ...at.map((q) => {
        const s = c.series[state.index[q.seriesIndex]], note = s.notes && s.notes[q.dataIndex];
        return s.name + ": " + amount(s.y[q.dataIndex], unitOf(c, s)) + (note ? " (" + note + ")" : "");
      })]);
    };
    return o;
  }

  // bars lie, so that names can be read.
  function bars(c, state, l) {
    const o = base(l);
    const names = c.x.names || Array.from(new Set(c.series.flatMap((s) => s.x))).sort((a, b) => a - b).map((v) => amount(v, c.x.unit));
    const at = c.x.names ? (x) => x : (x) => names.indexOf(amount(x, c.x.unit));
    const shown = seen(c, state);
    o.yAxis = axisOf({ name: "", names }, null, [], l, { inverse: true, splitLine: { show: false } });
    o.xAxis = axisOf(c.y, extent(c.series.flatMap((s) => [s.y, s.low, s.high])), limitsOf(c, "y"), l, {});
    o.series = [];
    shown.forEach(({ s, i }, nth) => {
      const of = l.palette[state.places[i] % l.palette.length];
      const data = names.map(() => null);
      // a pale bar is an outline: it is not to be chosen by, and can be told apart without colours
      const pale = new Set(s.pale || []);
      s.x.forEach((x, k) => { data[at(x)] = pale.has(k) ? { value: s.y[k], itemStyle: { color: l.line, opacity: 0.55, borderColor: l.quiet, borderType: "dashed", borderWidth: 1.5 } } : s.y[k]; });
      o.series.push({ type: "bar", name: short(s.name, 60), itemStyle: { color: of }, barMaxWidth: 22, data, emphasis: { disabled: true } });
      state.index.push(i);
      const rows = intervals(s, (k) => at(s.x[k]));
      if (rows.length) {
        const offset = (api) => api.barLayout({ count: shown.length, barMaxWidth: 22 })[nth].offsetCenter;
        o.series.push(whiskers(rows, l.text, true, offset));
        state.index.push(i);
      }
    });
    o.series.push(marks(c, l, true));
    o.tooltip.formatter = (p) => {
      const s = c.series[state.index[p.seriesIndex]];
      const k = s ? s.x.findIndex((x) => at(x) === p.dataIndex) : -1;
      return k < 0 ? "" : tip(pointLines(c, s, k));
    };
    return o;
  }

  // heat colours fields between the bounds of bins, by the logarithm of their counts.
  function heat(c, state, l) {
    const o = base(l), h = c.heat;
    const most = Math.max(1, ...h.n);
    const level = (n) => Math.min(l.heats.length - 1, Math.floor((Math.log(n) / Math.log(most + 1)) * l.heats.length));
    const ends = (axis, bounds) => {
      const fit = bounds.filter((v) => v !== null && (!axis.log || v > 0));
      return fit.length ? { min: fit[0], max: fit[fit.length - 1] } : {};
    };
    const x = ends(c.x, h.xb), y = ends(c.y, h.yb);
    o.xAxis = axisOf(c.x, [x.min, x.max], [], l, x);
    o.yAxis = axisOf(c.y, [y.min, y.max], [], l, Object.assign({ nameGap: 46 }, y));
    o.xAxis.splitLine.show = o.yAxis.splitLine.show = false;
    const data = h.n.map((n, i) => [h.xb[h.x[i]], h.xb[h.x[i] + 1], h.yb[h.y[i]], h.yb[h.y[i] + 1], n]);
    o.series = [{
      type: "custom", clip: true, data, animation: false, encode: { x: [0, 1], y: [2, 3] },
      renderItem: (params, api) => {
        const a = api.coord([Math.max(api.value(0), c.x.log ? x.min : -Infinity), Math.max(api.value(2), c.y.log ? y.min : -Infinity)]);
        const b = api.coord([api.value(1), api.value(3)]);
        const grow = 0.4; // lest hair lines show between fields
        return {
          type: "rect", style: { fill: l.heats[level(api.value(4))] },
          shape: { x: Math.min(a[0], b[0]) - grow / 2, y: Math.min(a[1], b[1]) - grow / 2, width: Math.abs(b[0] - a[0]) + grow, height: Math.abs(a[1] - b[1]) + grow },
        };
      },
    }, marks(c, l, false)];
    o.tooltip.formatter = (p) => {
      const [x0, x1, y0, y1, n] = p.value;
      return tip([number(n), c.x.name + ": " + amount(x0, c.x.unit) + " to " + amount(x1, c.x.unit), c.y.name + ": " + amount(y0, c.y.unit) + " to " + amount(y1, c.y.unit)]);
    };
    state.levels = l.heats.map((of, i) => [of, Math.max(1, Math.ceil((most + 1) ** (i / l.heats.length)))]).filter(([, from], i, list) => from <= most && (i === 0 || from !== list[i - 1][1]));
    return o;
  }

  // The legend is buttons, so that it can be reached by keys; a heat's tells counts.
  function legend(state) {
    const { list, c } = state, l = look();
    list.replaceChildren();
    if (c.heat) {
      (state.levels || []).forEach(([of, from]) => {
        const item = make("li");
        item.append(swatch(of, "rect"), make("span", number(from) + "+"));
        list.append(item);
      });
      return;
    }
    if (c.series.length < 2 && !(c.series[0] && c.series[0].name)) return;
    c.series.forEach((s, i) => {
      const item = make("li"), button = make("button");
      button.type = "button";
      button.setAttribute("aria-pressed", String(!state.hidden.has(i)));
      const place = state.places[i];
      const kind = c.kind === "lines" || c.kind === "course" ? "line" : "rect";
      button.append(swatch(l.palette[place % l.palette.length], kind, Math.floor(place / l.palette.length) % dashes.length), make("span", short(s.name, 80)));
      if (s.name.length > 80) button.title = short(s.name, 1000);
      button.addEventListener("click", () => {
        if (state.hidden.has(i)) state.hidden.delete(i); else state.hidden.add(i);
        button.setAttribute("aria-pressed", String(!state.hidden.has(i)));
        paint(state);
      });
      item.append(button);
      list.append(item);
    });
  }
  function swatch(of, kind, dash) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg"), mark = document.createElementNS(space, kind);
    svg.setAttribute("aria-hidden", "true");
    const set = kind === "line" ? { x1: 0, y1: 5, x2: 26, y2: 5, stroke: of, "stroke-width": 3, "stroke-dasharray": ["none", "6 3", "2 3", "8 3 2 3"][dash || 0] } : { x: 6, y: 0, width: 12, height: 10, fill: of };
    for (const k of Object.keys(set)) mark.setAttribute(k, set[k]);
    svg.append(mark);
    return svg;
  }

  function paint(state) {
    const l = look(), { c } = state;
    state.index = [];
    const option = c.heat ? heat(c, state, l) : c.kind === "bars" ? bars(c, state, l) : over(c, state, l);
    state.chart.setOption(option, { notMerge: true });
    state.chart.getZr().flush();
  }

  const states = new Map();
  function draw(figure) {
    if (states.has(figure)) return states.get(figure);
    const plot = figure.querySelector(".plot");
    const c = JSON.parse(figure.querySelector("script").textContent);
    c.series = c.series || [];
    c.series.forEach((s, i) => { s.x = s.x || (i ? c.series[i - 1].x : []); });
    const state = { c, hidden: new Set(), list: figure.querySelector(".legend"), title: figure.querySelector("h3").firstChild.textContent.trim(), index: [] };
    state.places = placesOf(c);
    states.set(figure, state);
    plot.replaceChildren();
    state.chart = window.echarts.init(plot, null, { renderer: "svg" });
    paint(state);
    legend(state);
    plot.addEventListener("dblclick", () => state.chart.dispatchAction({ type: "dataZoom", start: 0, end: 100 }));
    new ResizeObserver(() => { if (!printing && plot.clientWidth) state.chart.resize(); }).observe(plot);
    figure.dataset.drawn = "true";
    performance.mark("evabench-drawn");
    return state;
  }

  const figures = Array.from(document.querySelectorAll("figure.chart"));
  figures.forEach((figure) => {
    const tools = make("div"), button = make("button", "Numbers");
    const numbers = figure.querySelector(".numbers");
    tools.className = "copy";
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => {
      numbers.hidden = !numbers.hidden;
      button.setAttribute("aria-expanded", String(!numbers.hidden));
      if (numbers.hidden || numbers.firstChild) return;
      const state = draw(figure);
      numbers.append(table(state.c, state.title));
    });
    tools.append(button);
    numbers.before(tools);
  });
  const observer = new IntersectionObserver((entries) => entries.forEach((e) => {
    if (e.isIntersecting) { observer.unobserve(e.target); draw(e.target); }
  }), { rootMargin: "300px" });
  figures.forEach((figure) => observer.observe(figure));

  const again = () => states.forEach((state) => { paint(state); legend(state); });
  document.addEventListener("evabench-theme", again);
  // On paper: all charts, in light colours, as wide as the paper lets them be.
  window.addEventListener("beforeprint", () => {
    printing = true;
    figures.forEach(draw);
    states.forEach((state) => {
      const height = state.chart.getHeight();
      state.chart.resize({ width: 620, height });
      paint(state);
      legend(state);
      const svg = state.chart.getDom().querySelector("svg");
      svg.setAttribute("viewBox", "0 0 620 " + height);
    });
  });
  window.addEventListener("afterprint", () => {
    printing = false;
    states.forEach((state) => { state.chart.resize({ width: "auto", height: "auto" }); });
    again();
  });
})();
