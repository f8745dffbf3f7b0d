"use strict";
// Objects: put, read, described, copied, tagged, linked, restored, removed.

const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const { Readable, Writable } = require("node:stream");
const { assert, ask, bytes, client, collect, fresh, judge, refused, settings } = require("./judge");

// What a key may hold that breaks somebody's encoding.
const KEYS = [
  "plain",
  "dir/",
  "dir/a b+c%d",
  "a//b",
  "ünïcode/文件",
  "tilde~()!$&',;=:@*",
  "question?and#hash",
  "%2F%20",
  "emoji/😀",
  "k".repeat(1023),
];

judge("PutObject GetObject HeadObject ListObjectsV2 DeleteObject", "any key leads to its own object", async () => {
  const oss = await fresh();
  for (const key of KEYS) {
    const put = await oss.put(key, Buffer.from(`of ${key}`));
    assert.equal(put.name, key);
    assert.equal((await oss.get(key)).content.toString(), `of ${key}`);
    assert.equal((await oss.head(key)).status, 200);
    assert.deepEqual((await oss.listV2({ prefix: key })).objects.map((one) => one.name), [key]);
    await oss.delete(key);
    await refused(oss.get(key), { name: "NoSuchKeyError" });
  }
});

const HEADERS = {
  "Cache-Control": "public, no-cache",
  "Content-Disposition": "attachment; filename=some.txt",
  "Content-Encoding": "x-own",
  "Content-Language": "de",
  Expires: "3600000",
};

judge("PutObject HeadObject", "an object comes back with the headers and meta that it was put with", async () => {
  const oss = await fresh();
  const put = await oss.put("a", Buffer.from("hello"), {
    mime: "text/x-thing",
    meta: { uid: 123, pid: "p-1", "mixed-Case": "Kept Value" },
    headers: { ...HEADERS },
  });
  assert.equal(put.res.status, 200);
  assert.equal(put.res.headers.etag, '"5D41402ABC4B2A76B9719D911017C592"');
  assert.match(put.url, /^http:\/\/judged-\d+\.oss-cn-hangzhou\.aliyuncs\.com\/a$/);
  const head = await oss.head("a");
  assert.deepEqual(head.meta, { uid: "123", pid: "p-1", "mixed-case": "Kept Value" });
  for (const [name, value] of Object.entries(HEADERS)) assert.equal(head.res.headers[name.toLowerCase()], value);
  assert.equal(head.res.headers["content-type"], "text/x-thing");
  assert.equal(head.res.headers["content-length"], "5");
  assert.equal(head.res.headers["x-oss-object-type"], "Normal");
  await oss.put("b", Buffer.from("bare"));
  assert.equal((await oss.head("b")).meta, null);
});

judge("PutObject HeadObject", "meta may hold what HTTP can carry of another alphabet", async () => {
  const oss = await fresh({ headerEncoding: "latin1" });
  await oss.put("文件.txt", Buffer.from("x"), { meta: { name: "文件" } });
  const { meta } = await oss.head("文件.txt");
  assert.equal(Buffer.from(meta.name, "latin1").toString(), "文件");
});

judge("PutObject GetObject", "a file goes up by its path and comes down to a path", async () => {
  const oss = await fresh();
  const [up, down] = ["up.html", "down.html"].map((name) => path.join(settings.directory, name));
  fs.writeFileSync(up, bytes(70000));
  await oss.put("from/file.html", up);
  assert.equal((await oss.head("from/file.html")).res.headers["content-type"], "text/html");
  const got = await oss.get("from/file.html", down);
  assert.equal(got.res.status, 200);
  assert.deepEqual(fs.readFileSync(down), bytes(70000));
  await refused(oss.get("missing", down), { name: "NoSuchKeyError", status: 404 });
  assert.equal(fs.existsSync(down), false);
});

judge("PutObject GetObject", "a stream goes up, with its length and without, and comes down", async () => {
  const oss = await fresh();
  const pieces = () => Readable.from([bytes(30000), bytes(40000), Buffer.from("end")]);
  const whole = Buffer.concat([bytes(30000), bytes(40000), Buffer.from("end")]);
  await oss.putStream("chunked", pieces(), { meta: { how: "chunked" } });
  await oss.putStream("counted", pieces(), { contentLength: whole.length, mime: "text/plain" });
  await oss.put("by-put", pieces());
  for (const name of ["chunked", "counted", "by-put"]) {
    const { stream, res } = await oss.getStream(name);
    assert.equal(res.status, 200);
    assert.deepEqual(await collect(stream), whole);
  }
  assert.deepEqual((await oss.head("chunked")).meta, { how: "chunked" });

  const written = [];
  await oss.get(
    "counted",
    new Writable({
      write(piece, _encoding, done) {
        written.push(piece);
        done();
      },
    }),
  );
  assert.deepEqual(Buffer.concat(written), whole);
});

judge("GetObject", "part of an object is read, and what is not there is refused", async () => {
  const oss = await fresh();
  await oss.put("a", Buffer.from("0123456789"));
  const range = async (value) => oss.get("a", { headers: { Range: value } });
  const part = await range("bytes=2-4");
  assert.deepEqual([part.res.status, part.content.toString()], [206, "234"]);
  assert.equal(part.res.headers["content-range"], "bytes 2-4/10");
  assert.equal((await range("bytes=7-")).content.toString(), "789");
  assert.equal((await range("bytes=-3")).content.toString(), "789");
  // The service serves all of it, instead of refusing, unless it is asked to behave like the standard.
  assert.deepEqual([(await range("bytes=20-30")).res.status, (await range("nonsense")).res.status], [200, 200]);
  const standard = { Range: "bytes=20-30", "x-oss-range-behavior": "standard" };
  await refused(oss.get("a", { headers: standard }), { name: "InvalidRangeError", status: 416 });
  const { stream, res } = await oss.getStream("a", { headers: { Range: "bytes=0-1" } });
  assert.deepEqual([res.status, (await collect(stream)).toString()], [206, "01"]);
});

judge("GetObject HeadObject", "conditions decide about an answer", async () => {
  const oss = await fresh();
  const { res } = await oss.put("a", Buffer.from("x"));
  const { etag } = res.headers;
  const now = (await oss.head("a")).res.headers["last-modified"];
  const [earlier, later] = ["Thu, 01 Jan 2015 00:00:00 GMT", now];
  for (const how of ["get", "head"]) {
    const status = async (headers) => (await oss[how]("a", { headers })).res.status;
    assert.equal(await status({ "If-Match": etag }), 200);
    assert.equal(await status({ "If-None-Match": '"0123"' }), 200);
    assert.equal(await status({ "If-None-Match": etag }), 304);
    assert.equal(await status({ "If-Modified-Since": earlier }), 200);
    assert.equal(await status({ "If-Modified-Since": later }), 304);
    assert.equal(await status({ "If-Unmodified-Since": later }), 200);
    const failed = { name: "PreconditionFailedError", status: 412 };
    await refused(oss[how]("a", { headers: { "If-Match": '"0123"' } }), failed);
    await refused(oss[how]("a", { headers: { "If-Unmodified-Since": earlier } }), failed);
  }
  assert.equal((await oss.head("a", { headers: { "If-None-Match": etag } })).meta, null);
});

judge("GetObjectMeta HeadObject", "little is told of an object without its headers", async () => {
  const oss = await fresh();
  await oss.put("a", Buffer.from("hello"), { meta: { a: "1" } });
  const { status, res } = await oss.getObjectMeta("a");
  assert.equal(status, 200);
  assert.equal(res.headers["content-length"], "5");
  assert.equal(res.headers.etag, '"5D41402ABC4B2A76B9719D911017C592"');
  assert.equal(res.headers["last-modified"], (await oss.head("a")).res.headers["last-modified"]);
  assert.equal(res.headers["x-oss-meta-a"], undefined);
  await refused(oss.getObjectMeta("missing"), { name: "NoSuchKeyError", status: 404 });
});

judge("DeleteObject DeleteMultipleObjects", "objects are removed alone and together, loudly and quietly", async () => {
  const oss = await fresh();
  assert.equal((await oss.delete("never")).res.status, 204);
  const names = ["a", "b c", "d&<e>", "文件", "plus+percent%25"];
  for (const quiet of [false, true]) {
    for (const name of names) await oss.put(name, Buffer.from(name));
    const { deleted } = await oss.deleteMulti([...names, "never"], { quiet });
    assert.deepEqual(deleted.map((one) => one.Key), quiet ? [] : [...names, "never"]);
    assert.deepEqual((await oss.listV2()).objects, []);
  }
});

judge("CopyObject HeadObject", "a copy keeps meta and headers, or takes others", async () => {
  const oss = await fresh();
  const other = await fresh();
  const etag = '"5D41402ABC4B2A76B9719D911017C592"';
  await other.put("source 文件+.txt", Buffer.from("hello"), { meta: { a: "1" }, headers: { "Cache-Control": "no-cache" } });
  await oss.put("near", Buffer.from("hello"), { meta: { b: "2" } });

  const copied = await oss.copy("copy", "near");
  assert.equal(copied.data.etag, etag);
  assert.ok(!Number.isNaN(Date.parse(copied.data.lastModified)));
  assert.deepEqual((await oss.head("copy")).meta, { b: "2" });

  const name = other.getBucket();
  await oss.copy("far", `/${name}/source 文件+.txt`);
  await oss.copy("named", "source 文件+.txt", name);
  for (const key of ["far", "named"]) {
    const head = await oss.head(key);
    assert.deepEqual(head.meta, { a: "1" });
    assert.equal(head.res.headers["cache-control"], "no-cache");
  }
  await oss.copy("replaced", `/${name}/source 文件+.txt`, { meta: { c: "3" }, headers: { "Content-Type": "text/x" } });
  const head = await oss.head("replaced");
  assert.deepEqual(head.meta, { c: "3" });
  assert.equal(head.res.headers["content-type"], "text/x");
  assert.equal(head.res.headers["cache-control"], undefined);
  await refused(oss.copy("copy", "missing"), { name: "NoSuchKeyError", status: 404 });
  await refused(oss.copy("copy", "/no-such-bucket-here/x"), { name: "NoSuchBucketError" });
});

judge("CopyObject", "a copy is made only on conditions", async () => {
  const oss = await fresh();
  const { etag } = (await oss.put("a", Buffer.from("x"))).res.headers;
  const copy = (headers) => oss.copy("b", "a", { headers });
  assert.equal((await copy({ "If-Match": etag })).res.status, 200);
  await refused(copy({ "If-Match": '"0123"' }), { name: "PreconditionFailedError" });
  assert.equal((await copy({ "If-None-Match": etag })).res.status, 304);
  await refused(copy({ "If-Unmodified-Since": "Thu, 01 Jan 2015 00:00:00 GMT" }), { name: "PreconditionFailedError" });
  assert.equal((await copy({ "If-Modified-Since": "Thu, 01 Jan 2015 00:00:00 GMT" })).res.status, 200);
});

judge("CopyObject HeadObject", "the meta of an object is replaced and cleaned", async () => {
  const oss = await fresh();
  await oss.put("a", Buffer.from("x"), { meta: { uid: "0" } });
  const { data } = await oss.putMeta("a", { uid: 1, pid: "p123" });
  assert.ok(data.etag && data.lastModified);
  assert.deepEqual((await oss.head("a")).meta, { uid: "1", pid: "p123" });
  await oss.putMeta("a", null);
  assert.equal((await oss.head("a")).meta, null);
  assert.equal((await oss.get("a")).content.toString(), "x");
  await refused(oss.putMeta("missing", { a: "1" }), { name: "NoSuchKeyError" });
});

judge("AppendObject", "an object grows at its end, and only there", async () => {
  const oss = await fresh();
  const first = await oss.append("log", Buffer.from("one,"), { meta: { a: "1" } });
  assert.equal(first.nextAppendPosition, "4");
  const second = await oss.append("log", Readable.from([Buffer.from("two")]), { position: first.nextAppendPosition });
  assert.equal(second.nextAppendPosition, "7");
  assert.equal((await oss.get("log")).content.toString(), "one,two");
  const head = await oss.head("log");
  assert.equal(head.res.headers["x-oss-object-type"], "Appendable");
  assert.deepEqual(head.meta, { a: "1" });
  await refused(oss.append("log", Buffer.from("x"), { position: "3" }), {
    name: "PositionNotEqualToLengthError",
    status: 409,
  });
  await oss.put("normal", Buffer.from("x"));
  await refused(oss.append("normal", Buffer.from("x")), { name: "ObjectNotAppendableError", status: 409 });
});

judge("PutObjectACL GetObjectACL", "an object has an ACL of its own", async () => {
  const oss = await fresh();
  await oss.put("a", Buffer.from("x"));
  const url = `http://${oss.getBucket()}.oss-cn-hangzhou.aliyuncs.com/a`;
  assert.equal((await oss.getACL("a")).acl, "default");
  assert.equal((await ask(url)).status, 403);
  await oss.putACL("a", "public-read");
  const told = await oss.getACL("a");
  assert.equal(told.acl, "public-read");
  assert.ok(told.owner.id);
  assert.equal((await ask(url)).status, 200);
  await refused(oss.putACL("a", "everybody"), { name: "InvalidArgumentError", status: 400 });
});

judge("PutObjectTagging GetObjectTagging DeleteObjectTagging", "an object has tags", async () => {
  const oss = await fresh();
  await oss.put("a", Buffer.from("x"), { headers: { "x-oss-tagging": "k%201=v%2F1&k2=" } });
  assert.deepEqual((await oss.getObjectTagging("a")).tag, { "k 1": "v/1", k2: "" });
  const tag = { kind: "test", "a.b:c=d": "+-=._:/ x" };
  assert.equal((await oss.putObjectTagging("a", tag)).status, 200);
  assert.deepEqual((await oss.getObjectTagging("a")).tag, tag);
  assert.equal((await oss.head("a")).res.headers["x-oss-tagging-count"], "2");
  assert.equal((await oss.deleteObjectTagging("a")).status, 204);
  assert.deepEqual((await oss.getObjectTagging("a")).tag, {});
});

judge("PutSymlink GetSymlink GetObject", "a symbolic link leads to another object", async () => {
  const oss = await fresh();
  await oss.put("target/文件 1", Buffer.from("there"));
  await oss.putSymlink("link", "target/文件 1", { meta: { a: "1" }, storageClass: "IA" });
  assert.equal((await oss.getSymlink("link")).targetName, "target/文件 1");
  const got = await oss.get("link");
  assert.equal(got.content.toString(), "there");
  assert.equal((await oss.listV2({ prefix: "link" })).objects[0].type, "Symlink");
  await refused(oss.getSymlink("target/文件 1"), { name: "NotSymlinkError", status: 400 });
  await oss.delete("target/文件 1");
  await refused(oss.get("link"), { name: "SymlinkTargetNotExistError", status: 404 });
});

judge("RestoreObject", "an archived object can be read after it was restored", async () => {
  const oss = await fresh();
  await oss.put("cold", Buffer.from("x"), { headers: { "x-oss-storage-class": "Archive" } });
  await oss.put("colder", Buffer.from("x"), { headers: { "x-oss-storage-class": "ColdArchive" } });
  await refused(oss.get("cold"), { name: "InvalidObjectStateError", status: 403 });
  assert.equal((await oss.restore("cold")).res.status, 202);
  assert.equal((await oss.head("cold")).res.headers["x-oss-restore"], 'ongoing-request="true"');
  await refused(oss.restore("cold"), { name: "RestoreAlreadyInProgressError", status: 409 });
  const more = { type: "ColdArchive", Days: 3, JobParameters: "Expedited" };
  assert.equal((await oss.restore("colder", more)).res.status, 202);
  await oss.put("warm", Buffer.from("x"));
  await refused(oss.restore("warm"), { name: "OperationNotSupportedError", status: 400 });
});

judge("PutObject", "an object that is there can be protected", async () => {
  const oss = await fresh();
  const headers = { "x-oss-forbid-overwrite": "true" };
  await oss.put("a", Buffer.from("first"), { headers: { ...headers } });
  await refused(oss.put("a", Buffer.from("second"), { headers: { ...headers } }), {
    name: "FileAlreadyExistsError",
    status: 409,
  });
  assert.equal((await oss.get("a")).content.toString(), "first");
});

judge("PutObject CompleteMultipartUpload", "an application is called back, and its answer handed on", async () => {
  const oss = await fresh();
  const told = [];
  const application = http.createServer((request, response) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => {
      told.push({ type: request.headers["content-type"], body: Buffer.concat(pieces).toString() });
      response.setHeader("Content-Type", "application/json");
      response.end('{"Status":"OK","said":"文件"}');
    });
  });
  await new Promise((resolve) => application.listen(0, "127.0.0.1", resolve));
  const callback = {
    url: `http://127.0.0.1:${application.address().port}/called`,
    body: "bucket=${bucket}&object=${object}&size=${size}&own=${x:var1}",
    contentType: "application/x-www-form-urlencoded",
    customValue: { var1: "value1" },
  };
  try {
    for (const [size, upload] of [
      [5, () => oss.put("a", Buffer.from("hello"), { callback })],
      [200 * 1024, () => oss.multipartUpload("a", bytes(200 * 1024), { partSize: 100 * 1024, callback })],
    ]) {
      assert.deepEqual((await upload()).data, { Status: "OK", said: "文件" });
      const body = `bucket=${oss.getBucket()}&object=a&size=${size}&own=value1`;
      assert.deepEqual(told.pop(), { type: "application/x-www-form-urlencoded", body });
    }
  } finally {
    application.closeAllConnections();
    application.close();
  }
  const nobody = { url: "http://127.0.0.1:1/", body: "x=1" };
  await refused(oss.put("b", Buffer.from("x"), { callback: nobody }), { name: "CallbackFailedError", status: 203 });
  assert.equal((await oss.head("b")).status, 200, "stored all the same");
});

judge("PutObject GetObject", "requests are signed in the version that is judged", async () => {
  const seen = [];
  const spy = {
    request(url, params) {
      seen.push(params.headers.authorization);
      return require("urllib").request(url, params);
    },
  };
  const oss = await fresh();
  const watched = client({ bucket: oss.getBucket(), urllib: spy, agent: undefined });
  watched.agent = oss.agent;
  await watched.put("a", Buffer.from("x"));
  await watched.get("a");
  const start = settings.signature === "V4" ? "OSS4-HMAC-SHA256 Credential=ak/" : "OSS ak:";
  assert.equal(seen.length, 2);
  for (const value of seen) assert.ok(value.startsWith(start), value);
});
