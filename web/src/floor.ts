// The floor: a checkerboard that fades into the background.
import { Color, Mesh, PlaneGeometry, ShaderMaterial } from "three";

const SIZE_M = 40;

export class Floor {
  readonly mesh: Mesh;
  private readonly board: ShaderMaterial;

  constructor(background: string, tile: string, line: string) {
    const plane = new PlaneGeometry(SIZE_M, SIZE_M).rotateX(-Math.PI / 2);
    this.board = new ShaderMaterial({
      uniforms: {
        background: { value: new Color(background) },
        tile: { value: new Color(tile) },
        line: { value: new Color(line) },
        centre: { value: [0, 0] },
        reach: { value: 3.2 },
      },
      vertexShader: `
        varying vec2 place;
        void main() {
          place = (modelMatrix * vec4(position, 1.0)).xz;
          gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
        }`,
      fragmentShader: `
        varying vec2 place;
        uniform vec3 background, tile, line;
        uniform vec2 centre;
        uniform float reach;
        vec2 wave(vec2 p) {
          // The +1 / -1 pattern of period 2, averaged over the pixel.
          vec2 w = max(fwidth(p), 1e-4);
          vec2 a = abs(fract((p - 0.5 * w) * 0.5) - 0.5), b = abs(fract((p + 0.5 * w) * 0.5) - 0.5);
          return clamp(2.0 * (a - b) / w, -1.0, 1.0);
        }
        void main() {
          vec2 sides = wave(place / 0.5);
          float dark = 0.5 - 0.5 * sides.x * sides.y;
          vec2 metre = abs(fract(place - 0.5) - 0.5) / max(fwidth(place), 1e-4);
          float grid = 1.0 - clamp(min(metre.x, metre.y) - 0.1, 0.0, 1.0);
          float d = length(place - centre) / reach;
          float fade = exp(-d * d);
          vec3 colour = mix(background, tile, dark * fade);
          colour = mix(colour, line, grid * fade * 0.55);
          gl_FragColor = vec4(colour, 1.0);
          #include <colorspace_fragment>
        }`,
    });
    this.mesh = new Mesh(plane, this.board);
    this.mesh.renderOrder = -2;
  }

  /** Where the board is seen best. */
  look(x: number, z: number, reach: number): void {
    this.board.uniforms.centre.value = [x, z];
    this.board.uniforms.reach.value = reach;
  }
}
