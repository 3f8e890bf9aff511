// What the test files share: a network of their own, patients and notes, callers and what refuses them.

import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { after } from 'node:test';

import { status } from '@grpc/grpc-js';
import { EndorseError, GatewayError, StatusCode } from '@hyperledger/fabric-gateway';
import { common, gateway, msp, peer } from '@hyperledger/fabric-protos';

import { Network, json } from './network.js';

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
  const qscc = network.getContract('qscc');
  const info = await qscc.evaluateTransaction('GetChainInfo', network.getName());
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

/** Where an organisation's host says it is, as error details name it. */
export function host(network, organization) {
  const { endpoint, mspId } = network.connection(organization);
  return { address: endpoint, mspId };
}

/**
 * Asserts that a contract refuses a call with exactly this message, and how the client's errors tell
 * it: to whoever submits it each of the `endorsers` does, to whoever evaluates it the host that was
 * `asked`. No block is made of it.
 */
export async function refused({ network, contract, endorsers, asked }, message, name, ...args) {
  const before = await height({ network });
  const error = await failure(contract.submitTransaction(name, ...args));
  assert.ok(error instanceof EndorseError, error);
  assert.equal(error.code, status.ABORTED);
  assert.match(error.transactionId, /^[0-9a-f]{64}$/);
  assert.ok(error.message.startsWith('10 ABORTED: ') && error.message.endsWith(message), error);
  const byMsp = (a, b) => a.mspId.localeCompare(b.mspId);
  const by = (host) => ({ ...host, message });
  assert.deepEqual(error.details.toSorted(byMsp), endorsers.map(by).sort(byMsp));
  assert.equal(await height({ network }), before);

  const query = await failure(contract.evaluateTransaction(name, ...args));
  assert.ok(query instanceof GatewayError, query);
  assert.equal(query.code, status.UNKNOWN);
  assert.ok(query.message.endsWith(message), query);
  assert.deepEqual(query.details, [by(asked)]);
}

/**
 * Callers of a contract, each through the host of the own organisation.
 *
 * `members` names the organisations of the channel, `endorsers` those whose hosts endorse. An argument
 * that is no text is sent as JSON, and a refusal is a status with a sentence.
 */
export function stage(network, { channel, contract, members, endorsers }) {
  const watchers = members.map((member) => network.connect(`${member}/admin`).channel(channel));
  const words = (args) => args.map((arg) => (typeof arg === 'string' ? arg : JSON.stringify(arg)));
  const answer = (bytes) => (bytes.length === 0 ? null : json(bytes));
  return (user) => {
    const connection = network.connect(user);
    const called = connection.channel(channel).getContract(contract);
    const refusal = {
      network: connection.channel(channel),
      contract: called,
      endorsers: endorsers.map((organization) => host(network, organization)),
      asked: host(network, user.split('/')[0]),
    };
    return {
      connection,
      contract: called,
      channel: connection.channel(channel),
      /** The channel as an admin of the organisation has it: whole blocks may be for admins alone. */
      admin: network.connect(`${user.split('/')[0]}/admin`).channel(channel),
      /** Submits, and waits until all members have the block. */
      async submits(name, ...args) {
        const commit = await called.submitAsync(name, { arguments: words(args) });
        const { code, blockNumber, transactionId } = await commit.getStatus();
        assert.equal(code, StatusCode.VALID);
        await reach(watchers, blockNumber);
        return { answer: answer(commit.getResult()), blockNumber, transactionId };
      },
      asks: async (name, ...args) => answer(await called.evaluateTransaction(name, ...words(args))),
      refused: (code, sentence, name, ...args) =>
        refused(refusal, `chaincode response ${code}, ${sentence}`, name, ...words(args)),
      /** Whom an access policy lets call nothing of this kind. */
      denied: (name, ...args) =>
        refused(
          refusal,
          `chaincode response 403, no access policy of contract ${contract} permits ${name} ` +
            `to a caller of ${refusal.asked.mspId}`,
          name,
          ...words(args),
        ),
    };
  };
}

/** Waits until the hosts behind these networks have committed a block. */
export async function reach(networks, blockNumber) {
  await Promise.all(
    networks.map(async (network) =>
      take(await network.getFilteredBlockEvents({ startBlock: blockNumber }), 1),
    ),
  );
}

/** MSP ids of the organisations that endorsed a transaction of the client, sorted. */
export function endorsersOf(transaction) {
  return endorsersIn(gateway.PreparedTransaction.deserializeBinary(transaction.getBytes()).getEnvelope());
}

/** MSP ids of the organisations that endorsed what an envelope holds, sorted. */
export function endorsersIn(envelope) {
  const payload = common.Payload.deserializeBinary(envelope.getPayload_asU8());
  const transaction = peer.Transaction.deserializeBinary(payload.getData_asU8());
  const [only] = transaction.getActionsList();
  const action = peer.ChaincodeActionPayload.deserializeBinary(only.getPayload_asU8()).getAction();
  return action
    .getEndorsementsList()
    .map((each) => msp.SerializedIdentity.deserializeBinary(each.getEndorser_asU8()).getMspid())
    .sort();
}

/** A block's hash, as the next block names it. */
export function headerHash(header) {
  const number = header.getNumber();
  assert.ok(number < 128, 'its encoding has another length');
  const hashes = [header.getPreviousHash_asU8(), header.getDataHash_asU8()];
  const fields = [[2, 1, number], ...hashes.map((hash) => [4, hash.length, ...hash])].flat();
  return sha256(Buffer.from([0x30, fields.length, ...fields]));
}

export function sha256(...parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}
