// Every call of Google's Node.js client: program.mjs grpc|rest ADDRESS LOCATION TARGET
//
// Prints the name of each call that it has checked. docs/other-clients.md shows the marked regions.

import assert from 'node:assert/strict';
// begin docs
import {CloudTasksClient} from '@google-cloud/tasks';
import {googleAuthLibrary, grpc} from 'google-gax';

function grpcClient(address) {
  return new CloudTasksClient({
    apiEndpoint: address.split(':')[0],
    port: Number(address.split(':')[1]),
    sslCreds: grpc.credentials.createInsecure(),
    authClient: new googleAuthLibrary.PassThroughClient(),
  });
}

function restClient(address) {
  return new CloudTasksClient({
    fallback: true,
    protocol: 'http',
    apiEndpoint: address.split(':')[0],
    port: Number(address.split(':')[1]),
    authClient: new googleAuthLibrary.PassThroughClient({
      transporterOptions: {validateStatus: () => true}, // or errors lose their gRPC code
    }),
  });
}
// end docs

const {INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS} = grpc.status;
const [transport, address, location, target] = process.argv.slice(2);
const client = {grpc: grpcClient, rest: restClient}[transport](address);
const queue = `${location}/queues/letters`;
const spare = `${location}/queues/spare`;

const checked = call => console.log(call);
const later = () => ({seconds: Math.floor(Date.now() / 1000) + 3600});

function httpTask(id, fields = {}) {
  return {
    name: `${queue}/tasks/${id}`,
    httpRequest: {url: `${target}/${id}`, headers: {'X-Interop': 'yes'}, body: Buffer.from('hello')},
    ...fields,
  };
}

async function refused(code, promise, text = '') {
  const error = await promise.then(
    () => assert.fail('the call succeeded'),
    problem => problem,
  );
  assert.equal(error.code, code, error.message);
  assert.ok(JSON.stringify(error.statusDetails ?? '').includes(text), JSON.stringify(error));
}

async function checkQueues() {
  const letters = {
    name: queue,
    rateLimits: {maxDispatchesPerSecond: 50},
    retryConfig: {minBackoff: {nanos: 200_000_000}},
  };
  await client.createQueue({parent: location, queue: letters});
  await refused(ALREADY_EXISTS, client.createQueue({parent: location, queue: letters}));
  const invalid = {name: `${location}/queues/not_valid`};
  await refused(
    INVALID_ARGUMENT,
    client.createQueue({parent: location, queue: invalid}),
    'Definition of queue ID',
  );
  checked('CreateQueue');

  let [answer] = await client.getQueue({name: queue});
  assert.equal(answer.rateLimits.maxBurstSize, 10);
  await refused(NOT_FOUND, client.getQueue({name: `${queue}-missing`}));
  checked('GetQueue');

  [answer] = await client.updateQueue({
    queue: {name: queue, rateLimits: {maxDispatchesPerSecond: 100}},
    updateMask: {paths: ['rate_limits.max_dispatches_per_second']},
  });
  assert.equal(answer.rateLimits.maxDispatchesPerSecond, 100);
  assert.equal(answer.retryConfig.minBackoff.nanos, 200_000_000);
  checked('UpdateQueue');

  await client.createQueue({parent: location, queue: {name: spare}});
  const names = [];
  for await (const each of client.listQueuesAsync({parent: location, pageSize: 1})) {
    names.push(each.name);
  }
  assert.deepEqual(names, [queue, spare]);
  checked('ListQueues');
}

async function checkPolicies() {
  const binding = {role: 'roles/cloudtasks.enqueuer', members: ['user:ann@example.com']};
  let [answer] = await client.setIamPolicy({resource: queue, policy: {bindings: [binding]}});
  assert.deepEqual(answer.bindings[0].members, binding.members);
  checked('SetIamPolicy');
  [answer] = await client.getIamPolicy({resource: queue});
  assert.equal(answer.bindings[0].role, binding.role);
  checked('GetIamPolicy');
  const permissions = ['cloudtasks.tasks.create'];
  [answer] = await client.testIamPermissions({resource: queue, permissions});
  assert.deepEqual(answer.permissions, permissions);
  checked('TestIamPermissions');
}

async function checkLocations() {
  if (transport === 'rest') {
    // The client asks for /v1/…, a path that Cloud Tasks does not have.
    await refused(NOT_FOUND, client.getLocation({name: location}));
    return;
  }
  const names = [];
  for await (const each of client.listLocationsAsync({name: location.split('/locations')[0]})) {
    names.push(each.name);
  }
  assert.ok(names.includes(location), names.join());
  checked('ListLocations');
  const [answer] = await client.getLocation({name: location});
  assert.equal(answer.name, location);
  checked('GetLocation');
}

async function checkTasks() {
  let [answer] = await client.pauseQueue({name: queue});
  assert.equal(answer.state, 'PAUSED');
  checked('PauseQueue');

  const first = httpTask('first');
  [answer] = await client.createTask({parent: queue, task: first});
  assert.equal(answer.name, first.name);
  await refused(ALREADY_EXISTS, client.createTask({parent: queue, task: first}));
  const invalid = {httpRequest: {url: 'ftp://example.com'}};
  await refused(INVALID_ARGUMENT, client.createTask({parent: queue, task: invalid}));
  const valid = {httpRequest: {url: target}};
  await refused(NOT_FOUND, client.createTask({parent: `${queue}-missing`, task: valid}));
  checked('CreateTask');

  [answer] = await client.getTask({name: first.name, responseView: 'FULL'});
  assert.equal(Buffer.from(answer.httpRequest.body).toString(), 'hello');
  checked('GetTask');

  await client.createTask({parent: queue, task: httpTask('deleted')});
  await client.deleteTask({name: `${queue}/tasks/deleted`});
  await refused(NOT_FOUND, client.getTask({name: `${queue}/tasks/deleted`}));
  checked('DeleteTask');

  await client.createTask({parent: queue, task: httpTask('run', {scheduleTime: later()})});
  [answer] = await client.runTask({name: `${queue}/tasks/run`});
  assert.equal(answer.dispatchCount, 1);
  checked('RunTask');

  await client.createTask({parent: queue, task: httpTask('retry')});
  const names = new Set();
  for await (const each of client.listTasksAsync({parent: queue, pageSize: 1})) {
    names.add(each.name);
  }
  names.delete(`${queue}/tasks/run`); // it may have been delivered
  assert.deepEqual(names, new Set([first.name, `${queue}/tasks/retry`]));
  checked('ListTasks');

  [answer] = await client.resumeQueue({name: queue});
  assert.equal(answer.state, 'RUNNING');
  checked('ResumeQueue');
}

async function checkRemoval() {
  const task = {httpRequest: {url: `${target}/purged`}, scheduleTime: later()};
  await client.createTask({parent: spare, task});
  await client.purgeQueue({name: spare});
  const [tasks] = await client.listTasks({parent: spare});
  assert.deepEqual(tasks, []);
  checked('PurgeQueue');
  await client.deleteQueue({name: spare});
  await refused(NOT_FOUND, client.getQueue({name: spare}));
  checked('DeleteQueue');
}

await checkQueues();
await checkPolicies();
await checkLocations();
await checkTasks();
await checkRemoval();
await client.close();
