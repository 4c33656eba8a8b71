// A graph of what needs what, with a search, and the neighbors of what is selected as lists.
"use strict";

R.MOST_FOUND = 30;
R.MOST_IN_COLUMN = 36;
const MARGIN = 20;

R.sections.graph = (data) => {
  const kinds = [["elements", "Elements of the build"], ["packages", "Packages of Debian"]].filter(([name]) => data[name]);
  const place = R.h("div");
  const draw = (name) => R.fill(place, R.graph(data[name], name));
  const id = R.id();
  const choice = kinds.length > 1 && R.h("div", { class: "tools" }, R.h("label", { for: id }, "Show"),
    R.h("select", { id, onchange: (event) => draw(event.target.value) }, kinds.map(([name, text]) => R.h("option", { value: name }, text))));
  draw(kinds[0][0]);
  return [choice, place];
};

// Where nodes are, from 0 to 1: to the right of all that they need, near to it in height. Forces would need seconds
// for some hundred nodes, and minutes for thousands.
R.columns = (needs, needed) => {
  const left = needs.map((each) => each.length);
  const depth = needs.map(() => -1);
  const todo = [...needs.keys()].sort((one, other) => left[one] - left[other]);
  const ready = todo.filter((at) => left[at] === 0);
  let next = 0; // of those that are in a circle, the first with the fewest needs begins
  while (ready.length || next < todo.length) {
    const at = ready.length ? ready.pop() : todo[next++];
    if (depth[at] >= 0) continue;
    depth[at] = needs[at].reduce((most, other) => Math.max(most, depth[other] + 1), 0);
    for (const other of needed[at]) if ((left[other] -= 1) === 0) ready.push(other);
  }
  const height = needs.map(() => 0.5);
  const columns = [];
  for (let here = 0; here <= Math.max(...depth, 0); here += 1) {
    const mean = (at) => (needs[at].length ? needs[at].reduce((sum, other) => sum + height[other], 0) / needs[at].length : 0.5);
    const layer = [...depth.keys()].filter((at) => depth[at] === here).map((at) => [mean(at), at]).sort((one, other) => one[0] - other[0] || one[1] - other[1]);
    const wide = Math.ceil(layer.length / R.MOST_IN_COLUMN);
    const split = Array.from({ length: wide }, () => []);
    layer.forEach(([, at], place) => split[place % wide].push(at));
    for (const column of split) {
      column.forEach((at, place) => { height[at] = (place + 0.5) / column.length; });
      columns.push(column);
    }
  }
  const places = [];
  columns.forEach((column, x) => column.forEach((at) => { places[at] = [(x + 0.5) / columns.length, height[at]]; }));
  return places;
};

R.graph = ({ nodes, edges }, kind) => {
  const needs = nodes.map(() => []);
  const needed = nodes.map(() => []);
  for (const [from, to] of edges) {
    needs[from].push(to);
    needed[to].push(from);
  }
  const places = R.columns(needs, needed);
  const found = R.h("ul", { class: "found" });
  const about = R.h("div", { class: "about", role: "status" });
  const state = { picked: null, words: "" };
  const note = R.h("p", { class: "note", role: "status" });
  const color = ([, second, third]) => (kind === "elements" ? R.color(second === "built" ? "build" : second === "pulled" ? "pull" : "cached") : R.color(third ? "c2" : "c1"));

  const hits = () => {
    const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return [];
    return nodes.map((_, at) => at).filter((at) => words.every((word) => nodes[at][0].toLowerCase().includes(word)));
  };

  const link = (at) => R.h("button", { type: "button", class: "link", onclick: () => pick(at) }, nodes[at][0]);

  const list = (title, numbers) => [R.h("h4", {}, `${title} (${numbers.length})`),
    R.h("ul", { class: "found" }, [...numbers].sort((one, other) => nodes[one][0].localeCompare(nodes[other][0])).map((at) => R.h("li", {}, link(at))))];

  const pick = (at) => {
    state.picked = at;
    const [name, second, third] = nodes[at];
    const inside = about.contains(document.activeElement);
    R.fill(about, R.h("h3", { tabindex: "-1" }, name),
      R.h("p", { class: "note" }, kind === "elements" ? `${second}${third ? `, ${R.duration(third)}` : ""}` : `${second}${third ? `, ${third}` : ""}`),
      ...list("Needs", needs[at]), ...list("Needed by", needed[at]));
    if (inside) about.firstChild.focus(); // what had the focus is gone
    mark();
  };

  const mark = () => {
    if (!chart.made) return;
    chart.made.dispatchAction({ type: "downplay", seriesIndex: 0 });
    const marked = state.words ? hits() : state.picked === null ? [] : [state.picked];
    if (marked.length) chart.made.dispatchAction({ type: "highlight", seriesIndex: 0, dataIndex: marked, notBlur: state.picked === null });
  };

  const search = (words) => {
    state.words = words;
    const numbers = hits();
    note.textContent = words ? `${R.count(numbers.length, "match", "matches")}${numbers.length > R.MOST_FOUND ? `, the first ${R.MOST_FOUND} are listed` : ""}` : "";
    R.fill(found, ...numbers.slice(0, R.MOST_FOUND).map((at) => R.h("li", {}, link(at))));
    mark();
  };

  const zoom = (factor) => chart.made?.dispatchAction({ type: "graphRoam", seriesIndex: 0, zoom: factor, originX: chart.place.clientWidth / 2, originY: chart.place.clientHeight / 2 });

  const chart = R.chart({
    label: `A graph of ${nodes.length} nodes and ${edges.length} dependencies; the search and the lists beside it say the same`,
    height: R.narrow() ? 380 : nodes.length > 40 ? 560 : 400,
    after: () => mark(),
    onclick: (event) => event.dataType === "node" && pick(event.dataIndex),
    option: () => ({
      tooltip: { ...R.tooltip(), formatter: (event) => (event.dataType === "node"
        ? R.tip(nodes[event.dataIndex][0], `needs ${needs[event.dataIndex].length}, needed by ${needed[event.dataIndex].length}`)
        : R.tip(`${nodes[edges[event.dataIndex][0]][0]} needs ${nodes[edges[event.dataIndex][1]][0]}`)) },
      series: [{
        type: "graph",
        layout: "none",
        left: MARGIN, top: MARGIN, bottom: MARGIN, right: R.narrow() ? 60 : 140,
        roam: "move",
        data: nodes.map((each, at) => ({
          id: String(at), name: each[0],
          // with the size of the place, one unit is one pixel: circles stay round
          x: places[at][0] * (chart.place.clientWidth - MARGIN - (R.narrow() ? 60 : 140)), y: places[at][1] * (chart.place.clientHeight - 2 * MARGIN),
          symbolSize: 6 + 1.6 * Math.sqrt(needed[at].length),
          itemStyle: { color: color(each) },
          label: { show: nodes.length <= 60 || needed[at].length > nodes.length / 8 },
        })),
        links: edges.map(([from, to]) => ({ source: String(from), target: String(to) })),
        label: { position: "right", color: R.color("text"), fontSize: 11, formatter: (event) => R.short(event.name, 30) },
        lineStyle: { color: R.color("track"), opacity: 0.45, width: 1, curveness: 0.08 },
        edgeSymbol: ["none", "arrow"], edgeSymbolSize: 5,
        emphasis: { focus: "adjacency", label: { show: true, fontWeight: "bold" }, itemStyle: { borderColor: R.color("text"), borderWidth: 2 }, lineStyle: { opacity: 1, width: 1.5 } },
      }],
    }),
  });

  const id = R.id();
  R.fill(about, R.h("p", { class: "note" }, "Search for a name, or select a node, to see what it needs and what needs it."));
  return [
    R.h("p", {}, `${R.count(nodes.length, "node")}, ${R.count(edges.length, "dependency", "dependencies")}. Arrows lead to what is needed; what needs nothing is on the left.${kind === "packages" ? " Dependencies on virtual packages are not drawn." : ""}`),
    R.legend(kind === "elements" ? [["build", "built"], ["pull", "pulled"], ["cached", "cached"]] : [["c1", "package"], ["c2", "essential"]]),
    R.h("div", { class: "tools" }, R.h("label", { for: id }, "Search"),
      R.h("input", { id, type: "search", spellcheck: "false", autocomplete: "off", oninput: (event) => search(event.target.value) }),
      R.h("button", { type: "button", onclick: () => zoom(1.3), "aria-label": "Zoom in" }, "+"),
      R.h("button", { type: "button", onclick: () => zoom(1 / 1.3), "aria-label": "Zoom out" }, "−")),
    note,
    R.h("div", { class: "beside" }, chart.place, R.h("div", { class: "side" }, found, about)),
  ];
};
