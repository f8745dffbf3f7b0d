"use strict";
// What the judgements share: a registry of them, clients of ali-oss, and the server under judgement.
//
// Clients are made as its users make them, for a region.  An agent takes every name there is, such as
// bucket.oss-cn-hangzhou.aliyuncs.com, to the embedded server on the loopback: nothing here can reach anything else, and the
// addresses that ali-oss forms are judged as well.

const assert = require("node:assert/strict");
const http = require("node:http");
const OSS = require("ali-oss");

// {url, second, signature: "V1" | "V4", directory}: of the server, of another one, and an empty directory.
const settings = JSON.parse(process.env.JUDGE);
const account = { accessKeyId: "ak", accessKeySecret: "sk" };
const judgements = [];

// Agree that *operations*, as the API reference calls them, do what *sentence* says.
function judge(operations, sentence, run) {
  judgements.push({ operations: operations.split(" ").filter(Boolean), sentence, run });
}

class Loopback extends http.Agent {
  constructor(url) {
    super({ keepAlive: true });
    this.port = new URL(url).port;
  }

  createConnection(options, callback) {
    return super.createConnection({ ...options, host: "127.0.0.1", port: this.port, path: undefined }, callback);
  }
}

const agent = new Loopback(settings.url);
const secondAgent = new Loopback(settings.second);

function options(more) {
  return {
    ...account,
    region: "oss-cn-hangzhou",
    authorizationV4: settings.signature === "V4",
    timeout: 10000,
    agent,
    ...more,
  };
}

const client = (more) => new OSS(options(more));

let buckets = 0;

// A client of a new bucket.
async function fresh(more) {
  buckets += 1;
  const made = client({ bucket: `judged-${buckets}`, ...more });
  await made.putBucket(made.options.bucket);
  return made;
}

// Ask as a browser or a plain program would, without ali-oss: {status, headers, body}.
function ask(url, { method = "GET", headers = {}, body, by = agent } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, agent: by }, (answer) => {
      const pieces = [];
      answer.on("data", (piece) => pieces.push(piece));
      answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(pieces) }));
      answer.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

// A URL that lets whoever has it ask for *name*, signed in the version under judgement.
function presign(oss, name, { method = "GET", expires = 600, headers = {}, process, response = {} } = {}) {
  if (settings.signature === "V1") return oss.signatureUrl(name, { method, expires, process, response, ...headers });
  const queries = Object.fromEntries(Object.entries(response).map(([key, value]) => [`response-${key}`, value]));
  if (process) queries["x-oss-process"] = process;
  return oss.signatureUrlV4(method, expires, { headers, queries }, name);
}

const collect = async (stream) => Buffer.concat(await stream.toArray());

const bytes = (size) => Buffer.from(Array.from({ length: size }, (_, index) => (index * 7 + (index >> 8)) % 251));

// Refused with these properties?
const refused = (promise, properties) => assert.rejects(promise, properties);

const plan = (faults) =>
  ask(`${settings.second}/-/faults`, { method: "PUT", body: JSON.stringify(faults), by: secondAgent });

async function counts() {
  return JSON.parse((await ask(`${settings.url}/-/requests`)).body).counts;
}

async function pass({ operations, run }) {
  const before = await counts();
  await run();
  const after = await counts();
  const missing = operations.filter((name) => !((after[name] || 0) > (before[name] || 0)));
  assert.deepEqual(missing, [], "operations that the server has not seen");
}

// Carry the judgements out one after the other; each is a line of JSON: {sentence, error}.
async function runAll() {
  let astray = [];
  process.on("unhandledRejection", (exc) => astray.push(exc));
  for (const one of judgements) {
    let error = "";
    try {
      astray = [];
      await pass(one);
      if (astray.length) throw astray[0];
    } catch (exc) {
      error = (exc && exc.stack) || String(exc);
    }
    console.log(JSON.stringify({ sentence: one.sentence, error }));
  }
}

module.exports = {
  OSS,
  account,
  agent,
  ask,
  assert,
  bytes,
  client,
  collect,
  fresh,
  judge,
  options,
  plan,
  presign,
  refused,
  runAll,
  secondAgent,
  settings,
};
