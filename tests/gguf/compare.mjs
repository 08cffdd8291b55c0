// The reader of @huggingface/gguf against the model folder that a file was exported from:
// compare.mjs CONOPA CHECKPOINT FOLDER
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";

const [conopa, checkpoint, folder] = process.argv.slice(2);
const require = createRequire(`${process.env.CONOPA_NPM}/`);
const { gguf, GGMLQuantizationType } = require("@huggingface/gguf");
const run = (...words) => execFileSync(conopa, [...words, "--quiet"], { encoding: "utf8" });

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
run("import", checkpoint, "--out", `${folder}/model`);

// The reader gives 64-bit integers as bigint.
const plain = (value) =>
  typeof value === "bigint" ? Number(value) : Array.isArray(value) ? value.map(plain) : value;

function compareFields(metadata, prefix, path) {
  const fields = Object.entries(JSON.parse(readFileSync(path, "utf8")));
  for (const [name, value] of fields) {
    assert.deepEqual(plain(metadata[prefix + name]), value, prefix + name);
  }
  const keys = Object.keys(metadata).filter((key) => key.startsWith(prefix));
  assert.equal(keys.length, fields.length, `${prefix}*`);
  return fields.length;
}

for (const dtype of ["f32", "f16", "bf16"]) {
  const file = `${folder}/${dtype}.gguf`;
  run("export", `${folder}/model`, "--to", "gguf", "--dtype", dtype, "--out", file);
  const { metadata, tensorInfos, tensorDataOffset } = await gguf(file, { allowLocalFile: true });
  assert.equal(metadata.version, 3);
  assert.equal(metadata["general.architecture"], "conopa");
  const fields =
    compareFields(metadata, "conopa.", `${folder}/model/config.json`) +
    compareFields(metadata, "preprocessor.", `${folder}/model/preprocessor_config.json`);

  // The tensors of the model folder: the header of its safetensors file.
  const weights = readFileSync(`${folder}/model/model.safetensors`);
  const header = Number(weights.readBigUInt64LE(0));
  const expected = JSON.parse(weights.toString("utf8", 8, 8 + header));
  delete expected.__metadata__;
  assert.equal(tensorInfos.length, Object.keys(expected).length);
  const bytes = readFileSync(file);
  for (const info of tensorInfos) {
    const { shape, data_offsets: range } = expected[info.name];
    assert.deepEqual(info.shape.map(plain), shape.toReversed(), info.name);
    assert.equal(GGMLQuantizationType[info.dtype], dtype.toUpperCase());
    if (dtype !== "f32") continue;
    const begin = Number(tensorDataOffset) + Number(info.offset);
    const ours = weights.subarray(8 + header + range[0], 8 + header + range[1]);
    assert.ok(bytes.subarray(begin, begin + ours.length).equals(ours), info.name);
  }
  console.log(`${dtype}: ${fields} fields and ${tensorInfos.length} tensors agree`);
}
