// What belongs to moments, drawn over one time line: weights of frames, attention, tokens, contacts.
import { bytesOf, type MotionFacts, type SampleFacts } from "./document";
import { element, fitted } from "./dom";
import type { Motion } from "./motion";

const INK = "#2c3440";
const FAINT = "#8a94a6";
const HEAD = "#e0483e";

export interface Track {
  row: HTMLElement;
  /** Draw it anew, with the play head where it is. */
  draw(seconds: number): void;
}

type Draw = (context: CanvasRenderingContext2D, width: number, height: number, x: (seconds: number) => number) => void;

/** A lane over the whole time; pressing or dragging in it goes to that moment. */
function lane(name: string, help: string, height: number, duration: number, seek: (seconds: number) => void, draw: Draw, className = ""): Track {
  const canvas = element("canvas", { title: help });
  canvas.style.height = `${height}px`;
  const go = (event: PointerEvent): void => {
    const box = canvas.getBoundingClientRect();
    seek(((event.clientX - box.left) / box.width) * duration);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    go(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons & 1) go(event);
  });
  const row = element("div", { class: `track ${className}` }, element("div", { class: "name", title: help }, name), canvas);
  return {
    row,
    draw(seconds) {
      const surface = fitted(canvas);
      if (!surface) return;
      const { context, width } = surface;
      const x = (moment: number): number => (moment / duration) * width;
      draw(context, width, height, x);
      context.fillStyle = HEAD;
      context.fillRect(Math.min(x(seconds), width - 1.5) - 0.75, 0, 1.5, height);
    },
  };
}

/** How much of the clip's meaning comes from each frame that the model saw. */
export function frameWeights(sample: SampleFacts, weights: number[], duration: number, seek: (seconds: number) => void): Track {
  const most = Math.max(...weights, 1e-9);
  const times = sample.sampled_seconds;
  const help = `Interaction intention (IIE): how much each of the ${times.length} frames that the model saw counts; the highest is ${percent(most)}`;
  return lane("Key frames (IIE)", help, 44, duration, seek, (context, _, height, x) => {
    times.forEach((_time, index) => {
      const share = weights[index] / most;
      const [left, wide] = cell(times, index, x);
      context.fillStyle = "#e9edf4";
      rounded(context, left, 0, wide, height, 3);
      context.fillStyle = heat(0.25 + 0.75 * share);
      rounded(context, left, height - Math.max(share * height, 2), wide, Math.max(share * height, 2), 3);
      if (weights[index] >= 0.1 && wide > 22) write(context, percent(weights[index]), left + wide / 2, Math.min(height - share * height + 12, height - 5), share > 0.3 ? "#ffffff" : INK, "center");
    });
  });
}

/** What the present moment of the reaction looks at. */
export function lookedAtNow(sample: SampleFacts, motion: Motion, duration: number, seek: (seconds: number) => void): Track {
  const facts = motion.facts.attention!;
  const values = bytesOf(facts.data);
  const times = sample.sampled_seconds;
  let now = 0;
  const help = "Dynamic information (DIE): what the reaction looks at in the moment that is shown";
  const track = lane("Looked at now (DIE)", help, 12, duration, seek, (context, _width, height, x) => {
    const token = Math.min(Math.floor((now / motion.seconds) * facts.tokens), facts.tokens - 1);
    times.forEach((_time, index) => {
      const [left, wide] = cell(times, index, x);
      context.fillStyle = heat(values[token * facts.frames + index] / 255);
      rounded(context, left, 0, wide, height, 3);
    });
  });
  const draw = track.draw;
  track.draw = (seconds) => {
    now = seconds;
    draw(seconds);
  };
  return track;
}

/** How much each token of the reaction (across) looks at each frame of the video (down). */
export function attention(sample: SampleFacts, motion: Motion, duration: number, seek: (seconds: number) => void): Track {
  const facts = motion.facts.attention!;
  const values = bytesOf(facts.data);
  const seconds = motion.seconds / facts.tokens;
  const help = `Dynamic information (DIE): how much each moment of the reaction (across) looks at each frame of the video (down, from first to last); dark is ${percent(facts.highest)}. The dashed line is the same moment in both`;
  const height = Math.max(facts.frames * 9, 72);
  return lane("Attention over time (DIE)", help, height, duration, seek, (context, width, _, x) => {
    const row = height / facts.frames;
    context.fillStyle = "#f3f5f9";
    context.fillRect(0, 0, width, height);
    for (let token = 0; token < facts.tokens; token++) {
      const [left, right] = [Math.round(x(token * seconds)), Math.round(x((token + 1) * seconds))];
      for (let frame = 0; frame < facts.frames; frame++) {
        context.fillStyle = heat(values[token * facts.frames + frame] / 255);
        context.fillRect(left, Math.round(frame * row), right - left, Math.round((frame + 1) * row) - Math.round(frame * row));
      }
    }
    const times = sample.sampled_seconds;
    if (times.length !== facts.frames) return;
    context.strokeStyle = "rgba(44, 52, 64, 0.55)";
    context.setLineDash([3, 3]);
    context.beginPath();
    times.forEach((time, frame) => context.lineTo(x(time), (frame + 0.5) * row));
    context.stroke();
    context.setLineDash([]);
  }, "attention");
}

/** The codes of the motion, coarse ones first. */
export function tokens(motion: Motion, duration: number, seek: (seconds: number) => void): Track {
  const layers = motion.facts.tokens!;
  const count = layers[0]?.length ?? 0;
  const seconds = motion.seconds / Math.max(count, 1);
  const row = layers.length > 1 ? 13 : 20;
  const help = `Codes of the motion, one column for every ${Math.round(seconds * motion.fps)} frames, base layer on top; equal colours are equal codes`;
  return lane(`Tokens, ${layers.length} ${layers.length === 1 ? "layer" : "layers"}`, help, layers.length * row, duration, seek, (context, _width, _height, x) => {
    layers.forEach((codes, layer) => {
      codes.forEach((code, token) => {
        const [left, right] = [x(token * seconds), x((token + 1) * seconds)];
        context.fillStyle = codeColour(code, layer);
        context.fillRect(left, layer * row, right - left - 1, row - 1);
        if (right - left > 21) write(context, String(code), (left + right) / 2, layer * row + row / 2 + 3, "rgba(30, 38, 52, 0.82)", "center", 8.5);
      });
    });
  });
}

/** When which foot stands. */
export function contacts(name: string, motion: Motion, colours: { left: string; right: string }, duration: number, seek: (seconds: number) => void): Track {
  const touching = motion.contacts!;
  return lane(name, "When the feet touch the floor: left above, right below", 18, duration, seek, (context, _width, _height, x) => {
    for (const [foot, mask] of [[0, 3], [1, 12]]) {
      context.fillStyle = "#e9edf4";
      rounded(context, 0, foot * 10, x(motion.seconds), 8, 2);
      context.fillStyle = foot === 0 ? colours.left : colours.right;
      for (let frame = 0; frame < touching.length; ) {
        let end = frame;
        while (end < touching.length && touching[end] & mask) end++;
        if (end > frame) rounded(context, x(frame / motion.fps), foot * 10, x((end - frame) / motion.fps), 8, 2);
        frame = end + 1;
      }
    }
  });
}

/** Seconds along the time line, and a moment that is known. */
export function ruler(duration: number, moment: number | null, seek: (seconds: number) => void): Track {
  return lane("", "Seconds", 20, duration, seek, (context, width, _height, x) => {
    const step = [0.5, 1, 2, 5, 10].find((each) => x(each) >= 44) ?? 20;
    for (let time = 0; time <= duration + 1e-6; time += step) {
      context.fillStyle = "#c7cedb";
      context.fillRect(Math.min(x(time), width - 1), 0, 1, 5);
      const align = time === 0 ? "left" : x(time) > width - 14 ? "right" : "center";
      write(context, `${Number(time.toFixed(1))} s`, Math.min(Math.max(x(time), 0), width), 16, FAINT, align, 10);
    }
    if (moment !== null && moment > 0 && moment < duration) {
      context.fillStyle = "#2ea078";
      context.beginPath();
      context.moveTo(x(moment) - 5, 0);
      context.lineTo(x(moment) + 5, 0);
      context.lineTo(x(moment), 8);
      context.fill();
    }
  }, "ruler");
}

/** Where a sampled frame stands: from halfway after the one before to halfway before the next; left and width. */
function cell(times: number[], index: number, x: (seconds: number) => number): [number, number] {
  const apart = times.length > 1 ? (times[times.length - 1] - times[0]) / (times.length - 1) : 0.4;
  const before = index ? (times[index - 1] + times[index]) / 2 : Math.max(times[0] - apart / 2, 0);
  const after = index + 1 < times.length ? (times[index] + times[index + 1]) / 2 : times[index] + apart / 2;
  const left = x(before) + 0.75;
  return [left, Math.max(x(after) - 0.75 - left, 1)];
}

export function hasTokens(motion: MotionFacts): boolean {
  return !!motion.tokens?.length;
}

function rounded(context: CanvasRenderingContext2D, x: number, y: number, width: number, height: number, radius: number): void {
  context.beginPath();
  context.roundRect(x, y, Math.max(width, 0.5), height, Math.min(radius, width / 2, height / 2));
  context.fill();
}

function write(context: CanvasRenderingContext2D, text: string, x: number, y: number, colour: string, align: CanvasTextAlign, size = 10): void {
  context.fillStyle = colour;
  context.font = `600 ${size}px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif`;
  context.textAlign = align;
  context.fillText(text, x, y);
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

/** Pale to dark blue, by way of teal. */
function heat(share: number): string {
  const stops = [[243, 245, 249], [186, 222, 226], [72, 160, 184], [28, 84, 148], [22, 32, 84]];
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const index = Math.min(Math.floor(place), stops.length - 2);
  const mixed = stops[index].map((value, channel) => Math.round(value + (stops[index + 1][channel] - value) * (place - index)));
  return `rgb(${mixed.join(",")})`;
}

function codeColour(code: number, layer: number): string {
  const hue = (code * 137.508 + layer * 40) % 360;
  return `hsl(${hue.toFixed(0)} 52% ${layer === 0 ? 74 : 84}%)`;
}
