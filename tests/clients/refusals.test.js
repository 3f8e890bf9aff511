import assert from 'node:assert/strict';
import { test } from 'node:test';

import { status } from '@grpc/grpc-js';
import { EndorseError, GatewayError } from '@hyperledger/fabric-gateway';

import { failure, height, newId, note, patient, register, take, town } from './town.js';

const network = await town();
const hospital = network.connect('hospital/hc1');
const healthCenter = hospital.emr('HealthCenter');
const physician = network.connect('hospital/py1').emr('Physician');
const known = await register(healthCenter);

/** Where each organisation's host says it is, as error details name it. */
const host = (organization) => {
  const { endpoint, mspId } = network.connection(organization);
  return { address: endpoint, mspId };
};
const hosts = [host('hospital'), host('clinic')];
const by = ({ address, mspId }, message) => ({ address, mspId, message });

const noRecord = 'chaincode response 404, This patient has no medical record in your organisation.';
const role = (name) =>
  `chaincode response 403, Only a caller whose certificate has userRole "${name}" may do this.`;
const create = (fields) => [healthCenter, 'CreateEmr', [JSON.stringify(fields)]];

const asPhysician = network.connect('hospital/py1').emr('HealthCenter');
const asPatient = network.connect('hospital/pa1').emr('Physician');
const asAdmin = network.connect('hospital/admin').emr('HealthCenter');

for (const [what, [contract, name, args], message] of [
  [
    'a second record of one patient',
    [healthCenter, 'CreateEmr', [patient(known)]],
    'chaincode response 409, This patient already has a medical record in your organisation.',
  ],
  ['the wrong role', [asPhysician, 'CreateEmr', [patient(newId())]], role('healthcenter')],
  ['a patient who writes notes', [asPatient, 'AddEmrNote', [note(known)]], role('physician')],
  ['a caller without a role', [asAdmin, 'CreateEmr', [patient(newId())]], role('healthcenter')],
  ['an unknown patient', [physician, 'AddEmrNote', [note('nobody')]], noRecord],
  [
    'a missing field',
    create({ patientId: 'x', patientName: 'y' }),
    'chaincode response 400, emr.patientBirthdate: missing field',
  ],
  [
    'an unknown field',
    create({ patientId: 'x', patientName: 'y', patientBirthdate: 'z', age: 7 }),
    'chaincode response 400, emr.age: unknown field',
  ],
  [
    'a field of another type',
    create({ patientId: 7, patientName: 'y', patientBirthdate: 'z' }),
    'chaincode response 400, emr.patientId: expected a text, found a number',
  ],
  [
    'an empty field',
    create({ patientId: 'x', patientName: ' ', patientBirthdate: 'z' }),
    'chaincode response 400, patientName must not be empty.',
  ],
  [
    'a field that is too long',
    create({ patientId: 'x', patientName: 'y'.repeat(65_537), patientBirthdate: 'z' }),
    'chaincode response 400, patientName is too long: it has at most 65536 bytes.',
  ],
  [
    'malformed JSON',
    [healthCenter, 'CreateEmr', ['{"patientId']],
    'chaincode response 400, emr: malformed JSON at line 1 column 11',
  ],
  [
    'too few arguments',
    [healthCenter, 'CreateEmr', []],
    'chaincode response 400, HealthCenter:CreateEmr takes 1 argument(s) (emr), not 0',
  ],
  [
    'too many arguments',
    [healthCenter, 'CreateEmr', [patient('x'), 'y']],
    'chaincode response 400, HealthCenter:CreateEmr takes 1 argument(s) (emr), not 2',
  ],
  [
    'bytes that are no text',
    [healthCenter, 'CheckIsPatientRegistered', [new Uint8Array([0xff, 0xfe])]],
    'chaincode response 400, patientId: not UTF-8 text',
  ],
]) {
  test(`${what} is refused by every host that was asked`, async () => {
    const before = await height(hospital);
    const error = await failure(contract.submitTransaction(name, ...args));
    assert.ok(error instanceof EndorseError, error);
    assert.equal(error.code, status.ABORTED);
    assert.match(error.transactionId, /^[0-9a-f]{64}$/);
    assert.ok(error.message.startsWith('10 ABORTED: ') && error.message.endsWith(message), error);
    const byMsp = (a, b) => b.mspId.localeCompare(a.mspId);
    assert.deepEqual(error.details.toSorted(byMsp), hosts.map((each) => by(each, message)));
    assert.equal(await height(hospital), before);

    const asked = await failure(contract.evaluateTransaction(name, ...args));
    assert.ok(asked instanceof GatewayError, asked);
    assert.equal(asked.code, status.UNKNOWN);
    assert.ok(asked.message.endsWith(message), asked);
    assert.deepEqual(asked.details, [by(hosts[0], message)]);
  });
}

test("somebody else's record is refused alike whether it exists or not", async () => {
  const own = network.connect('hospital/pa1').emr('Patient');
  for (const id of [known, newId()]) {
    const error = await failure(own.evaluateTransaction('GetEmrByPatientId', id));
    assert.deepEqual(error.details, [
      by(hosts[0], 'chaincode response 403, Patients may read their own record only.'),
    ]);
  }
  const none = await failure(own.evaluateTransaction('GetOwnEmr'));
  assert.deepEqual(none.details, [by(hosts[0], noRecord)]);
});

test('an unknown function names those that there are', async () => {
  const error = await failure(healthCenter.submitTransaction('DeleteEmr', known));
  assert.ok(error instanceof EndorseError);
  for (const { message } of error.details) {
    assert.match(message, /^chaincode response 404, there is no function HealthCenter:DeleteEmr; /);
    assert.match(message, /HealthCenter:CreateEmr, .*Physician:ReadEmr$/);
  }
  assert.equal(error.details.length, 2);
});

test('an unknown contract or channel is refused before anything runs', async () => {
  const arg = newId();
  const elsewhere = hospital.gateway.getNetwork('nowhere');
  for (const [contract, message] of [
    [hospital.network.getContract('nothing'), /contract nothing is not deployed on channel providers/],
    [elsewhere.getContract('emr'), /channel nowhere is not known/],
  ]) {
    const evaluated = await failure(
      contract.evaluateTransaction('HealthCenter:CheckIsPatientRegistered', arg),
    );
    const endorsed = await failure(contract.submitTransaction('HealthCenter:CreateEmr', patient(arg)));
    assert.ok(endorsed instanceof EndorseError, endorsed);
    for (const error of [evaluated, endorsed]) {
      assert.ok(error instanceof GatewayError, error);
      assert.equal(error.code, status.FAILED_PRECONDITION);
      assert.match(error.message, message);
    }
  }
  const events = await failure(take(await elsewhere.getChaincodeEvents('emr'), 1));
  assert.equal(events.code, status.PERMISSION_DENIED);
  const blocks = await failure(take(await elsewhere.getBlockEvents({ startBlock: 0n }), 1));
  assert.match(blocks.message, /status response: 404/);
});

test('an organisation without a host cannot be asked to endorse', async () => {
  const error = await failure(
    healthCenter.submit('CreateEmr', {
      arguments: [patient(newId())],
      endorsingOrganizations: ['HospitalMSP', 'BankMSP'],
    }),
  );
  assert.ok(error instanceof EndorseError);
  assert.match(error.message, /no host of organisation BankMSP is known on channel providers/);
});

test('only the authority of the host opens a connection', async () => {
  const stranger = network.grpc('clinic', { authority: 'hospital' });
  const call = network
    .connect('clinic/hc2', { client: stranger })
    .emr('HealthCenter')
    .evaluateTransaction('CheckIsPatientRegistered', known);
  const error = await failure(call);
  stranger.close();
  assert.equal(error.code, status.UNAVAILABLE);
  assert.match(error.message, /certificate/);
});

test('a stream cannot begin beyond the next block', async () => {
  const startBlock = (await height(hospital)) + 1n;
  const blocks = await failure(take(await hospital.network.getBlockEvents({ startBlock }), 1));
  assert.match(blocks.message, /status response: 404/);
});
