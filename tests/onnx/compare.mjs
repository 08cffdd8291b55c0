// node compare.mjs DIR: runs the models that write_cases wrote in onnxruntime and compares their
// outputs with the expected ones; NODE_MODULES is the folder that holds onnxruntime-node.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const ort = createRequire(resolve(process.env.NODE_MODULES, 'x.js'))('onnxruntime-node');

function readSafetensors(path) {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + length).toString());
  const tensors = {};
  for (const [name, info] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    if (info.dtype !== 'F32') throw new Error(`${path}: ${name} is ${info.dtype}, expected F32`);
    const [begin, end] = info.data_offsets;
    const bytes = file.subarray(8 + length + begin, 8 + length + end);
    const copy = new Uint8Array(bytes).buffer;  // aligned
    tensors[name] = { shape: info.shape, data: new Float32Array(copy) };
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

function compare(outputs, want, rows, row) {
  let worst = 0;
  for (const name of Object.keys(want)) {
    if (name === 'pixels') continue;
    const width = want[name].data.length / want.pixels.shape[0];
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
  const run = async (first, rows) => {
    const shape = [rows, ...want.pixels.shape.slice(1)];
    const size = want.pixels.data.length / want.pixels.shape[0];
    const data = want.pixels.data.slice(first * size, (first + rows) * size);
    return session.run({ pixels: new ort.Tensor('float32', data, shape) });
  };
  const batch = want.pixels.shape[0];
  const together = compare(await run(0, batch), want, batch, 0);
  const alone = compare(await run(1, 1), want, 1, 1);  // the batch is free
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
