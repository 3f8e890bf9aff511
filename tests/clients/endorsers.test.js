// What happens when a client names the organisations that are to endorse, or to answer a question.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { status } from '@grpc/grpc-js';
import { CommitError, EndorseError, GatewayError, StatusCode } from '@hyperledger/fabric-gateway';

import { json } from './network.js';
import { endorsersOf, failure, height, host, reach, stage, town } from './town.js';

const network = await town();
const members = ['hospital', 'parents', 'school'];
const endorsers = ['hospital', 'parents'];
const onCards = stage(network, { channel: 'cards', contract: 'cards', members: endorsers, endorsers });
const onReports = stage(network, { channel: 'reports', contract: 'reports', members, endorsers });

const parent = onReports('parents/parent1');
const registrar = onReports('school/registrar1');
const everywhere = members.map((member) => network.connect(`${member}/admin`).channel('reports'));

const child = { childId: 'tom', name: 'Tom Miller', birthdate: '2019-05-14' };
await onCards('parents/parent1').submits('Parent:RegisterChild', child);
const application = (school) =>
  JSON.stringify({
    childId: 'tom',
    childName: 'Tom',
    schoolOrg: 'SchoolMSP',
    school,
    hospital: 'HospitalMSP',
    pediatrician: 'pd1',
  });
await parent.submits('Parent:ApplyForPlace', application('northside'));
const ACCEPT = 'Registrar:AcceptApplication';

/** What `caller` is answered by the hosts of all members, one after the other. */
async function toldBy(caller, name, ...args) {
  const answers = [];
  for (const { mspId } of members.map((member) => host(network, member))) {
    const options = { arguments: args, endorsingOrganizations: [mspId] };
    answers.push(json(await caller.contract.evaluate(name, options)));
  }
  return answers;
}

for (const [what, caller, name, argument, named] of [
  ['one of two', parent, 'Parent:ApplyForPlace', application('southside'), ['HospitalMSP']],
  ['the other of two', parent, 'Parent:ApplyForPlace', application('southside'), ['ParentsMSP']],
  ['a member that need not endorse', registrar, ACCEPT, 'tom', ['SchoolMSP']],
  ['that and one of two', registrar, ACCEPT, 'tom', ['SchoolMSP', 'HospitalMSP']],
]) {
  test(`a transaction that only ${what} endorsed takes no effect`, async () => {
    const read = () => toldBy(parent, 'Parent:GetApplications');
    const before = await read();
    assert.equal(before[0].length, 1);
    const options = { arguments: [argument], endorsingOrganizations: named };
    const transaction = await caller.contract.newProposal(name, options).endorse();
    assert.deepEqual(endorsersOf(transaction), named.toSorted());
    const error = await failure(caller.contract.submit(name, options));
    assert.ok(error instanceof CommitError, error);
    assert.equal(error.code, StatusCode.ENDORSEMENT_POLICY_FAILURE);
    assert.match(error.transactionId, /^[0-9a-f]{64}$/);
    const verdict = await (await transaction.submit()).getStatus();
    assert.equal(verdict.code, StatusCode.ENDORSEMENT_POLICY_FAILURE);
    assert.equal(verdict.successful, false);
    await reach(everywhere, verdict.blockNumber);
    assert.deepEqual(await read(), before);
  });
}

test('more may endorse than have to', async () => {
  const endorsingOrganizations = ['SchoolMSP', 'ParentsMSP', 'HospitalMSP'];
  const options = { arguments: ['tom'], endorsingOrganizations };
  const transaction = await registrar.contract.newProposal(ACCEPT, options).endorse();
  assert.deepEqual(endorsersOf(transaction), endorsingOrganizations.toSorted());
  const verdict = await (await transaction.submit()).getStatus();
  assert.equal(verdict.code, StatusCode.VALID);
  await reach(everywhere, verdict.blockNumber);
  for (const [{ status }] of await toldBy(registrar, 'Registrar:GetApplications')) {
    assert.equal(status, 'accepted');
  }
});

test('an organisation that cannot look at the card cannot endorse what needs it', async () => {
  const before = await height({ network: parent.channel });
  for (const named of [['SchoolMSP'], ['HospitalMSP', 'ParentsMSP', 'SchoolMSP']]) {
    const error = await failure(
      parent.contract.submit('Parent:ApplyForPlace', {
        arguments: [application('southside')],
        endorsingOrganizations: named,
      }),
    );
    assert.ok(error instanceof EndorseError, error);
    assert.equal(error.code, status.ABORTED);
    const message = 'chaincode response 404, there is no contract cards on a channel cards here';
    assert.deepEqual(error.details, [{ ...host(network, 'school'), message }]);
  }
  assert.equal(await height({ network: parent.channel }), before);
});

test('whoever is no member of the channel cannot endorse, be there such an organisation or not', async () => {
  const before = await height({ network: registrar.channel });
  for (const stranger of ['ClinicMSP', 'BankMSP']) {
    for (const named of [[stranger], ['HospitalMSP', 'ParentsMSP', stranger]]) {
      const error = await failure(
        registrar.contract.submit('Registrar:RequestReport', {
          arguments: ['tom'],
          endorsingOrganizations: named,
        }),
      );
      assert.ok(error instanceof EndorseError, error);
      assert.equal(error.code, status.UNAVAILABLE);
      const message = `no host of organisation ${stranger} is known on channel reports`;
      assert.equal(error.message, `14 UNAVAILABLE: ${message}`);
      assert.deepEqual(error.details, [{ address: '', mspId: stranger, message }]);
    }
  }
  assert.equal(await height({ network: registrar.channel }), before);
});

test('an evaluation is answered by the host of an organisation that the client names', async () => {
  const refusal = (named) =>
    failure(
      registrar.contract.evaluate('Registrar:GetReport', {
        arguments: ['tom'],
        endorsingOrganizations: named,
      }),
    );
  const message =
    'chaincode response 403, There is no report on this child that the parent has approved for your school.';
  for (const [named, answering] of [
    [[], 'school'], // The client's own.
    [['HospitalMSP'], 'hospital'],
    [['ParentsMSP'], 'parents'],
    [['SchoolMSP'], 'school'],
    [['ClinicMSP', 'ParentsMSP'], 'parents'],
  ]) {
    const error = await refusal(named);
    assert.ok(error instanceof GatewayError, error);
    assert.equal(error.code, status.UNKNOWN);
    assert.deepEqual(error.details, [{ ...host(network, answering), message }]);
  }
  const [own, ...others] = await toldBy(registrar, 'Registrar:GetApplications');
  assert.equal(own.length, 1);
  for (const other of others) assert.deepEqual(other, own);
});

test('an evaluation by nobody but strangers is refused', async () => {
  for (const named of [['ClinicMSP'], ['BankMSP'], ['ClinicMSP', 'BankMSP']]) {
    const error = await failure(
      registrar.contract.evaluate('Registrar:GetApplications', { endorsingOrganizations: named }),
    );
    assert.ok(error instanceof GatewayError, error);
    assert.equal(error.code, status.FAILED_PRECONDITION);
    const message = 'no host of the target organisations is known on this channel';
    assert.equal(error.message, `9 FAILED_PRECONDITION: ${message}`);
    assert.deepEqual(error.details, [{ ...host(network, 'school'), message }]);
  }
});

test('a parent may apply through the host of the School, which asks the others', async () => {
  const connection = network.connect('parents/parent1', { via: 'school' });
  const contract = connection.channel('reports').getContract('reports');
  const proposal = contract.newProposal('Parent:ApplyForPlace', { arguments: [application('southside')] });
  const transaction = await proposal.endorse();
  assert.deepEqual(endorsersOf(transaction), ['HospitalMSP', 'ParentsMSP']);
  const verdict = await (await transaction.submit()).getStatus();
  assert.equal(verdict.code, StatusCode.VALID);
  await reach(everywhere, verdict.blockNumber);
  const [{ applicationId }] = await onReports('school/registrar2').asks('Registrar:GetApplications');
  assert.equal(applicationId, transaction.getTransactionId());
});

test('what one channel has committed another builds upon at once, whoever has to endorse', async () => {
  const cards = onCards('parents/parent1').contract;
  for (let round = 0; round < 30; round++) {
    const childId = `child-${round}`;
    await cards.submitTransaction('Parent:RegisterChild', JSON.stringify({ ...child, childId }));
    const apply = JSON.stringify({ ...JSON.parse(application('northside')), childId });
    const applied = json(await parent.contract.submitTransaction('Parent:ApplyForPlace', apply));
    assert.equal(applied.childId, childId);
  }
});
