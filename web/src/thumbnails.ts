// Small pictures of motions: three poses of each, the last one solid. Drawn when they come into sight.
import { AmbientLight, Color, DirectionalLight, PerspectiveCamera, Scene, Vector3, WebGLRenderer } from "three";
import type { BodyFacts, MotionFacts } from "./document";
import { Figure } from "./figure";
import { Motion } from "./motion";

const OPACITIES = [0.16, 0.34, 1];
const BACK = new Vector3(0.52, 0.24, 0.85).normalize();
const SIDEWAYS = new Vector3(-BACK.z, 0, BACK.x).normalize().multiplyScalar(0.3); // of each earlier pose
const STILL_M2 = 0.35; // summed over joints: who moves less is shown once
const PIXELS = 2;

export class Thumbnails {
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera(26, 1, 0.1, 60);
  private readonly waiting = new Map<Element, () => void>();
  private readonly queue: (() => void)[] = [];
  private readonly watch = new IntersectionObserver((seen) => this.seen(seen), { rootMargin: "300px" });
  private renderer: WebGLRenderer | null = null;
  private figures: Figure[] | null = null;

  constructor(
    private readonly body: BodyFacts,
    private readonly fps: number,
  ) {
    this.scene.background = new Color("#f7f9fc");
    const sun = new DirectionalLight("#fffaf2", 2.2);
    sun.position.set(-3, 4.2, 3);
    this.scene.add(sun, new AmbientLight("#e6ebf5", 2.2));
  }

  /** Draw a motion into a canvas as soon as it is in sight. */
  add(canvas: HTMLCanvasElement, facts: MotionFacts): void {
    this.waiting.set(canvas, () => this.draw(canvas, facts));
    this.watch.observe(canvas);
  }

  private seen(entries: IntersectionObserverEntry[]): void {
    for (const { isIntersecting, target } of entries) {
      const draw = this.waiting.get(target);
      if (!isIntersecting || !draw) continue;
      this.watch.unobserve(target);
      this.waiting.delete(target);
      this.queue.push(draw);
      if (this.queue.length === 1) setTimeout(() => this.next(), 60);
    }
  }

  /** One at a time, so that nothing else waits. */
  private next(): void {
    this.queue[0]?.();
    this.queue.shift();
    if (this.queue.length) setTimeout(() => this.next(), 8);
  }

  private draw(canvas: HTMLCanvasElement, facts: MotionFacts): void {
    const { clientWidth: width, clientHeight: height } = canvas;
    const context = canvas.getContext("2d");
    if (!width || !height || !context) return;
    const motion = new Motion(facts, this.fps);
    this.figures ??= OPACITIES.map((opacity) => {
      const made = new Figure(this.body, motion.frame(0), this.body.colours.trunk, opacity);
      this.scene.add(made.group);
      return made;
    });
    const frames = telling(motion);
    this.figures.forEach((figure, index) => {
      figure.group.visible = index === 2 || frames[index] !== frames[2];
      figure.pose(motion.frame(frames[index]));
      figure.group.position.copy(SIDEWAYS).multiplyScalar(2 - index);
    });
    this.aim(motion, frames, width / height);
    this.renderer ??= new WebGLRenderer({ antialias: true, preserveDrawingBuffer: true });
    this.renderer.setSize(width * PIXELS, height * PIXELS, false);
    this.renderer.render(this.scene, this.camera);
    [canvas.width, canvas.height] = [width * PIXELS, height * PIXELS];
    context.drawImage(this.renderer.domElement, 0, 0);
  }

  private aim(motion: Motion, frames: number[], aspect: number): void {
    const low = new Vector3(Infinity, 0, Infinity);
    const high = new Vector3(-Infinity, 1.75, -Infinity);
    frames.forEach((frame, index) => {
      if (frame === frames[2] && index < 2) return;
      const pose = motion.frame(frame);
      for (let place = 0; place < pose.length; place += 3) {
        const point = new Vector3().fromArray(pose, place).addScaledVector(SIDEWAYS, 2 - index);
        low.min(point);
        high.max(point);
      }
    });
    const centre = low.clone().add(high).multiplyScalar(0.5);
    const tall = high.y - low.y;
    const wide = Math.hypot(high.x - low.x, high.z - low.z) + 0.3;
    const angle = Math.tan((this.camera.fov * Math.PI) / 360);
    const distance = Math.max(tall / 2, wide / 2 / aspect) / angle / 0.88 + (high.z - low.z) / 2;
    this.camera.aspect = aspect;
    this.camera.position.copy(centre).addScaledVector(BACK, distance);
    this.camera.lookAt(centre);
    this.camera.updateProjectionMatrix();
  }
}

/** The first frame, the one furthest from it, and one between. */
function telling(motion: Motion): number[] {
  const first = motion.frame(0);
  let [furthest, most] = [motion.frames - 1, -1];
  for (let frame = 0; frame < motion.frames; frame++) {
    const pose = motion.frame(frame);
    let away = 0;
    for (let place = 0; place < pose.length; place++) away += (pose[place] - first[place]) ** 2;
    if (away > most) [furthest, most] = [frame, away];
  }
  if (most < STILL_M2) return [furthest, furthest, furthest];
  return [0, Math.round(furthest * 0.6), furthest];
}
