// Sluice as a stranger's program sees it: @grpc/grpc-js, the published .proto
// files, and nothing of ours. Prints one JSON object of what every call came
// to: {"sluice.v1.Operator/GetStatus": "UNAUTHENTICATED: nobody is …"}.
//
//   node client.js WHAT SETTINGS.json
//
// SETTINGS: address, authority (a file), protos (a folder), and for `slow` a
// session; for `certificate` a certificate and a key (files); for `operator` a
// name and an SSH key.
'use strict';
const fs = require('fs');
const path = require('path');
const {execFileSync} = require('child_process');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const settings = JSON.parse(fs.readFileSync(process.argv[3], 'utf8'));
const read = (name) => name ? fs.readFileSync(name) : null;
const credentials = grpc.credentials.createSsl(
    read(settings.authority), read(settings.key), read(settings.certificate));
const options = {'grpc.ssl_target_name_override': 'orchestrator.sluice'};
const files = fs.readdirSync(path.join(settings.protos, 'sluice/v1'))
    .filter((name) => name.endsWith('.proto') && name !== 'journal.proto')
    .map((name) => path.join('sluice/v1', name));
const contract = grpc.loadPackageDefinition(loader.loadSync(
    files, {includeDirs: [settings.protos], keepCase: true, longs: String}))
    .sluice.v1;
// Health's contract is everybody's; these few lines of it are all we ask.
const health = grpc.loadPackageDefinition(loader.fromJSON({nested: {grpc: {
  nested: {health: {nested: {v1: {nested: {
    HealthCheckRequest: {fields: {service: {type: 'string', id: 1}}},
    HealthCheckResponse: {fields: {status: {type: 'int32', id: 1}}},
    Health: {methods: {Check: {
      requestType: 'HealthCheckRequest',
      responseType: 'HealthCheckResponse'}}}}}}}}}}})).grpc.health.v1;

const client = (service) => new service(settings.address, credentials, options);
const word = (error) => error === null ? 'OK' :
    `${grpc.status[error.code]}: ${error.details}`;
const deadline = () => ({deadline: Date.now() + 15000});

function metadata(session) {
  const all = new grpc.Metadata();
  if (session) all.set('sluice-session', session);
  return all;
}

function unary(stub, method, request, session) {
  return new Promise((resolve) => stub[method](
      request, metadata(session), deadline(),
      (error, answer) => resolve({word: word(error), answer})));
}

// What came first, or the error.
function first(call) {
  return new Promise((resolve) => {
    let settled = false;
    const settle = (value) => {
      if (!settled) resolve(value);
      settled = true;
    };
    call.on('data', (answer) => {
      settle({word: 'OK', answer});
      call.cancel();
    });
    call.on('error', (error) => settle({word: word(error)}));
    call.on('end', () => settle({word: 'OK: and nothing'}));
  });
}

// Every call of every service, with an empty request.
async function everything(session) {
  const said = {};
  for (const [name, service] of Object.entries(contract)) {
    if (typeof service !== 'function' || !service.service) continue;
    const stub = client(service);
    for (const [method, how] of Object.entries(service.service)) {
      const full = how.path.slice(1);
      if (how.requestStream) {
        const call = stub[method](metadata(session), deadline());
        call.write({});
        said[full] = (await first(call)).word;
      } else if (how.responseStream) {
        said[full] =
            (await first(stub[method]({}, metadata(session), deadline()))).word;
      } else {
        said[full] = (await unary(stub, method, {}, session)).word;
      }
    }
    stub.close();
  }
  const probe = await unary(client(health.Health), 'Check', {}, session);
  said['grpc.health.v1.Health/Check'] =
      probe.word === 'OK' ? `OK: ${probe.answer.status}` : probe.word;
  return said;
}

function sign(text) {
  return execFileSync('ssh-keygen', ['-q', '-Y', 'sign', '-n', 'login@sluice',
    '-f', settings.ssh_key], {input: text, stdio: ['pipe', 'pipe', 'ignore']})
      .toString();
}

async function login() {
  const stub = client(contract.Login);
  const asked = await unary(stub, 'Challenge', {operator: settings.operator});
  if (asked.word !== 'OK') throw new Error(asked.word);
  const text = asked.answer.text;
  const done = await unary(stub, 'Login', {text, signature: sign(text)});
  if (done.word !== 'OK') throw new Error(done.word);
  return done.answer;
}

async function operator() {
  const session = await login();
  const stub = client(contract.Operator);
  const status = await unary(stub, 'GetStatus', {}, session.token);
  const watched =
      await first(stub.WatchStatus({}, metadata(session.token), deadline()));
  await unary(client(contract.Login), 'Logout', {}, session.token);
  const after = await unary(stub, 'GetStatus', {}, session.token);
  return {roles: session.roles, status: status.word,
    estate: status.answer && status.answer.estate,
    hosts: status.answer && status.answer.hosts.map((host) => host.id),
    watched: watched.word, after: after.word};
}

// Watches, and never reads: says when the streams stand, then stays.
async function slow() {
  const session = (await login()).token;
  for (let i = 0; i < 50; ++i) {
    const call = new contract.Operator(settings.address, credentials, {
      ...options, 'grpc.use_local_subchannel_pool': 1,
    }).WatchStatus({}, metadata(session));
    call.on('error', () => {});
    call.pause();
  }
  setTimeout(() => console.log(JSON.stringify({slow: 50})), 1000);
  setTimeout(() => process.exit(0), 60000);
}

const what = {
  nobody: () => everything(''),
  certificate: () => everything(''),
  operator,
  slow,
}[process.argv[2]];
what().then((said) => {
  if (said === undefined) return;
  console.log(JSON.stringify(said));
  process.exit(0);
}, (error) => {
  console.error(`client.js: ${error.message}`);
  process.exit(1);
});
