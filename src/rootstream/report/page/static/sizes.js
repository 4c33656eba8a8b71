// Sizes as a treemap: images, the components in one, the files of one of these.
"use strict";

R.sections = {};

R.sections.sizes = (data) => {
  const state = { image: null, component: null };
  const way = R.h("nav", { class: "way", "aria-label": "Where in the system" });
  const place = R.h("div");
  const sum = data.components.reduce((total, each) => total + each[3], 0);

  const go = (image, component) => {
    Object.assign(state, { image, component });
    draw();
    way.querySelector("[aria-current]").focus(); // what had the focus is gone
  };

  const crumb = (text, here, step) => (here
    ? R.h("span", { "aria-current": "location", tabindex: "-1" }, text)
    : R.h("button", { type: "button", onclick: step }, text));

  const draw = () => {
    const { image, component } = state;
    R.fill(way, [
      crumb("All images", image === null, () => go(null, null)),
      image !== null && crumb(data.images[image].name, component === null, () => go(image, null)),
      component !== null && crumb(data.components[component][0], true),
    ].filter(Boolean));
    R.fill(place, ...(image === null ? images() : component === null ? components() : files()));
  };

  const images = () => [
    R.treemap({
      label: `The sizes of ${R.count(data.images.length, "image")}`,
      nodes: data.images.map((each, at) => ({ name: each.name, value: each.size, key: at, note: each.root ? "select it to see its components" : "" })),
      pick: (key) => data.images[key].root && data.components.length && go(key, null),
    }).place,
    R.table({
      caption: "Images",
      columns: [{ title: "Image", show: (name, row) => (data.images[row[4]].root && data.components.length ? open(name, () => go(row[4], null)) : name) },
        { title: "Kind" }, { title: "Size", number: true, show: R.size },
        ...(data.images.some((each) => each.budget !== null) ? [{ title: "Budget", number: true, show: (bytes) => (bytes === null ? "none" : R.size(bytes)) }] : [])],
      rows: data.images.map((each, at) => [each.name, each.kind, each.size, each.budget, at]),
      sorted: 2,
    }),
    data.components.length === 0 && R.h("p", { class: "note" }, "This export has no list of the root’s files: what is in its images is not known."),
  ];

  const components = () => [
    R.h("p", { class: "note" }, `${R.count(data.components.length, "component")} with ${R.size(sum)} of files in the root, before the image compresses them. Links and folders have no size here.`),
    R.treemap({
      label: `The components of ${data.images[state.image].name} by size, the largest ${data.components[0][0]}`,
      nodes: data.components.map(([name, version, , size, , list], at) => ({
        name, value: size, key: at, note: version,
        children: inside(list, size, at),
      })),
      pick: (key) => go(state.image, key),
    }).place,
    R.table({
      caption: "Components",
      columns: [{ title: "Component", show: (name, row) => open(name, () => go(state.image, row[5])) },
        { title: "Version" }, { title: "Kind" }, { title: "Size", number: true, show: R.size }, { title: "Files", number: true }],
      rows: data.components.map(([name, version, kind, size, count], at) => [name, version, kind, size, count, at]),
      sorted: 3,
    }),
  ];

  const files = () => {
    const [name, , , size, count, list] = data.components[state.component];
    return [
      R.h("p", { class: "note" }, `${R.count(count, "file")} with ${R.size(size)}${count > list.length ? `; the ${list.length} largest by name` : ""}.`),
      R.treemap({ label: `The files of ${name} by size`, nodes: inside(list, size, null), pick: () => {} }).place,
      R.table({
        caption: `Files of ${name}`,
        columns: [{ title: "File", show: (path) => `/${path}` }, { title: "Size", number: true, show: R.size }],
        rows: list, sorted: 1,
      }),
    ];
  };

  const inside = (list, size, key) => {
    const rest = size - list.reduce((total, each) => total + each[1], 0);
    const nodes = list.map(([path, bytes]) => ({ name: path.split("/").pop(), value: bytes, key, note: `/${path}` }));
    return rest > 0 ? [...nodes, { name: "smaller files", value: rest, key, note: "" }] : nodes;
  };

  const open = (text, step) => R.h("button", { type: "button", class: "link", onclick: step }, text);

  if (data.images.length === 1 && data.images[0].root && data.components.length) state.image = 0;
  draw();
  return [way, place];
};

R.treemap = ({ label, nodes, pick }) => R.chart({
  label,
  height: R.narrow() ? 360 : 480,
  onclick: (event) => event.data?.key !== undefined && event.data.key !== null && pick(event.data.key),
  option: () => ({
    tooltip: { ...R.tooltip(), formatter: (event) => R.tip(event.name || "", R.size(event.value), event.data?.note) },
    series: [{
      type: "treemap",
      data: nodes,
      left: 0, right: 0, top: 0, bottom: 0,
      roam: false,
      nodeClick: false,
      breadcrumb: { show: false },
      visibleMin: 60,
      childrenVisibleMin: 600,
      label: { color: "#fff", lineHeight: 15, formatter: (event) => `${R.short(event.name, 40)}\n${R.size(event.value)}`, overflow: "truncate" },
      upperLabel: { show: true, height: 20, color: R.color("text"), formatter: (event) => R.short(event.name, 60), overflow: "truncate" },
      itemStyle: { borderColor: R.color("panel"), borderWidth: 1, gapWidth: 1 },
      levels: [
        { itemStyle: { borderWidth: 0, gapWidth: 2 }, upperLabel: { show: false } },
        { itemStyle: { borderColor: R.color("hover"), borderWidth: 2, gapWidth: 1 } },
      ],
    }],
  }),
});
