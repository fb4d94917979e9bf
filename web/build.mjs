// Bundles src/ and three.js into one file, and records what it was made of. The same sources give the same bytes.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "..", "hero_core", "view", "bundle");
const sha256 = (data) => createHash("sha256").update(data).digest("hex");
const version = (name) => JSON.parse(readFileSync(join(here, "node_modules", name, "package.json"), "utf8")).version;

const licence = readFileSync(join(here, "node_modules", "three", "LICENSE"), "utf8").trim();
const result = await build({
  absWorkingDir: here,
  entryPoints: ["src/main.ts"],
  bundle: true,
  minify: true,
  write: false,
  format: "iife",
  target: "es2022",
  charset: "ascii",
  loader: { ".css": "text" },
  legalComments: "none", // three's is in the banner, whole
  banner: { js: `/* This file holds three.js ${version("three")}:\n\n${licence}\n*/` },
});
const bundle = Buffer.from(result.outputFiles[0].contents);

const sources = ["package-lock.json", "build.mjs", ...readdirSync(join(here, "src")).sort().map((name) => `src/${name}`)];
const made = createHash("sha256");
for (const name of sources) made.update(`${name}\0${sha256(readFileSync(join(here, name)))}\n`);

mkdirSync(out, { recursive: true });
writeFileSync(join(out, "viewer.js"), bundle);
const record = { sha256: sha256(bundle), sources_sha256: made.digest("hex"), three: version("three"), esbuild: version("esbuild") };
writeFileSync(join(out, "viewer.json"), JSON.stringify(record, null, 2) + "\n");
console.log(`${join(out, "viewer.js")}: ${bundle.length} bytes, sha256 ${record.sha256}`);
