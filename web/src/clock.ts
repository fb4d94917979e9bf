// One time for everything on the page. While a video plays, the clock is the video's; otherwise the browser's.

export const SPEEDS = [0.25, 0.5, 1, 1.5, 2];
const END_MARGIN_SECONDS = 0.02;

export class Clock {
  time = 0;
  playing = false;
  loop = true;
  duration = 1;
  speed = 1;
  private video: HTMLVideoElement | null = null;
  private last = 0;
  private seeks = false;

  constructor(private readonly frameSeconds: number) {}

  /** Begin anew, with another video or none. */
  take(video: HTMLVideoElement | null, duration: number): void {
    this.video?.pause();
    this.video = video;
    this.duration = duration;
    if (video) video.playbackRate = this.speed;
    this.seek(0);
    if (this.playing) this.play();
  }

  play(): void {
    if (this.time >= this.duration - END_MARGIN_SECONDS) this.seek(0);
    this.playing = true;
    this.last = performance.now();
    this.startVideo();
  }

  pause(): void {
    this.playing = false;
    this.video?.pause();
    if (this.video && this.inVideo()) this.seek(this.time); // the picture of this very moment
  }

  setSpeed(speed: number): void {
    this.speed = speed;
    if (this.video) this.video.playbackRate = speed;
  }

  seek(time: number): void {
    this.time = Math.min(Math.max(time, 0), this.duration);
    this.last = performance.now();
    if (!this.video) return;
    const end = Number.isFinite(this.video.duration) ? this.video.duration - END_MARGIN_SECONDS : Infinity;
    // A little behind the start of a frame, so that rounding never shows the one before it.
    this.video.currentTime = Math.max(Math.min(this.time + 1e-3, end), 0);
    this.seeks = true;
    if (this.playing) this.startVideo();
  }

  /** Frames of the reactions, onto whose grid a paused clock goes. */
  step(frames: number): void {
    if (this.playing) this.pause();
    this.seek((Math.round(this.time / this.frameSeconds) + frames) * this.frameSeconds);
  }

  /** Called before every picture. */
  tick(): void {
    const now = performance.now();
    const passed = ((now - this.last) / 1000) * this.speed;
    this.last = now;
    if (this.seeks && this.video && !this.video.seeking) this.seeks = false;
    if (!this.playing) return;
    const video = this.video;
    if (video && this.inVideo() && !video.ended) {
      if (!this.seeks && video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) this.time = Math.max(video.currentTime, 0);
      if (video.paused && !this.seeks) this.startVideo();
    } else {
      this.time += passed;
    }
    if (this.time < this.duration) return;
    if (this.loop) {
      this.seek(0);
    } else {
      this.time = this.duration;
      this.pause();
    }
  }

  private inVideo(): boolean {
    const video = this.video;
    return video !== null && Number.isFinite(video.duration) && this.time < video.duration - END_MARGIN_SECONDS;
  }

  private startVideo(): void {
    if (!this.video || !this.inVideo() || !this.video.paused) return;
    this.video.play().catch(() => undefined); // a browser that refuses leaves the clock to itself
  }
}
