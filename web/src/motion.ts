// A motion that can be asked for any moment.
import { type BodyFacts, contactsOf, JOINTS, jointsOf, type MotionFacts } from "./document";

const STRIDE = JOINTS * 3;

export class Motion {
  readonly joints: Float32Array;
  readonly contacts: Uint8Array | null;
  private readonly pose = new Float32Array(STRIDE);

  constructor(
    readonly facts: MotionFacts,
    readonly fps: number,
  ) {
    this.joints = jointsOf(facts);
    this.contacts = contactsOf(facts);
  }

  get frames(): number {
    return this.facts.frames;
  }

  get seconds(): number {
    return this.frames / this.fps;
  }

  /** The frame at a time, with what lies between two of them; the last one from then on. */
  frameAt(seconds: number): number {
    return Math.min(Math.max(seconds * this.fps, 0), this.frames - 1);
  }

  /** Joints at a frame, between two of them a mixture. The array is used again by the next call. */
  poseAt(frame: number): Float32Array {
    const first = Math.floor(frame);
    const share = frame - first;
    const from = first * STRIDE;
    const to = Math.min(first + 1, this.frames - 1) * STRIDE;
    for (let index = 0; index < STRIDE; index++) {
      this.pose[index] = this.joints[from + index] * (1 - share) + this.joints[to + index] * share;
    }
    return this.pose;
  }

  /** Joints of a whole frame. */
  frame(index: number): Float32Array {
    return this.joints.subarray(index * STRIDE, (index + 1) * STRIDE);
  }
}

/** Colours of the trunks of motions that are shown together. */
export function trunkColours(motions: MotionFacts[], body: BodyFacts): string[] {
  const others = ["#7a4fb5", "#a8456f", "#7d6a2f", "#3e7d8c"];
  let used = 0;
  return motions.map(({ kind }) => {
    if (kind === "truth") return body.colours.mark;
    return kind === "generated" ? body.colours.trunk : others[used++ % others.length];
  });
}
