"use strict";
// ClusterClient: two servers with one bucket.

const { Readable } = require("node:stream");
const { OSS, agent, assert, client, collect, judge, options, plan, refused, secondAgent } = require("./judge");

let clusters = 0;

async function cluster(schedule, run) {
  clusters += 1;
  const bucket = `clustered-${clusters}`;
  const members = [options({ bucket, agent }), options({ bucket, agent: secondAgent })];
  const each = members.map((one) => client({ ...one }));
  for (const one of each) await one.putBucket(bucket);
  const made = new OSS.ClusterClient({ cluster: members, schedule });
  const errors = [];
  made.on("error", (error) => errors.push(error));
  try {
    await made.ready();
    await run(made, each, errors);
  } finally {
    made.close();
    await plan([]);
  }
}

const text = async (oss, name) => (await oss.get(name)).content.toString();

judge("PutObject CopyObject DeleteObject DeleteMultipleObjects PutObjectACL", "what is written goes to every member", () =>
  cluster("masterSlave", async (both, each) => {
    await both.put("a", Buffer.from("one"));
    await both.putStream("b", Readable.from([Buffer.from("two")]));
    await both.copy("c", "a");
    await both.putMeta("c", { kept: "yes" });
    await both.putACL("a", "public-read");
    for (const one of each) {
      assert.deepEqual([await text(one, "a"), await text(one, "b"), await text(one, "c")], ["one", "two", "one"]);
      assert.deepEqual((await one.head("c")).meta, { kept: "yes" });
      assert.equal((await one.getACL("a")).acl, "public-read");
    }
    await both.delete("a");
    await both.deleteMulti(["b", "c"]);
    for (const one of each) assert.deepEqual((await one.list({ prefix: "a" })).objects, []);
    assert.deepEqual((await both.list({ prefix: "b" })).objects, []);
  }));

judge("GetObject HeadObject", "reads take turns, or go to the master", async () => {
  for (const [schedule, seen] of [["roundRobin", ["0", "1", "0", "1"]], ["masterSlave", ["0", "0", "0", "0"]]]) {
    await cluster(schedule, async (both, each) => {
      for (const [number, one] of each.entries()) await one.put("who", Buffer.from(String(number)));
      const found = [];
      for (let turn = 0; turn < 4; turn += 1) found.push(await text(both, "who"));
      assert.deepEqual(found, seen);
      assert.equal((await both.head("who")).status, 200);
      assert.match((await collect((await both.getStream("who")).stream)).toString(), /^[01]$/);
      assert.deepEqual((await both.list({ prefix: "w" })).objects.map((one) => one.name), ["who"]);
      assert.ok(both.chooseAvailable().get);
      assert.match(both.signatureUrl("who"), /Signature=/);
      await refused(both.get("missing"), { name: "NoSuchKeyError", status: 404 });
    });
  }
});

judge("GetObject", "a member that is down is passed over until it is back, and the error told", () =>
  cluster("roundRobin", async (both, each, errors) => {
    for (const [number, one] of each.entries()) await one.put("who", Buffer.from(String(number)));
    const seen = async () => {
      const found = [];
      for (let turn = 0; turn < 3; turn += 1) found.push(await text(both, "who"));
      return found.sort().join("");
    };
    await plan([{ operation: "*", count: null, status: 503, code: "ServiceUnavailable" }]);
    await both._checkAvailable(true);
    assert.deepEqual(both.availables, { 0: true, 1: false });
    assert.deepEqual(errors.map((one) => one.name), ["CheckAvailableError"]);
    assert.equal(await seen(), "000");
    await refused(both.put("new", Buffer.from("x")), { name: "ServiceUnavailableError", status: 503 });
    await plan([]);
    await both._checkAvailable(true);
    assert.ok(["001", "011"].includes(await seen()));
  }));
