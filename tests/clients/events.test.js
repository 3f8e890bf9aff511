import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { StatusCode, checkpointers } from '@hyperledger/fabric-gateway';
import { common, peer } from '@hyperledger/fabric-protos';

import { CHANNEL, text } from './network.js';
import {
  failure,
  headerHash,
  height,
  newId,
  note,
  patient,
  register,
  sha256,
  take,
  town,
} from './town.js';

const network = await town();
const hospital = network.connect('hospital/hc1');
const clinic = network.connect('clinic/hc2');
const healthCenter = hospital.emr('HealthCenter');
const physician = network.connect('hospital/py1').emr('Physician');

// The channel's history: a record, one that lost against it, and bursts of notes until a block holds
// several, so that streams have to resume in the middle of one.
const expected = []; // Every event; within a block in any order, as only hosts know that one.
const codes = new Map(); // Every transaction's verdict.
const { id, lost } = await history();
const end = await height(hospital);

async function history() {
  const id = newId();
  const propose = () => healthCenter.newProposal('CreateEmr', { arguments: [patient(id)] });
  const [one, two] = await Promise.all([propose().endorse(), propose().endorse()]);
  const created = await (await one.submit()).getStatus();
  const lost = await (await two.submit()).getStatus();
  codes.set(lost.transactionId, lost.code);
  record([created], 'EmrCreated');
  for (let several = false; !several; ) {
    const notes = await Promise.all(
      Array.from({ length: 12 }, async (_, n) => {
        const commit = await physician.submitAsync('AddEmrNote', { arguments: [note(id, `${n}`)] });
        return commit.getStatus();
      }),
    );
    record(notes, 'EmrNoteAdded');
    several = new Set(notes.map(({ blockNumber }) => blockNumber)).size < notes.length;
  }
  return { id, lost };
}

function record(transactions, eventName) {
  for (const { blockNumber, code, transactionId } of transactions) {
    assert.equal(code, StatusCode.VALID);
    expected.push({ blockNumber, transactionId, eventName });
    codes.set(transactionId, code);
  }
}

const byBlock = (events) => events.toSorted((a, b) => Number(a.blockNumber - b.blockNumber));

const brief = ({ blockNumber, transactionId, eventName }) => ({ blockNumber, transactionId, eventName });
const key = ({ transactionId }) => transactionId;

/** All events of the history, as the hospital's host replays them. */
async function replay(connection = hospital) {
  return take(await connection.network.getChaincodeEvents('emr', { startBlock: 0n }), expected.length);
}

test('events of the past are replayed in the order of the ledger, on every host', async () => {
  const events = await replay();
  assert.deepEqual(events.map(key).sort(), expected.map(key).sort());
  const numbers = events.map(({ blockNumber }) => blockNumber);
  assert.deepEqual(numbers, byBlock(expected).map(({ blockNumber }) => blockNumber));
  for (const event of events) {
    assert.deepEqual(brief(event), expected.find((one) => key(one) === key(event)));
    assert.equal(event.chaincodeName, 'emr');
    assert.equal(text(event.payload), event.transactionId); // The id of the new record or note.
  }
  assert.deepEqual(await replay(clinic), events);
});

test('replay may begin at any block', async () => {
  const startBlock = expected.at(-1).blockNumber;
  const wanted = expected.filter(({ blockNumber }) => blockNumber >= startBlock);
  const stream = await hospital.network.getChaincodeEvents('emr', { startBlock });
  const events = await take(stream, wanted.length);
  assert.deepEqual(events.map(key).sort(), wanted.map(key).sort());
});

test('a listener hears what is committed from now on', async () => {
  const stream = await clinic.network.getChaincodeEvents('emr');
  let event;
  const listening = take(stream, 1).then((heard) => ([event] = heard));
  // Whether the host has begun to listen cannot be seen, so notes go on until one is heard.
  const sent = new Map();
  while (!event) {
    const commit = await physician.submitAsync('AddEmrNote', { arguments: [note(id, 'live')] });
    sent.set(commit.getTransactionId(), (await commit.getStatus()).blockNumber);
  }
  await listening;
  assert.equal(event.eventName, 'EmrNoteAdded');
  assert.equal(event.blockNumber, sent.get(event.transactionId));
});

test('a listener may wait for the block that comes next', async () => {
  const startBlock = await height(hospital);
  const stream = await hospital.network.getChaincodeEvents('emr', { startBlock });
  const heard = take(stream, 2);
  const ids = [await register(healthCenter), await register(healthCenter)];
  const events = await heard;
  assert.deepEqual(events.map(brief), [
    { blockNumber: startBlock, transactionId: key(events[0]), eventName: 'EmrCreated' },
    { blockNumber: startBlock + 1n, transactionId: key(events[1]), eventName: 'EmrCreated' },
  ]);
  const reader = network.connect('hospital/py1').emr('Physician');
  for (const [index, event] of events.entries()) {
    const emr = JSON.parse(text(await reader.evaluateTransaction('ReadEmr', text(event.payload))));
    assert.equal(emr.patientId, ids[index]);
  }
});

const folder = mkdtempSync(join(tmpdir(), 'cordon-checkpoints-'));
after(() => rmSync(folder, { recursive: true }));
const inMemory = checkpointers.inMemory();
for (const [kind, open] of [
  ['in memory', async () => inMemory],
  ['in a file', () => checkpointers.file(join(folder, 'checkpoint'))], // Read anew at each resume.
]) {
  test(`a checkpoint ${kind} resumes anywhere without loss or repetition`, async () => {
    const all = await replay();
    const seen = [];
    for (const step of [1, 2, 3, 1, 5, Infinity]) {
      const checkpoint = await open();
      const stream = await hospital.network.getChaincodeEvents('emr', { startBlock: 0n, checkpoint });
      for (const event of await take(stream, Math.min(step, all.length - seen.length))) {
        seen.push(event);
        await checkpoint.checkpointChaincodeEvent(event);
      }
    }
    assert.deepEqual(seen, all);
    const last = await open();
    assert.equal(last.getBlockNumber(), all.at(-1).blockNumber);
    assert.equal(last.getTransactionId(), all.at(-1).transactionId);
  });
}

test('resuming after a transaction without an event loses nothing', async () => {
  const checkpoint = checkpointers.inMemory();
  await checkpoint.checkpointTransaction(lost.blockNumber, lost.transactionId);
  const stream = await hospital.network.getChaincodeEvents('emr', { checkpoint });
  const events = await take(stream, expected.length - 1);
  assert.deepEqual(events, (await replay()).slice(1));
});

test('blocks from the first one on form one chain, the same on every host', async () => {
  const blocks = await take(await hospital.network.getBlockEvents({ startBlock: 0n }), Number(end));
  let previous = new Uint8Array();
  const verdicts = new Map();
  for (const [number, block] of blocks.entries()) {
    const header = block.getHeader();
    const entries = block.getData().getDataList_asU8();
    assert.equal(header.getNumber(), number);
    assert.deepEqual(header.getPreviousHash_asU8(), previous);
    assert.deepEqual(header.getDataHash_asU8(), sha256(...entries));
    previous = headerHash(header);
    const filter = block.getMetadata().getMetadataList_asU8()[common.BlockMetadataIndex.TRANSACTIONS_FILTER];
    assert.equal(filter.length, entries.length);
    for (const [index, entry] of entries.entries()) {
      const { channelId, txId } = channelHeader(entry);
      assert.equal(channelId, CHANNEL);
      if (number > 0) verdicts.set(txId, filter[index]);
    }
  }
  assert.deepEqual(verdicts, new Map([...verdicts.keys()].map((txId) => [txId, codes.get(txId)])));
  assert.equal(verdicts.size, codes.size);
  const qscc = hospital.network.getContract('qscc');
  const last = await qscc.evaluateTransaction('GetBlockByHash', CHANNEL, previous);
  assert.deepEqual(common.Block.deserializeBinary(last).toObject(), blocks.at(-1).toObject());

  const there = await take(await clinic.network.getBlockEvents({ startBlock: 0n }), Number(end));
  const content = (block) => [block.getHeader().toObject(), block.getData().toObject()];
  assert.deepEqual(there.map(content), blocks.map(content));
});

function channelHeader(entry) {
  const envelope = common.Envelope.deserializeBinary(entry);
  const { header } = common.Payload.deserializeBinary(envelope.getPayload_asU8()).toObject();
  return common.ChannelHeader.deserializeBinary(header.channelHeader).toObject();
}

test('filtered blocks tell verdicts and event names, and no contents', async () => {
  const stream = await hospital.network.getFilteredBlockEvents({ startBlock: 0n });
  const blocks = await take(stream, Number(end));
  const [config] = blocks[0].getFilteredTransactionsList();
  assert.equal(config.getType(), common.HeaderType.CONFIG);
  const verdicts = new Map();
  const names = new Map();
  for (const [number, block] of blocks.entries()) {
    assert.equal(block.getNumber(), number);
    assert.equal(block.getChannelId(), CHANNEL);
    for (const transaction of number ? block.getFilteredTransactionsList() : []) {
      assert.equal(transaction.getType(), common.HeaderType.ENDORSER_TRANSACTION);
      verdicts.set(transaction.getTxid(), transaction.getTxValidationCode());
      for (const action of transaction.getTransactionActions()?.getChaincodeActionsList() ?? []) {
        const event = action.getChaincodeEvent();
        names.set(transaction.getTxid(), event.getEventName());
        assert.equal(event.getPayload_asU8().length, 0);
      }
    }
  }
  assert.deepEqual([...verdicts].sort(), [...codes].sort());
  for (const { transactionId, eventName } of expected) {
    assert.equal(names.get(transactionId), eventName);
  }
  assert.equal(verdicts.get(lost.transactionId), peer.TxValidationCode.MVCC_READ_CONFLICT);
});

test('blocks with private data are the same blocks', async () => {
  const options = { startBlock: 0n };
  const blocks = await take(await hospital.network.getBlockEvents(options), Number(end));
  const whole = await take(await hospital.network.getBlockAndPrivateDataEvents(options), Number(end));
  assert.deepEqual(
    whole.map((each) => each.getBlock().toObject()),
    blocks.map((each) => each.toObject()),
  );
  assert.ok(whole.every((each) => each.getPrivateDataMapMap().getLength() === 0)); // emr has none.
});

test('a checkpoint resumes block streams', async () => {
  const checkpoint = checkpointers.inMemory();
  const numbers = [];
  for (let step = 0; step < 3; step++) {
    const stream = await hospital.network.getFilteredBlockEvents({ startBlock: 0n, checkpoint });
    for (const block of await take(stream, 1)) {
      numbers.push(block.getNumber());
      await checkpoint.checkpointBlock(BigInt(block.getNumber()));
    }
  }
  assert.deepEqual(numbers, [0, 1, 2]);
});

test('a block stream waits for the next block', async () => {
  const startBlock = await height(hospital);
  const heard = take(await clinic.network.getBlockEvents({ startBlock }), 1);
  await register(healthCenter);
  const [block] = await heard;
  assert.equal(block.getHeader().getNumber(), Number(startBlock));
});

test('a closed stream ends', async () => {
  const stream = await hospital.network.getChaincodeEvents('emr');
  const waiting = stream[Symbol.asyncIterator]().next();
  stream.close();
  assert.match((await failure(waiting)).message, /CANCELLED/);
});
