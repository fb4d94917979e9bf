// All samples as cards: filtered by category, sorted by a number, or the worst of them.
import type { MetricFacts, SampleFacts, ViewDocument } from "./document";
import { element, toggle } from "./dom";
import { Thumbnails } from "./thumbnails";

const WORST = 20;

export class Gallery {
  readonly box: HTMLElement;
  private readonly cards = element("div", { class: "cards" });
  private readonly count = element("span", { class: "count" });
  private readonly made = new Map<string, HTMLElement>();
  private category = "";
  private metric: MetricFacts | null = null;
  private descending = false;
  private worst = false;
  private listed: SampleFacts[] = [];
  private chosen = "";

  constructor(
    private readonly given: ViewDocument,
    private readonly choose: (sample: SampleFacts) => void,
  ) {
    const thumbnails = new Thumbnails(given.body, given.fps);
    for (const sample of given.samples) this.made.set(sample.key, this.card(sample, thumbnails));
    this.box = element("section", { class: "gallery", attributes: { "aria-label": "Reactions" } }, this.bar(), this.cards);
    this.list();
  }

  /** The sample so many places after the chosen one. */
  neighbour(by: number): SampleFacts | undefined {
    const index = this.listed.findIndex(({ key }) => key === this.chosen);
    return this.listed[(index + by + this.listed.length) % this.listed.length];
  }

  first(): SampleFacts {
    return this.listed[0] ?? this.given.samples[0];
  }

  mark(sample: SampleFacts): void {
    this.made.get(this.chosen)?.removeAttribute("aria-current");
    this.chosen = sample.key;
    const card = this.made.get(sample.key);
    card?.setAttribute("aria-current", "true");
  }

  private bar(): HTMLElement {
    const bar = element("div", { class: "bar" });
    const categories = [...new Set(this.given.samples.map(({ category }) => category).filter(Boolean))].sort();
    if (categories.length > 1) {
      bar.append(
        select("Category", [["", "All categories"], ...categories.map((each): [string, string] => [each, each])], (value) => {
          this.category = value;
          this.list();
        }),
      );
    }
    if (this.given.metrics.length) {
      const direction = toggle("Reverse", "", false, (on) => {
        this.descending = on;
        this.list();
      });
      const sort = select("Sort", [["", "In order"], ...this.given.metrics.map((each): [string, string] => [each.name, `By ${each.label}`])], (value) => {
        this.metric = this.given.metrics.find(({ name }) => name === value) ?? null;
        this.list();
      });
      const worst = toggle(`Worst ${WORST}`, "", false, (on) => {
        this.worst = on;
        if (on && !this.metric) {
          this.metric = this.given.metrics[0];
          sort.querySelector("select")!.value = this.metric.name;
        }
        this.list();
      });
      bar.append(sort, direction, worst);
    }
    bar.append(this.count);
    return bar;
  }

  private list(): void {
    const { metric } = this;
    let listed = this.given.samples.filter(({ category }) => !this.category || category === this.category);
    if (metric) {
      const sign = (metric.higher_is_better ? -1 : 1) * (this.worst ? -1 : 1);
      const value = (sample: SampleFacts): number => sample.metrics[metric.name] ?? NaN;
      const known = listed.filter((sample) => Number.isFinite(value(sample))).sort((a, b) => sign * (value(a) - value(b)));
      const unknown = listed.filter((sample) => !Number.isFinite(value(sample)));
      listed = this.worst ? known.slice(0, WORST) : [...known, ...unknown];
    }
    if (this.descending) listed.reverse();
    this.listed = listed;
    this.cards.replaceChildren(...listed.map(({ key }) => this.made.get(key)!));
    const all = this.given.samples.length;
    this.count.textContent = listed.length === all ? `${all} reactions` : `${listed.length} of ${all} reactions`;
  }

  private card(sample: SampleFacts, thumbnails: Thumbnails): HTMLElement {
    const canvas = element("canvas");
    const numbers = element("div", { class: "numbers" });
    for (const metric of this.given.metrics) {
      const value = sample.metrics[metric.name];
      if (value === undefined) continue;
      const shown = `${value.toFixed(metric.digits)}${metric.unit && `\u202f${metric.unit}`}`;
      numbers.append(element("span", { title: metric.label }, element("b", {}, shown), ` ${metric.label}`));
    }
    const made = element(
      "button",
      { class: "cell", attributes: { type: "button", "data-key": sample.key }, on: { click: () => this.choose(sample) } },
      canvas,
      element("strong", {}, sample.title),
      element("small", {}, sample.category),
      numbers,
    );
    thumbnails.add(canvas, sample.motions[0]);
    return made;
  }
}

function select(name: string, options: [string, string][], change: (value: string) => void): HTMLElement {
  const made = element("select", { attributes: { "aria-label": name } });
  for (const [value, text] of options) made.append(element("option", { attributes: { value } }, text));
  made.addEventListener("change", () => change(made.value));
  return element("label", { class: "select" }, element("span", {}, name), made);
}
