// A build over time: what was fetched, pulled and built, and what its end had to wait for.
"use strict";

R.MOST_BARS = 300;
const ACTIONS = [["pull", "pulled"], ["fetch", "fetched"], ["track", "tracked"], ["build", "built"], ["other", "other steps"]];
const known = (action) => (ACTIONS.some(([name]) => name === action) ? action : "other");

R.sections.timeline = (data) => {
  const critical = new Set(data.critical || []);
  const names = [...new Set(data.actions.map((each) => each[0]))];
  const took = new Map(names.map((name) => [name, 0]));
  for (const [name, , begin, end] of data.actions) took.set(name, took.get(name) + end - begin);
  const longest = [...names].sort((one, other) => (critical.has(other) - critical.has(one)) || took.get(other) - took.get(one)).slice(0, R.MOST_BARS);
  const shown = names.filter((name) => longest.includes(name));
  const row = new Map(shown.map((name, at) => [name, at]));
  const bars = data.actions.filter((each) => row.has(each[0]));
  const words = [
    `The build began on ${data.began.replace("T", " at ").replace("+00:00", " UTC")} and took ${R.duration(data.elapsed)}.`,
    data.cached !== null && `${R.count(data.elements, "element")}: ${data.cached} cached, ${names.length} fetched, pulled or built.`,
    critical.size > 0 && `${R.count(critical.size, "element")} on the critical path.`,
    data.critical === null && "What had to wait for what is not recorded for this kind of build.",
    names.length > shown.length && `The ${shown.length} longest are drawn, all are in the table.`,
  ];
  const kinds = ACTIONS.filter(([name]) => data.actions.some((each) => known(each[1]) === name));
  const chart = bars.length > 0 && R.chart({
    label: `${R.count(shown.length, "element")} over ${R.duration(data.elapsed)}`,
    height: Math.max(120, shown.length * 22 + 50),
    option: () => ({
      grid: { left: 20, right: 24, top: 8, bottom: 8, containLabel: true },
      xAxis: { ...R.axis(R.duration), position: "top" },
      yAxis: {
        ...R.names(shown, R.narrow() ? 18 : 46),
        axisLabel: { color: R.color("text"), interval: 0, formatter: (name) => `${critical.has(name) ? "● " : ""}${R.short(name, R.narrow() ? 18 : 46)}` },
      },
      tooltip: { ...R.tooltip(), formatter: ({ dataIndex }) => {
        const [name, action, begin, end, result] = bars[dataIndex];
        return R.tip(name, `${action}: ${R.duration(end - begin)}, from ${R.duration(begin)}`, result !== "success" && result, critical.has(name) && "on the critical path");
      } },
      series: [{
        type: "custom",
        encode: { x: [1, 2], y: 0 },
        data: bars.map(([name, action, begin, end]) => ({
          value: [row.get(name), begin, end],
          itemStyle: { color: R.color(known(action)), borderColor: critical.has(name) ? R.color("text") : "transparent", borderWidth: critical.has(name) ? 2 : 0 },
        })),
        renderItem: (_, api) => {
          const [x, y] = api.coord([api.value(1), api.value(0)]);
          const [end] = api.coord([api.value(2), api.value(0)]);
          const height = Math.min(16, api.size([0, 1])[1] * 0.7);
          return { type: "rect", shape: { x, y: y - height / 2, width: Math.max(2, end - x), height, r: 2 }, style: api.style() };
        },
      }],
    }),
  });
  return [
    R.h("p", {}, words.filter(Boolean).join(" ")),
    data.actions.length === 0 ? R.h("p", { class: "note" }, "Nothing was fetched, pulled or built: everything was cached.") : [
      R.legend([...kinds, ...(critical.size ? [["critical", "● on the critical path"]] : [])]),
      chart && R.h("div", { class: "tall", tabindex: "0", role: "region", "aria-label": "Elements over time" }, chart.place),
      R.details("The same as a table", R.table({
        caption: "Actions of the build",
        columns: [{ title: "Element" }, { title: "Action" }, { title: "Began after", number: true, show: R.duration },
          { title: "Took", number: true, show: R.duration }, { title: "Result" }, { title: "Critical path" }],
        rows: data.actions.map(([name, action, begin, end, result]) => [name, action, begin, end - begin, result, critical.has(name) ? "yes" : ""]),
      })),
    ],
  ];
};
