// A soft shadow on the floor: the bodies seen from below, slanted, darker the nearer a part is to the floor, blurred.
import {
  Color,
  HalfFloatType,
  Mesh,
  NoBlending,
  OrthographicCamera,
  PlaneGeometry,
  type Scene,
  ShaderMaterial,
  Matrix4,
  Vector2,
  Vector3,
  type WebGLRenderer,
  WebGLRenderTarget,
} from "three";

export const CASTS = 1; // layer of what casts a shadow
const PIXELS = 256;
const HIGH_M = 2.5;

export class Shadow {
  readonly mesh: Mesh;
  private readonly seen = target();
  private readonly half = target();
  private readonly camera = new OrthographicCamera(-1, 1, 1, -1, 0, HIGH_M);
  private readonly flat = new OrthographicCamera();
  private readonly matrix = new Matrix4();
  private readonly floor: ShaderMaterial;
  private readonly height = new ShaderMaterial({
    blending: NoBlending,
    vertexShader: `
      varying float height;
      void main() {
        vec4 place = modelMatrix * vec4(position, 1.0);
        height = max(place.y, 0.0);
        place.xz += height * vec2(0.5, -0.42); // away from the sun
        gl_Position = projectionMatrix * viewMatrix * place;
      }`,
    fragmentShader: `
      varying float height;
      void main() { gl_FragColor = vec4(0.0, 0.0, 0.0, exp(-height / 0.85)); }`,
  });
  private readonly blur = new ShaderMaterial({
    blending: NoBlending,
    depthTest: false,
    depthWrite: false,
    uniforms: { picture: { value: null }, way: { value: new Vector2() } },
    vertexShader: `
      varying vec2 place;
      void main() { place = uv; gl_Position = vec4(position.xy * 2.0, 0.0, 1.0); }`,
    fragmentShader: `
      varying vec2 place;
      uniform sampler2D picture;
      uniform vec2 way;
      void main() {
        float sum = 0.0, all = 0.0;
        for (int step = -6; step <= 6; step++) {
          float weight = exp(-float(step * step) / 14.0);
          sum += weight * texture2D(picture, place + float(step) * way).a;
          all += weight;
        }
        gl_FragColor = vec4(0.0, 0.0, 0.0, sum / all);
      }`,
  });
  private readonly screen = new Mesh(new PlaneGeometry(1, 1), this.blur);

  constructor(colour: string) {
    this.screen.frustumCulled = false;
    this.camera.layers.set(CASTS);
    this.camera.up.set(0, 0, 1);
    this.floor = new ShaderMaterial({
      transparent: true,
      depthWrite: false,
      uniforms: { picture: { value: this.seen.texture }, matrix: { value: this.matrix }, colour: { value: new Color(colour) } },
      vertexShader: `
        uniform mat4 matrix;
        varying vec2 place;
        void main() {
          vec4 world = modelMatrix * vec4(position, 1.0);
          place = (matrix * world).xy * 0.5 + 0.5;
          gl_Position = projectionMatrix * viewMatrix * world;
        }`,
      fragmentShader: `
        uniform sampler2D picture;
        uniform vec3 colour;
        varying vec2 place;
        void main() {
          gl_FragColor = vec4(colour, 0.36 * texture2D(picture, place).a);
          #include <colorspace_fragment>
        }`,
    });
    this.mesh = new Mesh(new PlaneGeometry(2, 2).rotateX(-Math.PI / 2), this.floor);
    this.mesh.renderOrder = -1;
    this.mesh.frustumCulled = false;
  }

  /** Cast it anew, around a place on the floor and so many metres to every side. */
  cast(renderer: WebGLRenderer, scene: Scene, centre: Vector3, reach: number): void {
    const { camera } = this;
    Object.assign(camera, { left: -reach, right: reach, top: reach, bottom: -reach });
    camera.position.set(centre.x, -0.05, centre.z);
    camera.lookAt(centre.x, HIGH_M, centre.z);
    camera.updateProjectionMatrix();
    camera.updateMatrixWorld();
    this.matrix.multiplyMatrices(camera.projectionMatrix, camera.matrixWorldInverse);
    this.mesh.position.set(centre.x, 0.0015, centre.z);
    this.mesh.scale.setScalar(reach);
    const { background } = scene;
    scene.background = null;
    scene.overrideMaterial = this.height;
    const clear = renderer.getClearAlpha();
    renderer.setClearAlpha(0);
    renderer.setRenderTarget(this.seen);
    renderer.clear();
    renderer.render(scene, camera);
    scene.overrideMaterial = null;
    scene.background = background;
    const wide = 0.015 / (2 * reach); // 1.5 cm a step, whatever is seen
    for (const [from, to, x, y] of [[this.seen, this.half, wide, 0], [this.half, this.seen, 0, wide]] as const) {
      this.blur.uniforms.picture.value = from.texture;
      (this.blur.uniforms.way.value as Vector2).set(x, y);
      renderer.setRenderTarget(to);
      renderer.render(this.screen, this.flat);
    }
    renderer.setRenderTarget(null);
    renderer.setClearAlpha(clear);
  }
}

function target(): WebGLRenderTarget {
  return new WebGLRenderTarget(PIXELS, PIXELS, { type: HalfFloatType });
}
