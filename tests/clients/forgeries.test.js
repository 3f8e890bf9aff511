import assert from 'node:assert/strict';
import { test } from 'node:test';

import { status } from '@grpc/grpc-js';
import { CommitStatusError, EndorseError, StatusCode, signers } from '@hyperledger/fabric-gateway';
import { common, gateway as protos, peer } from '@hyperledger/fabric-protos';

import { text } from './network.js';
import { failure, newId, patient, register, take, town } from './town.js';

const network = await town();
const hospital = network.connect('hospital/hc1');
const healthCenter = hospital.emr('HealthCenter');
const known = await register(healthCenter);
const registered = async (id) =>
  text(await healthCenter.evaluateTransaction('CheckIsPatientRegistered', id));

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
    network.connect('clinic/hc2', {
      via: 'hospital',
      identity: network.identity('hospital/hc1').identity,
    }),
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
  assert.equal(await registered(id), 'false');

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

test('a transaction that is changed after its endorsement takes no effect', async () => {
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
        const response = peer.ProposalResponsePayload.deserializeBinary(
          action.getProposalResponsePayload_asU8(),
        );
        const effect = peer.ChaincodeAction.deserializeBinary(response.getExtension_asU8());
        effect.setResults(inBytes(effect.getResults_asU8()));
        response.setExtension$(effect.serializeBinary());
        action.setProposalResponsePayload(response.serializeBinary());
      },
      StatusCode.ENDORSEMENT_POLICY_FAILURE,
    ],
  ]) {
    const id = newId();
    const commit = await submitChanged(id, change);
    assert.equal((await commit.getStatus()).code, code, what);
    assert.equal(await registered(id), `${code === StatusCode.VALID}`, what);
  }

  // Arguments that endorsers did not see are noticed before anything is ordered.
  const id = newId();
  const others = ({ payload }) =>
    payload.setChaincodeProposalPayload(inBytes(payload.getChaincodeProposalPayload_asU8()));
  const error = await failure(submitChanged(id, others));
  assert.equal(error.name, 'SubmitError');
  assert.equal(error.code, status.ABORTED);
  assert.match(error.details[0].message, /proposal hash/);
  assert.equal(await registered(id), 'false');
});

/** Endorses a new record, changes what came back, signs and submits that. */
async function submitChanged(id, change) {
  const { gateway, emr } = hospital;
  const proposal = emr('HealthCenter').newProposal('CreateEmr', { arguments: [patient(id)] });
  const endorsed = await proposal.endorse();
  return gateway.newTransaction(edit(endorsed.getBytes(), change)).submit();
}

/** Another name of the same length, anywhere in encoded messages. */
function inBytes(bytes) {
  return Buffer.from(Buffer.from(bytes).toString('latin1').replaceAll('Ada', 'Eve'), 'latin1');
}

/** A prepared transaction in which `change` has changed what was endorsed. */
function edit(bytes, change) {
  const prepared = protos.PreparedTransaction.deserializeBinary(bytes);
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
