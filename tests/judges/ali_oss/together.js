"use strict";
// What the Python client wrote, ali-oss reads; and what it writes here, test_ali_oss.py reads with the Python client.

const { assert, bytes, client, judge } = require("./judge");

const PART = 100 * 1024;
const python = client({ bucket: "from-python" });
const node = client({ bucket: "from-node" });

judge("GetObject HeadObject", "an object of the Python client has its bytes, headers, meta and tags", async () => {
  assert.deepEqual((await python.get("dir/文件 +%.bin")).content, bytes(70000));
  const head = await python.head("dir/文件 +%.bin");
  assert.deepEqual(head.meta, { by: "python", "of-two": "words here" });
  assert.equal(head.res.headers["content-type"], "text/x-python");
  assert.equal(head.res.headers["cache-control"], "no-cache");
  assert.equal(head.res.headers["x-oss-storage-class"], "IA");
  assert.deepEqual((await python.getObjectTagging("dir/文件 +%.bin")).tag, { kind: "test", "a b": "c/d" });
  assert.equal((await python.getACL("dir/文件 +%.bin")).acl, "public-read");
});

judge("GetObject HeadObject GetSymlink", "objects of every type of the Python client are what they are", async () => {
  assert.deepEqual((await python.get("multipart")).content, bytes(3 * PART + 1));
  const { headers } = (await python.head("multipart")).res;
  assert.deepEqual([headers["x-oss-object-type"], headers.etag.slice(-3)], ["Multipart", '-4"']);
  const appended = await python.get("appended");
  assert.equal(appended.content.toString(), "one,two");
  assert.equal(appended.res.headers["x-oss-next-append-position"], "7");
  assert.equal((await python.append("appended", Buffer.from(",three"), { position: "7" })).nextAppendPosition, "13");
  assert.equal((await python.getSymlink("link")).targetName, "dir/文件 +%.bin");
  assert.deepEqual((await python.get("link")).content, bytes(70000));
  assert.deepEqual((await python.get("copy")).content, bytes(70000));
  const { uploads } = await python.listUploads({});
  assert.deepEqual(uploads.map((one) => one.name), ["unfinished"]);
  const { parts } = await python.listParts("unfinished", uploads[0].uploadId, {});
  await python.completeMultipartUpload("unfinished", uploads[0].uploadId, [{ number: 1, etag: parts.ETag }]);
  assert.deepEqual((await python.get("unfinished")).content, bytes(PART));
});

judge("GetBucketLifecycle GetBucketCors GetBucketLogging", "what the Python client set for a bucket is told", async () => {
  const name = python.getBucket();
  const { rules } = await python.getBucketLifecycle(name);
  assert.deepEqual(
    rules.map((one) => [one.id, one.prefix, one.status, one.expiration.days]),
    [["old & <gone>", "logs/", "Enabled", "7"]],
  );
  assert.deepEqual((await python.getBucketCORS(name)).rules, [
    { allowedOrigin: "http://example.com", allowedMethod: ["GET", "PUT"], allowedHeader: "*", maxAgeSeconds: "60" },
  ]);
  const referer = await python.getBucketReferer(name);
  assert.deepEqual([referer.allowEmpty, referer.referers], [true, ["http://*.example.com"]]);
  const website = await python.getBucketWebsite(name);
  assert.deepEqual([website.index, website.error], ["index.html", "error.html"]);
  const logging = await python.getBucketLogging(name);
  assert.deepEqual([logging.enable, logging.prefix], [true, "logs/"]);
});

judge("PutObject AppendObject PutSymlink CopyObject UploadPart", "objects are left for the Python client", async () => {
  await node.put("dir/文件 +%.bin", bytes(70000), {
    mime: "text/x-node",
    meta: { by: "node", "of-two": "words here" },
    headers: {
      "Cache-Control": "no-cache",
      "x-oss-storage-class": "IA",
      "x-oss-tagging": "kind=test&a%20b=c%2Fd",
      "x-oss-object-acl": "public-read",
    },
  });
  await node.multipartUpload("multipart", bytes(3 * PART + 1), { partSize: PART });
  await node.append("appended", Buffer.from("one,"));
  await node.append("appended", Buffer.from("two"), { position: 4 });
  await node.putSymlink("link", "dir/文件 +%.bin");
  await node.copy("copy", "dir/文件 +%.bin");
  const { uploadId } = await node.initMultipartUpload("unfinished");
  await node._uploadPart("unfinished", uploadId, 1, { stream: node._createStream(bytes(PART), 0, PART), size: PART });
});

judge("PutBucketLifecycle PutBucketCors PutBucketLogging", "settings are left for the Python client", async () => {
  const name = node.getBucket();
  await node.putBucketLifecycle(name, [{ id: "old", prefix: "logs/", status: "Enabled", expiration: { days: 7 } }]);
  await node.putBucketCORS(name, [
    { allowedOrigin: "http://example.com", allowedMethod: ["GET", "PUT"], allowedHeader: "*", maxAgeSeconds: 60 },
  ]);
  await node.putBucketReferer(name, true, ["http://*.example.com"]);
  await node.putBucketWebsite(name, { index: "index.html", error: "error.html" });
  await node.putBucketLogging(name, "logs/");
  await node.putBucketVersioning(name, "Enabled");
  await node.putBucketACL(name, "public-read");
});
