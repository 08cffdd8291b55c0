// The measuring part of bench/rivals, which see.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const options = {
  build: 'build/release', models: 'illama_base_patch16_224,visionllama_base_patch16_224',
  batches: '1,8', threads: '2', rounds: '5', repeats: '5', seconds: '2', name: '',
  precisions: 'fp32,bf16,bf16_autocast,int8',
};
for (let i = 2; i < process.argv.length; i += 2) {
  const name = process.argv[i].replace(/^--/, '');
  if (!(name in options) || process.argv[i + 1] === undefined) {
    console.error(`unknown option or missing value: ${process.argv[i]}; see bench/rivals --help`);
    process.exit(2);
  }
  options[name] = process.argv[i + 1];
}

const here = dirname(fileURLToPath(import.meta.url));
const program = (name) => join(options.build, 'bin', name);
const work = join(options.build, 'rivals');
const batchWords = options.batches.split(',');
/// Those of the wanted precisions that an engine knows.
const wanted = (...known) => known.filter((one) => options.precisions.split(',').includes(one));
const known = { libtorch: ['fp32', 'bf16', 'bf16_autocast'], onednn: ['fp32', 'bf16', 'int8'] };
// oneDNN takes its threads from here.
const environment = { ...process.env, OMP_NUM_THREADS: options.threads };

function run(command, words) {
  return execFileSync(command, words, { env: environment, encoding: 'utf8',
                                        stdio: ['ignore', 'pipe', 'inherit'] });
}
const rowsOf = (text) => JSON.parse(text).rows;

/// Model folder and exported graphs of a preset.
function prepare(preset) {
  const folder = join(work, preset);
  run(program('random_model'), [preset, folder]);
  for (const precision of ['fp32', 'int8']) {
    run(program('conopa'), ['export', folder, '--to', 'onnx', '--precision', precision, '--force',
                            '--out', join(work, `${preset}-${precision}.onnx`)]);
  }
  return folder;
}

const common = ['--batches', ...batchWords, '--threads', options.threads,
                '--repeats', options.repeats];
const onnx = (preset, precision) => () => rowsOf(run('node', [
  join(here, 'rival_onnxruntime.mjs'), join(work, `${preset}-${precision}.onnx`), precision,
  options.batches, options.threads, options.repeats, join(options.build, 'npm')]));

/// What there is to measure for one preset: name and a function that gives rows.
function contestants(preset, folder) {
  const out = [{ name: 'conopa', measure: () => rowsOf(run(program('conopa'), [
    'bench', folder, '--json', '--batch', options.batches, '--threads', options.threads,
    '--precision', wanted('fp32', 'bf16', 'int8').join(), '--seconds', options.seconds,
    '--runs', options.repeats])) }];
  for (const rival of ['libtorch', 'onednn']) {
    const path = program(`rival_${rival}`);
    const precisions = wanted(...known[rival]);
    if (!existsSync(path) || precisions.length === 0) continue;
    out.push({ name: rival, measure: () => rowsOf(run(path, [
      folder, ...common, '--precisions', ...precisions])) });
  }
  if (existsSync(join(options.build, 'npm', 'node_modules', 'onnxruntime-node'))) {
    for (const precision of wanted('fp32', 'int8')) {
      out.push({ name: 'onnxruntime', measure: onnx(preset, precision) });
    }
  }
  return out;
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

/// Measures everything once a round; `seen` gets all rows so far behind each model.
function measure(seen) {
  const rows = [];
  mkdirSync(work, { recursive: true });
  const presets = options.models.split(',').map((preset) => {
    const all = contestants(preset, prepare(preset));
    for (const rival of ['libtorch', 'onednn', 'onnxruntime']) {
      if (!all.some((one) => one.name === rival)) console.error(`without ${rival}`);
    }
    return { preset, all };
  });
  for (let round = 0; round < Number(options.rounds); ++round) {
    for (const { preset, all } of presets) {
      for (const one of all) {
        for (const row of one.measure()) rows.push({ preset, round, engine: one.name, ...row });
      }
      console.error(`${preset}: round ${round + 1} of ${options.rounds}`);
      seen(rows);
    }
  }
}

/// Median times on the clock and of the processors, and median ratios of rounds to conopa in the
/// same arithmetic.
function summarise(rows) {
  const keyOf = (row) => [row.preset, row.engine, row.precision, row.batch].join();
  const groups = new Map();
  for (const row of rows) {
    if (!groups.has(keyOf(row))) groups.set(keyOf(row), []);
    groups.get(keyOf(row)).push(row);
  }
  const out = [];
  for (const group of groups.values()) {
    const { preset, engine, precision, batch, threads } = group[0];
    const own = precision.split('_')[0];  // bf16_autocast meets bf16
    // The row's time over conopa's, in the median round.
    const ratio = (column) => {
      const ratios = [];
      for (const row of group) {
        const ours = rows.find((r) => r.engine === 'conopa' && r.preset === preset &&
          r.precision === own && r.batch === batch && r.round === row.round);
        if (ours) ratios.push(row[column] / ours[column]);
      }
      return ratios.length > 0 ? median(ratios).toFixed(3) : '';
    };
    const time = (column) => median(group.map((row) => row[column]));
    out.push({ preset, engine, precision, batch, threads, rounds: group.length,
               ms_per_image: time('ms_per_image'), times_conopa: ratio('ms_per_image'),
               cpu_ms_per_image: time('cpu_ms_per_image'),
               cpu_times_conopa: ratio('cpu_ms_per_image') });
  }
  return out.sort((a, b) => a.preset.localeCompare(b.preset) || a.batch - b.batch ||
    a.precision.localeCompare(b.precision) || a.ms_per_image - b.ms_per_image);
}

const columns = ['preset', 'batch', 'precision', 'engine', 'threads', 'rounds', 'ms_per_image',
                 'times_conopa', 'cpu_ms_per_image', 'cpu_times_conopa'];

function print(summary) {
  console.log(`${'model'.padEnd(32)} batch precision      engine       ms/image  ÷ conopa` +
    '    cpu ms  ÷ conopa');
  for (const row of summary) {
    console.log(`${row.preset.padEnd(32)} ${String(row.batch).padStart(5)} ` +
      `${row.precision.padEnd(14)} ${row.engine.padEnd(12)} ` +
      `${row.ms_per_image.toFixed(2).padStart(8)}  ${row.times_conopa.padStart(8)}  ` +
      `${row.cpu_ms_per_image.toFixed(2).padStart(8)}  ${row.cpu_times_conopa.padStart(8)}`);
  }
}

const machine = cpus()[0].model.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '');
const day = new Date().toISOString().slice(0, 10);
const file = join(here, 'results',
                  `${[machine, day, options.name].filter((part) => part !== '').join('-')}.csv`);

function write(summary) {
  const lines = [columns.join()];
  for (const row of summary) {
    lines.push(columns.map((name) => name.endsWith('ms_per_image') ? row[name].toFixed(3)
      : row[name]).join());
  }
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, lines.join('\n') + '\n');
}

let summary = [];
measure((rows) => {  // a run that is stopped leaves what it finished
  summary = summarise(rows);
  write(summary);
});
print(summary);
console.log(`written ${file}`);
