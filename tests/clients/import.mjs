// Imports a folder of FHIR bundles into the contract `emr` of a network that it starts itself, and
// checks what health centre, physician, each patient and both hosts see afterwards.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

import { fromBundle } from './fhir.js';
import { CHANNEL, CORDON_BIN, Network, TOWN, json, text } from './network.js';

const AT_ONCE = 16; // Calls under way: more only wait in the hosts.
const LINE_SECONDS = 2; // Between lines of progress where there is no terminal.

const [folder] = process.argv.slice(2);
const patients = readdirSync(folder)
  .sort()
  .map((file) => fromBundle(JSON.parse(readFileSync(join(folder, file)))));
const notes = patients.flatMap(({ patientId, notes }) => notes.map((note) => ({ patientId, ...note })));
assert.ok(patients.length > 1, 'there are too few patients');
assert.equal(new Set(patients.map(({ patientId }) => patientId)).size, patients.length);
assert.ok(patients.every(({ notes }) => notes.length >= 3));

const dir = mkdtempSync(join(tmpdir(), 'cordon-import-'));
const file = join(dir, 'town.toml');
cpSync(dirname(TOWN), dir, { recursive: true }); // Access policies lie beside the file.
writeFileSync(file, townWithPatients());
const network = new Network({ file, dir: join(dir, 'network') });
const times = [];

await timed('start', 1, () => network.start());
try {
  const healthCenter = network.connect('hospital/hc1').emr('HealthCenter');
  const physician = network.connect('hospital/py1').emr('Physician');

  await each('open records', patients, ({ notes, ...patient }) =>
    healthCenter.submitTransaction('CreateEmr', JSON.stringify(patient)),
  );
  await each('add notes', notes, (note) =>
    physician.submitTransaction('AddEmrNote', JSON.stringify(note)),
  );

  await each('check registrations', patients, async ({ patientId }) => {
    const answer = await healthCenter.evaluateTransaction('CheckIsPatientRegistered', patientId);
    assert.equal(text(answer), 'true');
  });
  const stored = new Map();
  await each('check records', patients, async (patient) => {
    const emr = json(await physician.evaluateTransaction('GetEmrByPatientId', patient.patientId));
    assert.deepEqual(imported(emr), { ...patient, notes: sorted(patient.notes) });
    stored.set(patient.patientId, emr);
  });
  const grpc = network.grpc('hospital'); // One connection for all of them.
  await each('ask as patients', patients, async ({ patientId, notes }, index) => {
    const connection = network.connect(`hospital/${patientId}`, { client: grpc });
    const own = connection.emr('Patient');
    assert.deepEqual(json(await own.evaluateTransaction('GetOwnEmr')), stored.get(patientId));
    assert.equal(json(await own.evaluateTransaction('GetMedicalVisitsCount')), notes.length);
    const other = patients.at(index - 1).patientId;
    const refused = own.evaluateTransaction('GetEmrByPatientId', other);
    await assert.rejects(refused, /chaincode response 403, /);
    connection.close();
  });
  grpc.close();

  const ledger = await timed('compare hosts', 2, compareHosts);
  const { code, output } = await network.stop();
  assert.equal(code, 0, output);
  rmSync(dir, { recursive: true });
  summary(ledger);
} catch (error) {
  await network.stop();
  console.error(`\nimport-demo: what the hosts hold is in ${network.dir}`);
  throw error;
}

/** The town, in which every patient is a user of the hospital, so that each has an own certificate. */
function townWithPatients() {
  const town = readFileSync(TOWN, 'utf8');
  const users = patients.map(
    ({ patientId }) => `\n  { name = "${patientId}", attributes = { userRole = "patient" } },`,
  );
  const withUsers = town.replace(/(name = "hospital"[^[]*users = \[)/, `$1${users.join('')}`);
  assert.notEqual(withUsers, town, `${TOWN} lists no users of the hospital`);
  // Paths are relative to the file, and this copy lies elsewhere.
  return withUsers.replaceAll(/"([^"\n]*)"/g, (quoted, text) => {
    const path = resolve(dirname(TOWN), text);
    return /[./]/.test(text) && existsSync(path) ? JSON.stringify(path) : quoted;
  });
}

/** What was sent, from what is stored. */
function imported({ patientId, patientName, patientBirthdate, notes }) {
  const fields = ['area', 'vitalSigns', 'diagnosis', 'medication', 'progress', 'testResult'];
  const sent = notes.map((note) =>
    Object.fromEntries(fields.map((name) => [name, note[name]]).filter(([, value]) => value !== null)),
  );
  return { patientId, patientName, patientBirthdate, notes: sorted(sent) };
}

/** Notes that are sent at once are stored in any order. */
function sorted(notes) {
  const named = notes.map((note) => [`${note.area} ${note.testResult}`, note]);
  return named.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, note]) => note);
}

/** Where the ledger stands, if both hosts say the same. */
function compareHosts() {
  const ledger = (...args) => execFileSync(CORDON_BIN, ['ledger', ...args], { encoding: 'utf8' });
  const ask = (user, ...args) => [...args, '--dir', network.dir, '--as', user, '--channel', CHANNEL];
  const [hospital, clinic] = ['hospital/admin', 'clinic/admin'].map((user) => {
    const { height, blockHash, stateDigest } = JSON.parse(ledger(...ask(user, 'info', '--json')));
    return { height, blockHash, stateDigest };
  });
  assert.deepEqual(hospital, clinic);
  assert.match(hospital.blockHash, /^[0-9a-f]{64}$/);
  assert.match(hospital.stateDigest, /^[0-9a-f]{64}$/);
  if (/^ *verify /m.test(ledger('--help'))) {
    for (const user of ['hospital/admin', 'clinic/admin']) ledger(...ask(user, 'verify'));
    hospital.verified = true;
  }
  return hospital;
}

/** Calls `act` for every item, `AT_ONCE` at a time, and shows how far it is. */
async function each(what, items, act) {
  await timed(what, items.length, async (progress) => {
    let [next, done] = [0, 0];
    const worker = async () => {
      while (next < items.length) {
        const index = next++;
        await act(items[index], index);
        progress(++done);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    assert.equal(done, items.length);
  });
}

async function timed(what, count, act) {
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  let shown = 0;
  const result = await act((done) => {
    const interval = process.stdout.isTTY ? 0.1 : LINE_SECONDS;
    if (seconds() - shown < interval) return;
    shown = seconds();
    const rate = done / shown;
    show(`${row(what, done, rate)}  ${((count - done) / rate).toFixed(0)} s left of ${count}`, false);
  });
  times.push({ what, count, seconds: seconds() });
  show(`${row(what, count, count / seconds())}  in ${seconds().toFixed(2)} s`, true);
  return result;
}

function row(what, count, rate) {
  return `${what.padEnd(20)} ${`${count}`.padStart(6)}  ${rate.toFixed(0).padStart(5)}/s`;
}

function show(line, last) {
  if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${line}${last ? '\n' : ''}`);
  else console.log(line);
}

function summary({ height, blockHash, stateDigest, verified }) {
  const written = times.filter(({ what }) => ['open records', 'add notes'].includes(what));
  const transactions = written.reduce((sum, { count }) => sum + count, 0);
  const seconds = written.reduce((sum, time) => sum + time.seconds, 0);
  const total = times.reduce((sum, time) => sum + time.seconds, 0);
  const lines = [
    `${patients.length} patients with ${notes.length} notes: ${transactions} transactions in ${height - 1} blocks`,
    `imported in ${seconds.toFixed(2)} s (${(transactions / seconds).toFixed(0)} transactions/s), everything in ${total.toFixed(2)} s`,
    "registrations, every note and each patient's own view agree; other patients' records are refused",
    `both hosts: height ${height}, block ${blockHash.slice(0, 16)}…, state ${stateDigest.slice(0, 16)}…`,
    verified ? 'both hosts verified the whole chain' : 'this binary has no `ledger verify`: not done',
  ];
  console.log(`\n${lines.join('\n')}`);
}
