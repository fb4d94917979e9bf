// Elements without templates: text is always text, never markup.

type Child = Node | string | null;
type Options = { class?: string; title?: string; attributes?: Record<string, string>; on?: Record<string, (event: Event) => void> };

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  options: Options = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (options.class) made.className = options.class;
  if (options.title) made.title = options.title;
  for (const [name, value] of Object.entries(options.attributes ?? {})) made.setAttribute(name, value);
  for (const [name, listener] of Object.entries(options.on ?? {})) made.addEventListener(name, listener);
  made.append(...children.filter((child) => child !== null));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** A line icon of 24 by 24 units. */
export function icon(path: string, filled = false): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", filled ? "icon filled" : "icon");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

export function button(label: string, content: Child, press: () => void, className = "button"): HTMLButtonElement {
  return element("button", { class: className, title: label, attributes: { type: "button", "aria-label": label }, on: { click: press } }, content);
}

/** A button that stays down. */
export function toggle(label: string, key: string, on: boolean, change: (on: boolean) => void): HTMLButtonElement {
  const made = element("button", { class: "toggle", title: key ? `${label} (${key})` : label, attributes: { type: "button", "aria-pressed": String(on) } }, label);
  made.addEventListener("click", () => {
    const next = made.getAttribute("aria-pressed") !== "true";
    made.setAttribute("aria-pressed", String(next));
    change(next);
  });
  return made;
}

/** A canvas's context in CSS pixels, its size that of its box. */
export function fitted(canvas: HTMLCanvasElement): { context: CanvasRenderingContext2D; width: number; height: number } | null {
  const { clientWidth: width, clientHeight: height } = canvas;
  const context = canvas.getContext("2d");
  if (!context || !width || !height) return null;
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}
