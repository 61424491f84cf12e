// Types of the messages from their JSON Schemas in docs/schemas, so that page and server cannot drift apart.
// What a server sends is whole: there every property with a default is required too.
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { compile } from "json-schema-to-typescript";

const schemas = new URL("../../../docs/schemas/", import.meta.url);
const types = new URL("../src/types/", import.meta.url);

function plain(node, whole) {
  if (Array.isArray(node)) return node.map((part) => plain(part, whole));
  if (node === null || typeof node !== "object") return node;
  const found = {};
  for (const [key, value] of Object.entries(node)) {
    if (key === "discriminator") continue;
    // A title on a property would become a type of its own; those of $defs keep their names by their keys.
    if (key === "title" && typeof value === "string" && node.type !== "object") continue;
    found[key] = plain(value, whole);
  }
  if (node.prefixItems) {
    found.items = found.prefixItems;
    delete found.prefixItems;
  }
  if (node.maxItems !== undefined && !node.prefixItems) delete found.maxItems;
  if (whole && node.properties && node.type === "object") found.required = Object.keys(node.properties);
  else if (node.properties?.type?.const) found.required = [...new Set(["type", ...(node.required ?? [])])];
  return found;
}

await rm(types, { recursive: true, force: true });
await mkdir(types, { recursive: true });
for (const file of (await readdir(schemas)).filter((name) => /^(feed|live)-.*\.json$/.test(name)).sort()) {
  const name = file.replace(/\.json$/, "");
  const schema = JSON.parse(await readFile(new URL(file, schemas), "utf8"));
  const root = name.split("-").map((word) => word[0].toUpperCase() + word.slice(1)).join("");
  const text = await compile({ ...plain(schema, !name.endsWith("-client")), title: root }, root, {
    additionalProperties: false,
    bannerComment: `/* From docs/schemas/${file}, by npm run types. */`,
    format: false,
    unreachableDefinitions: true,
  });
  await writeFile(new URL(`${name}.ts`, types), text);
}
