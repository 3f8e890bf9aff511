// "Sharing an EMR" of the reference network, in its seven steps. The steps build on each other.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CommitError, StatusCode } from '@hyperledger/fabric-gateway';

import { json, text } from './network.js';
import { endorsersOf, failure, host, note, patient, refused, stage, take, town } from './town.js';

const network = await town();
const organizations = { members: ['hospital', 'clinic'], endorsers: ['hospital', 'clinic'] };
const onEmr = stage(network, { channel: 'providers', contract: 'emr', ...organizations });
const on = stage(network, { channel: 'providers', contract: 'sharing', ...organizations });

const keeper = on('hospital/hc1');
const ann = on('hospital/pa1');
const ben = on('hospital/pa3'); // Another patient of the same hospital.
const reader = on('clinic/py2');
const readerKeeper = on('clinic/hc2');

const physician = onEmr('hospital/py1');
const { answer: created } = await onEmr('hospital/hc1').submits('HealthCenter:CreateEmr', patient('pa1'));
const emrId = created.emrId;
for (const progress of ['first', 'second']) {
  await physician.submits('Physician:AddEmrNote', note('pa1', progress));
}
/** Ann's record as it is now. */
const record = () => onEmr('hospital/pa1').asks('Patient:GetOwnEmr');

const READ = ['Physician:GetSharedEmr', 'HospitalMSP', 'pa1'];
const read = () => reader.asks(...READ);
const unreadable = {
  unshared: () => reader.refused(404, 'No record of this patient is shared with your organisation.', ...READ),
  unapproved: () =>
    reader.refused(403, 'The patient has not approved that your organisation reads this record.', ...READ),
};
const events = []; // What both hosts tell of it.
const expect = (eventName, { blockNumber, transactionId }) =>
  events.push({ chaincodeName: 'sharing', eventName, payload: 'ClinicMSP', blockNumber, transactionId });
let shared; // What the reader reads in the end.

test("1: another organisation's physician asks for a record", async () => {
  await unreadable.unshared();
  const request = 'Physician:RequestEmr';
  const own = 'ownerOrg must be another organisation than your own.';
  await reader.refused(400, own, request, 'ClinicMSP', 'pa1');
  await reader.refused(400, 'patientId must not be empty.', request, 'HospitalMSP', ' ');
  await readerKeeper.denied(request, 'HospitalMSP', 'pa1');
  await ann.denied(request, 'HospitalMSP', 'pa1');

  const proposal = reader.contract.newProposal(request, { arguments: ['HospitalMSP', 'pa1'] });
  const transaction = await proposal.endorse();
  const asked = await reader.submits(request, 'HospitalMSP', 'pa1');
  expect('EmrRequested', asked);
  assert.deepEqual(asked.answer, {
    receiverOrg: 'ClinicMSP',
    patientId: 'pa1',
    requestedBy: 'py2',
    requestedAt: asked.answer.requestedAt,
  });
  // Of two who ask at the same moment one does.
  const { code } = await (await transaction.submit()).getStatus();
  assert.equal(code, StatusCode.MVCC_READ_CONFLICT);
  const open = 'Your organisation has asked for this record already, and the request is still open.';
  await reader.refused(409, open, request, 'HospitalMSP', 'pa1');
  await unreadable.unshared(); // To ask is not to be allowed.
});

test('whoever asks does not learn whether there is such a patient', async () => {
  const asked = await reader.submits('Physician:RequestEmr', 'HospitalMSP', 'nobody');
  expect('EmrRequested', asked);
  assert.deepEqual(Object.keys(asked.answer), ['receiverOrg', 'patientId', 'requestedBy', 'requestedAt']);
  const declined = await keeper.submits('HealthCenter:RemoveEmrSharing', 'ClinicMSP', 'nobody');
  expect('EmrSharingRemoved', declined);
  assert.equal(declined.answer, null);
});

test('2: the owner and the patient see who asks, and nobody else does', async () => {
  const [request] = await keeper.asks('HealthCenter:GetEmrRequests');
  assert.equal(request.receiverOrg, 'ClinicMSP');
  assert.equal(request.patientId, 'pa1');
  assert.equal(request.requestedBy, 'py2');
  assert.deepEqual(await keeper.asks('HealthCenter:GetEmrRequests'), [request]);
  assert.deepEqual(await ann.asks('Patient:GetEmrRequests'), [request]);
  assert.deepEqual(await ben.asks('Patient:GetEmrRequests'), []);
  assert.deepEqual(await readerKeeper.asks('HealthCenter:GetEmrRequests'), []);
  await on('hospital/py1').denied('HealthCenter:GetEmrRequests');
});

test('3: the owner authorises reading of the record as it is', async () => {
  const authorize = 'HealthCenter:AuthorizeEmrReading';
  const unknown = 'Your organisation keeps no medical record with this emrId.';
  await keeper.refused(404, unknown, authorize, 'ClinicMSP', '0'.repeat(64));
  await readerKeeper.refused(404, unknown, authorize, 'HospitalMSP', emrId);
  const own = 'receiverOrg must be another organisation than your own.';
  await keeper.refused(400, own, authorize, 'HospitalMSP', emrId);
  await on('hospital/py1').denied(authorize, 'ClinicMSP', emrId);

  const authorized = await keeper.submits(authorize, 'ClinicMSP', emrId);
  expect('EmrReadingAuthorized', authorized);
  assert.deepEqual(authorized.answer, {
    version: 1,
    authorizedBy: 'hc1',
    authorizedAt: authorized.answer.authorizedAt,
    approvedAt: null,
  });
  assert.deepEqual(await keeper.asks('HealthCenter:GetEmrRequests'), []);
  await unreadable.unapproved();
});

test('4: the patient sees what waits for approval', async () => {
  const [sharing] = await ann.asks('Patient:GetSharings');
  assert.equal(sharing.receiverOrg, 'ClinicMSP');
  assert.equal(sharing.request, null);
  assert.equal(sharing.waiting.version, 1);
  assert.equal(sharing.waiting.authorizedBy, 'hc1');
  assert.equal(sharing.readable, null);
  assert.deepEqual(await ben.asks('Patient:GetSharings'), []);
  assert.deepEqual(await on('clinic/pa2').asks('Patient:GetSharings'), []);
});

test('5: the patient approves', async () => {
  const approve = 'Patient:ApproveEmrSharing';
  const nothing = 'Your organisation has authorised nothing for this one to read.';
  await ben.refused(404, nothing, approve, 'ClinicMSP');
  await on('clinic/pa2').refused(404, nothing, approve, 'HospitalMSP');
  await ann.refused(404, nothing, approve, 'SchoolMSP');
  await keeper.denied(approve, 'ClinicMSP');
  await reader.denied(approve, 'ClinicMSP');
  const another =
    'This is not the version that was authorised last. See your sharings for the one that is.';
  await ann.refused(409, another, approve, 'ClinicMSP', 2);
  await ann.refused(400, 'version: malformed JSON at line 1 column 1', approve, 'ClinicMSP', 'one');
  await unreadable.unapproved();

  const approved = await ann.submits(approve, 'ClinicMSP', 1);
  expect('EmrSharingApproved', approved);
  const [sharing] = await ann.asks('Patient:GetSharings');
  assert.equal(sharing.waiting, null);
  assert.deepEqual(sharing.readable, approved.answer);
  assert.equal(typeof approved.answer.approvedAt, 'string');
  const again = 'There is nothing new to approve: you have approved what was authorised last.';
  await ann.refused(409, again, approve, 'ClinicMSP');
});

test('6: the physician reads what was agreed on, on every host', async () => {
  shared = await read();
  assert.equal(shared.version, 1);
  assert.deepEqual(shared.emr, await record());
  assert.deepEqual(shared.emr.notes.map(({ progress }) => progress), ['first', 'second']);
  for (const target of ['HospitalMSP', 'ClinicMSP']) {
    const options = { arguments: READ.slice(1), endorsingOrganizations: [target] };
    assert.deepEqual(json(await reader.contract.evaluate(READ[0], options)), shared);
  }
  const none = 'No record of this patient is shared with your organisation.';
  await on('hospital/py1').refused(404, none, ...READ); // The sharing is the clinic's.
  await reader.refused(404, none, READ[0], 'HospitalMSP', 'pa3');
  await reader.refused(404, none, READ[0], 'ClinicMSP', 'pa1');
  await readerKeeper.denied(...READ);
  // What is shared is a copy: the record itself stays with its owner.
  const owned = 'This patient has no medical record in your organisation.';
  await onEmr('clinic/py2').refused(404, owned, 'Physician:GetEmrByPatientId', 'pa1');
});

test('what is noted later stays unseen until both agree again', async () => {
  await physician.submits('Physician:AddEmrNote', note('pa1', 'third'));
  assert.deepEqual(await read(), shared);
  assert.equal((await record()).notes.length, 3);
  const authorized = await keeper.submits('HealthCenter:AuthorizeEmrReading', 'ClinicMSP', emrId);
  expect('EmrReadingAuthorized', authorized);
  assert.equal(authorized.answer.version, 2);
  assert.deepEqual(await read(), shared); // The earlier approval stands while the newer one waits.

  // The patient looks at version 2, and the owner authorises version 3 before the approval arrives.
  const looked = { arguments: ['ClinicMSP', '2'] };
  const late = await ann.contract.newProposal('Patient:ApproveEmrSharing', looked).endorse();
  await physician.submits('Physician:AddEmrNote', note('pa1', 'fourth'));
  const newer = await keeper.submits('HealthCenter:AuthorizeEmrReading', 'ClinicMSP', emrId);
  expect('EmrReadingAuthorized', newer);
  assert.equal(newer.answer.version, 3);
  const { code } = await (await late.submit()).getStatus();
  assert.equal(code, StatusCode.MVCC_READ_CONFLICT);
  assert.deepEqual(await read(), shared);

  expect('EmrSharingApproved', await ann.submits('Patient:ApproveEmrSharing', 'ClinicMSP', 3));
  const now = await read();
  assert.equal(now.version, 3);
  assert.deepEqual(now.emr, await record());
  assert.equal(now.emr.notes.length, 4);
});

test('7: the patient withdraws, and reading ends at once', async () => {
  await ben.refused(
    404,
    'Nothing is shared with this organisation, and it has no open request.',
    'Patient:RemoveEmrSharing',
    'ClinicMSP',
  );
  assert.equal((await read()).version, 3);
  const removed = await ann.submits('Patient:RemoveEmrSharing', 'ClinicMSP');
  expect('EmrSharingRemoved', removed);
  assert.equal(removed.answer, null);
  await unreadable.unshared();
  assert.deepEqual(await ann.asks('Patient:GetSharings'), []);
  const gone = 'Nothing is shared with this organisation, and it has no open request.';
  await ann.refused(404, gone, 'Patient:RemoveEmrSharing', 'ClinicMSP');
  await keeper.refused(404, gone, 'HealthCenter:RemoveEmrSharing', 'ClinicMSP', 'pa1');
  const nothing = 'Your organisation has authorised nothing for this one to read.';
  await ann.refused(404, nothing, 'Patient:ApproveEmrSharing', 'ClinicMSP');
});

test('after a withdrawal no old agreement revives, and the owner may withdraw too', async () => {
  const authorized = await keeper.submits('HealthCenter:AuthorizeEmrReading', 'ClinicMSP', emrId);
  expect('EmrReadingAuthorized', authorized);
  assert.equal(authorized.answer.version, 4);
  await unreadable.unapproved();
  expect('EmrSharingApproved', await ann.submits('Patient:ApproveEmrSharing', 'ClinicMSP'));
  assert.equal((await read()).version, 4);
  expect(
    'EmrSharingRemoved',
    await keeper.submits('HealthCenter:RemoveEmrSharing', 'ClinicMSP', 'pa1'),
  );
  await unreadable.unshared();
});

test('events name the receiver and no patient, the same on every host', async () => {
  assert.equal(events.length, 12); // Every step was taken.
  for (const { channel } of [keeper, reader]) {
    const stream = await channel.getChaincodeEvents('sharing', { startBlock: 0n });
    const told = await take(stream, events.length);
    assert.deepEqual(told.map((event) => ({ ...event, payload: text(event.payload) })), events);
  }
});

test('both organisations endorse, and one alone is not enough', async () => {
  const name = 'Physician:RequestEmr';
  const proposal = (endorsingOrganizations) =>
    reader.contract.newProposal(name, { arguments: ['HospitalMSP', 'pa1'], endorsingOrganizations });
  const transaction = await proposal().endorse();
  assert.deepEqual(endorsersOf(transaction), ['ClinicMSP', 'HospitalMSP']);
  const alone = await failure(
    reader.contract.submit(name, {
      arguments: ['HospitalMSP', 'pa1'],
      endorsingOrganizations: ['ClinicMSP'],
    }),
  );
  assert.ok(alone instanceof CommitError, alone);
  assert.equal(alone.code, StatusCode.ENDORSEMENT_POLICY_FAILURE);
  assert.deepEqual(await keeper.asks('HealthCenter:GetEmrRequests'), []);
});

test('a physician who calls the host of another organisation is refused there alike', async () => {
  const connection = network.connect('clinic/py2', { via: 'hospital' });
  const channel = connection.channel('providers');
  await refused(
    {
      network: channel,
      contract: channel.getContract('sharing'),
      endorsers: ['hospital', 'clinic'].map((organization) => host(network, organization)),
      asked: host(network, 'hospital'),
    },
    'chaincode response 404, No record of this patient is shared with your organisation.',
    ...READ,
  );
});
