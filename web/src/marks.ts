// What lies around a figure: where it started and faced, its way over the floor, trails of hands and feet, contacts.
import {
  BufferAttribute,
  BufferGeometry,
  CatmullRomCurve3,
  CircleGeometry,
  Color,
  DoubleSide,
  Group,
  Mesh,
  MeshBasicMaterial,
  RingGeometry,
  ShaderMaterial,
  Shape,
  ShapeGeometry,
  TubeGeometry,
  Vector3,
} from "three";
import type { BodyFacts } from "./document";
import { facing } from "./figure";

const TRAIL_SIDES = 5;
const STRIDE = 66; // numbers of a pose

export class Marks {
  readonly group = new Group();
  readonly trails = new Group();
  readonly feet = new Group();
  private readonly fading: ShaderMaterial[] = [];
  private readonly contacts: Mesh<CircleGeometry, MeshBasicMaterial>[] = [];

  constructor(
    private readonly body: BodyFacts,
    joints: Float32Array,
    private readonly touching: Uint8Array | null,
  ) {
    const { colours } = body;
    this.group.add(startMark(joints, colours.mark));
    this.group.add(this.fade(ribbon(joints), "#7e8897", 50, 0.1));
    for (const [joint, colour] of [[20, colours.left], [21, colours.right], [10, colours.left], [11, colours.right]] as const) {
      const tube = trail(joints, joint);
      if (tube) this.trails.add(this.fade(tube, colour, 18, 0));
    }
    for (let foot = 0; touching && foot < body.feet.length; foot++) {
      const colour = foot < 2 ? colours.left : colours.right;
      const spot = new Mesh(new CircleGeometry(0.085, 28).rotateX(-Math.PI / 2), new MeshBasicMaterial({ color: colour, transparent: true, depthWrite: false }));
      spot.renderOrder = 1;
      this.contacts.push(spot);
      this.feet.add(spot);
    }
    this.group.add(this.trails, this.feet);
  }

  /** At a frame, whole or not. */
  pose(frame: number, pose: Float32Array): void {
    for (const material of this.fading) material.uniforms.now.value = frame;
    const touching = this.touching?.[Math.floor(frame)] ?? 0;
    this.contacts.forEach((spot, foot) => {
      const joint = this.body.feet[foot];
      spot.position.set(pose[3 * joint], 0.004 + 0.0005 * foot, pose[3 * joint + 2]);
      spot.material.opacity += ((touching >> foot) & 1 ? 0.42 : 0) - spot.material.opacity;
      spot.visible = spot.material.opacity > 0.01;
    });
  }

  dispose(): void {
    this.group.traverse((part) => {
      if (part instanceof Mesh) {
        part.geometry.dispose();
        part.material.dispose();
      }
    });
  }

  private fade(geometry: BufferGeometry, colour: string, frames: number, least: number): Mesh {
    const material = new ShaderMaterial({
      transparent: true,
      depthWrite: false,
      side: DoubleSide,
      uniforms: { now: { value: 0 }, colour: { value: new Color(colour) }, frames: { value: frames }, least: { value: least } },
      vertexShader: `
        attribute float frame;
        varying float when;
        void main() { when = frame; gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0); }`,
      fragmentShader: `
        varying float when;
        uniform float now, frames, least;
        uniform vec3 colour;
        void main() {
          float age = now - when;
          if (age < 0.0) discard;
          gl_FragColor = vec4(colour, 0.9 * max(exp(-age / frames), least));
          #include <colorspace_fragment>
        }`,
    });
    this.fading.push(material);
    const mesh = new Mesh(geometry, material);
    mesh.frustumCulled = false;
    mesh.renderOrder = 1;
    return mesh;
  }
}

/** A ring where the motion starts and an arrow to where the body faces. */
function startMark(joints: Float32Array, colour: string): Group {
  const mark = new Group();
  const material = new MeshBasicMaterial({ color: colour, side: DoubleSide });
  const ring = new Mesh(new RingGeometry(0.328, 0.346, 72).rotateX(-Math.PI / 2), material);
  const arrow = new Shape();
  arrow.moveTo(-0.012, 0.346).lineTo(0.012, 0.346).lineTo(0.012, 0.54).lineTo(0.085, 0.54);
  arrow.lineTo(0, 0.72).lineTo(-0.085, 0.54).lineTo(-0.012, 0.54).closePath();
  const head = new Mesh(new ShapeGeometry(arrow).rotateX(Math.PI / 2), material);
  mark.add(ring, head);
  const ahead = facing(joints);
  mark.rotation.y = Math.atan2(ahead.x, ahead.z);
  mark.position.set(joints[0], 0.003, joints[2]);
  return mark;
}

/** The root's way, a flat band. */
function ribbon(joints: Float32Array): BufferGeometry {
  const frames = joints.length / STRIDE;
  const [places, times, indices]: [number[], number[], number[]] = [[], [], []];
  let side = new Vector3(1, 0, 0);
  for (let frame = 0; frame < frames; frame++) {
    const [now, then] = [Math.max(frame - 1, 0), Math.min(frame + 1, frames - 1)];
    const way = new Vector3(joints[then * STRIDE] - joints[now * STRIDE], 0, joints[then * STRIDE + 2] - joints[now * STRIDE + 2]);
    if (way.length() > 1e-3) side = new Vector3(way.z, 0, -way.x).normalize();
    const [x, z] = [joints[frame * STRIDE], joints[frame * STRIDE + 2]];
    places.push(x + 0.008 * side.x, 0.002, z + 0.008 * side.z, x - 0.008 * side.x, 0.002, z - 0.008 * side.z);
    times.push(frame, frame);
    if (frame) indices.push(2 * frame - 2, 2 * frame - 1, 2 * frame, 2 * frame, 2 * frame - 1, 2 * frame + 1);
  }
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(new Float32Array(places), 3));
  geometry.setAttribute("frame", new BufferAttribute(new Float32Array(times), 1));
  geometry.setIndex(indices);
  return geometry;
}

/** A thin tube along the way of a joint; null where there is no way. */
function trail(joints: Float32Array, joint: number): BufferGeometry | null {
  const frames = joints.length / STRIDE;
  if (frames < 2) return null;
  const points = Array.from({ length: frames }, (_, frame) => {
    const place = frame * STRIDE + 3 * joint;
    return new Vector3(joints[place], joints[place + 1], joints[place + 2] + 1e-5 * frame); // never twice the same
  });
  const curve = new CatmullRomCurve3(points, false, "centripetal");
  curve.getPointAt = (share, target) => curve.getPoint(share, target); // by frame, not by length
  curve.getTangentAt = (share, target) => curve.getTangent(share, target);
  const segments = (frames - 1) * 2;
  const geometry = new TubeGeometry(curve, segments, 0.007, TRAIL_SIDES);
  const times = Float32Array.from({ length: (segments + 1) * (TRAIL_SIDES + 1) }, (_, index) => Math.floor(index / (TRAIL_SIDES + 1)) / 2);
  geometry.setAttribute("frame", new BufferAttribute(times, 1));
  return geometry;
}
