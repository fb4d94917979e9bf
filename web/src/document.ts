// What the page is given: the JSON that hero_core/view/document.py writes, and how to read its arrays.

export interface ViewDocument {
  schema: string;
  title: string;
  subtitle: string;
  notes: string[];
  fps: number;
  body: BodyFacts;
  metrics: MetricFacts[];
  tables: TableFacts[];
  samples: SampleFacts[];
}

/** Balls around joints, metres; see hero_core/view/figure.py. */
export interface BodyFacts {
  left: LimbFacts[];
  right: LimbFacts[];
  colours: { left: string; right: string; trunk: string; nose: string; mark: string };
  head_radius_m: number;
  hand_radius_m: number;
  feet: number[];
}

export type LimbFacts = [[joint: number, radius: number], [joint: number, radius: number]];

export interface MetricFacts {
  name: string;
  label: string;
  unit: string;
  digits: number;
  higher_is_better: boolean;
}

export interface TableFacts {
  title: string;
  columns: string[];
  rows: string[][];
  notes: string[];
}

export interface SampleFacts {
  key: string;
  title: string;
  category: string;
  facts: [string, string][];
  metrics: Record<string, number>;
  video: VideoFacts | null;
  sampled_seconds: number[];
  moment_seconds: number | null;
  motions: MotionFacts[];
}

export interface VideoFacts {
  name: string;
  mime: string;
  data: string;
}

export type MotionKind = "generated" | "truth" | "other";

export interface MotionFacts {
  name: string;
  kind: MotionKind;
  frames: number;
  unit_m: number;
  joints: string;
  contacts: string | null;
  tokens: number[][] | null;
  frame_weights: number[] | null;
  attention: { tokens: number; frames: number; highest: number; data: string } | null;
  files: FileFacts[];
}

export interface FileFacts {
  name: string;
  mime: string;
  gzip: boolean;
  data: string;
}

export const JOINTS = 22;

export function readDocument(): ViewDocument {
  const text = document.getElementById("reactions")?.textContent;
  if (!text) throw new Error("this page holds no reactions");
  return JSON.parse(text) as ViewDocument;
}

export function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}

/** Joints of every frame in metres, one after another: x, y, z of joint 0, of joint 1, ... */
export function jointsOf(motion: MotionFacts): Float32Array {
  const view = new DataView(bytesOf(motion.joints).buffer);
  const joints = new Float32Array(motion.frames * JOINTS * 3);
  for (let index = 0; index < joints.length; index++) joints[index] = view.getInt16(2 * index, true) * motion.unit_m;
  return joints;
}

/** One byte a frame; bit k is the k-th of the body's feet. */
export function contactsOf(motion: MotionFacts): Uint8Array | null {
  return motion.contacts === null ? null : bytesOf(motion.contacts);
}

/** Bytes of a file as it is downloaded. */
export async function fileBlob(file: FileFacts): Promise<Blob> {
  const bytes = new Blob([bytesOf(file.data)]);
  const stream = file.gzip ? bytes.stream().pipeThrough(new DecompressionStream("gzip")) : bytes.stream();
  return new Response(stream, { headers: { "Content-Type": file.mime } }).blob();
}
