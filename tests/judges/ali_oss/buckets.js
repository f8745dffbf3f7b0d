"use strict";
// Buckets and what is set for them.

const { assert, ask, client, fresh, judge, refused, settings } = require("./judge");

judge("ListBuckets PutBucket DeleteBucket", "buckets are made, listed and removed", async () => {
  const oss = client();
  for (const name of ["made-a", "made-b", "made-c"]) {
    const made = await oss.putBucket(name);
    assert.equal(made.bucket, name);
  }
  const all = await oss.listBuckets({ prefix: "made-" });
  assert.deepEqual(all.buckets.map((one) => one.name), ["made-a", "made-b", "made-c"]);
  assert.equal(all.buckets[0].region, "oss-cn-hangzhou");
  assert.equal(all.buckets[0].storageClass, "Standard");
  assert.ok(!Number.isNaN(Date.parse(all.buckets[0].creationDate)));
  assert.equal(all.isTruncated, false);
  assert.equal(all.nextMarker, null);
  assert.ok(all.owner.id && all.owner.displayName);

  const first = await oss.listBuckets({ prefix: "made-", "max-keys": 2 });
  assert.equal(first.isTruncated, true);
  const rest = await oss.listBuckets({ prefix: "made-", marker: first.nextMarker });
  assert.deepEqual([...first.buckets, ...rest.buckets].map((one) => one.name), ["made-a", "made-b", "made-c"]);

  for (const name of ["made-a", "made-b", "made-c"]) await oss.deleteBucket(name);
  assert.equal((await oss.listBuckets({ prefix: "made-" })).buckets, null);
});

judge("PutBucket GetBucketInfo GetBucketAcl", "a bucket has the class, redundancy and ACL that it was made with", async () => {
  const oss = client();
  await oss.putBucket("made-cold", { storageClass: "IA", dataRedundancyType: "ZRS", acl: "public-read" });
  const { bucket } = await oss.getBucketInfo("made-cold");
  assert.equal(bucket.Name, "made-cold");
  assert.equal(bucket.StorageClass, "IA");
  assert.equal(bucket.DataRedundancyType, "ZRS");
  assert.equal(bucket.Location, "oss-cn-hangzhou");
  assert.equal(bucket.AccessControlList.Grant, "public-read");
  assert.equal((await oss.getBucketACL("made-cold")).acl, "public-read");
  await oss.deleteBucket("made-cold");
});

judge("DeleteBucket", "a bucket that holds something is not removed", async () => {
  const oss = await fresh();
  await oss.put("a", Buffer.from("x"));
  await refused(oss.deleteBucket(oss.getBucket()), { name: "BucketNotEmptyError", status: 409, code: "BucketNotEmpty" });
  await oss.delete("a");
  await oss.deleteBucket(oss.getBucket());
  await refused(oss.getBucketInfo(oss.getBucket()), { name: "NoSuchBucketError", status: 404 });
});

judge("PutObject GetObject", "the bucket in use can be changed", async () => {
  const oss = await fresh();
  const other = await fresh();
  await oss.put("key", Buffer.from("one"));
  await other.put("key", Buffer.from("two"));
  assert.equal((await oss.get("key")).content.toString(), "one");
  oss.useBucket(other.getBucket());
  assert.equal(oss.getBucket(), other.getBucket());
  assert.equal((await oss.get("key")).content.toString(), "two");
});

judge("GetBucketLocation GetBucketStat", "a bucket tells where it is and what it holds", async () => {
  const oss = await fresh();
  await oss.put("a", Buffer.alloc(10));
  await oss.put("b", Buffer.alloc(20));
  assert.equal((await oss.getBucketLocation(oss.getBucket())).location, "oss-cn-hangzhou");
  const { stat } = await oss.getBucketStat(oss.getBucket());
  assert.equal(stat.Storage, "30");
  assert.equal(stat.ObjectCount, "2");
  assert.equal(stat.MultipartUploadCount, "0");
});

judge("ListLiveChannel", "there are no live channels", async () => {
  const oss = await fresh();
  assert.deepEqual((await oss.listChannels()).channels, []);
});

judge("PutBucketAcl GetBucketAcl", "the ACL of a bucket lets everybody read, and no more", async () => {
  const oss = await fresh();
  const name = oss.getBucket();
  assert.equal((await oss.getBucketACL(name)).acl, "private");
  await oss.put("a", Buffer.from("open"));
  const url = `http://${name}.oss-cn-hangzhou.aliyuncs.com/a`;
  assert.equal((await ask(url)).status, 403);
  await oss.putBucketACL(name, "public-read");
  const told = await oss.getBucketACL(name);
  assert.equal(told.acl, "public-read");
  assert.ok(told.owner.id);
  assert.equal((await ask(url)).body.toString(), "open");
  assert.equal((await ask(url, { method: "PUT", body: "x" })).status, 403);
});

judge("PutBucketLogging GetBucketLogging DeleteBucketLogging", "logging is set, told and removed", async () => {
  const oss = await fresh();
  const name = oss.getBucket();
  const before = await oss.getBucketLogging(name);
  assert.deepEqual([before.enable, before.prefix], [false, null]);
  await oss.putBucketLogging(name, "logs/");
  const told = await oss.getBucketLogging(name);
  assert.deepEqual([told.enable, told.prefix], [true, "logs/"]);
  await oss.deleteBucketLogging(name);
  assert.equal((await oss.getBucketLogging(name)).enable, false);
});

judge("PutBucketWebsite GetBucketWebsite DeleteBucketWebsite", "a website has an index and an error page", async () => {
  const oss = await fresh();
  const name = oss.getBucket();
  await refused(oss.getBucketWebsite(name), { name: "NoSuchWebsiteConfigurationError", status: 404 });
  await oss.putBucketWebsite(name, { index: "index.html", error: "error.html", supportSubDir: "true", type: "0" });
  const told = await oss.getBucketWebsite(name);
  assert.deepEqual(
    [told.index, told.error, told.supportSubDir, told.type, told.routingRules],
    ["index.html", "error.html", "true", "0", []],
  );
  await oss.putBucketACL(name, "public-read");
  await oss.put("index.html", Buffer.from("<h1>index</h1>"));
  await oss.put("error.html", Buffer.from("<h1>error</h1>"));
  const page = await ask(`http://${name}.oss-cn-hangzhou.aliyuncs.com/`);
  assert.equal(page.body.toString(), "<h1>index</h1>");
  const missing = await ask(`http://${name}.oss-cn-hangzhou.aliyuncs.com/nothing`);
  assert.deepEqual([missing.status, missing.body.toString()], [404, "<h1>error</h1>"]);
  await oss.deleteBucketWebsite(name);
  await refused(oss.getBucketWebsite(name), { code: "NoSuchWebsiteConfiguration" });
});

judge("PutBucketWebsite GetBucketWebsite", "routing rules of a website come back as they were set", async () => {
  const oss = await fresh();
  const name = oss.getBucket();
  const rule = (number) => ({
    RuleNumber: number,
    Condition: { KeyPrefixEquals: `old${number}/`, HttpErrorCodeReturnedEquals: "404" },
    Redirect: { RedirectType: "External", Protocol: "http", HostName: "www.example.com", HttpRedirectCode: "302" },
  });
  for (const rules of [[rule(1)], [rule(1), rule(2)]]) {
    await oss.putBucketWebsite(name, { index: "index.html", routingRules: rules });
    const { routingRules } = await oss.getBucketWebsite(name);
    const prefixes = (all) => all.map((one) => one.Condition.KeyPrefixEquals);
    assert.deepEqual(prefixes(routingRules), prefixes(rules));
    assert.equal(routingRules[0].Redirect.HostName, "www.example.com");
    assert.equal(routingRules[0].Redirect.HttpRedirectCode, "302");
  }
});

judge("PutBucketReferer GetBucketReferer", "the referer list is set, told and lifted", async () => {
  const oss = await fresh();
  const name = oss.getBucket();
  const list = ["https://a.example.org", "http://*.example.com/?&x=y"];
  await oss.putBucketReferer(name, false, list.map((one) => one.replace("&", "&amp;")));
  const told = await oss.getBucketReferer(name);
  assert.deepEqual([told.allowEmpty, told.referers], [false, list]);
  await oss.putBucketACL(name, "public-read");
  await oss.put("a", Buffer.from("x"));
  const url = `http://${name}.oss-cn-hangzhou.aliyuncs.com/a`;
  assert.equal((await ask(url)).status, 403);
  assert.equal((await ask(url, { headers: { referer: "https://a.example.org" } })).status, 200);
  await oss.deleteBucketReferer(name);
  const lifted = await oss.getBucketReferer(name);
  assert.deepEqual([lifted.allowEmpty, lifted.referers], [true, null]);
  assert.equal((await ask(url)).status, 200);
});

judge("PutBucketLifecycle GetBucketLifecycle DeleteBucketLifecycle", "lifecycle rules of every kind come back as they were set", async () => {
  const oss = await fresh();
  const name = oss.getBucket();
  await refused(oss.getBucketLifecycle(name), { name: "NoSuchLifecycleError", status: 404 });
  await oss.putBucketLifecycle(name, [
    { id: "delete after one day", prefix: "logs/", status: "Enabled", days: 1 },
    { prefix: "logs2/", status: "Disabled", date: "2032-10-11T00:00:00.000Z" },
    {
      id: "cold",
      prefix: "cold/",
      status: "Enabled",
      transition: { days: 30, storageClass: "IA" },
      expiration: { days: 90 },
      tag: [{ key: "kind", value: "a" }, { key: "age", value: "b" }],
    },
    { id: "parts", prefix: "parts/", status: "Enabled", abortMultipartUpload: { days: 3 } },
    {
      id: "versions",
      prefix: "versions/",
      status: "Enabled",
      expiration: { expiredObjectDeleteMarker: "true" },
      noncurrentVersionTransition: { noncurrentDays: "10", storageClass: "IA" },
      noncurrentVersionExpiration: { noncurrentDays: "20" },
    },
  ]);
  const { rules } = await oss.getBucketLifecycle(name);
  assert.equal(rules.length, 5);
  assert.deepEqual(rules[0], { id: "delete after one day", prefix: "logs/", status: "Enabled", expiration: { days: "1" } });
  assert.ok(rules[1].id, "a rule without an id is given one");
  assert.deepEqual([rules[1].status, rules[1].expiration], ["Disabled", { createdBeforeDate: "2032-10-11T00:00:00.000Z" }]);
  assert.deepEqual(rules[2].transition, { days: "30", storageClass: "IA" });
  assert.deepEqual(rules[2].tag, [{ key: "kind", value: "a" }, { key: "age", value: "b" }]);
  assert.deepEqual(rules[3].abortMultipartUpload, { days: "3" });
  assert.deepEqual(rules[4].expiration, { expiredObjectDeleteMarker: "true" });
  assert.deepEqual(rules[4].noncurrentVersionTransition, { noncurrentDays: "10", storageClass: "IA" });
  assert.deepEqual(rules[4].noncurrentVersionExpiration, { noncurrentDays: "20" });
  await oss.deleteBucketLifecycle(name);
  await refused(oss.getBucketLifecycle(name), { code: "NoSuchLifecycle" });
});

judge("PutBucketCors GetBucketCors DeleteBucketCors", "CORS rules are set, told, obeyed and removed", async () => {
  const oss = await fresh();
  const name = oss.getBucket();
  await refused(oss.getBucketCORS(name), { name: "NoSuchCORSConfigurationError", status: 404 });
  await oss.putBucketCORS(name, [
    {
      allowedOrigin: ["http://a.example.com", "http://b.example.com"],
      allowedMethod: ["GET", "PUT"],
      allowedHeader: "*",
      exposeHeader: ["ETag", "x-oss-request-id"],
      maxAgeSeconds: 100,
    },
    { allowedOrigin: "*", allowedMethod: "HEAD" },
  ]);
  const { rules } = await oss.getBucketCORS(name);
  assert.deepEqual(rules, [
    {
      allowedOrigin: ["http://a.example.com", "http://b.example.com"],
      allowedMethod: ["GET", "PUT"],
      allowedHeader: "*",
      exposeHeader: ["ETag", "x-oss-request-id"],
      maxAgeSeconds: "100",
    },
    { allowedOrigin: "*", allowedMethod: "HEAD" },
  ]);
  // What a browser sends ahead of a request of ali-oss on a page.
  const preflight = await ask(`http://${name}.oss-cn-hangzhou.aliyuncs.com/a`, {
    method: "OPTIONS",
    headers: {
      origin: "http://b.example.com",
      "access-control-request-method": "PUT",
      "access-control-request-headers": "authorization,x-oss-date",
    },
  });
  assert.equal(preflight.status, 200);
  assert.equal(preflight.headers["access-control-allow-origin"], "http://b.example.com");
  assert.match(preflight.headers["access-control-allow-methods"], /PUT/);
  await oss.deleteBucketCORS(name);
  await refused(oss.getBucketCORS(name), { code: "NoSuchCORSConfiguration" });
});

judge("", "what the server has not got is refused, and changes nothing", async () => {
  const oss = await fresh();
  const name = oss.getBucket();
  const policy = { Version: "1", Statement: [] };
  const asked = [
    () => oss.putBucketPolicy(name, policy),
    () => oss.putBucketEncryption(name, { SSEAlgorithm: "AES256" }),
    () => oss.getBucketEncryption(name),
    () => oss.deleteBucketEncryption(name),
    () => oss.getBucketRequestPayment(name),
    () => oss.putBucketRequestPayment(name, "Requester"),
    () => oss.getBucketWorm(name),
    () => oss.listBucketInventory(name),
    () => oss.putBucketTags(name, { a: "1" }),
    () => oss.getBucketTags(name),
  ];
  for (const one of asked) await refused(one(), { name: "NotImplementedError", status: 400 });
  assert.equal((await oss.getBucketInfo(name)).bucket.Name, name);
  assert.equal((await oss.listV2()).keyCount, 0);
});
