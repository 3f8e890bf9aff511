import assert from 'node:assert/strict';
import { test } from 'node:test';

import { status } from '@grpc/grpc-js';
import { StatusCode, checkpointers } from '@hyperledger/fabric-gateway';

import { json } from './network.js';
import { failure, height, newId, note, patient, take, town } from './town.js';

const network = await town();

test('a network that stops and starts again goes on where it was', async () => {
  const id = newId();
  let hospital = network.connect('hospital/hc1');
  let physician = network.connect('hospital/py1').emr('Physician');
  const commit = await hospital.emr('HealthCenter').submitAsync('CreateEmr', { arguments: [patient(id)] });
  const verdict = await commit.getStatus();
  await physician.submitTransaction('AddEmrNote', note(id, 'before'));
  const before = {
    emr: json(await physician.evaluateTransaction('GetEmrByPatientId', id)),
    height: await height(hospital),
  };
  assert.equal(before.emr.notes.length, 1);
  const checkpoint = checkpointers.inMemory();
  const events = await hospital.network.getChaincodeEvents('emr', { startBlock: 0n });
  const [created] = await take(events, 1);
  await checkpoint.checkpointChaincodeEvent(created);

  const { code, output } = await network.stop();
  assert.equal(code, 0, output);
  await network.start();

  hospital = network.connect('hospital/hc1');
  physician = network.connect('hospital/py1').emr('Physician');
  for (const host of [hospital, network.connect('clinic/hc2')]) {
    assert.equal(await height(host), before.height);
  }
  assert.deepEqual(json(await physician.evaluateTransaction('GetEmrByPatientId', id)), before.emr);
  const asked = hospital.gateway.newCommit(commit.getBytes());
  assert.deepEqual(await asked.getStatus(), verdict);
  const again = hospital.emr('HealthCenter').submitTransaction('CreateEmr', patient(id));
  assert.match((await failure(again)).details[0].message, /^chaincode response 409, /);

  const later = await physician.submitAsync('AddEmrNote', { arguments: [note(id, 'after')] });
  assert.deepEqual(await later.getStatus(), {
    blockNumber: before.height,
    code: StatusCode.VALID,
    successful: true,
    transactionId: later.getTransactionId(),
  });
  const resumed = await take(await hospital.network.getChaincodeEvents('emr', { checkpoint }), 2);
  assert.deepEqual(
    resumed.map(({ transactionId }) => transactionId),
    [before.emr.notes[0].noteId, later.getTransactionId()],
  );
});

test('clients notice that a host stops, and one connection outlives it', async () => {
  const grpc = network.grpc('hospital');
  const { network: channel, emr } = network.connect('hospital/hc1', { client: grpc });
  const streams = [await channel.getChaincodeEvents('emr'), await channel.getBlockEvents()];
  const heights = await height({ network: channel });
  const cut = Promise.all(streams.map((stream) => failure(take(stream, 1))));
  const stopped = network.stop({ closeClients: false });
  for (const error of await cut) assert.equal(error.code, status.UNAVAILABLE);
  assert.equal((await stopped).code, 0);
  const refused = failure(emr('HealthCenter').evaluateTransaction('CheckIsPatientRegistered', 'x'));
  assert.equal((await refused).code, status.UNAVAILABLE);

  await network.start();
  await new Promise((done, fail) =>
    grpc.waitForReady(Date.now() + 20_000, (error) => (error ? fail(error) : done())),
  );
  assert.equal(await height({ network: channel }), heights);
  grpc.close();
});
