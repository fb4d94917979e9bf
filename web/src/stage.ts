// The three-dimensional view: figures side by side or in one place, a camera to turn, and what lies on the floor.
import {
  Color,
  DirectionalLight,
  Group,
  HemisphereLight,
  PerspectiveCamera,
  Scene,
  Vector3,
  WebGLRenderer,
} from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import type { BodyFacts } from "./document";
import { element } from "./dom";
import { Figure } from "./figure";
import { Floor } from "./floor";
import { Marks } from "./marks";
import { Motion } from "./motion";
import { Shadow } from "./shadow";

export const BACKGROUND = "#fbfcfe";
const FIELD_OF_VIEW = 30;
const ELEVATION = 0.3;
const AZIMUTH = 0.56; // 0 is ahead of the first pose
const FILLED = 0.84; // share of the picture that the bodies may take
const APART_M = 0.55;
const LABEL_PIXELS = 25; // labels of figures in one place stand above each other

export interface Shown {
  motion: Motion;
  colour: string;
  name: string;
  visible: boolean;
}

interface Actor {
  shown: Shown;
  figure: Figure;
  marks: Marks;
  place: Group;
  label: HTMLElement;
}

export interface View {
  trails: boolean;
  contacts: boolean;
  overlay: boolean;
  follow: boolean;
}

export class Stage {
  readonly box: HTMLElement;
  readonly view: View = { trails: false, contacts: true, overlay: false, follow: false };
  private readonly canvas = element("canvas", { attributes: { "aria-label": "The reaction in three dimensions; drag to turn", tabindex: "-1" } });
  private renderer: WebGLRenderer | null | undefined; // null where the browser has no WebGL
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, 0.1, 80);
  private readonly controls: OrbitControls;
  private readonly floor = new Floor(BACKGROUND, "#e3e8f0", "#d3dae6");
  private readonly shadow = new Shadow("#1c2840");
  private readonly sun = new DirectionalLight("#fffaf2", 2.3);
  private readonly labels = element("div", { class: "labels" });
  private actors: Actor[] = [];
  private followed = new Vector3();
  private stale = true;
  private framed = false; // the size of the picture is known
  private drawnAt = -1;

  constructor(private readonly body: BodyFacts) {
    this.scene.background = new Color(BACKGROUND);
    const fill = new DirectionalLight("#e8eeff", 1.1);
    fill.position.set(4, 2, 3);
    this.scene.add(this.floor.mesh, this.shadow.mesh, this.sun, this.sun.target, fill, new HemisphereLight("#ffffff", "#d8dde7", 2.0));
    this.box = element("div", { class: "stage" }, this.canvas, this.labels);
    this.controls = new OrbitControls(this.camera, this.canvas);
    this.controls.maxPolarAngle = Math.PI / 2 - 0.02;
    this.controls.minDistance = 0.8;
    this.controls.maxDistance = 25;
    this.controls.zoomToCursor = true;
    this.controls.addEventListener("change", () => (this.stale = true));
    new ResizeObserver(() => this.resize()).observe(this.box);
  }

  /** Put other motions on the stage. */
  take(shown: Shown[]): void {
    for (const actor of this.actors) this.remove(actor);
    this.actors = shown.map((each) => {
      const figure = new Figure(this.body, each.motion.frame(0), each.colour);
      const marks = new Marks(this.body, each.motion.joints, each.motion.contacts);
      const place = new Group();
      place.add(figure.group, marks.group);
      this.scene.add(place);
      const label = element("div", { class: "label" }, each.name);
      label.style.setProperty("--own", each.colour);
      this.labels.append(label);
      return { shown: each, figure, marks, place, label };
    });
    this.arrange();
    this.look();
  }

  /** After a change of what is visible, or of the view. */
  arrange(): void {
    const seen = this.actors.filter(({ shown }) => shown.visible);
    let left = 0;
    seen.forEach((actor, index) => {
      const [low, high] = reach(actor.shown.motion);
      if (this.view.overlay || index === 0) actor.place.position.x = 0;
      else actor.place.position.x = left - low + APART_M;
      left = actor.place.position.x + high;
    });
    for (const actor of this.actors) {
      actor.place.visible = actor.shown.visible;
      actor.figure.fade(this.view.overlay && seen.length > 1 && actor !== seen[0] ? 0.42 : 1);
      actor.label.hidden = !actor.shown.visible || seen.length < 2;
      actor.marks.trails.visible = this.view.trails;
      actor.marks.feet.visible = this.view.contacts;
    }
    this.stale = true;
  }

  /** Bring the camera to where every pose of every visible motion fits. */
  look(azimuth = AZIMUTH, elevation = ELEVATION): void {
    const points = this.pointsToFit();
    const centre = middle(points);
    const back = new Vector3(Math.cos(elevation) * Math.sin(azimuth), Math.sin(elevation), Math.cos(elevation) * Math.cos(azimuth));
    const right = new Vector3(0, 1, 0).cross(back).normalize();
    const up = back.clone().cross(right);
    const high = Math.tan((FIELD_OF_VIEW * Math.PI) / 360) * FILLED;
    const wide = high * this.camera.aspect;
    // Middle of the picture first, then as near as all of them allow.
    const sides = points.map((point) => point.clone().sub(centre));
    for (const axis of [right, up]) {
      const along = sides.map((point) => point.dot(axis));
      const shift = (Math.min(...along) + Math.max(...along)) / 2;
      centre.addScaledVector(axis, shift);
      for (const point of sides) point.addScaledVector(axis, -shift);
    }
    const distance = Math.max(...sides.map((point) => point.dot(back) + Math.max(Math.abs(point.dot(right)) / wide, Math.abs(point.dot(up)) / high)));
    this.controls.target.copy(centre);
    this.camera.position.copy(centre).addScaledVector(back, distance);
    this.followed = this.centreOf(0);
    this.controls.update();
    this.light(points);
    this.stale = true;
  }

  /** Draw a moment, if anything is to be drawn anew. */
  draw(seconds: number): void {
    if (!this.stale && seconds === this.drawnAt) return;
    this.stale = false;
    this.drawnAt = seconds;
    if (this.renderer === undefined) this.renderer = this.begin();
    const { renderer } = this;
    if (!renderer) return;
    for (const { shown, figure, marks } of this.actors) {
      if (!shown.visible) continue;
      const frame = shown.motion.frameAt(seconds);
      const pose = shown.motion.poseAt(frame);
      figure.pose(pose);
      marks.pose(frame, pose);
    }
    if (this.view.follow) this.follow(seconds);
    this.castShadow(renderer, seconds);
    renderer.render(this.scene, this.camera);
    this.placeLabels(seconds);
  }

  redraw(): void {
    this.stale = true;
  }

  /** Starting WebGL takes a while, so it waits until the page is to be seen. */
  private begin(): WebGLRenderer | null {
    try {
      const made = new WebGLRenderer({ canvas: this.canvas, antialias: true, preserveDrawingBuffer: true });
      this.fit(made);
      return made;
    } catch {
      this.box.append(element("p", { class: "lacking" }, "This browser does not show WebGL, which the figure needs."));
      return null;
    }
  }

  private fit(renderer: WebGLRenderer): void {
    renderer.setPixelRatio(Math.min(window.devicePixelRatio || 1, 2));
    renderer.setSize(this.box.clientWidth, this.box.clientHeight, false);
  }

  private follow(seconds: number): void {
    const now = this.centreOf(seconds);
    const step = now.clone().sub(this.followed).multiplyScalar(0.12);
    this.followed.add(step);
    this.camera.position.add(step);
    this.controls.target.add(step);
    this.controls.update();
    this.stale = step.length() > 1e-4;
  }

  private castShadow(renderer: WebGLRenderer, seconds: number): void {
    const centre = this.centreOf(seconds);
    let reach = 0.5;
    for (const { shown, place } of this.actors) {
      if (!shown.visible) continue;
      const pose = shown.motion.poseAt(shown.motion.frameAt(seconds));
      reach = Math.max(reach, Math.abs(pose[0] + place.position.x - centre.x), Math.abs(pose[2] - centre.z));
    }
    this.shadow.cast(renderer, this.scene, centre, reach + 1.4);
  }

  private centreOf(seconds: number): Vector3 {
    const seen = this.actors.filter(({ shown }) => shown.visible);
    const sum = new Vector3();
    for (const { shown, place } of seen) {
      const pose = shown.motion.poseAt(shown.motion.frameAt(seconds));
      sum.add(new Vector3(pose[0] + place.position.x, 0, pose[2]));
    }
    return sum.divideScalar(Math.max(seen.length, 1));
  }

  private pointsToFit(): Vector3[] {
    const points: Vector3[] = [];
    for (const { shown, place } of this.actors) {
      if (!shown.visible) continue;
      for (let frame = 0; frame < shown.motion.frames; frame += 2) {
        const pose = shown.motion.frame(frame);
        for (const joint of [7, 8, 10, 11, 15, 20, 21]) {
          const lift = joint !== 15 ? 0 : this.view.overlay ? 0.42 : 0.22;
          points.push(new Vector3(pose[3 * joint] + place.position.x, pose[3 * joint + 1] + lift, pose[3 * joint + 2]));
        }
      }
      const start = shown.motion.frame(0);
      points.push(new Vector3(start[0] + place.position.x, 0, start[2] + 0.6));
    }
    return points.length ? points : [new Vector3(), new Vector3(0, 1.7, 0)];
  }

  private light(points: Vector3[]): void {
    const centre = middle(points).setY(0);
    const size = Math.max(...points.map((point) => Math.hypot(point.x - centre.x, point.z - centre.z))) + 1.2;
    this.sun.target.position.copy(centre);
    this.sun.position.copy(centre).add(new Vector3(-3, 4.2, 3));
    this.floor.look(centre.x, centre.z, Math.max(3.4, size * 1.5));
  }

  private placeLabels(seconds: number): void {
    const { clientWidth, clientHeight } = this.box;
    const labelled = this.actors.filter(({ label }) => !label.hidden);
    labelled.forEach(({ label }, index) => {
      const { shown, place } = labelled[this.view.overlay ? 0 : index];
      const pose = shown.motion.poseAt(shown.motion.frameAt(seconds));
      const above = new Vector3(pose[45] + place.position.x, pose[46] + 0.34, pose[47]).project(this.camera);
      const x = ((above.x + 1) / 2) * clientWidth;
      const y = ((1 - above.y) / 2) * clientHeight - (this.view.overlay ? index * LABEL_PIXELS : 0);
      label.style.transform = `translate(-50%, -50%) translate(${x}px, ${y}px)`;
    });
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.box;
    if (!clientWidth || !clientHeight) return;
    if (this.renderer) this.fit(this.renderer);
    this.camera.aspect = clientWidth / clientHeight;
    this.camera.updateProjectionMatrix();
    if (!this.framed && this.actors.length) this.look();
    this.framed = true;
    this.stale = true;
  }

  private remove(actor: Actor): void {
    this.scene.remove(actor.place);
    actor.figure.dispose();
    actor.marks.dispose();
    actor.label.remove();
  }
}

/** How far a body comes to either side of where it started, with its arms. */
function reach(motion: Motion): [number, number] {
  let [low, high] = [-0.45, 0.45];
  for (let place = 0; place < motion.joints.length; place += 3) {
    low = Math.min(low, motion.joints[place]);
    high = Math.max(high, motion.joints[place]);
  }
  return [low, high];
}

function middle(points: Vector3[]): Vector3 {
  const low = points[0].clone();
  const high = points[0].clone();
  for (const point of points) {
    low.min(point);
    high.max(point);
  }
  return low.add(high).multiplyScalar(0.5);
}
