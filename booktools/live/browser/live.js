// Exercises that are written, run and checked on their page. The loader (static/book.js) calls `open` at the first click.
import { Python } from "./python.js";
import { Writing } from "./writing.js";

const python = new Python(); // one for all exercises of the page
const opened = new Map(); // exercise → its Writing

const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: new URL("live.css", import.meta.url) });
const styled = new Promise((done) => (style.onload = style.onerror = done));
document.head.append(style);

export async function open(place) {
  await styled; // else it would be seen bare
  const id = place.dataset.exercise;
  if (!opened.has(id)) opened.set(id, new Writing(place, python));
  opened.get(id).open();
}

// What the check says of a text, without the page around it: for tests and measurements.
export const ask = (id, code, world, seconds) => python.ask({ id, code, world }, seconds);
