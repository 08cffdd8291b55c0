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
  const times = [];
  for (let i = -1; i < Number(repeats); ++i) {  // the first warms up
    const begin = process.hrtime.bigint();
    await session.run(feeds);
    const taken = Number(process.hrtime.bigint() - begin) / 1e6;
    if (i >= 0) times.push(taken);
  }
  times.sort((a, b) => a - b);
  const perImage = times[Math.floor(times.length / 2)] / batch;
  rows.push({ precision, batch, threads: Number(threads), ms_per_image: perImage,
              images_per_second: 1000 / perImage });
}
console.log(JSON.stringify({ rows }));
