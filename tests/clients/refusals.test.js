import assert from 'node:assert/strict';
import { test } from 'node:test';

import { status } from '@grpc/grpc-js';
import { EndorseError, GatewayError } from '@hyperledger/fabric-gateway';

import { failure, height, host, newId, note, patient, refused, register, take, town } from './town.js';

const network = await town();
const hospital = network.connect('hospital/hc1');
const healthCenter = hospital.emr('HealthCenter');
const physician = network.connect('hospital/py1').emr('Physician');
const known = await register(healthCenter);

const hosts = [host(network, 'hospital'), host(network, 'clinic')];
const by = ({ address, mspId }, message) => ({ address, mspId, message });

const noRecord = 'chaincode response 404, This patient has no medical record in your organisation.';
const denied = (name) =>
  `chaincode response 403, no access policy of contract emr permits ${name} to a caller of HospitalMSP`;
const create = (fields) => [healthCenter, 'CreateEmr', [JSON.stringify(fields)]];

const asPhysician = network.connect('hospital/py1').emr('HealthCenter');
const asPatient = network.connect('hospital/pa1').emr('Physician');
const forContracts = hospital.emr('Records');
const asAdmin = network.connect('hospital/admin').emr('HealthCenter');

for (const [what, [contract, name, args], message] of [
  [
    'a second record of one patient',
    [healthCenter, 'CreateEmr', [patient(known)]],
    'chaincode response 409, This patient already has a medical record in your organisation.',
  ],
  ['the wrong role', [asPhysician, 'CreateEmr', [patient(newId())]], denied('HealthCenter:CreateEmr')],
  ['a patient who writes notes', [asPatient, 'AddEmrNote', [note(known)]], denied('Physician:AddEmrNote')],
  ['a caller without a role', [asAdmin, 'CreateEmr', [patient(newId())]], denied('HealthCenter:CreateEmr')],
  [
    'the wrong role with senseless arguments',
    [asPhysician, 'CreateEmr', []],
    denied('HealthCenter:CreateEmr'),
  ],
  ['what is for other contracts', [forContracts, 'GetEmr', ['any']], denied('Records:GetEmr')],
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
    const refusal = { network: hospital.network, contract, endorsers: hosts, asked: hosts[0] };
    await refused(refusal, message, name, ...args);
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
  const names = [
    'HealthCenter:CheckIsPatientRegistered',
    'HealthCenter:CreateEmr',
    'Patient:GetEmrByPatientId',
    'Patient:GetMedicalVisitsCount',
    'Patient:GetOwnEmr',
    'Physician:AddEmrNote',
    'Physician:GetEmrByPatientId',
    'Physician:ReadEmr',
    'Records:GetEmr',
  ];
  for (const { message } of error.details) {
    assert.equal(
      message,
      `chaincode response 404, there is no function HealthCenter:DeleteEmr; there are ${names.join(', ')}`,
    );
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
