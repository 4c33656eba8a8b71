// Elements made of text: nothing that comes from the data is ever markup.
"use strict";

const R = {};

// Control characters, and marks that turn the direction of text around or hide in it.
R.clean = (text) => String(text).replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, "\ufffd");

R.h = (tag, words = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(words)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    made.append(child instanceof Node ? child : R.clean(child));
  }
  return made;
};

R.fill = (place, ...children) => {
  place.replaceChildren(...children.flat(Infinity).filter((each) => each instanceof Node));
  return place;
};

R.size = (bytes) => {
  if (bytes === null || bytes === undefined) return "unknown";
  const sign = bytes < 0 ? "−" : "";
  let value = Math.abs(bytes);
  if (value < 1024) return `${sign}${value} B`;
  for (const unit of ["KiB", "MiB", "GiB", "TiB"]) {
    value /= 1024;
    if (value < 999.5 || unit === "TiB") return `${sign}${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit}`;
  }
  return "";
};

R.duration = (seconds) => {
  if (seconds === null || seconds === undefined) return "unknown";
  if (seconds < 0.0995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
};

R.count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

let numbers = 0;
R.id = () => `r${(numbers += 1)}`;
