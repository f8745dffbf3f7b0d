"use strict";
// Objects in parts: by hand, by ali-oss itself, stopped and resumed, and copied.

const fs = require("node:fs");
const path = require("node:path");
const { assert, bytes, client, fresh, judge, refused, settings } = require("./judge");

const KIB = 1024;
const PART = 100 * KIB;

function file(name, size) {
  const made = path.join(settings.directory, name);
  fs.writeFileSync(made, bytes(size));
  return made;
}

judge(
  "InitiateMultipartUpload UploadPart ListParts ListMultipartUploads CompleteMultipartUpload",
  "an object is put together from parts by hand",
  async () => {
    const oss = await fresh();
    const source = file("by-hand", 2 * PART + 10);
    const { uploadId, name, bucket } = await oss.initMultipartUpload("a 文件", { mime: "text/x", meta: { a: "1" } });
    assert.deepEqual([name, bucket], ["a 文件", oss.getBucket()]);
    const parts = [];
    for (const [number, start, end] of [[3, 2 * PART, 2 * PART + 10], [1, 0, PART], [2, PART, 2 * PART]]) {
      const { etag } = await oss.uploadPart("a 文件", uploadId, number, source, start, end);
      parts.push({ number, etag });
    }
    const told = await oss.listParts("a 文件", uploadId, { "max-parts": 2 });
    assert.deepEqual([told.isTruncated, told.nextPartNumberMarker], ["true", "2"]);
    assert.deepEqual(told.parts.map((one) => [one.PartNumber, one.Size]), [["1", String(PART)], ["2", String(PART)]]);
    assert.deepEqual(told.parts.map((one) => one.ETag), [parts[1].etag, parts[2].etag]);
    const rest = await oss.listParts("a 文件", uploadId, { "part-number-marker": 2 });
    assert.equal(rest.parts.PartNumber, "3");

    const { uploads } = await oss.listUploads({ prefix: "a", "max-uploads": 10 });
    assert.deepEqual(uploads.map((one) => [one.name, one.uploadId]), [["a 文件", uploadId]]);

    const done = await oss.completeMultipartUpload("a 文件", uploadId, parts);
    assert.match(done.etag, /^"[0-9A-F]{32}-3"$/);
    assert.deepEqual((await oss.get("a 文件")).content, bytes(2 * PART + 10));
    const head = await oss.head("a 文件");
    assert.deepEqual([head.meta, head.res.headers["content-type"]], [{ a: "1" }, "text/x"]);
    assert.equal(head.res.headers["x-oss-object-type"], "Multipart");
  },
);

judge("ListMultipartUploads AbortMultipartUpload", "uploads are listed in pages and given up", async () => {
  const oss = await fresh();
  const made = [];
  for (const name of ["a", "a", "b", "c"]) made.push(await oss.initMultipartUpload(name));
  const found = [];
  let query = { "max-uploads": 3 };
  for (;;) {
    const page = await oss.listUploads(query);
    found.push(...page.uploads);
    if (!page.isTruncated) break;
    query = { ...query, "key-marker": page.nextKeyMarker, "upload-id-marker": page.nextUploadIdMarker };
  }
  assert.deepEqual(found.map((one) => one.name), ["a", "a", "b", "c"]);
  assert.deepEqual(found.map((one) => one.uploadId).sort(), made.map((one) => one.uploadId).sort());
  for (const { name, uploadId } of found) assert.equal((await oss.abortMultipartUpload(name, uploadId)).res.status, 204);
  assert.deepEqual((await oss.listUploads({})).uploads, []);
  await refused(oss.abortMultipartUpload("a", made[0].uploadId), { name: "NoSuchUploadError", status: 404 });
});

judge("PutObject UploadPart CompleteMultipartUpload", "a file goes up in parts and tells how far it is", async () => {
  const oss = await fresh();
  const seen = [];
  const size = 5 * PART + 1;
  const result = await oss.multipartUpload("big.html", file("big.html", size), {
    parallel: 3,
    partSize: PART,
    meta: { year: 2024 },
    headers: { "Cache-Control": "no-cache" },
    progress: (share, checkpoint) => seen.push([share, checkpoint && checkpoint.doneParts.length]),
  });
  assert.match(result.etag, /-6"$/);
  assert.deepEqual([result.name, result.bucket], ["big.html", oss.getBucket()]);
  assert.deepEqual(seen[0], [0, 0]);
  assert.deepEqual(seen.at(-1), [1, null]);
  assert.equal(seen.length, 8);
  assert.deepEqual((await oss.get("big.html")).content, bytes(size));
  const head = await oss.head("big.html");
  assert.deepEqual(head.meta, { year: "2024" });
  assert.equal(head.res.headers["content-type"], "text/html");
  assert.equal(head.res.headers["cache-control"], "no-cache");

  const small = await oss.multipartUpload("small", bytes(KIB), { progress: (share) => seen.push(share) });
  assert.equal(seen.at(-1), 1);
  assert.doesNotMatch(small.etag, /-/);
  await oss.multipartUpload("buffer", bytes(3 * PART), { partSize: PART });
  assert.deepEqual((await oss.get("buffer")).content, bytes(3 * PART));
});

judge("UploadPart ListParts CompleteMultipartUpload", "an upload that was cancelled goes on from its checkpoint", async () => {
  const oss = await fresh();
  const source = file("resumed", 4 * PART);
  let saved;
  const stopping = oss.multipartUpload("big", source, {
    parallel: 1,
    partSize: PART,
    progress: (_share, checkpoint) => {
      if (checkpoint && checkpoint.doneParts.length === 2) {
        saved = JSON.parse(JSON.stringify(checkpoint));
        oss.cancel();
      }
    },
  });
  await refused(stopping, (error) => oss.isCancel() && error.name === "cancel");
  await refused(oss.head("big"), { status: 404 });
  const { parts } = await oss.listParts("big", saved.uploadId);
  assert.deepEqual(parts.map((one) => one.PartNumber), ["1", "2"]);

  const shares = [];
  const other = client({ bucket: oss.getBucket() });
  const done = await other.multipartUpload("big", source, { checkpoint: saved, progress: (share) => shares.push(share) });
  assert.match(done.etag, /-4"$/);
  assert.equal(shares.length, 3, "two parts that were missing, and the end");
  assert.deepEqual((await oss.get("big")).content, bytes(4 * PART));
});

judge("UploadPart AbortMultipartUpload", "an upload that was given up meanwhile ends with an abort", async () => {
  const oss = await fresh();
  const other = client({ bucket: oss.getBucket() });
  const going = oss.multipartUpload("big", file("aborted", 4 * PART), {
    parallel: 1,
    partSize: PART,
    progress: async (_share, checkpoint) => {
      if (checkpoint && checkpoint.doneParts.length === 1) await other.abortMultipartUpload("big", checkpoint.uploadId);
    },
  });
  await refused(going, { name: "abort" });
  assert.deepEqual((await oss.listUploads({})).uploads, []);
});

judge("InitiateMultipartUpload UploadPartCopy CompleteMultipartUpload", "parts are copied from another object", async () => {
  const oss = await fresh();
  const other = await fresh();
  await other.put("source 文件+", bytes(3 * PART));
  const source = { sourceKey: "source 文件+", sourceBucketName: other.getBucket() };
  const { uploadId } = await oss.initMultipartUpload("joined");
  const parts = [];
  for (const [number, range] of [[1, `0-${PART - 1}`], [2, `${PART}-${3 * PART - 1}`]]) {
    const { etag } = await oss.uploadPartCopy("joined", uploadId, number, range, source);
    parts.push({ number, etag: etag || (await part(oss, "joined", uploadId, number)) });
  }
  await oss.completeMultipartUpload("joined", uploadId, parts);
  assert.deepEqual((await oss.get("joined")).content, bytes(3 * PART));

  const { uploadId: unfinished } = await oss.initMultipartUpload("never");
  const missing = { ...source, sourceKey: "missing" };
  await refused(oss.uploadPartCopy("never", unfinished, 1, "0-9", missing), { name: "NoSuchKeyError" });
});

async function part(oss, name, uploadId, number) {
  const { parts } = await oss.listParts(name, uploadId, {});
  return [].concat(parts).find((one) => Number(one.PartNumber) === number).ETag;
}

judge("HeadObject UploadPartCopy CompleteMultipartUpload", "an object is copied in parts", async () => {
  const oss = await fresh();
  const other = await fresh();
  await other.put("source", bytes(5 * PART));
  const source = { sourceKey: "source", sourceBucketName: other.getBucket() };
  const shares = [];
  const copied = await oss.multipartUploadCopy("copy", { ...source }, {
    parallel: 2,
    partSize: 2 * PART,
    mime: "text/x",
    progress: (share) => shares.push(share),
  });
  assert.match(copied.etag, /-3"$/);
  assert.deepEqual([shares[0], shares.at(-1)], [0, 1]);
  assert.deepEqual((await oss.get("copy")).content, bytes(5 * PART));
  await oss.multipartUploadCopy("piece", { ...source, startOffset: PART, endOffset: 4 * PART }, { partSize: 2 * PART });
  assert.deepEqual((await oss.get("piece")).content, bytes(5 * PART).subarray(PART, 4 * PART));
});

judge("CompleteMultipartUpload", "parts that are wrong make no object", async () => {
  const oss = await fresh();
  const source = file("wrong", 2 * PART);
  const { uploadId } = await oss.initMultipartUpload("a");
  const first = await oss.uploadPart("a", uploadId, 1, source, 0, KIB);
  const second = await oss.uploadPart("a", uploadId, 2, source, KIB, 2 * KIB);
  const parts = [{ number: 1, etag: first.etag }, { number: 2, etag: second.etag }];
  await refused(oss.completeMultipartUpload("a", uploadId, parts), { name: "EntityTooSmallError", status: 400 });
  const foreign = [{ number: 1, etag: second.etag }];
  await refused(oss.completeMultipartUpload("a", uploadId, foreign), { name: "InvalidPartError", status: 400 });
  await refused(oss.completeMultipartUpload("a", "0".repeat(32), parts), { name: "NoSuchUploadError", status: 404 });
  await refused(oss.head("a"), { status: 404 });
});
