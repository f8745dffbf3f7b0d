"use strict";
// Pictures: processed while they are read, kept where they were processed, and by the image service of old.
//
// The bucket "pictures" holds photo.jpg, 80 by 40, taken the right way up, and plain.png of the same size, both put there by the
// Python client.

const fs = require("node:fs");
const path = require("node:path");
const { OSS, ask, assert, client, collect, fresh, judge, options, presign, refused, settings } = require("./judge");

const PICTURES = "pictures";
const REGIONAL = { imageHost: "img-cn-hangzhou.aliyuncs.com" };
const BOUND = { imageHost: "thumbnail.example.com", cname: true };

const image = (more) => new OSS.ImageClient(options({ bucket: PICTURES, ...more }));

// Width and height of a PNG.
function size(picture) {
  assert.equal(picture.subarray(1, 4).toString(), "PNG");
  return [picture.readUInt32BE(16), picture.readUInt32BE(20)];
}

const isJPEG = (picture) => picture.readUInt16BE(0) === 0xffd8;

judge("GetObject", "a picture is processed while it is read", async () => {
  const oss = client({ bucket: PICTURES });
  const got = await oss.get("photo.jpg", { process: "image/resize,w_20/format,png" });
  assert.deepEqual(size(got.content), [20, 10]);
  assert.equal(got.res.headers["content-type"], "image/png");
  const { stream } = await oss.getStream("plain.png", { process: "image/crop,w_8,h_8" });
  assert.deepEqual(size(await collect(stream)), [8, 8]);
  const target = path.join(settings.directory, "small.png");
  await oss.get("plain.png", target, { process: "image/resize,p_50" });
  assert.deepEqual(size(fs.readFileSync(target)), [40, 20]);
  const info = JSON.parse((await oss.get("photo.jpg", { process: "image/info" })).content);
  assert.deepEqual([info.ImageWidth.value, info.ImageHeight.value, info.Format.value], ["80", "40", "jpg"]);
  await refused(oss.get("photo.jpg", { process: "image/nonsense" }), { name: "InvalidArgumentError", status: 400 });
  const url = await presign(oss, "plain.png", { process: "image/resize,w_20" });
  assert.deepEqual(size((await ask(url)).body), [20, 10]);
});

judge("ProcessObject", "a processed picture is kept as another object, in another bucket, too", async () => {
  const oss = client({ bucket: PICTURES });
  const other = await fresh();
  const kept = await oss.processObjectSave("plain.png", "kept/文件 1.png", "image/resize,w_20");
  assert.equal(kept.status, 200);
  assert.deepEqual(size((await oss.get("kept/文件 1.png")).content), [20, 10]);
  await oss.processObjectSave("photo.jpg", "far.png", "image/resize,w_40/format,png", other.getBucket());
  const far = await other.get("far.png");
  assert.deepEqual([size(far.content), far.res.headers["content-type"]], [[40, 20], "image/png"]);
  assert.deepEqual((await other.list()).objects.map((one) => one.name), ["far.png"]);
  // ali-oss does not look at the status by itself.
  assert.equal((await oss.processObjectSave("missing.png", "never.png", "image/resize,w_20")).status, 404);
  await refused(oss.head("never.png"), { status: 404 });
});

judge("GetObject", "the image service reads operators from the name", async () => {
  for (const where of [REGIONAL, BOUND]) {
    const images = image(where);
    assert.deepEqual(size((await images.get("plain.png@20w_10h_1e.png")).content), [20, 10]);
    assert.ok(isJPEG((await images.get("photo.jpg@20w")).content));
    const { stream, res } = await images.getStream("plain.png@40w.png");
    assert.equal(res.status, 200);
    assert.deepEqual(size(await collect(stream)), [40, 20]);
    const target = path.join(settings.directory, "thumbnail.png");
    await images.get("plain.png@50p.png", target);
    assert.deepEqual(size(fs.readFileSync(target)), [40, 20]);
    await refused(images.get("missing.png@20w"), { name: "NoSuchKeyError", status: 404 });
    await refused(images.get("not-a-picture@20w"), { name: "BadRequestError", status: 400 });
  }
});

judge("GetObject", "the image service tells of a picture what it is", async () => {
  const images = image(REGIONAL);
  const { size: length } = fs.statSync(settings.photo);
  const info = await images.getInfo("photo.jpg");
  assert.equal(info.res.status, 200);
  assert.deepEqual(
    [info.data.FileSize, info.data.Format, info.data.ImageHeight, info.data.ImageWidth, info.data.Orientation],
    [length, "jpg", 40, 80, 1],
  );
  const exif = await images.getExif("photo.jpg");
  assert.deepEqual([exif.data.ImageHeight, exif.data.ImageWidth, exif.data.Orientation], [40, 80, 1]);
  await refused(images.getExif("plain.png"), { name: "BadRequestError", status: 400 });
  await refused(images.getInfo("missing.jpg"), { name: "NoSuchKeyError", status: 404 });
});

judge("GetObject", "a URL of the image service can be handed on", async () => {
  for (const where of [REGIONAL, BOUND]) {
    const url = image(where).signatureUrl("plain.png@20w.png");
    assert.match(url, /OSSAccessKeyId=ak/);
    assert.deepEqual(size((await ask(url)).body), [20, 10]);
    assert.equal((await ask(url.replace("20w", "40w"))).status, 403);
  }
});

// What ImageClient has for styles asks for an object called "?style&styleName=...": it escapes the question mark.  So the same
// requests are made with what lies below it.
async function style(oss, method, name, content) {
  return oss.request({
    method,
    bucket: oss.getBucket(),
    subres: name ? { style: "", styleName: name } : "style",
    content: content && `<?xml version="1.0" encoding="UTF-8"?>\n<Style><Content>${content}</Content></Style>`,
    successStatuses: [200, 204],
    xmlResponse: method === "GET",
  });
}

judge("PutStyle GetStyle ListStyle DeleteStyle", "styles are made, listed, used and removed", async () => {
  const oss = await fresh();
  await oss.put("plain.png", Buffer.from((await client({ bucket: PICTURES }).get("plain.png")).content));
  await style(oss, "PUT", "small", "image/resize,w_20");
  await style(oss, "PUT", "old", "40w.png");
  const { data } = await style(oss, "GET", "small");
  assert.deepEqual([data.Name, data.Content], ["small", "image/resize,w_20"]);
  assert.ok(!Number.isNaN(Date.parse(data.CreateTime)) && !Number.isNaN(Date.parse(data.LastModifyTime)));
  const all = (await style(oss, "GET")).data.Style;
  assert.deepEqual(all.map((one) => one.Name).sort(), ["old", "small"]);

  assert.deepEqual(size((await oss.get("plain.png", { process: "style/small" })).content), [20, 10]);
  const images = image({ ...REGIONAL, bucket: oss.getBucket() });
  assert.deepEqual(size((await images.get("plain.png@!old")).content), [40, 20]);

  await style(oss, "DELETE", "small");
  await refused(style(oss, "GET", "small"), { name: "NoSuchStyleError", status: 404 });
  await refused(oss.get("plain.png", { process: "style/small" }), { name: "NoSuchStyleError" });
});
