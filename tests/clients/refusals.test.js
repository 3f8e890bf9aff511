import assert from 'node:assert/strict';
import { test } from 'node:test';

import { status } from '@grpc/grpc-js';
import {
  CommitStatusError,
  EndorseError,
  GatewayError,
  StatusCode,
  signers,
} from '@hyperledger/fabric-gateway';
import { common, gateway, peer } from '@hyperledger/fabric-protos';

import { text } from './network.js';
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

// Somebody who calls the hospital's host, is not who the call says, and is told why.
const impostors = {
  'a certificate of another organisation': [
    network.connect('clinic/hc2', {
      via: 'hospital',
      identity: { ...network.identity('clinic/hc2').identity, mspId: 'HospitalMSP' },
    }),
    /certificate is not trusted by HospitalMSP/,
  ],
  "somebody else's key": [
    network.connect('clinic/hc2', { via: 'hospital', identity: network.identity('hospital/hc1').identity }),
    /the signature does not verify/,
  ],
  'an organisation that is no member': [
    network.connect('hospital/hc1', {
      identity: { ...network.identity('hospital/hc1').identity, mspId: 'BankMSP' },
    }),
    /BankMSP/,
  ],
  'a certificate that is none': [
    network.connect('hospital/hc1', {
      identity: { mspId: 'HospitalMSP', credentials: Buffer.from('no certificate') },
    }),
    /certificate/,
  ],
};
for (const [what, [impostor, reason]] of Object.entries(impostors)) {
  test(`${what} opens nothing`, async () => {
    const emr = impostor.emr('HealthCenter');
    const evaluated = await failure(emr.evaluateTransaction('CheckIsPatientRegistered', known));
    assert.equal(evaluated.code, status.FAILED_PRECONDITION);
    assert.match(evaluated.message, reason);
    const endorsed = await failure(emr.submitTransaction('CreateEmr', patient(newId())));
    assert.ok(endorsed instanceof EndorseError, endorsed);
    assert.equal(endorsed.code, status.ABORTED);
    assert.match(endorsed.details[0].message, reason);
    const events = await failure(take(await impostor.network.getChaincodeEvents('emr'), 1));
    assert.equal(events.code, status.PERMISSION_DENIED);
    for (const stream of [
      await impostor.network.getBlockEvents({ startBlock: 0n }),
      await impostor.network.getFilteredBlockEvents({ startBlock: 0n }),
      await impostor.network.getBlockAndPrivateDataEvents({ startBlock: 0n }),
    ]) {
      assert.match((await failure(take(stream, 1))).message, /status response: 403/);
    }
  });
}

test('a wrong signature is refused at every step', async () => {
  const { gateway, network: channel, emr } = network.connect('hospital/hc1', { offline: true });
  const right = signers.newPrivateKeySigner(network.identity('hospital/hc1').key);
  const wrong = signers.newPrivateKeySigner(network.identity('hospital/py1').key);
  const signed = async (make, signable, sign) =>
    make.call(gateway, signable.getBytes(), await sign(signable.getDigest()));
  const id = newId();
  const proposal = emr('HealthCenter').newProposal('CreateEmr', { arguments: [patient(id)] });
  const propose = (sign) => signed(gateway.newSignedProposal, proposal, sign);

  const evaluated = await failure((await propose(wrong)).evaluate());
  assert.equal(evaluated.code, status.FAILED_PRECONDITION);
  const endorsed = await failure((await propose(wrong)).endorse());
  assert.ok(endorsed instanceof EndorseError);
  assert.equal(endorsed.code, status.ABORTED);

  // A mathematically right signature in its other form, which could give a transaction two shapes.
  const malleable = async (digest) => otherS(await right(digest));
  const refused = await failure((await propose(malleable)).endorse());
  assert.match(refused.details[0].message, /high-S/);

  const transaction = await (await propose(right)).endorse();
  const submit = (sign) =>
    signed(gateway.newSignedTransaction, transaction, sign).then((one) => one.submit());
  const submitted = await failure(submit(wrong));
  assert.equal(submitted.name, 'SubmitError'); // The package does not export it to ECMAScript modules.
  assert.equal(submitted.code, status.ABORTED);
  assert.equal(text(await healthCenter.evaluateTransaction('CheckIsPatientRegistered', id)), 'false');

  const commit = await submit(right);
  const asked = await failure(
    signed(gateway.newSignedCommit, commit, wrong).then((one) => one.getStatus()),
  );
  assert.ok(asked instanceof CommitStatusError);
  assert.equal(asked.code, status.PERMISSION_DENIED);
  const verdict = await (await signed(gateway.newSignedCommit, commit, right)).getStatus();
  assert.equal(verdict.successful, true);

  const request = channel.newChaincodeEventsRequest('emr', { startBlock: 0n });
  const stream = await (await signed(gateway.newSignedChaincodeEventsRequest, request, wrong)).getEvents();
  assert.equal((await failure(take(stream, 1))).code, status.PERMISSION_DENIED);
});

/** An ECDSA signature on P-256 with s replaced by n - s. */
function otherS(signature) {
  const der = Buffer.from(signature);
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const s = 4 + der[3] + 2;
  const high = (order - BigInt(`0x${der.subarray(s).toString('hex')}`)).toString(16).padStart(66, '0');
  const body = Buffer.concat([der.subarray(2, s - 1), Buffer.from([33]), Buffer.from(high, 'hex')]);
  return Buffer.concat([Buffer.from([0x30, body.length]), body]);
}

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

test('a transaction that is changed after its endorsement takes no effect', async () => {
  const { gateway: offline, emr } = network.connect('hospital/hc1', { offline: true });
  const sign = signers.newPrivateKeySigner(network.identity('hospital/hc1').key);
  for (const [what, change, code] of [
    ['nothing', () => {}, StatusCode.VALID],
    [
      'an endorsement is missing',
      ({ action }) => action.setEndorsementsList(action.getEndorsementsList().slice(1)),
      StatusCode.ENDORSEMENT_POLICY_FAILURE,
    ],
    [
      'an endorsement is there twice instead',
      ({ action }) => action.setEndorsementsList(Array(2).fill(action.getEndorsementsList()[0])),
      StatusCode.ENDORSEMENT_POLICY_FAILURE,
    ],
    [
      'what is written is another thing',
      ({ action }) => {
        const response = peer.ProposalResponsePayload.deserializeBinary(action.getProposalResponsePayload_asU8());
        const effect = peer.ChaincodeAction.deserializeBinary(response.getExtension_asU8());
        const results = Buffer.from(effect.getResults_asU8()).toString('latin1').replaceAll('Ada', 'Eve');
        effect.setResults(Buffer.from(results, 'latin1'));
        response.setExtension$(effect.serializeBinary());
        action.setProposalResponsePayload(response.serializeBinary());
      },
      StatusCode.ENDORSEMENT_POLICY_FAILURE,
    ],
    [
      'the arguments are others',
      ({ payload }) => {
        const input = Buffer.from(payload.getChaincodeProposalPayload_asU8()).toString('latin1');
        payload.setChaincodeProposalPayload(Buffer.from(input.replaceAll('Ada', 'Eve'), 'latin1'));
      },
      StatusCode.BAD_RESPONSE_PAYLOAD,
    ],
  ]) {
    const id = newId();
    const proposal = emr('HealthCenter').newProposal('CreateEmr', { arguments: [patient(id)] });
    const endorsed = await offline
      .newSignedProposal(proposal.getBytes(), await sign(proposal.getDigest()))
      .endorse();
    const changed = offline.newTransaction(edit(endorsed.getBytes(), change));
    const commit = await offline
      .newSignedTransaction(changed.getBytes(), await sign(changed.getDigest()))
      .submit();
    const { code: found } = await offline
      .newSignedCommit(commit.getBytes(), await sign(commit.getDigest()))
      .getStatus();
    assert.equal(found, code, what);
    const registered = await healthCenter.evaluateTransaction('CheckIsPatientRegistered', id);
    assert.equal(text(registered), `${code === StatusCode.VALID}`, what);
  }
});

/** A prepared transaction in which `change` has changed what was endorsed. */
function edit(bytes, change) {
  const prepared = gateway.PreparedTransaction.deserializeBinary(bytes);
  const envelope = prepared.getEnvelope();
  const whole = common.Payload.deserializeBinary(envelope.getPayload_asU8());
  const transaction = peer.Transaction.deserializeBinary(whole.getData_asU8());
  const [only] = transaction.getActionsList();
  const payload = peer.ChaincodeActionPayload.deserializeBinary(only.getPayload_asU8());
  change({ payload, action: payload.getAction() });
  only.setPayload(payload.serializeBinary());
  whole.setData(transaction.serializeBinary());
  envelope.setPayload(whole.serializeBinary());
  return prepared.serializeBinary();
}
