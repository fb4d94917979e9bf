// The moving body: tapered capsules for limbs, a lofted trunk, a head with a nose that shows where it looks.
import {
  BackSide,
  Group,
  LatheGeometry,
  type Material,
  Matrix4,
  Mesh,
  MeshPhongMaterial,
  ShaderMaterial,
  Quaternion,
  SphereGeometry,
  Vector2,
  Vector3,
} from "three";
import type { BodyFacts, LimbFacts } from "./document";
import { CASTS } from "./shadow";
import { Trunk } from "./trunk";

const UP = new Vector3(0, 1, 0);
const SIDES = 28;
const HEAD_UP_M = 0.075; // above its joint
const [NECK, HEAD] = [12, 15];
const HANDS: Record<"left" | "right", [elbow: number, wrist: number]> = { left: [18, 20], right: [19, 21] };

export class Figure {
  readonly group = new Group();
  private readonly trunk: Trunk;
  private readonly limbs: { mesh: Mesh; from: number; to: number; length: number }[] = [];
  private readonly hands: { mesh: Mesh; elbow: number; wrist: number }[] = [];
  private readonly head: Mesh;
  private readonly neck: Mesh;
  private readonly nose: Mesh;
  private readonly neckLength: number;
  private readonly materials: Material[] = [];

  /** `rest` is any pose: its bone lengths are the figure's. */
  constructor(body: BodyFacts, rest: Float32Array, trunkColour: string, opacity = 1) {
    const material = (colour: string): MeshPhongMaterial => {
      const made = new MeshPhongMaterial({ color: colour, specular: "#1c2027", shininess: 24 });
      if (opacity < 1) Object.assign(made, { transparent: true, opacity });
      this.materials.push(made);
      return made;
    };
    const grey = material(trunkColour);
    this.trunk = new Trunk(grey);
    this.group.add(this.trunk.mesh);
    for (const side of ["left", "right"] as const) {
      const coloured = material(body.colours[side]);
      for (const limb of body[side]) this.addLimb(limb, rest, coloured);
      const [elbow, wrist] = HANDS[side];
      const hand = new Mesh(capsule(0.029, body.hand_radius_m, 0.06), coloured);
      this.hands.push({ mesh: hand, elbow, wrist });
      this.group.add(hand);
    }
    const radius = body.head_radius_m;
    this.head = new Mesh(new SphereGeometry(radius, 36, 24), grey);
    this.head.scale.set(0.9, 1.16, 1.0);
    this.neckLength = distance(rest, NECK, HEAD);
    this.neck = new Mesh(capsule(0.05, 0.045, this.neckLength), grey);
    this.nose = new Mesh(capsule(0.03, 0.02, 0.045), material(body.colours.nose));
    this.group.add(this.head, this.neck, this.nose);
    const rim = outline();
    this.materials.push(rim);
    for (const part of this.group.children.slice() as Mesh[]) {
      part.frustumCulled = false;
      if (opacity < 1) continue;
      part.layers.enable(CASTS);
      const around = new Mesh(part.geometry, rim); // moves with its part
      around.frustumCulled = false;
      part.add(around);
    }
  }

  /** Take the pose of 22 joints. */
  pose(joints: Float32Array): void {
    this.trunk.pose(joints);
    for (const { mesh, from, to, length } of this.limbs) stretch(mesh, at(joints, from), at(joints, to), length);
    for (const { mesh, elbow, wrist } of this.hands) {
      const ahead = at(joints, wrist).sub(at(joints, elbow)).normalize();
      mesh.position.copy(at(joints, wrist));
      mesh.quaternion.setFromUnitVectors(UP, ahead);
    }
    const [neck, head] = [at(joints, NECK), at(joints, HEAD)];
    stretch(this.neck, neck, head, this.neckLength);
    const up = head.clone().sub(neck).normalize();
    const ahead = facingAcross(joints).cross(up).normalize();
    const centre = head.clone().addScaledVector(up, HEAD_UP_M);
    this.head.position.copy(centre);
    this.head.quaternion.copy(turned(up, ahead));
    this.nose.position.copy(centre).addScaledVector(ahead, 0.082);
    this.nose.quaternion.setFromUnitVectors(UP, ahead);
  }

  /** See through it, to what stands in the same place. */
  fade(opacity: number): void {
    for (const material of this.materials) {
      material.transparent = opacity < 1;
      material.opacity = opacity;
      material.visible = opacity === 1 || !(material instanceof ShaderMaterial); // no rims of what is seen through
    }
  }

  dispose(): void {
    this.group.traverse((part) => {
      if (part instanceof Mesh) part.geometry.dispose();
    });
    for (const material of this.materials) material.dispose();
  }

  private addLimb(limb: LimbFacts, rest: Float32Array, material: MeshPhongMaterial): void {
    const [[from, a], [to, b]] = limb;
    const length = Math.max(distance(rest, from, to), 0.02);
    const mesh = new Mesh(capsule(a, b, length), material);
    this.limbs.push({ mesh, from, to, length });
    this.group.add(mesh);
  }
}

/** A bright rim around each part, so that limbs stand out from what is behind them. */
function outline(): ShaderMaterial {
  return new ShaderMaterial({
    side: BackSide,
    vertexShader: `
      void main() {
        vec4 place = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
        vec4 out_ = projectionMatrix * modelViewMatrix * vec4(position + normal * 0.01, 1.0);
        vec2 way = out_.xy / out_.w - place.xy / place.w;
        float size = length(way);
        if (size > 1e-5) place.xy += way / size * min(size, 0.006) * place.w;
        gl_Position = place;
      }`,
    fragmentShader: `void main() { gl_FragColor = vec4(0.985, 0.99, 1.0, 1.0); }`,
  });
}

/** Joint `index` of a pose. */
export function at(joints: Float32Array, index: number): Vector3 {
  return new Vector3().fromArray(joints, 3 * index);
}

/** To the body's left, as hips and shoulders say. */
export function facingAcross(joints: Float32Array): Vector3 {
  const hips = at(joints, 1).sub(at(joints, 2));
  return hips.add(at(joints, 16).sub(at(joints, 17))).normalize();
}

/** Where the body faces, on the floor. */
export function facing(joints: Float32Array): Vector3 {
  return facingAcross(joints).cross(UP).setY(0).normalize();
}

/** The rotation that brings +Y to `up` and +Z towards `ahead`. */
function turned(up: Vector3, ahead: Vector3): Quaternion {
  const right = up.clone().cross(ahead).normalize();
  return new Quaternion().setFromRotationMatrix(new Matrix4().makeBasis(right, up, right.clone().cross(up)));
}

function distance(joints: Float32Array, from: number, to: number): number {
  return at(joints, from).distanceTo(at(joints, to));
}

function stretch(mesh: Mesh, from: Vector3, to: Vector3, length: number): void {
  const bone = to.clone().sub(from);
  const size = Math.max(bone.length(), 1e-4);
  mesh.position.copy(from);
  mesh.scale.y = size / length;
  mesh.quaternion.setFromUnitVectors(UP, bone.divideScalar(size));
}

/** The hull of a ball of radius `a` at the origin and one of radius `b` at height `length`. */
function capsule(a: number, b: number, length: number): LatheGeometry {
  const slope = Math.asin(Math.min(Math.max((a - b) / length, -0.99), 0.99));
  const points: Vector2[] = [];
  const arc = (radius: number, height: number, from: number, to: number): void => {
    for (let step = 0; step <= 8; step++) {
      const angle = from + ((to - from) * step) / 8;
      points.push(new Vector2(Math.max(radius * Math.cos(angle), 0), height + radius * Math.sin(angle)));
    }
  };
  arc(a, 0, -Math.PI / 2, slope);
  arc(b, length, slope, Math.PI / 2);
  return new LatheGeometry(points, SIDES);
}
