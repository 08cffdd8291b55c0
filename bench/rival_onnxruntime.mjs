// node rival_onnxruntime.mjs MODEL.onnx PRECISION BATCHES THREADS REPEATS NODE_FOLDER: inference of
// an exported model by onnxruntime, as JSON rows; a rival of `conopa bench` in bench/rivals.
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const [model, precision, batches, threads, repeats, folder] = process.argv.slice(2);
const ort = createRequire(resolve(folder, 'x.js'))('onnxruntime-node');

const session = await ort.InferenceSession.create(model, {
  intraOpNumThreads: Number(threads), interOpNumThreads: 1, executionMode: 'sequential',
  graphOptimizationLevel: 'all',
});
const [, channels, height, width] = session.inputMetadata[0].shape;
const rows = [];
for (const batch of batches.split(',').map(Number)) {
  const data = new Float32Array(batch * channels * height * width);
  for (let i = 0; i < data.length; ++i) data[i] = Math.sin(i * 12.9898) * 1.7;
  const feeds = { pixels: new ort.Tensor('float32', data, [batch, channels, height, width]) };
  const wall = [];
  const cpu = [];
  for (let i = -1; i < Number(repeats); ++i) {  // the first warms up
    const begin = process.hrtime.bigint();
    const cpuBegin = process.cpuUsage();
    await session.run(feeds);
    const used = process.cpuUsage(cpuBegin);
    const taken = Number(process.hrtime.bigint() - begin) / 1e6;
    if (i < 0) continue;
    wall.push(taken);
    cpu.push((used.user + used.system) / 1e3);
  }
  const perImage = (times) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)] / batch;
  rows.push({ precision, batch, threads: Number(threads), ms_per_image: perImage(wall),
              cpu_ms_per_image: perImage(cpu), images_per_second: 1000 / perImage(wall) });
}
console.log(JSON.stringify({ rows }));
