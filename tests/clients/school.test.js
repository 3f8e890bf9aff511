// "A child goes to school": the medical card, then the five steps from the application to the report.
// The tests build on each other.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { status } from '@grpc/grpc-js';
import { EndorseError, GatewayError } from '@hyperledger/fabric-gateway';
import { common, gateway as protos, msp } from '@hyperledger/fabric-protos';

import { text } from './network.js';
import {
  endorsersIn,
  endorsersOf,
  failure,
  headerHash,
  height,
  host,
  sha256,
  stage,
  take,
  town,
} from './town.js';

const network = await town();
const endorsers = ['hospital', 'parents'];
const onCards = stage(network, { channel: 'cards', contract: 'cards', members: endorsers, endorsers });
const onReports = stage(network, {
  channel: 'reports',
  contract: 'reports',
  members: ['hospital', 'parents', 'school'],
  endorsers,
});

const parent = { cards: onCards('parents/parent1'), reports: onReports('parents/parent1') };
const stranger = { cards: onCards('parents/parent2'), reports: onReports('parents/parent2') };
const pediatrician = { cards: onCards('hospital/pd1'), reports: onReports('hospital/pd1') };
const colleague = { cards: onCards('hospital/pd2'), reports: onReports('hospital/pd2') };
const healthCenter = onCards('hospital/hc1');
const registrar = onReports('school/registrar1');
const otherSchool = onReports('school/registrar2');

// What may be in which channel's blocks.
const ALLERGY = 'peanuts and all that is made of them';
const NOTE = 'wears glasses for reading';

const changes = []; // The card's history, newest first.
const changed = (kind, { transactionId, blockNumber }) =>
  changes.unshift({ kind, transactionId, block: Number(blockNumber) });

// The School listens from the first block on, before anything happens.
const listening = await registrar.channel.getChaincodeEvents('reports', { startBlock: 1n });
const events = []; // What happens on the channel reports.
const happened = (eventName, { blockNumber, transactionId }) =>
  events.push({ chaincodeName: 'reports', eventName, payload: 'tom', blockNumber, transactionId });

/** All blocks that a member's host holds of a channel, as bytes. */
async function blocks({ admin }) {
  const stream = await admin.getBlockEvents({ startBlock: 0n });
  return take(stream, Number(await height({ network: admin })));
}

const inBlocks = async (caller, words) => {
  const bytes = (await blocks(caller)).map((block) => Buffer.from(block.serializeBinary()));
  return bytes.some((block) => block.includes(words));
};

test('a parent registers a child, who is unknown to everybody else', async () => {
  const tom = { childId: 'tom', name: 'Tom Miller', birthdate: '2019-05-14' };
  const register = 'Parent:RegisterChild';
  const date = 'birthdate must be a day of the calendar, written as YYYY-MM-DD.';
  await parent.cards.refused(400, date, register, { ...tom, birthdate: '2019-02-29' });
  await parent.cards.refused(400, 'name must not be empty.', register, { ...tom, name: ' ' });
  await pediatrician.cards.denied(register, tom);

  const registered = await parent.cards.submits(register, tom);
  changed('child-registered', registered);
  const { timestamp } = registered.answer;
  const child = { ...tom, parent: 'parent1', parentOrganization: 'ParentsMSP', timestamp };
  assert.deepEqual(registered.answer, child);
  assert.deepEqual(await parent.cards.asks('Parent:GetChildren'), [child]);

  await stranger.cards.refused(409, 'This childId is taken: choose another one.', register, tom);
  assert.deepEqual(await stranger.cards.asks('Parent:GetChildren'), []);
  const unknown = 'You have registered no child with this childId.';
  for (const name of ['GetChild', 'GetCard', 'GetCardHistory', 'GetAgreement', 'EndAgreement']) {
    await stranger.cards.refused(404, unknown, `Parent:${name}`, 'tom');
    await parent.cards.refused(404, unknown, `Parent:${name}`, 'nobody'); // As if there were none.
  }
});

const NOT_ADMITTED = "Only the pediatrician whom the child's accepted agreement names may do this.";

test('the agreement: the parent signs it, and the hospital accepts it', async () => {
  const agreement = { childId: 'tom', hospital: 'HospitalMSP', pediatrician: 'pd1' };
  const sign = 'Parent:SignAgreement';
  const accept = 'HealthCenter:AcceptAgreement';
  const unknown = 'You have registered no child with this childId.';
  await stranger.cards.refused(404, unknown, sign, agreement);
  await healthCenter.refused(404, 'You have no agreement about this child.', accept, 'tom');

  const signed = await parent.cards.submits(sign, agreement);
  changed('agreement-signed', signed);
  assert.equal(signed.answer.status, 'signed');
  assert.equal(signed.answer.agreementId, signed.transactionId);
  assert.deepEqual(await healthCenter.asks('HealthCenter:GetAgreements'), [signed.answer]);
  const running = 'This child has an agreement already: end it before you sign another one.';
  await parent.cards.refused(409, running, sign, agreement);
  await pediatrician.cards.refused(403, NOT_ADMITTED, 'Pediatrician:GetCard', 'tom');
  await pediatrician.cards.denied(accept, 'tom');
  await parent.cards.denied(accept, 'tom');

  const accepted = await healthCenter.submits(accept, 'tom');
  changed('agreement-accepted', accepted);
  assert.equal(accepted.answer.status, 'accepted');
  assert.equal(accepted.answer.changedBy, 'hc1');
  await healthCenter.refused(409, 'This agreement is not waiting for an answer.', accept, 'tom');
  const [child] = await pediatrician.cards.asks('Pediatrician:GetPatients');
  assert.equal(child.childId, 'tom');
  assert.deepEqual(await colleague.cards.asks('Pediatrician:GetPatients'), []);
});

const entries = {
  growth: { measuredOn: '2026-10-01', heightCm: 121.5, weightKg: 23, headCm: 51.2 },
  vaccinations: { vaccine: 'MMR', givenOn: '2020-05-20', dose: '2 of 2', batch: 'AB12' },
  allergies: { substance: ALLERGY, reaction: 'hives', severity: 'severe' },
  conditions: { condition: 'asthma', since: '2024-01-31', treatment: 'inhaler' },
  visits: { visitedOn: '2026-10-01', reason: 'check', findings: 'none' },
};
const functions = {
  growth: 'Pediatrician:AddGrowth',
  vaccinations: 'Pediatrician:AddVaccination',
  allergies: 'Pediatrician:AddAllergy',
  conditions: 'Pediatrician:AddCondition',
  visits: 'Pediatrician:AddVisit',
  assessments: 'Pediatrician:AddAssessment',
};
const assessment = {
  assessedOn: '2026-11-02',
  fitForSchool: true,
  vaccinationsComplete: true,
  restrictions: 'no long runs',
  note: NOTE,
};

test('the card: the pediatrician adds entries, and the parent reads them', async () => {
  const none = "This child's card has no assessment yet.";
  await parent.cards.refused(404, none, 'Forms:GetReportForm', 'tom');
  const expected = { assessments: [] };
  for (const [kind, entry] of Object.entries(entries)) {
    await colleague.cards.refused(403, NOT_ADMITTED, functions[kind], { childId: 'tom', ...entry });
    const added = await pediatrician.cards.submits(functions[kind], { childId: 'tom', ...entry });
    changed('entry-added', added);
    expected[kind] = [
      {
        entryId: added.transactionId,
        ...entry,
        author: 'pd1',
        authorOrganization: 'HospitalMSP',
        timestamp: added.answer.timestamp,
        corrects: null,
        correctedBy: null,
      },
    ];
    assert.deepEqual(added.answer, expected[kind][0]);
  }
  const { child, ...card } = await parent.cards.asks('Parent:GetCard', 'tom');
  assert.equal(child.name, 'Tom Miller');
  assert.deepEqual(card, expected);
  assert.deepEqual(await pediatrician.cards.asks('Pediatrician:GetCard', 'tom'), { child, ...card });
  await colleague.cards.refused(403, NOT_ADMITTED, 'Pediatrician:GetCard', 'tom');
  await healthCenter.denied('Pediatrician:GetCard', 'tom');
  await parent.cards.denied('Pediatrician:AddVisit', { childId: 'tom', ...entries.visits });
});

test('an entry is corrected once, by one of its kind, and both stay', async () => {
  const { growth, visits } = await parent.cards.asks('Parent:GetCard', 'tom');
  const [{ entryId }] = growth;
  const correct = (corrects, other = {}) => [
    functions.growth,
    { childId: 'tom', ...entries.growth, heightCm: 112.5, corrects, ...other },
  ];
  const { cards } = pediatrician;
  const range = 'heightCm must be a number from 10 to 300.';
  await cards.refused(400, range, ...correct(entryId, { heightCm: 1215 }));
  const same = 'corrects must be the entryId of an entry of the same kind.';
  await cards.refused(400, same, ...correct(visits[0].entryId));
  const inCard = "corrects must be the entryId of an entry in this child's card.";
  await cards.refused(404, inCard, ...correct('0'.repeat(64)));

  const correction = await cards.submits(...correct(entryId));
  changed('entry-corrected', correction);
  const once = 'The entry that corrects names is corrected already: correct its correction.';
  await cards.refused(409, once, ...correct(entryId));
  const now = await parent.cards.asks('Parent:GetCard', 'tom');
  const wrong = { ...growth[0], correctedBy: correction.transactionId };
  assert.deepEqual(now.growth, [wrong, correction.answer]);
  assert.equal(correction.answer.corrects, entryId);
});

test('the parent sees who changed what, and in which transaction', async () => {
  const assessed = await pediatrician.cards.submits(functions.assessments, {
    childId: 'tom',
    ...assessment,
  });
  changed('entry-added', assessed);
  const history = await parent.cards.asks('Parent:GetCardHistory', 'tom');
  const brief = ({ kind, transactionId, block }) => ({ kind, transactionId, block });
  assert.deepEqual(history.map(brief), changes);
  const authors = history.map(({ author }) => author);
  const byPediatrician = Array(7).fill('pd1');
  assert.deepEqual(authors, [...byPediatrician, 'hc1', 'parent1', 'parent1']);
  await pediatrician.cards.denied('Parent:GetCardHistory', 'tom');
});

const application = {
  childId: 'tom',
  childName: 'Tom M.',
  schoolOrg: 'SchoolMSP',
  school: 'northside',
  hospital: 'HospitalMSP',
  pediatrician: 'pd1',
};
const PLACE = ['tom', 'SchoolMSP', 'northside'];
const notNow = (why) => `This cannot be done now: ${why}.`;
const NOBODY_APPLIED = 'Nobody has applied for this child at your school.';
const WAITS = notNow("the application waits for the school's decision");
const NOT_APPROVED = 'There is no report on this child that the parent has approved for your school.';

test('1: the parent applies for a place', async () => {
  const apply = 'Parent:ApplyForPlace';
  const unknown = 'You have registered no child with this childId.'; // So says the channel cards.
  await stranger.reports.refused(404, unknown, apply, application);
  await parent.reports.refused(400, 'childName must not be empty.', apply, {
    ...application,
    childName: '',
  });
  await registrar.denied(apply, application);
  assert.deepEqual(await registrar.asks('Registrar:GetApplications'), []);

  const applied = await parent.reports.submits(apply, application);
  happened('ApplicationMade', applied);
  const { appliedAt } = applied.answer;
  assert.deepEqual(applied.answer, {
    applicationId: applied.transactionId,
    ...application,
    parentsOrg: 'ParentsMSP',
    parent: 'parent1',
    message: null,
    status: 'applied',
    reportStatus: null,
    appliedAt,
    changedAt: appliedAt,
  });
  await parent.reports.refused(409, WAITS, apply, application);
  assert.deepEqual(await registrar.asks('Registrar:GetApplications'), [applied.answer]);
  assert.deepEqual(await otherSchool.asks('Registrar:GetApplications'), []);
  assert.deepEqual(await stranger.reports.asks('Parent:GetApplications'), []);
});

test('2: the school accepts', async () => {
  const accept = 'Registrar:AcceptApplication';
  await otherSchool.refused(404, NOBODY_APPLIED, accept, 'tom');
  await onReports('school/admin').denied(accept, 'tom');
  await parent.reports.denied(accept, 'tom');
  await registrar.refused(409, WAITS, 'Registrar:RequestReport', 'tom');
  const accepted = await registrar.submits(accept, 'tom');
  happened('ApplicationAccepted', accepted);
  assert.equal(accepted.answer.status, 'accepted');
  const again = notNow('the school has accepted the application');
  await registrar.refused(409, again, accept, 'tom');
});

test('3: the school asks the pediatrician for a report', async () => {
  const asked = 'the school has asked for no report';
  await pediatrician.reports.refused(409, notNow(asked), 'Pediatrician:CreateReport', ...PLACE);
  await otherSchool.refused(404, NOBODY_APPLIED, 'Registrar:RequestReport', 'tom');
  await registrar.refused(403, NOT_APPROVED, 'Registrar:GetReport', 'tom');

  // The School's host has no part in endorsing: it asks those that can look at the card.
  const proposal = registrar.contract.newProposal('Registrar:RequestReport', { arguments: ['tom'] });
  assert.deepEqual(endorsersOf(await proposal.endorse()), ['HospitalMSP', 'ParentsMSP']);

  const requested = await registrar.submits('Registrar:RequestReport', 'tom');
  happened('ReportRequested', requested);
  assert.equal(requested.answer.reportStatus, 'requested');
  const [request] = await pediatrician.reports.asks('Pediatrician:GetReportRequests');
  assert.deepEqual(request, {
    childId: 'tom',
    schoolOrg: 'SchoolMSP',
    school: 'northside',
    parentsOrg: 'ParentsMSP',
    parent: 'parent1',
    requestedAt: requested.answer.changedAt,
  });
  assert.deepEqual(await colleague.reports.asks('Pediatrician:GetReportRequests'), []);
});

/** The pediatrician makes the report; asserts that it is what the card says. */
async function makes() {
  const made = await pediatrician.reports.submits('Pediatrician:CreateReport', ...PLACE);
  happened('ReportReady', made);
  const form = await parent.cards.contract.evaluateTransaction('Forms:GetReportForm', 'tom');
  const { block, hash } = made.answer.origin;
  assert.equal(made.answer.digest, Buffer.from(sha256(form)).toString('hex'));
  // A member of channel cards can tell where the report comes from.
  const there = (await blocks(parent.cards))[block];
  assert.equal(hash, Buffer.from(headerHash(there.getHeader())).toString('hex'));
  assert.deepEqual(made.answer, {
    childId: 'tom',
    schoolOrg: 'SchoolMSP',
    school: 'northside',
    status: 'ready',
    digest: made.answer.digest,
    origin: { block: changes[0].block, hash },
  });
  return { ...made.answer, form: text(form), fields: JSON.parse(text(form)) };
}
let report;

test('4: the pediatrician makes it from the card, and no text of it enters the channel', async () => {
  const unknown = 'No application for this child at this school names you as the pediatrician.';
  await colleague.reports.refused(404, unknown, 'Pediatrician:CreateReport', ...PLACE);
  await registrar.denied('Pediatrician:CreateReport', ...PLACE);
  const early = notNow('the report is requested, and the pediatrician has not made it');
  await parent.reports.refused(409, early, 'Parent:ApproveReport', ...PLACE);

  report = await makes();
  const { salt, ...fields } = report.fields;
  assert.deepEqual(fields, { childId: 'tom', ...assessment, pediatrician: 'pd1' });
  assert.equal(await inBlocks(parent.cards, NOTE), true);
  for (const secret of [NOTE, salt, ALLERGY]) {
    assert.equal(await inBlocks(registrar, secret), false, secret);
  }
  assert.equal(await inBlocks(registrar, report.digest), true);
  assert.deepEqual(await pediatrician.reports.asks('Pediatrician:GetReportRequests'), []);
  await registrar.refused(403, NOT_APPROVED, 'Registrar:GetReport', 'tom');
});

test('5: the parent approves what the card says, and nothing else', async () => {
  const approve = 'Parent:ApproveReport';
  const none = 'You have made no application for this child at this school.';
  await stranger.reports.refused(404, none, approve, ...PLACE);
  await parent.reports.refused(404, none, approve, 'tom', 'SchoolMSP', 'southside');
  await registrar.denied(approve, ...PLACE);
  const other = 'This is not the report that you reviewed: the digest is not that of the card\'s report form. Review the form again.';
  await parent.reports.refused(409, other, approve, ...PLACE, JSON.stringify('0'.repeat(64)));

  const later = { childId: 'tom', ...assessment, restrictions: null };
  changed('entry-added', await pediatrician.cards.submits(functions.assessments, later));
  const stale =
    'The card has changed since the report was made: the pediatrician must make it anew before it ' +
    'can be approved.';
  await parent.reports.refused(409, stale, approve, ...PLACE, JSON.stringify(report.digest));
  const before = report;
  report = await makes();
  assert.notEqual(report.digest, before.digest);
  await parent.reports.refused(409, other, approve, ...PLACE, JSON.stringify(before.digest));

  await registrar.refused(403, NOT_APPROVED, 'Registrar:GetReport', 'tom');
  const digest = JSON.stringify(report.digest);
  const approved = await parent.reports.submits(approve, ...PLACE, digest);
  happened('ReportApproved', approved);
  assert.equal(approved.answer.reportStatus, 'approved');
  const decided = notNow('the parent has approved the report');
  await parent.reports.refused(409, decided, approve, ...PLACE, digest);
});

test('the school reads the approved report, and no other school does', async () => {
  const read = await registrar.asks('Registrar:GetReport', 'tom');
  const { childId, ...fields } = report.fields;
  assert.equal(childId, 'tom');
  assert.deepEqual(read, {
    childId,
    childName: 'Tom M.',
    text: { ...fields, form: report.form },
    digest: report.digest,
    origin: report.origin,
    hospital: 'HospitalMSP',
    createdBy: 'pd1',
    createdAt: read.createdAt,
    parentsOrg: 'ParentsMSP',
    approvedBy: 'parent1',
    approvedAt: read.approvedAt,
  });
  assert.equal(Buffer.from(sha256(read.text.form)).toString('hex'), read.digest);
  await otherSchool.refused(404, NOBODY_APPLIED, 'Registrar:GetReport', 'tom');
  await pediatrician.reports.denied('Registrar:GetReport', 'tom');
  assert.equal(await inBlocks(registrar, NOTE), true); // Now it is there,
  for (const secret of [ALLERGY, 'no long runs']) {
    assert.equal(await inBlocks(registrar, secret), false, secret); // and nothing else of the card.
  }
});

test('the parent withdraws the approval, and the school reads it no more', async () => {
  const withdrawn = await parent.reports.submits('Parent:WithdrawReport', ...PLACE);
  happened('ReportWithdrawn', withdrawn);
  assert.equal(withdrawn.answer.reportStatus, 'withdrawn');
  await registrar.refused(403, NOT_APPROVED, 'Registrar:GetReport', 'tom');
  const over = notNow('the parent has withdrawn the report');
  await parent.reports.refused(409, over, 'Parent:WithdrawReport', ...PLACE);
});

test('the School hears all that happens on the channel reports, and nothing of cards', async () => {
  assert.equal(events.length, 7); // Every step was taken, the fourth twice.
  const told = (event) => ({ ...event, payload: text(event.payload) });
  assert.deepEqual((await take(listening, events.length)).map(told), events);
  for (const { channel } of [registrar, parent.reports, pediatrician.reports]) {
    const replayed = await channel.getChaincodeEvents('reports', { startBlock: 0n });
    assert.deepEqual((await take(replayed, events.length)).map(told), events);
  }
});

test('whole blocks are for admins, so that nobody gets around the contracts', async () => {
  for (const { channel } of [registrar, otherSchool, parent.reports, parent.cards, pediatrician.cards]) {
    const options = { startBlock: 0n };
    const whole = await failure(take(await channel.getBlockEvents(options), 1));
    assert.match(whole.message, /403/);
    const both = await failure(take(await channel.getBlockAndPrivateDataEvents(options), 1));
    assert.match(both.message, /403/);
    const [filtered] = await take(await channel.getFilteredBlockEvents(options), 1);
    assert.equal(filtered.getNumber(), 0);
  }
});

test('blocks of the channel reports are the same chain for all three members', async () => {
  const [school, ...others] = await Promise.all(
    [registrar, parent.reports, pediatrician.reports].map(blocks),
  );
  const content = (block) => [block.getHeader().toObject(), block.getData().toObject()];
  for (const other of others) assert.deepEqual(other.map(content), school.map(content));
  let previous = new Uint8Array();
  for (const [number, block] of school.entries()) {
    const header = block.getHeader();
    assert.equal(header.getNumber(), number);
    assert.deepEqual(header.getPreviousHash_asU8(), previous);
    assert.deepEqual(header.getDataHash_asU8(), sha256(...block.getData().getDataList_asU8()));
    previous = headerHash(header);
    for (const entry of number ? block.getData().getDataList_asU8() : []) {
      const envelope = common.Envelope.deserializeBinary(entry);
      assert.deepEqual(endorsersIn(envelope), ['HospitalMSP', 'ParentsMSP']);
    }
  }
  assert.equal(school.length, events.length + 1);
});

/** What a user is answered about a channel, with the channel's name taken out. */
async function answers(name, { user, via, transactionId }) {
  const connection = network.connect(user, { via });
  const channel = connection.channel(name);
  const card = channel.getContract('cards');
  const options = { startBlock: 0n };
  const asked = {
    evaluate: () => card.evaluateTransaction('Pediatrician:GetCard', 'tom'),
    endorse: () => card.submitTransaction('Pediatrician:GetCard', 'tom'),
    info: () => height({ network: channel }),
    verdict: () => verdict(connection, { name, user, transactionId }),
    events: () => channel.getChaincodeEvents('cards', options).then(first),
    blocks: () => channel.getBlockEvents(options).then(first),
    filtered: () => channel.getFilteredBlockEvents(options).then(first),
    whole: () => channel.getBlockAndPrivateDataEvents(options).then(first),
  };
  const told = {};
  for (const [what, ask] of Object.entries(asked)) {
    const { constructor, code, message, details } = await failure(ask());
    const unnamed = (text) => text.replaceAll(`channel ${name}`, 'the channel');
    told[what] = {
      constructor,
      code,
      message: unnamed(message),
      details: details?.map((detail) => ({ ...detail, message: unnamed(detail.message) })),
    };
  }
  connection.close();
  return told;
}

const first = (stream) => take(stream, 1);

/** Asks for a verdict, which the client offers only for what it has submitted itself. */
function verdict({ gateway }, { name, user, transactionId }) {
  const { mspId, credentials } = network.identity(user).identity;
  const identity = new msp.SerializedIdentity();
  identity.setMspid(mspId);
  identity.setIdBytes(credentials);
  const request = new protos.CommitStatusRequest();
  request.setChannelId(name);
  request.setTransactionId(transactionId);
  request.setIdentity(identity.serializeBinary());
  const signed = new protos.SignedCommitStatusRequest();
  signed.setRequest(request.serializeBinary());
  return gateway.newCommit(signed.serializeBinary()).getStatus();
}

test('a channel of others is answered about like one that does not exist', async () => {
  const { transactionId } = changes[0];
  const member = { name: 'cards', user: 'parents/parent1', transactionId };
  assert.equal((await verdict(parent.cards.connection, member)).successful, true);
  for (const [user, via] of [
    ['school/registrar1', 'school'], // Its host does not know the channel,
    ['school/registrar1', 'hospital'], // these two do,
    ['school/registrar1', 'parents'],
    ['clinic/hc2', 'clinic'],
    ['clinic/hc2', 'hospital'],
  ]) {
    const told = await answers('cards', { user, via, transactionId });
    assert.deepEqual(told, await answers('nowhere', { user, via, transactionId }), `${user}, ${via}`);

    const unknown = 'the channel is not known to this host';
    const details = [{ ...host(network, via), message: unknown }];
    const failed = { code: status.FAILED_PRECONDITION, message: `9 FAILED_PRECONDITION: ${unknown}` };
    const denied = { code: status.PERMISSION_DENIED, message: '7 PERMISSION_DENIED: access denied' };
    const closed = {
      constructor: Error,
      code: undefined,
      message: 'Unexpected status response: 404',
      details: undefined,
    };
    assert.deepEqual(told.evaluate, { constructor: GatewayError, ...failed, details });
    assert.deepEqual(told.endorse, { constructor: EndorseError, ...failed, details });
    assert.deepEqual(told.info, told.evaluate);
    assert.equal(told.verdict.constructor.name, 'CommitStatusError');
    assert.deepEqual(
      { ...told.verdict, constructor: undefined },
      { constructor: undefined, ...denied, details: [] },
    );
    assert.deepEqual(told.events, { constructor: GatewayError, ...denied, details: [] });
    for (const what of ['blocks', 'filtered', 'whole']) assert.deepEqual(told[what], closed);
  }
});
