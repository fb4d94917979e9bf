// The trunk: a surface through rings around hips, spine and shoulders that bends and twists with them.
import { BufferAttribute, BufferGeometry, Mesh, type Material, Vector3 } from "three";

const AROUND = 32;
const BETWEEN = 5; // rings between two that are stated
const SQUARENESS = 2.5; // exponent of the cross-section; 2 is an ellipse

interface Ring {
  centre: Vector3;
  across: Vector3;
  width: number; // half of it, metres
  depth: number;
}

export class Trunk {
  readonly mesh: Mesh;
  private readonly places: BufferAttribute;

  constructor(material: Material) {
    const rings = rungs(7);
    this.places = new BufferAttribute(new Float32Array((rings * AROUND + 2) * 3), 3);
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", this.places);
    geometry.setIndex(faces(rings));
    this.mesh = new Mesh(geometry, material);
  }

  pose(joints: Float32Array): void {
    const stated = rings(joints);
    const values = this.places.array as Float32Array;
    let next = 0;
    const count = rungs(stated.length);
    const put = (point: Vector3): void => {
      point.toArray(values, next);
      next += 3;
    };
    const spine = Array.from({ length: count }, (_, index) => between(stated, index / BETWEEN));
    spine.forEach((ring, index) => {
      const below = spine[Math.max(index - 1, 0)].centre;
      const above = spine[Math.min(index + 1, count - 1)].centre;
      const along = above.clone().sub(below).normalize();
      const ahead = ring.across.clone().cross(along).normalize();
      const across = along.clone().cross(ahead);
      for (let step = 0; step < AROUND; step++) {
        const angle = (2 * Math.PI * step) / AROUND;
        const x = power(Math.cos(angle)) * ring.width;
        const z = power(Math.sin(angle)) * ring.depth;
        put(ring.centre.clone().addScaledVector(across, x).addScaledVector(ahead, z));
      }
    });
    put(spine[0].centre);
    put(spine[count - 1].centre);
    this.places.needsUpdate = true;
    this.mesh.geometry.computeVertexNormals();
  }
}

function power(value: number): number {
  return Math.sign(value) * Math.abs(value) ** (2 / SQUARENESS);
}

function rungs(stated: number): number {
  return (stated - 1) * BETWEEN + 1;
}

/** From below to above. */
function rings(joints: Float32Array): Ring[] {
  const joint = (index: number): Vector3 => new Vector3().fromArray(joints, 3 * index);
  const middle = (a: number, b: number): Vector3 => joint(a).add(joint(b)).multiplyScalar(0.5);
  const hips = joint(1).sub(joint(2));
  const shoulders = joint(16).sub(joint(17));
  const turn = (share: number): Vector3 => hips.clone().normalize().lerp(shoulders.clone().normalize(), share).normalize();
  const [seat, chest, top] = [middle(1, 2), joint(9), middle(16, 17)];
  const down = seat.clone().sub(joint(3)).normalize();
  const [hipWidth, shoulderWidth] = [hips.length() / 2, shoulders.length() / 2];
  const ring = (centre: Vector3, share: number, width: number, depth: number): Ring => ({ centre, across: turn(share), width, depth });
  return [
    ring(seat.clone().addScaledVector(down, 0.085), 0, hipWidth * 0.62, 0.05),
    ring(seat, 0, hipWidth + 0.086, 0.104),
    ring(joint(3).lerp(joint(6), 0.35), 0.35, 0.122, 0.09),
    ring(chest.clone().lerp(joint(6), 0.25), 0.75, 0.152, 0.108),
    ring(chest.clone().lerp(top, 0.62), 1, Math.max(shoulderWidth * 0.94, 0.12), 0.102),
    ring(top.clone().lerp(joint(12), 0.25), 1, shoulderWidth * 0.74, 0.07),
    ring(joint(12), 1, 0.056, 0.052),
  ];
}

/** Catmull-Rom through the stated rings, at `place` counted in them. */
function between(stated: Ring[], place: number): Ring {
  const index = Math.min(Math.floor(place), stated.length - 2);
  const t = place - index;
  const [a, b, c, d] = [-1, 0, 1, 2].map((shift) => stated[Math.min(Math.max(index + shift, 0), stated.length - 1)]);
  const weights = [
    (-t + 2 * t ** 2 - t ** 3) / 2,
    (2 - 5 * t ** 2 + 3 * t ** 3) / 2,
    (t + 4 * t ** 2 - 3 * t ** 3) / 2,
    (-(t ** 2) + t ** 3) / 2,
  ];
  const number = (of: (ring: Ring) => number): number =>
    [a, b, c, d].reduce((sum, ring, order) => sum + weights[order] * of(ring), 0);
  const vector = (of: (ring: Ring) => Vector3): Vector3 =>
    [a, b, c, d].reduce((sum, ring, order) => sum.addScaledVector(of(ring), weights[order]), new Vector3());
  return {
    centre: vector((ring) => ring.centre),
    across: vector((ring) => ring.across).normalize(),
    width: number((ring) => ring.width),
    depth: number((ring) => ring.depth),
  };
}

function faces(count: number): number[] {
  const indices: number[] = [];
  for (let ring = 0; ring + 1 < count; ring++) {
    for (let step = 0; step < AROUND; step++) {
      const [a, b] = [ring * AROUND + step, ring * AROUND + ((step + 1) % AROUND)];
      indices.push(a, a + AROUND, b, b, a + AROUND, b + AROUND);
    }
  }
  const [bottom, top, last] = [count * AROUND, count * AROUND + 1, (count - 1) * AROUND];
  for (let step = 0; step < AROUND; step++) {
    const next = (step + 1) % AROUND;
    indices.push(bottom, step, next, top, last + next, last + step);
  }
  return indices;
}
