import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CommitError, StatusCode, signers } from '@hyperledger/fabric-gateway';

import { json, text } from './network.js';
import { failure, height, newId, note, patient, register, take, town } from './town.js';

const MVCC_READ_CONFLICT = StatusCode.MVCC_READ_CONFLICT;
const network = await town();
const hospital = network.connect('hospital/hc1');
const healthCenter = hospital.emr('HealthCenter');
const physician = network.connect('hospital/py1').emr('Physician');

test('evaluate answers and leaves no block', async () => {
  const before = await height(hospital);
  const id = newId();
  assert.equal(text(await healthCenter.evaluateTransaction('CheckIsPatientRegistered', id)), 'false');
  const emr = json(await healthCenter.evaluateTransaction('CreateEmr', patient(id)));
  assert.equal(emr.patientId, id);
  assert.equal(text(await healthCenter.evaluateTransaction('CheckIsPatientRegistered', id)), 'false');
  assert.equal(await height(hospital), before);
});

test('submit returns what the contract answered, and others read it', async () => {
  const id = newId();
  const emr = json(await healthCenter.submitTransaction('CreateEmr', patient(id)));
  assert.match(emr.emrId, /^[0-9a-f]{64}$/);
  assert.deepEqual(emr, {
    emrId: emr.emrId,
    organization: 'HospitalMSP',
    patientId: id,
    patientName: 'Ada Vale',
    patientBirthdate: '10-03',
    createdBy: 'hc1',
    notes: [],
  });
  assert.equal(text(await healthCenter.evaluateTransaction('CheckIsPatientRegistered', id)), 'true');

  const vitals = { patientId: id, area: 'cardiology', vitalSigns: '37.1 °C', medication: ' ' };
  const first = json(await physician.submitTransaction('AddEmrNote', JSON.stringify(vitals)));
  const second = json(await physician.submitTransaction('AddEmrNote', note(id, 'better')));
  assert.match(first.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
  assert.deepEqual(first, {
    ...vitals,
    noteId: first.noteId,
    diagnosis: null,
    medication: null, // Blank counts as left out.
    progress: null,
    testResult: null,
    physician: 'py1',
    timestamp: first.timestamp,
  });
  const whole = { ...emr, notes: [first, second] };
  assert.deepEqual(json(await physician.evaluateTransaction('GetEmrByPatientId', id)), whole);
  assert.deepEqual(json(await physician.evaluateTransaction('ReadEmr', emr.emrId)), whole);
});

test('a patient reads the own record', async () => {
  await healthCenter.submitTransaction('CreateEmr', patient('pa1'));
  const added = json(await physician.submitTransaction('AddEmrNote', note('pa1', 'stable')));
  const own = network.connect('hospital/pa1').emr('Patient');
  const emr = json(await own.evaluateTransaction('GetOwnEmr'));
  assert.equal(emr.patientId, 'pa1');
  assert.deepEqual(emr.notes, [added]);
  assert.deepEqual(json(await own.evaluateTransaction('GetEmrByPatientId', 'pa1')), emr);
  assert.equal(text(await own.evaluateTransaction('GetMedicalVisitsCount')), '1');
});

test('submitAsync gives the answer at once and the verdict later', async () => {
  const id = newId();
  const before = await height(hospital);
  const commit = await healthCenter.submitAsync('CreateEmr', { arguments: [patient(id)] });
  const emr = json(commit.getResult());
  assert.equal(emr.patientId, id);
  assert.equal(emr.emrId, commit.getTransactionId());
  const status = await commit.getStatus();
  assert.deepEqual(status, {
    blockNumber: before,
    code: StatusCode.VALID,
    successful: true,
    transactionId: emr.emrId,
  });
  assert.deepEqual(await commit.getStatus(), status);
});

test('text of every script and length arrives as it was sent', async () => {
  const id = `${newId()} Zoë 陳 👩🏽‍⚕️ "\\/\n\u0001`;
  await healthCenter.submitTransaction('CreateEmr', patient(id));
  const long = 'ä'.repeat(32_768); // 65,536 bytes of UTF-8: the most that a field takes.
  const fields = { area: long, vitalSigns: long, diagnosis: long, medication: long };
  const args = JSON.stringify({ patientId: id, ...fields, progress: long, testResult: long });
  const added = json(await physician.submitTransaction('AddEmrNote', args));
  const { notes } = json(await physician.evaluateTransaction('GetEmrByPatientId', id));
  assert.deepEqual(notes, [added]);
  assert.equal(added.patientId, id);
  assert.equal(added.area, long);
  assert.equal(added.testResult, long);
});

test('what is committed can be built upon at once, whoever has to endorse', async () => {
  for (let round = 0; round < 50; round++) {
    const id = await register(healthCenter);
    await physician.submitTransaction('AddEmrNote', note(id, 'first'));
    const { notes } = json(await physician.evaluateTransaction('GetEmrByPatientId', id));
    assert.deepEqual(notes.map(({ progress }) => progress), ['first']);
  }
});

test('of two who open one record at the same moment, the second has a read conflict', async () => {
  const id = newId();
  const propose = () => healthCenter.newProposal('CreateEmr', { arguments: [patient(id)] });
  const [first, second] = await Promise.all([propose().endorse(), propose().endorse()]);
  const [one, two] = [await first.submit(), await second.submit()];
  const { successful, blockNumber } = await one.getStatus();
  assert.equal(successful, true);
  const lost = await two.getStatus();
  assert.equal(lost.successful, false);
  assert.equal(lost.code, MVCC_READ_CONFLICT);
  assert.ok(lost.blockNumber >= blockNumber);
  const { emrId } = json(await physician.evaluateTransaction('GetEmrByPatientId', id));
  assert.equal(emrId, one.getTransactionId());
});

test('of many who open one record in a race, exactly one does', async () => {
  const id = newId();
  const others = [network.connect('hospital/hc1'), network.connect('hospital/hc1', { via: 'clinic' })];
  const racers = [healthCenter, ...others.map((other) => other.emr('HealthCenter'))];
  const results = await Promise.allSettled(
    racers.map((racer) => racer.submitTransaction('CreateEmr', patient(id))),
  );
  const won = results.filter(({ status }) => status === 'fulfilled');
  assert.equal(won.length, 1);
  for (const { reason } of results.filter(({ status }) => status === 'rejected')) {
    if (reason instanceof CommitError) assert.equal(reason.code, MVCC_READ_CONFLICT);
    else assert.match(reason.details[0].message, /^chaincode response 409, /);
  }
  const emr = json(await physician.evaluateTransaction('GetEmrByPatientId', id));
  assert.deepEqual(emr, json(won[0].value));
});

test('notes that are added at the same moment do not disturb each other', async () => {
  const id = await register(healthCenter);
  const endorsed = await Promise.all(
    ['a', 'b'].map((progress) =>
      physician.newProposal('AddEmrNote', { arguments: [note(id, progress)] }).endorse(),
    ),
  );
  for (const transaction of endorsed) {
    const commit = await transaction.submit();
    assert.equal((await commit.getStatus()).code, StatusCode.VALID);
  }
  const names = Array.from({ length: 30 }, (_, n) => `note ${n}`);
  await Promise.all(names.map((name) => physician.submitTransaction('AddEmrNote', note(id, name))));
  const { notes } = json(await physician.evaluateTransaction('GetEmrByPatientId', id));
  assert.deepEqual(notes.map(({ progress }) => progress).sort(), ['a', 'b', ...names].sort());
  const times = notes.map(({ timestamp }) => Date.parse(timestamp));
  assert.deepEqual(times, times.toSorted((a, b) => a - b));
});

test('a transaction that is submitted twice takes effect once', async () => {
  const id = newId();
  const startBlock = await height(hospital);
  const proposal = healthCenter.newProposal('CreateEmr', { arguments: [patient(id)] });
  const transaction = await proposal.endorse();
  const first = await (await transaction.submit()).getStatus();
  assert.equal(first.code, StatusCode.VALID);
  assert.equal(first.blockNumber, startBlock);
  // Its verdict stays the first one; the copy is in a later block, marked.
  assert.deepEqual(await (await transaction.submit()).getStatus(), first);
  const blocks = await take(await hospital.network.getFilteredBlockEvents({ startBlock }), 2);
  const verdicts = blocks.flatMap((block) =>
    block.getFilteredTransactionsList().map((tx) => [tx.getTxid(), tx.getTxValidationCode()]),
  );
  assert.deepEqual(verdicts, [
    [first.transactionId, StatusCode.VALID],
    [first.transactionId, StatusCode.DUPLICATE_TXID],
  ]);
  const again = await failure(proposal.endorse());
  assert.match(again.details[0].message, /is on the ledger already/);
});

test('a member may call the host of another, and keeps its own records', async () => {
  const visitor = network.connect('clinic/hc2', { via: 'hospital' }).emr('HealthCenter');
  const id = newId();
  const there = json(await visitor.submitTransaction('CreateEmr', patient(id)));
  assert.equal(there.organization, 'ClinicMSP');
  assert.equal(there.createdBy, 'hc2');
  assert.equal(text(await healthCenter.evaluateTransaction('CheckIsPatientRegistered', id)), 'false');
  const here = json(await healthCenter.submitTransaction('CreateEmr', patient(id)));
  assert.equal(here.organization, 'HospitalMSP');
  assert.notEqual(here.emrId, there.emrId);
});

test('a client may name who endorses, and the endorsement policy decides', async () => {
  const [one, both] = [newId(), newId()];
  await healthCenter.submit('CreateEmr', {
    arguments: [patient(both)],
    endorsingOrganizations: ['HospitalMSP', 'ClinicMSP'],
  });
  const error = await failure(
    healthCenter.submit('CreateEmr', { arguments: [patient(one)], endorsingOrganizations: ['HospitalMSP'] }),
  );
  assert.ok(error instanceof CommitError);
  assert.equal(error.code, StatusCode.ENDORSEMENT_POLICY_FAILURE);
  const registered = (id, host) =>
    healthCenter
      .evaluate('CheckIsPatientRegistered', { arguments: [id], endorsingOrganizations: [host] })
      .then(text);
  for (const host of ['HospitalMSP', 'ClinicMSP']) {
    assert.equal(await registered(one, host), 'false');
    assert.equal(await registered(both, host), 'true');
  }
});

test('transient data is in no block', async () => {
  const startBlock = await height(hospital);
  const secret = newId();
  const emr = await healthCenter.submit('CreateEmr', {
    arguments: [patient(newId())],
    transientData: { secret },
  });
  const [block] = await take(await hospital.network.getBlockEvents({ startBlock }), 1);
  const bytes = Buffer.from(block.serializeBinary());
  assert.ok(bytes.includes(json(emr).patientId));
  assert.ok(!bytes.includes(secret));
});

test('every step can be signed away from the client', async () => {
  const { gateway, network: channel, emr } = network.connect('hospital/hc1', { offline: true });
  // All that ever leaves or enters: bytes, digest, signature.
  const sign = signers.newPrivateKeySigner(network.identity('hospital/hc1').key);
  const signed = async (make, signable) =>
    make.call(gateway, signable.getBytes(), await sign(signable.getDigest()));
  const id = newId();
  const startBlock = await height(hospital);

  const query = emr('HealthCenter').newProposal('CheckIsPatientRegistered', { arguments: [id] });
  assert.equal(text(await (await signed(gateway.newSignedProposal, query)).evaluate()), 'false');

  const proposal = emr('HealthCenter').newProposal('CreateEmr', { arguments: [patient(id)] });
  assert.equal(proposal.getDigest().length, 32);
  const transaction = await (await signed(gateway.newSignedProposal, proposal)).endorse();
  assert.equal(json(transaction.getResult()).patientId, id);
  const commit = await (await signed(gateway.newSignedTransaction, transaction)).submit();
  const status = await (await signed(gateway.newSignedCommit, commit)).getStatus();
  assert.deepEqual(status, {
    blockNumber: startBlock,
    code: StatusCode.VALID,
    successful: true,
    transactionId: proposal.getTransactionId(),
  });

  const streamed = async (make, request) => {
    const stream = await (await signed(make, request)).getEvents();
    return (await take(stream, 1))[0];
  };
  const event = await streamed(
    gateway.newSignedChaincodeEventsRequest,
    channel.newChaincodeEventsRequest('emr', { startBlock }),
  );
  assert.equal(event.transactionId, status.transactionId);
  const number = Number(startBlock);
  const block = await streamed(
    gateway.newSignedBlockEventsRequest,
    channel.newBlockEventsRequest({ startBlock }),
  );
  assert.equal(block.getHeader().getNumber(), number);
  const filtered = await streamed(
    gateway.newSignedFilteredBlockEventsRequest,
    channel.newFilteredBlockEventsRequest({ startBlock }),
  );
  assert.equal(filtered.getNumber(), number);
  const whole = await streamed(
    gateway.newSignedBlockAndPrivateDataEventsRequest,
    channel.newBlockAndPrivateDataEventsRequest({ startBlock }),
  );
  assert.equal(whole.getBlock().getHeader().getNumber(), number);
});
