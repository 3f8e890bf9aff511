// What the test files share: a network of their own, patients and notes.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after } from 'node:test';

import { common } from '@hyperledger/fabric-protos';

import { CHANNEL, Network, json } from './network.js';

/** A network that runs while the tests of a file do, and must end well. */
export async function town() {
  const network = await new Network().start();
  after(async () => {
    const { code, output } = await network.stop();
    network.remove();
    assert.equal(code, 0, output);
  });
  return network;
}

/** Arguments of CreateEmr. */
export const patient = (patientId) =>
  JSON.stringify({ patientId, patientName: 'Ada Vale', patientBirthdate: '10-03' });

/** Arguments of AddEmrNote. */
export const note = (patientId, progress) =>
  JSON.stringify({ patientId, area: 'cardiology', diagnosis: 'arrhythmia', progress });

/** The id of a patient whom no other test knows. */
export const newId = () => `patient-${randomUUID()}`;

/** A new patient of the organisation that `healthCenter` belongs to. */
export async function register(healthCenter) {
  const emr = json(await healthCenter.submitTransaction('CreateEmr', patient(newId())));
  return emr.patientId;
}

/** How many blocks the channel has, as the host says. */
export async function height({ network }) {
  const info = await network.getContract('qscc').evaluateTransaction('GetChainInfo', CHANNEL);
  return BigInt(common.BlockchainInfo.deserializeBinary(info).getHeight());
}

/** The next `count` things from a stream, which is then closed. */
export async function take(stream, count) {
  const taken = [];
  try {
    for await (const item of stream) {
      if (taken.push(item) === count) break;
    }
  } finally {
    stream.close();
  }
  return taken;
}

/** What a promise is rejected with. */
export async function failure(promise) {
  const result = await promise.then(
    (value) => ({ value }),
    (error) => ({ error }),
  );
  assert.ok(result.error, 'it succeeded');
  return result.error;
}
