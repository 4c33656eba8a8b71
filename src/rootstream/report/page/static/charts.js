// Charts of ECharts in the colors of the page, drawn once they are seen, and again for another width or scheme.
"use strict";

R.color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
R.palette = () => Array.from({ length: 8 }, (_, at) => R.color(`c${at + 1}`));
R.font = () => getComputedStyle(document.body).fontFamily;

const drawn = new Set();
const scheme = window.matchMedia("(prefers-color-scheme: dark)");
scheme.addEventListener("change", () => drawn.forEach((each) => each.redraw()));

// `option` returns what ECharts draws; `height` is in CSS pixels, `label` says what is to be seen. `after` is called
// when it has been drawn.
R.chart = ({ label, height, option, onclick = null, after = () => {} }) => {
  const place = R.h("div", { class: "chart", role: "img", "aria-label": label });
  place.style.height = `${height}px`;
  const chart = { place, made: null, redraw: () => {} };
  chart.redraw = () => {
    if (!chart.made) {
      chart.made = echarts.init(place, null, { renderer: "canvas" });
      if (onclick) chart.made.on("click", (event) => onclick(event));
      // without a width, a graph has no coordinates
      new ResizeObserver(() => place.clientWidth > 0 && chart.made.resize()).observe(place);
    }
    chart.made.setOption({
      animation: false,
      textStyle: { fontFamily: R.font(), color: R.color("text") },
      color: R.palette(),
      ...option(),
    }, { notMerge: true });
    after();
  };
  new IntersectionObserver((entries, self) => {
    if (!entries.some((each) => each.isIntersecting)) return;
    self.disconnect();
    drawn.add(chart);
    chart.redraw();
  }, { rootMargin: "200px" }).observe(place);
  return chart;
};

// What a tooltip holds: elements, so that a name in it is text.
R.tip = (title, ...lines) => R.h("div", { class: "tip" }, R.h("strong", {}, title), lines.flat().filter(Boolean).map((line) => R.h("div", {}, line)));

R.short = (text, most) => {
  const clean = R.clean(text);
  return clean.length > most ? `${clean.slice(0, most - 1)}…` : clean;
};

R.axis = (show) => ({
  type: "value",
  axisLabel: { color: R.color("note"), formatter: show, hideOverlap: true },
  splitLine: { lineStyle: { color: R.color("line") } },
});

R.names = (names, most = 28) => ({
  type: "category",
  inverse: true,
  data: names,
  axisLabel: { color: R.color("text"), formatter: (name) => R.short(name, most), interval: 0 },
  axisLine: { lineStyle: { color: R.color("line") } },
  axisTick: { show: false },
});

R.narrow = () => window.innerWidth < 640;

// Horizontal bars: rows of a name and a number.
R.bars = ({ label, rows, show, color = () => R.color("c1") }) => R.chart({
  label,
  height: rows.length * 26 + 50,
  option: () => ({
    grid: { left: 8, right: 60, top: 8, bottom: 8, containLabel: true },
    xAxis: { ...R.axis(show), minInterval: 1 },
    yAxis: R.names(rows.map((row) => row[0]), R.narrow() ? 16 : 34),
    tooltip: { ...R.tooltip(), formatter: (event) => R.tip(rows[event.dataIndex][0], show(rows[event.dataIndex][1])) },
    series: [{
      type: "bar",
      barMaxWidth: 18,
      data: rows.map((row) => ({ value: row[1], itemStyle: { color: color(row) } })),
      label: { show: true, position: "right", color: R.color("text"), formatter: (event) => show(event.value) },
    }],
  }),
});

R.tooltip = () => ({ confine: true, backgroundColor: R.color("panel"), borderColor: R.color("line"), textStyle: { color: R.color("text") } });

R.legend = (entries) => R.h("ul", { class: "legend" }, entries.map(([color, text]) => R.h("li", {}, R.h("span", { class: `key ${color}` }), text)));
