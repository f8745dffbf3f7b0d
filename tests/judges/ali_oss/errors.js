"use strict";
// Errors: what ali-oss makes of a refusal.

const { assert, ask, bytes, client, fresh, judge, plan, refused, secondAgent, settings } = require("./judge");

judge("GetObject", "an error has a name, code, message, request, host and EC", async () => {
  const oss = await fresh();
  await assert.rejects(oss.get("missing"), (error) => {
    assert.deepEqual([error.name, error.code, error.status], ["NoSuchKeyError", "NoSuchKey", 404]);
    assert.match(error.message, /does not exist/);
    assert.match(error.requestId, /^[0-9A-F]{24}$/);
    assert.equal(error.hostId, `${oss.getBucket()}.oss-cn-hangzhou.aliyuncs.com`);
    assert.match(error.ecCode, /^\d{4}-\d{8}$/);
    return true;
  });
});

judge("", "whoever is not known, or does not know the secret, is refused", async () => {
  const { options } = await fresh();
  const as = (more) => client({ bucket: options.bucket, ...more });
  await refused(as({ accessKeyId: "nobody" }).list(), { name: "InvalidAccessKeyIdError", status: 403 });
  await refused(as({ accessKeySecret: "wrong" }).list(), { name: "SignatureDoesNotMatchError", status: 403 });
  // HEAD has no body for the error; it comes in a header.
  await refused(as({ accessKeySecret: "wrong" }).head("a"), { name: "SignatureDoesNotMatchError", status: 403 });
  const late = as({ amendTimeSkewed: -20 * 60 * 1000 });
  await refused(late.list(), { name: "RequestTimeTooSkewedError", status: 403 });
});

judge("", "each thing that is wrong with a request has its name", async () => {
  const oss = await fresh();
  const put = (headers, name = "a") => oss.put(name, Buffer.from("x"), { headers });
  await refused(put({ "Content-MD5": Buffer.alloc(16).toString("base64") }), { name: "InvalidDigestError", status: 400 });
  // The code ends in Error already.
  const encryption = { name: "InvalidEncryptionAlgorithmErrorError", code: "InvalidEncryptionAlgorithmError", status: 400 };
  await refused(put({ "x-oss-server-side-encryption": "ROT13" }), encryption);
  await refused(put({ "x-oss-storage-class": "Lukewarm" }), { name: "InvalidArgumentError", status: 400 });
  await refused(put({ "x-oss-tagging": "a=1&a=2" }), { name: "InvalidTagError", status: 400 });
  await refused(put({}, "k".repeat(1024)), { name: "InvalidObjectNameError", status: 400 });
  await refused(oss.putBucketACL(oss.getBucket(), "nobody"), { name: "InvalidArgumentError", status: 400 });
  await refused(oss.putBucketReferer(oss.getBucket(), true, ["<&"]), { name: "MalformedXMLError", status: 400 });
  await refused(client({ bucket: "no-such-bucket-here" }).list(), { name: "NoSuchBucketError", status: 404 });
  await refused(client({ bucket: "under_score" }).list(), { name: "InvalidBucketNameError", status: 400 });
  await refused(oss.putBucketLogging(oss.getBucket(), "x".repeat(33)), { status: 400 });
  const names = Array.from({ length: 1001 }, (_, index) => `${index}`);
  await refused(oss.deleteMulti(names), { name: "MalformedXMLError", status: 400 });
});

judge("", "nobody's request is refused, in words that ali-oss understands", async () => {
  const oss = await fresh();
  const { status, body } = await ask(`http://${oss.getBucket()}.oss-cn-hangzhou.aliyuncs.com/a`);
  const error = await oss.requestError({ status, data: body, headers: {} });
  assert.deepEqual([error.name, error.status], ["AccessDeniedError", 403]);
});

judge("", "a server that fails is told apart from one that refuses", async () => {
  const oss = client({ agent: secondAgent, bucket: "failing" });
  await oss.putBucket("failing");
  try {
    await plan([{ operation: "PutObject", status: 500 }]);
    await refused(oss.put("a", bytes(10)), { name: "InternalErrorError", status: 500, code: "InternalError" });
    await plan([{ operation: "PutObject", reset: true }]);
    await refused(oss.put("a", bytes(10)), { status: -1 });
    await plan([{ operation: "PutObject", delay: 60 }]);
    await refused(oss.put("a", bytes(10), { timeout: 200 }), { name: "ResponseTimeoutError" });
    await plan([{ operation: "PutObject", reset: true }]);
    const stubborn = client({ agent: secondAgent, bucket: "failing", retryMax: 1 });
    assert.equal((await stubborn.put("a", bytes(10))).res.status, 200);
    assert.deepEqual((await oss.get("a")).content, bytes(10));
  } finally {
    await plan([]);
  }
});
