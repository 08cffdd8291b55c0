// node compare.mjs DIR: runs the models that write_cases wrote in onnxruntime and compares their
// outputs with the expected ones; NODE_MODULES is the folder that holds onnxruntime-node.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const ort = createRequire(resolve(process.env.NODE_MODULES, 'x.js'))('onnxruntime-node');

const kArrays = { F32: Float32Array, I64: BigInt64Array };
const kInputs = { pixels: 'float32', tokens: 'int64' };

function readSafetensors(path) {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + length).toString());
  const tensors = {};
  for (const [name, info] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    if (!(info.dtype in kArrays)) throw new Error(`${path}: ${name} is ${info.dtype}`);
    const [begin, end] = info.data_offsets;
    const bytes = file.subarray(8 + length + begin, 8 + length + end);
    const copy = new Uint8Array(bytes).buffer;  // aligned
    tensors[name] = { shape: info.shape, data: new kArrays[info.dtype](copy) };
  }
  return tensors;
}

// Largest difference over the largest expected value; infinite unless both are finite.
function difference(found, expected) {
  let worst = 0;
  let top = 1e-12;
  for (let i = 0; i < expected.length; ++i) {
    const apart = Math.abs(found[i] - expected[i]);
    if (!Number.isFinite(apart)) return Infinity;
    worst = Math.max(worst, apart);
    top = Math.max(top, Math.abs(expected[i]));
  }
  return worst / top;
}

function compare(outputs, want, batch, rows, row) {
  let worst = 0;
  for (const name of Object.keys(want)) {
    if (name in kInputs) continue;
    const width = want[name].data.length / batch;
    const expected = want[name].data.subarray(row * width, (row + rows) * width);
    if (!(name in outputs)) throw new Error(`the model has no output ${name}`);
    if (outputs[name].dims.join() !== [rows, width].join()) {
      throw new Error(`${name} is [${outputs[name].dims}], expected [${rows},${width}]`);
    }
    worst = Math.max(worst, difference(outputs[name].data, expected));
  }
  if (Object.keys(outputs).length !== Object.keys(want).length - 1) {
    throw new Error(`unexpected outputs: ${Object.keys(outputs)}`);
  }
  return worst;
}

async function check(folder, one) {
  const want = readSafetensors(join(folder, `${one.name}.safetensors`));
  const session = await ort.InferenceSession.create(
    join(folder, `${one.name}.onnx`), { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const name = Object.keys(kInputs).find((one) => one in want);
  const input = want[name];
  const batch = input.shape[0];
  const run = async (first, rows) => {
    const size = input.data.length / batch;
    const data = input.data.slice(first * size, (first + rows) * size);
    const shape = [rows, ...input.shape.slice(1)];
    return session.run({ [name]: new ort.Tensor(kInputs[name], data, shape) });
  };
  const together = compare(await run(0, batch), want, batch, batch, 0);
  const alone = compare(await run(1, 1), want, batch, 1, 1);  // the batch is free
  await session.release();
  return Math.max(together, alone);
}

const folder = process.argv[2];
const cases = JSON.parse(readFileSync(join(folder, 'cases.json')));
let failed = 0;
for (const one of cases) {
  let line;
  try {
    const apart = await check(folder, one);
    const good = apart <= one.tolerance;
    line = `${apart.toExponential(1)} (at most ${one.tolerance})`;
    if (good) console.log(`ok    ${one.name}: ${line}`);
    if (good) continue;
  } catch (error) {
    line = error.message.split('\n')[0];
  }
  ++failed;
  console.log(`FAILED ${one.name}: ${line}`);
}
console.log(`${cases.length - failed} of ${cases.length} models agree`);
process.exit(failed === 0 && cases.length > 0 ? 0 : 1);
