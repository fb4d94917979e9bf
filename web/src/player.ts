// One sample: its video and its motions in step, and everything that belongs to their moments.
import { Clock, SPEEDS } from "./clock";
import { bytesOf, type SampleFacts, type ViewDocument } from "./document";
import { downloads } from "./downloads";
import { button, element, icon, toggle } from "./dom";
import { Motion, trunkColours } from "./motion";
import { type Shown, Stage } from "./stage";
import * as tracks from "./tracks";

const PLAY = "M7 4.5v15l12.5-7.5z";
const PAUSE = "M7 5h3.6v14H7zM13.4 5H17v14h-3.6z";
const BACK = "M17 5v14l-9-7zM6 5h2v14H6z";
const AHEAD = "M7 5v14l9-7zM16 5h2v14h-2z";
const LOOP = "M17 2.5 20.5 6 17 9.5M20 6H8a4.5 4.5 0 0 0-4.5 4.5v1M7 21.5 3.500 18 7 14.500M4 18h12a4.500 4.500 0 0 0 4.500-4.500v-1";

export class Player {
  readonly box: HTMLElement;
  private readonly clock: Clock;
  private readonly stage: Stage;
  private readonly title = element("h2");
  private readonly chips = element("div", { class: "chips" });
  private readonly facts = element("dl", { class: "facts" });
  private readonly files = element("div", { class: "downloads" });
  private readonly lanes = element("div", { class: "tracks" });
  private readonly underVideo = element("div", { class: "strip" });
  private readonly videoCard = element("div", { class: "card video" });
  private readonly screens = element("div", { class: "screens" });
  private readonly range = element("input", { class: "scrub", attributes: { type: "range", min: "0", step: "any", value: "0", "aria-label": "Time" } });
  private readonly readout = element("output", { class: "time" });
  private readonly playButton: HTMLButtonElement;
  private readonly loopButton: HTMLButtonElement;
  private readonly speeds: HTMLSelectElement;
  private readonly toggles: Record<string, HTMLButtonElement>;
  private readonly frameSeconds: number;
  private drawn: tracks.Track[] = [];
  private shown: Shown[] = [];
  private video: HTMLVideoElement | null = null;
  private address: string | null = null;
  private drawnTime = -1;

  constructor(private readonly given: ViewDocument) {
    this.frameSeconds = 1 / given.fps;
    this.clock = new Clock(this.frameSeconds);
    this.stage = new Stage(given.body);
    this.playButton = button("Play or pause (space)", icon(PLAY, true), () => this.playOrPause(), "button play");
    this.loopButton = button("Repeat (L)", icon(LOOP), () => this.setLoop(!this.clock.loop));
    this.loopButton.setAttribute("aria-pressed", "true");
    this.speeds = element("select", { class: "speed", title: "Speed ([ and ])", attributes: { "aria-label": "Speed" } });
    for (const speed of SPEEDS) this.speeds.append(element("option", { attributes: { value: String(speed) } }, `${speed}×`));
    this.speeds.value = "1";
    this.speeds.addEventListener("change", () => this.clock.setSpeed(Number(this.speeds.value)));
    this.range.addEventListener("input", () => this.clock.seek(Number(this.range.value)));
    const { view } = this.stage;
    const change = (name: keyof typeof view) => (on: boolean) => {
      view[name] = on;
      this.stage.arrange();
      if (name === "overlay") this.stage.look();
    };
    this.toggles = {
      c: toggle("Contacts", "C", view.contacts, change("contacts")),
      t: toggle("Trails", "T", view.trails, change("trails")),
      f: toggle("Follow", "F", view.follow, change("follow")),
      o: toggle("Overlay", "O", view.overlay, change("overlay")),
    };
    const views = element("div", { class: "views" });
    for (const [name, azimuth, elevation] of [["Front", 0.0, 0.12], ["Side", Math.PI / 2, 0.12], ["Top", 0.0, 1.5]] as const) {
      views.append(button(`Seen from the ${name.toLowerCase()}`, name, () => this.stage.look(azimuth, elevation), "toggle"));
    }
    views.append(button("Reset the view (R)", "Reset", () => this.stage.look(), "toggle"));
    const { left, right } = given.body.colours;
    const legend = element("div", { class: "legend" }, dot(left), "its left", dot(right), "its right");
    const tools = element("div", { class: "tools" }, element("div", { class: "views" }, ...Object.values(this.toggles)), views);
    this.stage.box.append(legend);
    this.screens.append(
      this.videoCard,
      element("div", { class: "card figure" }, this.stage.box, tools),
    );
    const transport = element(
      "div",
      { class: "transport" },
      button("One frame back (left arrow)", icon(BACK, true), () => this.clock.step(-1)),
      this.playButton,
      button("One frame on (right arrow)", icon(AHEAD, true), () => this.clock.step(1)),
      this.readout,
      element("span", { class: "gap" }),
      this.speeds,
      this.loopButton,
    );
    const scrubber = element("div", { class: "track scrubber" }, element("span", { class: "name" }), this.range);
    this.box = element(
      "section",
      { class: "player", attributes: { "aria-label": "Player" } },
      element("div", { class: "heading" }, this.title, this.chips),
      this.screens,
      element("div", { class: "card console" }, transport, scrubber, this.lanes),
      element("div", { class: "below" }, this.facts, this.files),
    );
    new ResizeObserver(() => (this.drawnTime = -1)).observe(this.lanes);
  }

  /** Show another sample; what is playing goes on playing. */
  take(sample: SampleFacts): void {
    const colours = trunkColours(sample.motions, this.given.body);
    this.shown = sample.motions.map((facts, index) => ({
      motion: new Motion(facts, this.given.fps),
      colour: colours[index],
      name: facts.name,
      visible: true,
    }));
    this.title.replaceChildren(sample.title);
    if (sample.category) this.title.append(element("small", {}, sample.category));
    this.box.dataset.sample = sample.key;
    this.showVideo(sample);
    this.stage.take(this.shown);
    this.toggles.o.hidden = this.shown.length < 2;
    this.chips.replaceChildren(...(this.shown.length > 1 ? this.shown.map((each) => this.chip(each, sample)) : []));
    this.facts.replaceChildren(...sample.facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
    this.files.replaceChildren(...downloads(sample, this.shown.map(({ motion }) => motion)));
    const longest = Math.max(...this.shown.map(({ motion }) => motion.seconds));
    this.setDuration(sample, longest);
    const { video } = this;
    video?.addEventListener("loadedmetadata", () => {
      if (video === this.video) this.setDuration(sample, Math.max(longest, video.duration)); // not of a sample before
    }, { once: true });
  }

  play(): void {
    this.clock.play();
  }

  /** Called before every picture. */
  tick(): void {
    this.clock.tick();
    const { time, playing } = this.clock;
    this.stage.draw(time);
    if (time !== this.drawnTime) {
      this.drawnTime = time;
      this.range.value = String(time);
      this.range.style.setProperty("--done", `${(100 * time) / this.clock.duration}%`);
      const frame = Math.floor(time / this.frameSeconds + 1e-6);
      this.readout.value = `${time.toFixed(2)} / ${this.clock.duration.toFixed(2)} s`;
      this.box.dataset.frame = String(frame);
      for (const track of this.drawn) track.draw(time);
      this.stage.box.classList.toggle("over", this.shown.every(({ motion }) => time > motion.seconds));
      this.videoCard.classList.toggle("over", !!this.video && Number.isFinite(this.video.duration) && time > this.video.duration);
    }
    if (this.box.dataset.playing !== String(playing)) {
      this.box.dataset.playing = String(playing);
      this.playButton.replaceChildren(icon(playing ? PAUSE : PLAY, true));
    }
  }

  /** Whether the key meant something here. */
  press(key: string, shift: boolean): boolean {
    const jump = shift ? Math.round(0.5 / this.frameSeconds) : 1;
    const actions: Record<string, () => void> = {
      " ": () => this.playOrPause(),
      k: () => this.playOrPause(),
      arrowleft: () => this.clock.step(-jump),
      arrowright: () => this.clock.step(jump),
      home: () => this.clock.seek(0),
      end: () => this.clock.seek(this.clock.duration),
      "[": () => this.changeSpeed(-1),
      "]": () => this.changeSpeed(1),
      l: () => this.setLoop(!this.clock.loop),
      r: () => this.stage.look(),
    };
    const pressed = this.toggles[key];
    if (pressed && !pressed.hidden) pressed.click();
    else if (actions[key]) actions[key]();
    else return false;
    return true;
  }

  private playOrPause(): void {
    if (this.clock.playing) this.clock.pause();
    else this.clock.play();
  }

  private setLoop(on: boolean): void {
    this.clock.loop = on;
    this.loopButton.setAttribute("aria-pressed", String(on));
  }

  private changeSpeed(by: number): void {
    const index = SPEEDS.indexOf(Number(this.speeds.value)) + by;
    if (!SPEEDS[index]) return;
    this.speeds.value = String(SPEEDS[index]);
    this.clock.setSpeed(SPEEDS[index]);
  }

  private showVideo(sample: SampleFacts): void {
    if (this.address) URL.revokeObjectURL(this.address);
    this.video?.removeAttribute("src");
    this.video = this.address = null;
    this.videoCard.replaceChildren();
    this.screens.classList.toggle("alone", !sample.video);
    if (sample.video) {
      this.address = URL.createObjectURL(new Blob([bytesOf(sample.video.data)], { type: sample.video.mime }));
      this.video = element("video", { attributes: { playsinline: "", preload: "auto", "aria-label": `Video ${sample.video.name}` } });
      this.video.muted = true;
      this.video.src = this.address;
      this.video.addEventListener("click", () => this.playOrPause());
      this.videoCard.append(element("div", { class: "screen" }, this.video), this.underVideo);
    }
  }

  private setDuration(sample: SampleFacts, duration: number): void {
    this.clock.take(this.video, duration);
    this.range.max = String(duration);
    this.drawTracks(sample);
  }

  private drawTracks(sample: SampleFacts): void {
    const { duration } = this.clock;
    const seek = (seconds: number): void => this.clock.seek(seconds);
    const visible = this.shown.filter((each) => each.visible);
    const within = [tracks.ruler(duration, sample.moment_seconds, seek)];
    for (const { name, motion } of visible) {
      const title = visible.length > 1 ? `Feet, ${name}` : "Feet on the floor";
      if (motion.contacts) within.push(tracks.contacts(title, motion, this.given.body.colours, duration, seek));
    }
    const explained = visible.find(({ motion }) => motion.facts.attention);
    if (explained) within.push(tracks.attention(sample, explained.motion, duration, seek));
    const coded = visible.find(({ motion }) => tracks.hasTokens(motion.facts));
    if (coded) within.push(tracks.tokens(coded.motion, duration, seek));
    const weights = visible.find(({ motion }) => motion.facts.frame_weights)?.motion.facts.frame_weights;
    const strip = weights ? [tracks.frameWeights(sample, weights, duration, seek)] : [];
    if (explained && explained.motion.facts.attention?.frames === sample.sampled_seconds.length) {
      strip.push(tracks.lookedAtNow(sample, explained.motion, duration, seek));
    }
    if (!sample.video) within.splice(1, 0, ...strip.splice(0));
    this.lanes.replaceChildren(...within.map(({ row }) => row));
    this.underVideo.replaceChildren(...strip.map(({ row }) => row));
    this.drawn = [...strip, ...within];
    this.drawnTime = -1;
  }

  private chip(shown: Shown, sample: SampleFacts): HTMLButtonElement {
    const made = toggle(shown.name, "", true, (on) => {
      shown.visible = on;
      this.stage.arrange();
      this.stage.look();
      this.drawTracks(sample);
    });
    made.classList.add("chip");
    made.title = `Show or hide: ${shown.name}`;
    made.style.setProperty("--own", shown.colour);
    return made;
  }
}

function dot(colour: string): HTMLElement {
  const made = element("i", { class: "dot" });
  made.style.background = colour;
  return made;
}
