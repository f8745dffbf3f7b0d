"use strict";
// Lists of objects and of their versions.

const { assert, fresh, judge, refused } = require("./judge");

const KEYS = ["a", "dir/1", "dir/2", "dir/sub/3", "fun/x & <y>", "z 文件+%"];

async function filled() {
  const oss = await fresh();
  for (const key of KEYS) await oss.put(key, Buffer.from(key));
  return oss;
}

const names = (result) => result.objects.map((one) => one.name);

judge("ListObjects", "a list says of each object what it is", async () => {
  const oss = await filled();
  const all = await oss.list();
  assert.deepEqual(names(all), KEYS);
  assert.deepEqual([all.prefixes, all.isTruncated, all.nextMarker], [null, false, null]);
  const [first] = all.objects;
  assert.equal(first.etag, '"0CC175B9C0F1B6A831C399E269772661"');
  assert.deepEqual([first.size, first.type, first.storageClass], [1, "Normal", "Standard"]);
  assert.ok(first.owner.id && first.owner.displayName);
  assert.match(first.lastModified, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/);
  assert.match(first.url, /^http:\/\/judged-\d+\.oss-cn-hangzhou\.aliyuncs\.com\/a$/);
});

judge("ListObjects", "a list is cut by prefix, delimiter, marker and number", async () => {
  const oss = await filled();
  assert.deepEqual(names(await oss.list({ prefix: "dir/" })), ["dir/1", "dir/2", "dir/sub/3"]);
  const top = await oss.list({ delimiter: "/" });
  assert.deepEqual([names(top), top.prefixes], [["a", "z 文件+%"], ["dir/", "fun/"]]);
  const dir = await oss.list({ prefix: "dir/", delimiter: "/" });
  assert.deepEqual([names(dir), dir.prefixes], [["dir/1", "dir/2"], ["dir/sub/"]]);
  const found = [];
  let query = { "max-keys": 2 };
  let pages = 0;
  do {
    const page = await oss.list(query);
    assert.ok(page.objects.length <= 2);
    found.push(...names(page));
    // Not an empty marker: with version 4, ali-oss signs "marker=" for it, and everybody else "marker".
    query = page.nextMarker && { "max-keys": 2, marker: page.nextMarker };
    pages += 1;
  } while (query);
  assert.deepEqual([found, pages], [KEYS, 3]);
  await refused(oss.list({ "max-keys": 1001 }), { name: "InvalidArgumentError", status: 400 });
});

judge("ListObjectsV2", "the second version of the list goes on by tokens", async () => {
  const oss = await filled();
  const found = [];
  let token;
  do {
    const page = await oss.listV2({ "max-keys": "2", "continuation-token": token });
    assert.equal(page.keyCount, page.objects.length);
    assert.equal(page.continuationToken, token || null);
    found.push(...names(page));
    token = page.nextContinuationToken;
    assert.equal(page.isTruncated, Boolean(token));
  } while (token);
  assert.deepEqual(found, KEYS);
  assert.deepEqual(names(await oss.listV2({ "start-after": "dir/2" })), KEYS.slice(3));
  const dir = await oss.listV2({ prefix: "dir/", delimiter: "/" });
  assert.deepEqual([names(dir), dir.prefixes, dir.keyCount], [["dir/1", "dir/2"], ["dir/sub/"], 3]);
  assert.equal((await oss.listV2()).objects[0].owner, null);
  assert.ok((await oss.listV2({ "fetch-owner": "true" })).objects[0].owner.id);
});

judge("ListObjects ListObjectsV2", "an empty bucket has an empty list", async () => {
  const oss = await fresh();
  assert.deepEqual(names(await oss.list()), []);
  const second = await oss.listV2({ prefix: "nothing" });
  assert.deepEqual([names(second), second.keyCount, second.prefixes], [[], 0, null]);
});

judge("PutBucketVersioning GetBucketVersioning ListObjectVersions", "a bucket keeps versions, and deletions of them", async () => {
  const oss = await fresh();
  const name = oss.getBucket();
  assert.equal((await oss.getBucketVersioning(name)).versionStatus, undefined);
  await oss.put("a", Buffer.from("before"));
  assert.equal((await oss.putBucketVersioning(name, "Enabled")).status, 200);
  assert.equal((await oss.getBucketVersioning(name)).versionStatus, "Enabled");
  const versions = [];
  for (const text of ["one", "two"]) {
    versions.push((await oss.put("a", Buffer.from(text))).res.headers["x-oss-version-id"]);
  }
  await oss.delete("a");
  await refused(oss.get("a"), { name: "NoSuchKeyError" });

  const told = await oss.getBucketVersions();
  assert.deepEqual(told.objects.map((one) => one.versionId), [...[...versions].reverse(), "null"]);
  assert.deepEqual(told.objects.map((one) => one.isLatest), [false, false, false]);
  assert.deepEqual(told.deleteMarker.map((one) => one.name), ["a"]);
  assert.equal((await oss.get("a", { versionId: versions[0] })).content.toString(), "one");
  assert.equal((await oss.get("a", { versionId: "null" })).content.toString(), "before");
  assert.equal((await oss.head("a", { versionId: versions[1] })).res.headers["content-length"], "3");

  // Without its delete marker, the object is there again; a copy of an old version makes it the newest.
  await oss.delete("a", { versionId: told.deleteMarker[0].versionId });
  assert.equal((await oss.get("a")).content.toString(), "two");
  await oss.copy("a", "a", { versionId: versions[0] });
  assert.equal((await oss.get("a")).content.toString(), "one");

  await oss.putObjectTagging("a", { of: "old" }, { versionId: versions[1] });
  assert.deepEqual((await oss.getObjectTagging("a", { versionId: versions[1] })).tag, { of: "old" });
  assert.deepEqual((await oss.getObjectTagging("a")).tag, {});
  await oss.putACL("a", "public-read", { versionId: versions[1] });
  assert.equal((await oss.getACL("a", { versionId: versions[1] })).acl, "public-read");
  assert.equal((await oss.getACL("a")).acl, "default");

  const { deleted } = await oss.deleteMulti([
    { key: "a", versionId: versions[0] },
    { key: "a", versionId: versions[1] },
  ]);
  assert.deepEqual(deleted.map((one) => one.VersionId).sort(), [...versions].sort());
  assert.equal((await oss.getBucketVersions()).objects.length, 2);
  await refused(oss.get("a", { versionId: versions[0] }), { name: "NoSuchVersionError", status: 404 });

  await oss.putBucketVersioning(name, "Suspended");
  assert.equal((await oss.put("a", Buffer.from("last"))).res.headers["x-oss-version-id"], "null");
});

judge("ListObjectVersions", "a list of versions goes on where it stopped", async () => {
  const oss = await fresh();
  await oss.putBucketVersioning(oss.getBucket(), "Enabled");
  for (const key of ["a", "b", "dir/c"]) for (const text of ["1", "2"]) await oss.put(key, Buffer.from(text));
  const found = [];
  let query = { maxKeys: 2 };
  for (;;) {
    const page = await oss.listObjectVersions(query);
    found.push(...page.objects.map((one) => `${one.name}${one.isLatest ? "*" : ""}`));
    if (!page.isTruncated) break;
    query = { maxKeys: 2, keyMarker: page.nextKeyMarker, versionIdMarker: page.nextVersionIdMarker };
  }
  assert.deepEqual(found, ["a*", "a", "b*", "b", "dir/c*", "dir/c"]);
  const top = await oss.getBucketVersions({ delimiter: "/" });
  assert.deepEqual(top.prefixes, ["dir/"]);
});
