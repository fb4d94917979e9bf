// Files of motions to take away.
import { fileBlob, type SampleFacts } from "./document";
import { element, icon } from "./dom";
import type { Motion } from "./motion";
import { npzOfJoints } from "./npz";

const ARROW = "M12 4v11M7 10.500l5 5 5-5M5 20h14";

/** A row for every motion: the files that it brings, and its joints as .npz where it brings none. */
export function downloads(sample: SampleFacts, motions: Motion[]): HTMLElement[] {
  return motions.map((motion) => {
    const row = element("div", { class: "files" }, element("span", {}, motions.length > 1 ? motion.facts.name : "Download"));
    for (const file of motion.facts.files) row.append(save(file.name, () => fileBlob(file)));
    if (!motion.facts.files.some(({ name }) => name.endsWith(".npz"))) {
      const name = `${fileName(sample.key)}-${fileName(motion.facts.name)}.npz`;
      row.append(save(name, async () => npzOfJoints(motion.joints, motion.frames, motion.fps)));
    }
    return row;
  });
}

function save(name: string, make: () => Promise<Blob>): HTMLButtonElement {
  const suffix = name.slice(name.lastIndexOf(".") + 1).toUpperCase();
  const press = async (): Promise<void> => {
    const address = URL.createObjectURL(await make());
    const link = element("a", { attributes: { href: address, download: name } });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  };
  return element("button", { class: "save", title: name, attributes: { type: "button" }, on: { click: () => void press() } }, icon(ARROW), suffix);
}

function fileName(text: string): string {
  return text.replace(/[^A-Za-z0-9_-]+/g, "_").slice(0, 80);
}
