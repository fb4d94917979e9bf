// Puts the page together.
import { readDocument, type SampleFacts, type TableFacts } from "./document";
import { element } from "./dom";
import { Gallery } from "./gallery";
import { Player } from "./player";
import style from "./style.css";

const KEYS =
  "space play or pause · ← → one frame · shift ← → half a second · home end · [ ] speed · L repeat · C contacts · T trails · " +
  "F follow · O overlay · R reset the view · N P next and previous reaction · drag to turn, wheel to come nearer";

function table(facts: TableFacts): HTMLElement {
  const head = element("tr", {}, ...facts.columns.map((name) => element("th", {}, name)));
  const rows = facts.rows.map((row) => element("tr", {}, ...row.map((cell, index) => element(index ? "td" : "th", {}, cell))));
  const caption = element("figcaption", {}, facts.title);
  const notes = facts.notes.map((note) => element("p", { class: "note" }, note));
  return element("figure", {}, caption, element("div", { class: "scroll" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows))), ...notes);
}

/** The first tables side by side, further ones behind their titles. */
function measured(tables: TableFacts[]): HTMLElement {
  const shown = tables.slice(0, 2).map(table);
  const more = tables.slice(2).map((facts) => element("details", { class: "more" }, element("summary", {}, facts.title), table(facts)));
  const made = element("details", { class: "tables" }, element("summary", {}, "Measured"), element("div", { class: "figures" }, ...shown, ...more));
  made.open = matchMedia("(min-width: 861px)").matches;
  return made;
}

/** The page is to be seen before what takes long begins. */
function afterFirstPicture(begin: () => void): void {
  requestAnimationFrame(() => setTimeout(begin));
}

function start(): void {
  const given = readDocument();
  document.head.append(element("style", {}, style));
  const player = new Player(given);
  const app = element("main");
  app.append(element("header", {}, element("h1", {}, given.title), element("p", {}, given.subtitle)));
  const numbers = given.tables.length ? measured(given.tables) : null;
  let gallery: Gallery | null = null;
  const choose = (sample: SampleFacts | undefined): void => {
    if (!sample) return;
    player.take(sample);
    gallery?.mark(sample);
  };
  if (given.samples.length > 1) gallery = new Gallery(given, choose);
  app.classList.toggle("many", gallery !== null);
  const footer = element("footer", {}, ...given.notes.map((note) => element("p", {}, note)), element("p", { class: "keys" }, KEYS));
  app.append(...[numbers, gallery?.box ?? null, player.box, footer].filter((part) => part !== null));
  document.body.append(app);
  choose(gallery?.first() ?? given.samples[0]);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLSelectElement) return;
    const key = event.key.toLowerCase();
    const onButton = event.target instanceof Element && event.target.closest("button, summary");
    if (onButton && (key === " " || key === "enter")) return;
    if (gallery && (key === "n" || key === "p")) choose(gallery.neighbour(key === "n" ? 1 : -1));
    else if (!player.press(key, event.shiftKey)) return;
    event.preventDefault();
  });
  const tick = (): void => {
    player.tick();
    requestAnimationFrame(tick);
  };
  document.addEventListener("click", (event) => {
    // After a press with the mouse, the space bar means play again, not the same button.
    if (event.detail && event.target instanceof Element) event.target.closest<HTMLElement>("button, summary")?.blur();
  });
  afterFirstPicture(() => {
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) player.play();
    tick();
    document.documentElement.dataset.ready = "true";
  });
}

try {
  start();
} catch (error) {
  document.body.append(element("p", { class: "failure" }, `This page cannot be shown: ${error instanceof Error ? error.message : String(error)}`));
  throw error;
}
