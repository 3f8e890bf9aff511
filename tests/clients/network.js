// A network of hosts for one test file or program, and clients of it.
//
// Nothing here speaks to a host by itself: clients are those of @hyperledger/fabric-gateway.

import { spawn } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { readFileSync, readdirSync, rmSync, mkdtempSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

import { Client, credentials } from '@grpc/grpc-js';
import { connect, signers } from '@hyperledger/fabric-gateway';

export const CORDON_BIN = resolve(
  process.env.CORDON_BIN ?? join(import.meta.dirname, '../../target/release/cordon'),
);
export const TOWN = resolve(import.meta.dirname, '../../policies/town.toml');
export const CHANNEL = 'providers';

// Hosts must not outlive a program that is told to end: let it run its 'exit' listeners.
process.once('SIGTERM', () => process.exit(143));

/** A network that `cordon up` keeps running. */
export class Network {
  #process;
  #output = '';
  #base;
  #open = new Set();

  constructor({ file = TOWN, dir = mkdtempSync(join(tmpdir(), 'cordon-clients-')) } = {}) {
    this.file = file;
    this.dir = dir;
  }

  /** Starts the hosts. A later start goes on with the same folder and the same ports. */
  async start() {
    this.#base ??= await freePorts(readFileSync(this.file, 'utf8').match(/^\[\[organizations]]/gm).length);
    this.#output = '';
    this.#process = spawn(
      CORDON_BIN,
      ['up', '--network', this.file, '--dir', this.dir, '--port-base', `${this.#base}`],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    process.once('exit', this.#kill);
    this.#process.stderr.on('data', (data) => (this.#output += data));
    const ended = once(this.#process, 'exit').then(([code]) => {
      throw new Error(`cordon up ended with ${code} before it was ready:\n${this.#output}`);
    });
    const ready = new Promise((done) => {
      createInterface(this.#process.stdout).on('line', (line) => {
        this.#output += `${line}\n`;
        if (line.startsWith('ready')) done();
      });
    });
    ended.catch(() => {}); // It also ends after the race, which is no error.
    await Promise.race([ready, ended]);
    return this;
  }

  /** Stops the hosts as ctrl-C does, and returns the exit code and what they printed. */
  async stop({ closeClients = true } = {}) {
    if (closeClients) for (const client of [...this.#open]) client.close();
    const exited = this.#process.exitCode ?? this.#process.signalCode;
    if (exited === null) {
      const exit = once(this.#process, 'exit');
      this.#process.kill('SIGINT');
      await exit;
    }
    process.off('exit', this.#kill);
    return { code: this.#process.exitCode, output: this.#output };
  }

  /** Deletes the folder with everything in it. */
  remove() {
    rmSync(this.dir, { recursive: true, force: true });
  }

  #kill = () => this.#process.kill('SIGKILL');

  /** How clients find an organisation's host. */
  connection(organization) {
    return JSON.parse(readFileSync(join(this.dir, `connections/${organization}.json`)));
  }

  /** A gRPC connection to an organisation's host, trusting the TLS authority of `authority`. */
  grpc(organization, { authority = organization } = {}) {
    const { endpoint, serverName } = this.connection(organization);
    const trusted = readFileSync(join(this.dir, this.connection(authority).tlsCACertPath));
    return new Client(endpoint, credentials.createSsl(trusted), {
      'grpc.ssl_target_name_override': serverName,
    });
  }

  /** Certificate and key of a user, as `hospital/hc1`. */
  identity(name) {
    const [organization, user] = name.split('/');
    const only = (folder) => {
      const path = join(this.dir, 'organizations', organization, 'users', user, 'msp', folder);
      return readFileSync(join(path, readdirSync(path)[0]));
    };
    return {
      identity: { mspId: this.connection(organization).mspId, credentials: only('signcerts') },
      key: createPrivateKey(only('keystore')),
    };
  }

  /**
   * A gateway for a user, as `hospital/hc1`.
   *
   * `via` names the organisation whose host is called, `identity` replaces the user's, `client` is a
   * gRPC connection to share, and `offline` leaves the signer out.
   */
  connect(name, { via = name.split('/')[0], identity, client, offline = false } = {}) {
    const user = this.identity(name);
    const grpc = client ?? this.grpc(via);
    const within = (seconds) => () => ({ deadline: Date.now() + seconds * 1000 });
    const gateway = connect({
      client: grpc,
      identity: identity ?? user.identity,
      signer: offline ? undefined : signers.newPrivateKeySigner(user.key),
      evaluateOptions: within(10),
      endorseOptions: within(15),
      submitOptions: within(10),
      commitStatusOptions: within(30),
    });
    const channel = (name) => gateway.getNetwork(name);
    const network = channel(CHANNEL);
    const connection = {
      gateway,
      channel,
      network,
      emr: (interfaceName) => network.getContract('emr', interfaceName),
      close: () => {
        gateway.close();
        if (!client) grpc.close();
        this.#open.delete(connection);
      },
    };
    this.#open.add(connection);
    return connection;
  }
}

/** The first of `count` ports in a row that nothing listens on. */
async function freePorts(count) {
  for (;;) {
    const servers = [];
    try {
      for (let i = 0; i < count; i++) {
        const server = createServer();
        server.listen(i && servers[0].address().port + i, '127.0.0.1');
        await once(server, 'listening');
        servers.push(server);
      }
      return servers[0].address().port;
    } catch {
      // One of them is taken: try others.
    } finally {
      servers.forEach((server) => server.close());
    }
  }
}

/** A contract's answer. */
export const json = (bytes) => JSON.parse(text(bytes));

export const text = (bytes) => Buffer.from(bytes).toString();
