"use strict";
// URLs that can be handed on, forms for browsers, and the addresses that ali-oss forms.

const { OSS, account, agent, ask, assert, client, fresh, judge, options, presign, refused, settings } = require("./judge");

judge("GetObject", "an object has a URL, below the endpoint or a host of its own", async () => {
  const oss = await fresh();
  const name = oss.getBucket();
  await oss.put("foo/ü +.jpg", Buffer.from("x"), { headers: { "x-oss-object-acl": "public-read" } });
  assert.equal(
    oss.getObjectUrl("foo/bar.jpg", "https://cdn.example.com"),
    "https://cdn.example.com/foo/bar.jpg",
  );
  assert.equal(oss.getObjectUrl("foo/bar.jpg"), "http://oss-cn-hangzhou.aliyuncs.com/foo/bar.jpg");
  assert.equal(oss.generateObjectUrl("foo/bar.jpg"), `http://${name}.oss-cn-hangzhou.aliyuncs.com/foo/bar.jpg`);
  assert.equal((await ask(oss.generateObjectUrl("foo/ü +.jpg"))).body.toString(), "x");
});

judge("PutObject GetObject HeadObject DeleteObject", "a signed URL lets whoever has it read, write and remove", async () => {
  const oss = await fresh();
  const key = "dir/文件 +%.txt";
  const put = await presign(oss, key, { method: "PUT", headers: { "Content-Type": "text/x-own" } });
  assert.equal((await ask(put, { method: "PUT", body: "hello", headers: { "Content-Type": "text/x-own" } })).status, 200);
  assert.equal((await oss.get(key)).content.toString(), "hello");
  assert.equal((await oss.head(key)).res.headers["content-type"], "text/x-own");
  const wrong = await ask(put, { method: "PUT", body: "bye", headers: { "Content-Type": "text/other" } });
  assert.deepEqual([wrong.status, /<Code>(\w+)/.exec(wrong.body)[1]], [403, "SignatureDoesNotMatch"]);

  const response = { "content-type": "text/custom", "content-disposition": "attachment; filename=a b.txt" };
  const got = await ask(await presign(oss, key, { response }));
  assert.equal(got.body.toString(), "hello");
  assert.equal(got.headers["content-type"], "text/custom");
  assert.equal(got.headers["content-disposition"], "attachment; filename=a b.txt");
  const head = await ask(await presign(oss, key, { method: "HEAD" }), { method: "HEAD" });
  assert.equal(head.headers["content-length"], "5");

  const url = await presign(oss, key);
  assert.equal((await ask(url.replace("dir/", "dir2/"))).status, 403);
  assert.equal((await ask(await presign(oss, key, { method: "DELETE" }), { method: "DELETE" })).status, 204);
  assert.equal((await ask(url)).status, 404);
});

judge("GetObject", "a signed URL is good until it expires", async () => {
  const oss = await fresh();
  await oss.put("a", Buffer.from("x"));
  // Two seconds and more ago; version 4 has no expiry before its date, so its clock is turned back instead.
  const RealDate = Date;
  let url;
  try {
    global.Date = class extends RealDate {
      constructor(...given) {
        super(...(given.length ? given : [RealDate.now() - 700_000]));
      }

      static now() {
        return RealDate.now() - 700_000;
      }
    };
    url = await presign(oss, "a", { expires: 600 });
  } finally {
    global.Date = RealDate;
  }
  const late = await ask(url);
  assert.equal(late.status, 403);
  assert.match(late.body.toString(), /<Code>AccessDenied<.*expire/is);
});

judge("GetObject", "a URL of version 4 may be bound to headers", async () => {
  const oss = await fresh();
  await oss.put("a", Buffer.from("0123456789"));
  const headers = { range: "bytes=2-4" };
  const url = await oss.signatureUrlV4("GET", 60, { headers }, "a", ["Range"]);
  const got = await ask(url, { headers });
  assert.deepEqual([got.status, got.body.toString()], [206, "234"]);
  assert.equal((await ask(url, { headers: { range: "bytes=0-9" } })).status, 403);
});

judge("GetObject", "a URL may be signed when its turn comes", async () => {
  const oss = await fresh();
  await oss.put("a", Buffer.from("x"));
  assert.equal((await ask(await oss.asyncSignatureUrl("a", { expires: 60 }))).body.toString(), "x");
});

// The fields of a form, signed in the version under judgement.
function sign(oss, conditions) {
  const now = new Date();
  const policy = { expiration: new Date(Date.now() + 60_000).toISOString(), conditions };
  if (settings.signature === "V1") return oss.calculatePostSignature(policy);
  const date = `${now.toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`;
  const fields = {
    "x-oss-signature-version": "OSS4-HMAC-SHA256",
    "x-oss-credential": `ak/${date.slice(0, 8)}/cn-hangzhou/oss/aliyun_v4_request`,
    "x-oss-date": date,
  };
  policy.conditions = [...conditions, ...Object.entries(fields).map(([name, value]) => ({ [name]: value }))];
  return {
    ...fields,
    policy: Buffer.from(JSON.stringify(policy)).toString("base64"),
    "x-oss-signature": oss.signPostObjectPolicyV4(policy, now),
  };
}

async function post(oss, fields, content) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", new Blob([content], { type: "text/x-form" }), "some.txt");
  const encoded = new Response(form);
  const headers = { "content-type": encoded.headers.get("content-type") };
  const body = Buffer.from(await encoded.arrayBuffer());
  return ask(`http://${oss.getBucket()}.oss-cn-hangzhou.aliyuncs.com/`, { method: "POST", headers, body });
}

judge("PostObject", "a form of a browser uploads what its policy allows", async () => {
  const oss = await fresh();
  const conditions = [
    { bucket: oss.getBucket() },
    ["starts-with", "$key", "user/"],
    ["content-length-range", 1, 10],
    ["eq", "$success_action_status", "201"],
    ["eq", "$x-oss-meta-by", "文件"],
  ];
  const fields = {
    ...sign(oss, conditions),
    key: "user/${filename}",
    success_action_status: "201",
    "x-oss-meta-by": "文件",
  };
  const posted = await post(oss, fields, "hello");
  assert.equal(posted.status, 201, posted.body.toString());
  assert.match(posted.body.toString(), /<Key>user\/some.txt<\/Key>/);
  const got = await oss.get("user/some.txt");
  assert.equal(got.content.toString(), "hello");
  assert.equal(got.res.headers["content-type"], "text/x-form");
  assert.equal(Buffer.from((await oss.head("user/some.txt")).meta.by, "latin1").toString(), "文件");

  const code = async (more, content = "hello") => {
    const { status, body } = await post(oss, { ...fields, ...more }, content);
    return [status, /<Code>(\w+)/.exec(body)[1]];
  };
  assert.deepEqual(await code({}, "more than ten"), [400, "EntityTooLarge"]);
  assert.deepEqual(await code({}, ""), [400, "EntityTooSmall"]);
  assert.deepEqual(await code({ key: "elsewhere" }), [403, "AccessDenied"]);
  const signature = settings.signature === "V1" ? "Signature" : "x-oss-signature";
  assert.deepEqual(await code({ [signature]: "wrong" }), [403, "AccessDenied"]);
});

judge("AssumeRole PutObject GetObject", "a role gives temporary credentials, for what its policy allows", async () => {
  const oss = await fresh();
  const sts = new OSS.STS({ ...account, endpoint: "http://sts.aliyuncs.com", agent });
  const role = "acs:ram::1234567890123456:role/reader";
  const policy = {
    Version: "1",
    Statement: [{ Effect: "Allow", Action: ["oss:GetObject"], Resource: [`acs:oss:*:*:${oss.getBucket()}/*`] }],
  };
  const { credentials } = await sts.assumeRole(role, policy, 900, "session");
  assert.ok(Date.parse(credentials.Expiration) > Date.now());
  const temporary = (given, more) =>
    client({
      bucket: oss.getBucket(),
      accessKeyId: given.AccessKeyId,
      accessKeySecret: given.AccessKeySecret,
      stsToken: given.SecurityToken,
      refreshSTSToken: async () => assert.fail("nobody asked for it"),
      refreshSTSTokenInterval: 600_000,
      ...more,
    });
  await oss.put("a", Buffer.from("hello"));
  const reader = temporary(credentials);
  assert.equal((await reader.get("a")).content.toString(), "hello");
  await refused(reader.put("a", Buffer.from("bye")), { name: "AccessDeniedError", status: 403 });
  assert.equal((await ask(await presign(reader, "a"))).body.toString(), "hello");

  const { credentials: all } = await sts.assumeRole(role);
  await temporary(all).put("b", Buffer.from("x"));
  const forged = temporary({ ...all, SecurityToken: "forged" });
  await refused(forged.get("a"), { name: "InvalidSecurityTokenError", status: 403 });

  let refreshed = 0;
  const renewed = temporary({ AccessKeyId: "STS.gone", AccessKeySecret: "x", SecurityToken: "x" }, {
    refreshSTSTokenInterval: 0,
    refreshSTSToken: async () => {
      refreshed += 1;
      return { accessKeyId: all.AccessKeyId, accessKeySecret: all.AccessKeySecret, stsToken: all.SecurityToken };
    },
  });
  assert.equal((await renewed.get("a")).content.toString(), "hello");
  assert.equal(refreshed, 1);

  const stranger = new OSS.STS({ accessKeyId: "nobody", accessKeySecret: "x", endpoint: "http://sts.aliyuncs.com", agent });
  await refused(stranger.assumeRole(role), (error) => error.status >= 400 && error.code.startsWith("InvalidAccessKeyId"));
});

judge("PutObject GetObject ListObjectsV2", "every way to address a bucket leads to it", async () => {
  const oss = await fresh();
  const bucket = oss.getBucket();
  await oss.put("dir/文件+", Buffer.from("x"));
  const port = new URL(settings.url).port;
  const ways = [
    { internal: true },
    { region: "oss-cn-hangzhou", secure: false },
    { endpoint: "oss-cn-hangzhou.aliyuncs.com" },
    { endpoint: `http://localhost:${port}` },
    { endpoint: settings.url },
    { endpoint: `http://localhost:${port}`, sldEnable: true },
  ];
  for (const way of ways) {
    const other = client({ bucket, ...way });
    await other.put("own", Buffer.from(JSON.stringify(way)));
    assert.equal((await oss.get("own")).content.toString(), JSON.stringify(way));
    assert.equal((await other.get("dir/文件+")).content.toString(), "x");
    assert.deepEqual((await other.listV2({ prefix: "dir/" })).objects.map((one) => one.name), ["dir/文件+"]);
  }
  assert.throws(() => client({ bucket, endpoint: settings.url }).signatureUrl("a"), /endpoint is IP/);
});
