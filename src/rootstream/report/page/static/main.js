// Puts the sections of the page in place; those that have no data say why.
"use strict";

{
  const { sections } = JSON.parse(document.getElementById("data").textContent);
  const content = document.getElementById("content");
  const links = document.getElementById("sections");
  for (const each of sections) {
    const id = `section-${each.kind}`;
    const body = each.data ? R.sections[each.kind](each.data) : [R.h("p", { class: "note" }, each.missing)];
    links.append(R.h("a", { href: `#${id}` }, each.title));
    content.append(R.h("section", { id, "aria-labelledby": `${id}-title`, tabindex: "-1" }, R.h("h2", { id: `${id}-title` }, each.title), body));
  }
  document.body.dataset.ready = "yes";
}
